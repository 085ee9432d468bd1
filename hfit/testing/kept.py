"""Databases that stay filled from test to test, because the tests roll back what they do.

1. A database is filled when a test asks for it first, and put back when the session ends.
2. After each test it is looked at. Counters, which no rollback moves, are set back. When a test has committed
   something, the database is put back, and filled again for the next test.
3. One that other processes of pytest-xdist may use too, which is one without this process's name in its own name, is
   filled for each test, in turns.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from hfit.load.interface import LoadReport
from hfit.testing.databases import Filling, Isolation, Room

ALONE = "main"
Turn = contextlib.AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class _Kept:
    """One filled database; ``leaving`` puts it back."""

    content: tuple[str, ...]
    report: LoadReport
    before: object
    leaving: contextlib.ExitStack


@dataclass(frozen=True, slots=True)
class KeptDatabases:
    """Those of one process."""

    room: Room
    _kept: dict[tuple[str, ...], _Kept] = field(default_factory=dict)

    def may_keep(self, filling: Filling) -> bool:
        """Step 3."""
        return self.room.worker == ALONE or self.room.worker in filling.target.database

    @contextlib.contextmanager
    def used(self, filling: Filling, isolation: Isolation, turn: Turn) -> Iterator[LoadReport]:
        """The filled database for one test (steps 1 and 2); ``turn`` is held as long as it stays filled."""
        place = filling.target.place
        kept = self._kept.get(place)
        if kept is not None and kept.content != filling.content:
            self.leave(place)
            kept = None
        if kept is None:
            kept = self._kept[place] = _fill(filling, isolation, turn)
        try:
            yield kept.report
        finally:
            if not isolation.settle(filling.target, kept.before):
                self.leave(place)

    def close(self) -> None:
        """Put everything back."""
        with contextlib.ExitStack() as stack:
            for place in list(self._kept):
                stack.callback(self.leave, place)

    def leave(self, place: tuple[str, ...]) -> None:
        """Put a database back, if it is filled."""
        kept = self._kept.pop(place, None)
        if kept is not None:
            kept.leaving.close()


def _fill(filling: Filling, isolation: Isolation, turn: Turn) -> _Kept:
    with contextlib.ExitStack() as stack:
        stack.enter_context(turn)
        report = stack.enter_context(isolation.filled(filling))
        before = isolation.look(filling.target)
        return _Kept(filling.content, report, before, stack.pop_all())
