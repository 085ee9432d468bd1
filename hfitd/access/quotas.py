"""How much one person may take away: packages, rows and bytes a day, distinct tables an hour.

1. Rows and bytes are set aside before they are given, in one step with the look at the quota: deliveries that run
   beside each other never pass it together, at any instances. What does not fit is refused, or, where its size is only
   known while it is made, broken off.
2. When a delivery ends, what was not given out of it is given back; whatever left counts, also of what was broken off.
   What an instance had set aside when it was killed stays counted until the day is over.
3. Days and hours are those of UTC, and the sums are counters of the store: all instances count together. A delivery
   counts for the day on which it begins.
4. While the store is lost an instance goes on from the last sum it saw and counts what it gives out as if every
   instance gave as much; the store hears of it afterwards.
5. Somebody who looks at more distinct tables in an hour than the limit is refused, and an alarm is raised (data is
   carried off table by table). The same table again is no new one.

A limit of 0 is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hfitd.access.reservation import BYTES, ROWS, Counters, Reservation
from hfitd.access.sums import Sums
from hfitd.config.model import LimitsConfig
from hfitd.errors import RateLimited
from hfitd.model import Actor
from hfitd.store.interface import Store
from hfitd.store.keys import key_of

_DAY_SECONDS, _HOUR_SECONDS = 86400.0, 3600.0


@dataclass(frozen=True, slots=True)
class _Window:
    """A day or an hour: its name in keys, and when it ends."""

    name: str
    ends: datetime
    seconds: float


class Quotas:
    """The quotas of ``[limits]``. ``alarm`` hears who passed ``tables_per_hour``."""

    def __init__(
        self,
        store: Store,
        limits: LimitsConfig,
        *,
        instances: Callable[[], int] = lambda: 1,
        alarm: Callable[[Actor, str], None] = lambda actor, quota: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sums = Sums(store, instances)
        self._limits = limits
        self._alarm = alarm
        self._clock = clock

    async def check(self, actor: Actor) -> None:
        """Before a source is asked: whether anything is left of the day; RateLimited names the quota."""
        day = self._day()
        for quota, limit in self._daily().items():
            if await self._add(quota, actor, 0, day) >= limit:
                raise _used_up(quota, limit, self._seconds_left(day))

    def reserve(self, actor: Actor) -> Reservation:
        """A reservation, empty, for one delivery to the actor that begins now (1, 3)."""
        day, limits = self._day(), self._daily()

        async def take(quota: str, amount: int) -> bool:
            key = key_of("quota", quota, actor.email, day.name)
            return await self._sums.add_within(key, amount, limits[quota], 2 * day.seconds)

        async def add(quota: str, amount: int) -> object:
            return await self._add(quota, actor, amount, day)

        def refusal(quota: str) -> RateLimited:
            return _used_up(quota, limits[quota], self._seconds_left(day), "has too little left for this")

        return Reservation(Counters(limits, take, add, refusal))

    async def count_package(self, actor: Actor) -> None:
        """One more package is asked for; RateLimited."""
        limit, day = self._limits.packages_per_day, self._day()
        if limit and await self._add("packages_per_day", actor, 1, day) > limit:
            raise _used_up("packages_per_day", limit, self._seconds_left(day))

    async def count_tables(self, actor: Actor, tables: Iterable[str]) -> None:
        """Before these tables are read (5); RateLimited."""
        limit, hour = self._limits.tables_per_hour, self._hour()
        if not limit:
            return
        for table in sorted(set(tables)):
            name = hashlib.sha256(table.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            key = key_of("quota", "table", actor.email, hour.name, name)
            if await self._sums.add(key, 1, 2 * hour.seconds) > 1:
                continue
            if await self._add("tables_per_hour", actor, 1, hour) > limit:
                self._alarm(actor, "tables_per_hour")
                raise _used_up("tables_per_hour", limit, self._seconds_left(hour))

    async def _add(self, quota: str, actor: Actor, amount: int, window: _Window) -> int:
        return await self._sums.add(key_of("quota", quota, actor.email, window.name), amount, 2 * window.seconds)

    def _daily(self) -> dict[str, int]:
        limits = {ROWS: self._limits.rows_per_day, BYTES: self._limits.bytes_per_day}
        return {quota: limit for quota, limit in limits.items() if limit}

    def _day(self) -> _Window:
        start = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        return _Window(f"{start:%Y-%m-%d}", start + timedelta(days=1), _DAY_SECONDS)

    def _hour(self) -> _Window:
        start = self._clock().replace(minute=0, second=0, microsecond=0)
        return _Window(f"{start:%Y-%m-%dT%H}", start + timedelta(hours=1), _HOUR_SECONDS)

    def _seconds_left(self, window: _Window) -> int:
        return max(int((window.ends - self._clock()).total_seconds()), 0) + 1


def _used_up(quota: str, limit: int, seconds: int, words: str = "is used up") -> RateLimited:
    what, _, period = quota.partition("_per_")
    return RateLimited(
        f"Your quota of {limit} {what} a{'n' if period == 'hour' else ''} {period} {words}.",
        resource=quota,
        suggestions=(f"It starts anew in {seconds} seconds.", f"Ask the operator for more: limits.{quota}."),
        retry_after_seconds=seconds,
        limit=limit,
    )
