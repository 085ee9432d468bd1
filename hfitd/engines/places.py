"""A limited number of connections to one provider, at all instances together, with a short queue before it.

1. At most ``count`` places are taken, whoever takes them: with a shared store each is a lease in it, which ends by
   itself when its instance is killed. While the store is lost an instance keeps to its share, and takes the missing
   leases when the store is back.
2. Who finds too many waiting, or waits too long, gets Busy.
3. A free place goes to who holds the fewest, among those to who came first: one caller's many jobs do not keep the
   others waiting.
4. A spare place is one that a job could do without: it is free at once or not at all, nobody waits, and half of the
   places, of this instance's share of them, stay free.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from hfitd.errors import Busy, StoreUnavailable
from hfitd.store.slots import Slot, Slots

QUEUE_SECONDS = 30.0
QUEUE_LENGTH = 20
POLL_SECONDS = 0.1  # between two looks for a lease that another instance gave back
LOST_POLL_SECONDS = 1.0
SPARE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Shared:
    """Where instances agree, and how many there are."""

    slots: Slots
    instances: Callable[[], int]


@dataclass(slots=True, eq=False)
class _Visit:
    """Somebody who waits for a place, or has one."""

    user: str
    number: int
    turn: asyncio.Future[None]
    slot: Slot | None = None
    catching_up: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Places:
    """The places of the provider ``name``. ``watch`` hears of every change: how many wait, how many are taken, and
    of who got a place, how long that took."""

    name: str
    count: int
    shared: Shared | None = None
    queue_length: int = QUEUE_LENGTH
    queue_seconds: float = QUEUE_SECONDS
    watch: Callable[[int, int, float | None], None] = lambda waiting, taken, seconds: None
    _waiting: list[_Visit] = field(default_factory=list)
    _inside: list[_Visit] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _claiming: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def waiting(self) -> int:
        """How many wait here."""
        return len(self._waiting)

    @property
    def taken(self) -> int:
        """How many places are taken here."""
        return len(self._inside)

    @property
    def is_alone(self) -> bool:
        """Whether no other instance takes part; only then a connection may be kept for the next one."""
        return self.shared is None

    @asynccontextmanager
    async def take(self, user: str = "") -> AsyncIterator[None]:
        """A place for as long as the block runs; Busy."""
        async with self._taken(user, self.queue_seconds):
            yield

    @property
    def has_spare(self) -> bool:
        """4, as far as it can be told here."""
        instances = max(self.shared.instances(), 1) if self.shared is not None else 1
        return not self._waiting and 2 * (len(self._inside) + 1) <= self.count // instances

    @asynccontextmanager
    async def take_spare(self, user: str = "") -> AsyncIterator[None]:
        """A place for as long as the block runs, if it is one to spare (4); Busy."""
        if not self.has_spare:
            raise self._busy()
        async with self._taken(user, SPARE_SECONDS):
            yield

    @asynccontextmanager
    async def _taken(self, user: str, seconds: float) -> AsyncIterator[None]:
        if len(self._waiting) >= self.queue_length and len(self._inside) >= self.count:
            raise self._busy()  # 2
        came = time.monotonic()
        visit = _Visit(user, next(self._numbers), asyncio.get_running_loop().create_future())
        self._waiting.append(visit)
        try:
            self._admit()
            try:
                async with asyncio.timeout(seconds):
                    await visit.turn
                    await self._claim(visit)
            except TimeoutError:
                raise self._busy() from None  # 2
            self.watch(self.waiting, self.taken, time.monotonic() - came)
            yield
        finally:
            await self._leave(visit)

    def _admit(self) -> None:
        while self._waiting and len(self._inside) < self.count:
            users = [visit.user for visit in self._inside]
            first = min(self._waiting, key=lambda visit: (users.count(visit.user), visit.number))  # 3
            self._waiting.remove(first)
            self._inside.append(first)
            if not first.turn.done():
                first.turn.set_result(None)
        self.watch(self.waiting, self.taken, None)

    async def _claim(self, visit: _Visit) -> None:
        """1: a lease, or without the store a part of this instance's share."""
        if self.shared is None:
            return
        async with self._claiming:
            while not await self._try_claim(visit, self.shared):  # noqa: ASYNC110 - another process gives it back
                await asyncio.sleep(POLL_SECONDS)

    async def _try_claim(self, visit: _Visit, shared: Shared) -> bool:
        try:
            visit.slot = await shared.slots.take(self.count, "place", self.name)
            return visit.slot is not None
        except StoreUnavailable:
            working = sum(other.slot is not None or other.catching_up is not None for other in self._inside)
            if working >= max(self.count // max(shared.instances(), 1), 1):
                return False
            visit.catching_up = asyncio.create_task(self._catch_up(visit, shared), name=f"lease of {self.name}")
            return True

    async def _catch_up(self, visit: _Visit, shared: Shared) -> None:
        while visit.slot is None:
            await asyncio.sleep(LOST_POLL_SECONDS)
            try:
                visit.slot = await shared.slots.take(self.count, "place", self.name)
            except StoreUnavailable:
                continue

    async def _leave(self, visit: _Visit) -> None:
        if visit in self._waiting:
            self._waiting.remove(visit)
        else:
            self._inside.remove(visit)
        if visit.catching_up is not None:
            visit.catching_up.cancel()
        slot, visit.slot = visit.slot, None
        try:
            if slot is not None and self.shared is not None:
                await self.shared.slots.give_back(slot)
        finally:
            self._admit()

    def _busy(self) -> Busy:
        seconds = max(math.ceil(self.queue_seconds / 3), 1)
        return Busy(
            f"All {self.count} connections of this provider are in use and {self.waiting} others wait.",
            suggestions=(f"Try again in {seconds} seconds.",),
            retry_after_seconds=seconds,
        )


class AllPlaces:
    """The places of every provider by name. They outlive a reload, so that old and new jobs share them.

    ``shared`` None is one process alone; ``watch`` also hears the provider's name.
    """

    def __init__(
        self,
        shared: Shared | None,
        *,
        queue_length: int = QUEUE_LENGTH,
        queue_seconds: float = QUEUE_SECONDS,
        watch: Callable[[str, int, int, float | None], None] = lambda name, waiting, taken, seconds: None,
    ) -> None:
        self._shared = shared
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._watch = watch
        self._places: dict[str, Places] = {}

    def of(self, name: str, count: int, *, everywhere: bool = True) -> Places:
        """The places of a provider; ``everywhere`` False for what only this machine has."""
        places = self._places.get(name)
        if places is None:
            shared = self._shared if everywhere else None
            places = Places(
                name, count, shared, self._queue_length, self._queue_seconds, partial(self._watch, name)
            )
            self._places[name] = places
        places.count = count
        return places

    def report(self) -> dict[str, dict[str, int]]:
        """Of each provider: how many places it has, how many this instance has taken, how many wait here."""
        return {
            name: {"connections": places.count, "in_use": places.taken, "waiting": places.waiting}
            for name, places in sorted(self._places.items())
        }

    def is_full(self, name: str) -> bool:
        """Whether every place of the provider is taken here, so that asking it would mean waiting."""
        places = self._places.get(name)
        return places is not None and places.taken >= places.count
