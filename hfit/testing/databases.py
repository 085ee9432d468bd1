"""Databases for tests: filled from a package, and put back when the test is over.

A database that is not there is made for the test and removed after it. One that is there is filled in place, and what
loading and the test added is taken out again, so the next test can load the same. Processes of pytest-xdist take turns
at one database; databases of their own (the worker's name in the URL) let them run side by side.

How a database is put back is ``Way``: by copies of a loaded one, or by loading again for each test; or it stays filled
for the whole session, because the tests roll back what they do (``kept``).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hfit.load.interface import LoadReport, Target
from hfit.package.manifest import MAX_MANIFEST_BYTES
from hfit.package.names import MANIFEST
from hfit.refresh.cache import patiently_locked

_Result = TypeVar("_Result")
Load = Callable[[Target, str], LoadReport]
"""Loads the package into a target, in a mode."""


class Way(enum.StrEnum):
    """How tests are kept apart."""

    DATABASE = "database"
    TRANSACTION = "transaction"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class Room:
    """A folder that the processes of one test session share, and who this process is in it."""

    folder: Path
    session: str
    worker: str
    leaving: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @contextlib.contextmanager
    def turn(self, *names: str) -> Iterator[Path]:
        """Hold something that has this name in all processes; gives a private folder for it."""
        key = hashlib.sha256("\0".join(names).encode()).hexdigest()[:20]
        place = self.folder / key
        place.mkdir(parents=True, exist_ok=True)
        with patiently_locked(place / "turn"):
            yield place


@dataclass(frozen=True, slots=True)
class Filling:
    """The SQL of one provider on its way into one target. Two with the same ``content`` are loaded alike."""

    target: Target
    mode: str
    content: tuple[str, ...]
    load: Load
    room: Room
    way: Way = Way.DATABASE

    def run(self, target: Target | None = None) -> LoadReport:
        """Load into the target, or into another one in its place."""
        return self.load(target or self.target, self.mode)


class Isolation(Protocol):
    """How an engine is filled and put back."""

    def filled(self, filling: Filling) -> contextlib.AbstractContextManager[LoadReport]:
        """The target with the package in it; as it was when the block is left."""

    def look(self, target: Target) -> object:
        """What the target holds now, for ``settle``."""

    def settle(self, target: Target, before: object) -> bool:
        """Set counters back to where they were; whether everything else is as it was."""


def finish(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end in a thread, because the test may have an event loop of its own."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


def package_digest(package: Path) -> str:
    """What the package says its digest is; loading verifies it."""
    with (package / MANIFEST).open("rb") as file:
        return str(json.loads(file.read(MAX_MANIFEST_BYTES))["package_digest"])


def write_report(path: Path, report: LoadReport) -> None:
    """Keep a report for the other processes."""
    path.write_text(json.dumps(asdict(report)), "utf-8")


def read_report(path: Path, target: Target) -> LoadReport:
    """A kept report, as if it were of ``target``."""
    fields = json.loads(path.read_text("utf-8"))
    return replace(
        LoadReport(**{**fields, "notes": tuple(fields["notes"]), "steps": tuple(fields["steps"])}), target=str(target)
    )
