"""How far the gateway is with a package, told while the package is still being made (``GET /packages/{id}/events``).

It is asked over a connection of its own, in a thread, and only by who wants to see it. Nothing depends on it: whatever
goes wrong with it, the download goes on and nobody is told.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote

from hfit.errors import HfitClientError
from hfit.gateway import Gateway
from hfit.transfer import Progress, silent

MAX_LINE_BYTES = 65_536
Follow = Callable[[str], None]
"""Called with the id of a package that is being made."""


@contextlib.contextmanager
def following(gateway: Gateway, told: Progress) -> Iterator[Follow]:
    """Gives what follows a package from then on until the block ends: ``told`` gets the rows that are written so far
    and those that are expected, both about. One package is followed in a block, however often it is asked for."""
    watcher = _Watcher(gateway, told)
    try:
        yield watcher.start if told is not silent else lambda _: None
    finally:
        watcher.end()


class _Watcher:
    def __init__(self, gateway: Gateway, told: Progress) -> None:
        self._gateway = gateway
        self._told = told
        self._telling = threading.Lock()
        self._ended = self._started = False

    def start(self, package_id: str) -> None:
        """Begin, unless it has begun."""
        if package_id and not self._started:
            self._started = True
            threading.Thread(target=self._watch, args=(package_id,), name="hfit-building", daemon=True).start()

    def end(self) -> None:
        """Tell nothing any more; the thread ends with the next thing that it hears."""
        with self._telling:
            self._ended = True

    def _watch(self, package_id: str) -> None:
        try:
            with self._gateway.open("GET", f"/packages/{quote(package_id, safe='')}/events") as response:
                for kind, data in read_events(response.chunks()):
                    if kind == "progress" and not self._tell(data):
                        return
        except (HfitClientError, OSError, ValueError, KeyError, TypeError, RecursionError):
            return

    def _tell(self, data: str) -> bool:
        said = json.loads(data)
        rows, expected = said["rows"], said["expected_rows"]
        if not isinstance(rows, int) or not (expected is None or isinstance(expected, int)):
            return False
        with self._telling:
            if not self._ended:
                self._told(rows, max(expected, rows) if expected else None)
            return not self._ended


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
