"""Rows and bytes set aside before they are given, so that deliveries beside each other never pass a quota together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hfitd.errors import RateLimited

ROWS, BYTES = "rows_per_day", "bytes_per_day"
_AHEAD = {ROWS: 10_000, BYTES: 8 << 20}  # taken at once of what still grows, so that the store is asked now and then
_SHARE = 50  # but no more than this part of the quota


@dataclass(frozen=True, slots=True)
class Counters:
    """One person's counters of one day, by the names of their quotas; only quotas that are limited.

    ``take`` adds unless the limit would be passed, ``add`` adds in any case.
    """

    limits: Mapping[str, int]
    take: Callable[[str, int], Awaitable[bool]]
    add: Callable[[str, int], Awaitable[object]]
    refusal: Callable[[str], RateLimited]


class Reservation:
    """What one delivery has set aside of its reader's day. It ends with ``settle``, whatever happened."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._held = dict.fromkeys(counters.limits, 0)
        self._turn = asyncio.Lock()
        self._settled = False

    async def hold(self, *, rows: int = 0, size: int = 0, growing: bool = False) -> None:
        """See to it that so many rows and bytes of this delivery, altogether, are set aside; RateLimited.

        ``growing``: more will follow, so a stretch is taken in advance where there is room for it.
        """
        wanted = {ROWS: rows, BYTES: size}
        if all(wanted[quota] <= held for quota, held in self._held.items()):
            return
        refused = await asyncio.shield(self._hold(wanted, growing))
        if refused:
            raise self._counters.refusal(refused)

    async def settle(self, *, rows: int, size: int) -> None:
        """What was given out; the rest is given back. Only the first call counts."""
        async with self._turn:
            if self._settled:
                return
            self._settled = True
            given = {ROWS: rows, BYTES: size}
            for quota, held in self._held.items():
                if given[quota] != held:
                    await self._counters.add(quota, given[quota] - held)

    async def _hold(self, wanted: Mapping[str, int], growing: bool) -> str:
        """The quota that is too small, or nothing. It runs to its end also when the caller is cancelled, for what the
        store has counted has to be known here."""
        async with self._turn:
            for quota, limit in self._counters.limits.items():
                missing = wanted[quota] - self._held[quota]
                ahead = max(missing, min(_AHEAD[quota], limit // _SHARE)) if growing else missing
                if missing > 0 and not await self._take(quota, ahead, missing):
                    return quota
        return ""

    async def _take(self, quota: str, ahead: int, missing: int) -> bool:
        for amount in (ahead, missing):
            if await self._counters.take(quota, amount):
                self._held[quota] += amount
                return True
        return False
