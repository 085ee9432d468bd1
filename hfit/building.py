"""How far the gateway is with a plan or a package, told while the answer is still to come
(``GET /packages/{id}/events``).

1. What is asked for gets a name first (``X-Hfit-Watch``), by which it is followed from the beginning, at whichever
   instance of the gateway. One that is older and knows no names is asked by the package's id, once there is one.
2. It is asked over a connection of its own, in a thread, and only by who wants to see it, when the answer has not come
   after a moment. Nothing depends on it: whatever goes wrong with it, the work goes on and nobody is told.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Iterator
from urllib.parse import quote

from hfit.errors import HfitClientError
from hfit.gateway import Gateway
from hfit.told import Planning, Told

MAX_LINE_BYTES = 65_536
PATIENCE_SECONDS = 0.3  # an answer that comes sooner needs nobody who follows it


@contextlib.contextmanager
def following(gateway: Gateway, told: Told) -> Iterator[Watch]:
    """Gives what follows one plan or package, from its ``begin`` until the block ends."""
    watch = Watch(gateway, told)
    try:
        yield watch
    finally:
        watch.end()


class Watch:
    """``name`` is what to send with the request; empty when nobody wants to know."""

    def __init__(self, gateway: Gateway, told: Told) -> None:
        self.name = f"w.{secrets.token_urlsafe(18)}" if told.of_the_gateway else ""
        self._gateway = gateway
        self._told = told
        self._telling = threading.Lock()
        self._over, self._identified = threading.Event(), threading.Event()
        self._package_id = ""
        self._begun = False

    def begin(self) -> None:
        """The request is about to be sent, perhaps not for the first time."""
        if self.name and not self._begun:
            self._begun = True
            threading.Thread(target=self._run, name="hfit-building", daemon=True).start()

    def answered(self, package_id: str) -> None:
        """The answer has begun, and it is a package that is still being made."""
        self._package_id = package_id
        self._identified.set()

    def end(self) -> None:
        """Tell nothing any more; the thread ends with the next thing that it hears."""
        with self._telling:
            self._over.set()
        self._identified.set()

    def _run(self) -> None:
        if self._over.wait(PATIENCE_SECONDS) or self._listen(self.name):
            return
        self._identified.wait()
        if self._package_id and not self._over.is_set():
            self._listen(self._package_id)

    def _listen(self, name: str) -> bool:
        """Tell what is said under this name, until there is nothing more; False when it cannot be heard."""
        try:
            with self._gateway.open("GET", f"/packages/{quote(name, safe='')}/events") as response:
                for kind, data in read_events(response.chunks()):
                    if not self._tell(kind, data):
                        break
        except (HfitClientError, OSError, ValueError, KeyError, TypeError, RecursionError):
            return False
        return True

    def _tell(self, kind: str, data: str) -> bool:
        """False when there is nothing more to tell."""
        planning = read_planning(data) if kind == "planning" else None
        figures = read_progress(data) if kind == "progress" else None
        with self._telling:
            if self._over.is_set():
                return False
            if planning is not None:
                self._told.planning(planning)
            if figures is not None:
                self._told.building(*figures)
            return True


def read_planning(data: str) -> Planning:
    """The figures of a plan; ValueError, KeyError or TypeError for anything else."""
    said = json.loads(data)
    exports, expected_exports, tables, expected_tables, rows = (
        said[name] for name in ("exports", "expected_exports", "tables", "expected_tables", "rows")
    )
    share = said["share"]
    if any(type(count) is not int for count in (exports, expected_exports, tables, expected_tables, rows)):
        raise ValueError("not figures")
    if share is not None and not (isinstance(share, int | float) and 0 <= share <= 1):
        raise ValueError("not a part")
    return Planning(exports, expected_exports, tables, expected_tables, rows, share)


def read_progress(data: str) -> tuple[int, int | None]:
    """Rows that are written, and how many there will be; ValueError, KeyError or TypeError for anything else."""
    said = json.loads(data)
    rows, expected = said["rows"], said["expected_rows"]
    if not isinstance(rows, int) or not (expected is None or isinstance(expected, int)):
        raise ValueError("not figures")
    return rows, max(expected, rows) if expected else None


def read_events(chunks: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """Server-sent events of one line of data each, as (event, data). ValueError where a line is longer than 64 KiB."""
    pending, kind = b"", ""
    for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        if len(pending) > MAX_LINE_BYTES:
            raise ValueError("a line is too long")
        for line in lines:
            name, _, value = line.decode("utf-8", "replace").rstrip("\r").partition(":")
            if name == "event":
                kind = value.strip()
            elif name == "data":
                yield kind, value.strip()
