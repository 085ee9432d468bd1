"""How far one plan or one package is, for whoever follows it.

What is told are events: ``planning`` and ``progress`` are figures, of which only the newest counts; ``member``,
``done`` and ``failed`` are told once each. Nobody who does the work waits for anybody who follows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from hfitd.errors import HfitError, Internal
from hfitd.export.package.pace import Pace
from hfitd.model import Json

Event = tuple[str, Json]
FIGURES_SECONDS = 1.0  # between two figures, unless something else is told as well
QUIET_SECONDS = 10.0  # after so long without a word BEAT is told, for connections that end when nothing passes
BEAT: Event = ("", None)


class Planning:
    """How many exports of a plan are checked, and how many rows the walks of its subsets have found.

    The way that is left is judged by tables: an export weighs as many as it reads, a file one. Of an export whose walk
    is under way the part is that of the rows found in the rows its databases expect; once more are found than were
    expected, nobody knows, and nothing is said.
    """

    def __init__(self) -> None:
        self._weights: Sequence[int] = ()
        self._tables: Sequence[int] = ()
        self._checked = 0
        self._rows = 0
        self._expected: int | None = None
        self._found: Callable[[], int] | None = None

    @property
    def begun(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._weights)

    def begin(self, tables: Sequence[int]) -> None:
        """The plan is made; its exports read so many tables each, and are checked in this order."""
        self._tables, self._weights = tables, [max(count, 1) for count in tables]

    def walk(self, found: Callable[[], int], expected: int | None) -> None:
        """The export that is checked now walks; ``found`` says how many rows it has so far."""
        self._found, self._expected = found, expected

    def end_export(self) -> None:
        """The next one is checked."""
        self._rows, self._found = self._rows + self._found_now(), None
        self._checked += 1

    def document(self) -> Json:
        """``share`` is the part of the whole that is done, 0 to 1, about; null where nobody knows."""
        return {
            "exports": self._checked,
            "expected_exports": len(self._weights),
            "tables": sum(self._tables[: self._checked]),
            "expected_tables": sum(self._tables),
            "rows": self._rows + self._found_now(),
            "share": self._share(),
        }

    def _found_now(self) -> int:
        return self._found() if self._found is not None else 0

    def _share(self) -> float | None:
        done, whole = float(sum(self._weights[: self._checked])), sum(self._weights)
        if self._found is not None:
            found = self._found_now()
            if not self._expected or found > self._expected:
                return None
            done += self._weights[self._checked] * found / self._expected
        return round(done / whole, 4) if whole else None


class Progress:
    """Of one plan or package; whoever does the work calls it, in the loop's thread."""

    def __init__(self) -> None:
        self.planning, self.pace = Planning(), Pace()
        self.events: list[Event] = []
        self.ended = False
        self._changed = asyncio.Event()

    def begin_anew(self) -> None:
        """Forget what was told."""
        self.planning, self.pace = Planning(), Pace()
        self.events.clear()

    def tell(self, kind: str, data: Json) -> None:
        """Something that is told once."""
        self.events.append((kind, data))
        self.notify()

    def finish(self, kind: str, data: Json) -> None:
        """The last word."""
        self.ended = True
        self.tell(kind, data)

    def fail(self, error: BaseException) -> None:
        """The last word of what ended badly; of an unknown error nothing is told."""
        self.finish("failed", describe_error(error))

    def notify(self) -> None:
        """Wake who waits."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait for the next ``notify``."""
        await self._changed.wait()

    def figures(self) -> list[Event]:
        """The newest ones, of what has begun."""
        told: list[Event] = [("planning", self.planning.document())] if self.planning.begun else []
        return [*told, ("progress", self.pace.document())] if self.pace.begun else told

    async def follow(self, *, members: bool = True) -> AsyncGenerator[Event, None]:
        """Events until the last; figures each second at most. ``members`` False leaves those out."""
        told: dict[str, Json] = {}
        position, figured, spoke = 0, -FIGURES_SECONDS, time.monotonic()
        while True:
            ended, now = self.ended, time.monotonic()
            if ended or now - figured >= FIGURES_SECONDS:
                for kind, data in self.figures():
                    if told.get(kind) != data:
                        told[kind], figured, spoke = data, now, now
                        yield kind, data
            position = min(position, len(self.events))  # fewer, when it has begun anew
            while position < len(self.events):
                kind, data = self.events[position]
                position += 1
                if members or kind != "member":
                    spoke = now
                    yield kind, data
            if ended and position == len(self.events):
                return
            if now - spoke >= QUIET_SECONDS:
                spoke = now
                yield BEAT
            changed = self._changed
            if position >= len(self.events) and not self.ended:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), FIGURES_SECONDS)


def describe_error(error: BaseException) -> Json:
    """An error as ``failed`` tells it."""
    known = error if isinstance(error, HfitError) else Internal()
    return {"category": known.category, "code": known.code, "message": known.message}
