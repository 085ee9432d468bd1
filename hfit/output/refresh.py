"""How far ``hfit refresh`` is, in words; and as lines now and then where nobody sits at a terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from hfit.told import NOBODY, Told

LINE_SECONDS = 30.0


class Tally:
    """How many of ``whole`` packages are done, and which are under way with what part of them. Threads may share it."""

    def __init__(self, whole: int) -> None:
        self.whole, self.done = whole, 0
        self._parts: dict[str, float] = {}
        self._began = time.monotonic()

    def begin(self, name: str) -> None:
        """One is under way."""
        self._parts[name] = 0.0

    def set_part(self, name: str, done: int, total: int | None) -> None:
        """How far it is, 0 to 1, where that is known."""
        if name in self._parts:
            self._parts[name] = min(done / total, 1.0) if total else 0.0

    def end(self, name: str) -> None:
        """It is done, well or badly."""
        self._parts.pop(name, None)
        self.done += 1

    @property
    def under_way(self) -> list[str]:
        """Names, the first begun first."""
        return list(self._parts)

    @property
    def amount(self) -> float:
        """Packages, with the parts of those under way."""
        return self.done + sum(list(self._parts.values()))

    def words(self) -> str:
        """As ``3 of 12 packages, 4.1 packages/min, 0:01:58 left``; without the rest while nobody can know."""
        said = f"{self.done:,} of {self.whole:,} packages"
        seconds, amount = time.monotonic() - self._began, self.amount
        if not amount or not seconds:
            return said
        left = timedelta(seconds=round((self.whole - amount) * seconds / amount))
        return f"{said}, {60 * amount / seconds:,.1f} packages/min, {left} left"


class RefreshTold:
    """What a run tells. This one tells nobody."""

    def begin(self, _: str) -> Told:
        """A package is under way; gives who is told how far."""
        return NOBODY

    def end(self, _: str) -> None:
        """It is done."""

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Something else is written meanwhile."""
        yield


class RefreshLines(RefreshTold):
    """A line every half a minute, for logs; ``say`` writes it."""

    def __init__(self, whole: int, say: Callable[[str], None], every_seconds: float = LINE_SECONDS) -> None:
        self._tally, self._say, self._every = Tally(whole), say, every_seconds
        self._over = threading.Event()

    def begin(self, name: str) -> Told:
        """See RefreshTold."""
        self._tally.begin(name)
        return NOBODY

    def end(self, name: str) -> None:
        """See RefreshTold."""
        self._tally.end(name)

    @contextlib.contextmanager
    def running(self) -> Iterator[RefreshTold]:
        """Lines while the block runs."""
        thread = threading.Thread(target=self._run, name="hfit-refresh-lines", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._say(f"{self._tally.words()}; now: {', '.join(self._tally.under_way)}.")
