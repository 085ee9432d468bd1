"""How much one person may take away: packages, rows and bytes a day, distinct tables an hour.

1. A quota that is used up refuses the next request before a source is asked; a delivery that is under way is counted
   when it ends, so the last one may pass the quota by its own size, which ``limits.package_rows`` and
   ``package_bytes`` bound. A finished package, whose size is known, is refused when it does not fit.
2. Whatever left counts, also of what was broken off.
3. Days and hours are those of UTC, and the sums are counters of the store: all instances count together.
4. While the store is lost an instance goes on from the last sum it saw and counts what it gives out as if every
   instance gave as much; the store hears of it afterwards.
5. Somebody who looks at more distinct tables in an hour than the limit is refused, and an alarm is raised (data is
   carried off table by table). The same table again is no new one.

A limit of 0 is none.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hfitd.config.model import LimitsConfig
from hfitd.errors import RateLimited, StoreUnavailable
from hfitd.model import Actor
from hfitd.store.interface import Store
from hfitd.store.keys import key_of

_DAY_SECONDS, _HOUR_SECONDS = 86400.0, 3600.0
_KEPT_SUMS = 20_000


@dataclass(frozen=True, slots=True)
class _Window:
    """A day or an hour: its name in keys, and when it ends."""

    name: str
    ends: datetime
    seconds: float


class _Sums:
    """Counters of the store, and what stands for them while it is lost (4)."""

    def __init__(self, store: Store, instances: Callable[[], int]) -> None:
        self._store = store
        self._instances = instances
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._owed: dict[str, int] = {}

    async def add(self, key: str, amount: int, ttl_seconds: float) -> int:
        """Add, and the sum as far as it is known."""
        owed = self._owed.pop(key, 0)
        try:
            total = await self._store.add(key, amount + owed, ttl_seconds=ttl_seconds)
        except StoreUnavailable:
            self._owed[key] = owed + amount
            return self._seen.get(key, 0) + self._owed[key] * max(self._instances(), 1)
        self._seen[key] = total
        self._seen.move_to_end(key)
        if len(self._seen) > _KEPT_SUMS:
            self._seen.popitem(last=False)
        return total


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
        self._sums = _Sums(store, instances)
        self._limits = limits
        self._alarm = alarm
        self._clock = clock

    async def check(self, actor: Actor, *, rows: int = 0, size: int = 0) -> None:
        """Before a source is asked or a finished package is sent (1); RateLimited names the quota."""
        await self._require(actor, "rows_per_day", rows)
        await self._require(actor, "bytes_per_day", size)

    async def count_package(self, actor: Actor) -> None:
        """One more package is asked for; RateLimited."""
        limit, day = self._limits.packages_per_day, self._day()
        if limit and await self._add("packages_per_day", actor, 1, day) > limit:
            raise _used_up("packages_per_day", limit, self._seconds_left(day))

    async def count(self, actor: Actor, *, rows: int, size: int) -> None:
        """What was given out (2)."""
        for quota, amount in (("rows_per_day", rows), ("bytes_per_day", size)):
            if amount and self._limit(quota):
                await self._add(quota, actor, amount, self._day())

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

    async def _require(self, actor: Actor, quota: str, more: int) -> None:
        limit, day = self._limit(quota), self._day()
        if not limit:
            return
        used = await self._add(quota, actor, 0, day)
        if used >= limit or used + more > limit:
            raise _used_up(quota, limit, self._seconds_left(day))

    async def _add(self, quota: str, actor: Actor, amount: int, window: _Window) -> int:
        return await self._sums.add(key_of("quota", quota, actor.email, window.name), amount, 2 * window.seconds)

    def _limit(self, quota: str) -> int:
        return {"rows_per_day": self._limits.rows_per_day, "bytes_per_day": self._limits.bytes_per_day}[quota]

    def _day(self) -> _Window:
        start = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        return _Window(f"{start:%Y-%m-%d}", start + timedelta(days=1), _DAY_SECONDS)

    def _hour(self) -> _Window:
        start = self._clock().replace(minute=0, second=0, microsecond=0)
        return _Window(f"{start:%Y-%m-%dT%H}", start + timedelta(hours=1), _HOUR_SECONDS)

    def _seconds_left(self, window: _Window) -> int:
        return max(int((window.ends - self._clock()).total_seconds()), 0) + 1


def _used_up(quota: str, limit: int, seconds: int) -> RateLimited:
    what, _, period = quota.partition("_per_")
    return RateLimited(
        f"Your quota of {limit} {what} a{'n' if period == 'hour' else ''} {period} is used up.",
        resource=quota,
        suggestions=(f"It starts anew in {seconds} seconds.", f"Ask the operator for more: limits.{quota}."),
        retry_after_seconds=seconds,
        limit=limit,
    )
