"""Counters of the store, and what stands for them while the store is lost.

An instance then goes on from the last sum it saw and counts what it gives out as if every instance gave as much; the
store hears of it afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from hfitd.errors import StoreUnavailable
from hfitd.store.interface import Store

_KEPT_SUMS = 20_000


@dataclass(slots=True)
class _Owed:
    """What the store has not heard of a counter yet."""

    given: int = 0
    back: int = 0


class Sums:
    """Counters of the store, and what stands for them while it is lost."""

    def __init__(self, store: Store, instances: Callable[[], int]) -> None:
        self._store = store
        self._instances = instances
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._owed: dict[str, _Owed] = {}

    async def add(self, key: str, amount: int, ttl_seconds: float) -> int:
        """Add, and the sum as far as it is known."""
        owed = self._owed.pop(key, None) or _Owed()
        try:
            return self._saw(key, await self._store.add(key, amount + owed.given - owed.back, ttl_seconds=ttl_seconds))
        except StoreUnavailable:
            return self._owe(key, owed, amount)

    async def add_within(self, key: str, amount: int, limit: int, ttl_seconds: float) -> bool:
        """Add unless the sum, as far as it is known, would pass the limit."""
        if key in self._owed:
            await self.add(key, 0, ttl_seconds)
        if key not in self._owed:
            try:
                total = await self._store.add_within(key, amount, limit=limit, ttl_seconds=ttl_seconds)
            except StoreUnavailable:
                pass
            else:
                if total is not None:
                    self._saw(key, total)
                return total is not None
        owed = self._owed.get(key) or _Owed()
        if self._owe(key, owed, amount) <= limit:
            return True
        owed.given -= amount
        return False

    def _saw(self, key: str, total: int) -> int:
        self._seen[key] = total
        self._seen.move_to_end(key)
        if len(self._seen) > _KEPT_SUMS:
            self._seen.popitem(last=False)
        return total

    def _owe(self, key: str, owed: _Owed, amount: int) -> int:
        """Remember it for the store, which is lost; the sum as this instance has to take it."""
        owed.given += max(amount, 0)
        owed.back -= min(amount, 0)
        self._owed[key] = owed
        return self._seen.get(key, 0) + owed.given * max(self._instances(), 1) - owed.back
