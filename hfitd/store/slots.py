"""Numbered leases: at most so many holders of a name, at all instances together.

A holder renews its lease while it lives; that of a killed process ends by itself after ``TTL_SECONDS``.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from dataclasses import dataclass

from hfitd.errors import StoreUnavailable
from hfitd.store.interface import Store
from hfitd.store.keys import key_of

TTL_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A taken number of a name."""

    key: str
    owner: str
    renewal: asyncio.Task[None]


class Slots:
    """Takes and gives back numbers in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, count: int, kind: str, name: str) -> Slot | None:
        """One of ``count`` numbers of the name, or None when all are taken; StoreUnavailable."""
        owner = secrets.token_hex(8)
        start = random.randrange(count)  # noqa: S311 - only spreads contenders
        for number in range(count):
            key = key_of(kind, name, str((start + number) % count))
            try:
                taken = await self._store.acquire(key, owner, TTL_SECONDS)
            except asyncio.CancelledError:
                with contextlib.suppress(StoreUnavailable):
                    await asyncio.shield(self._store.release(key, owner))
                raise
            if taken:
                renewal = asyncio.create_task(renew_lease(self._store, key, owner, TTL_SECONDS), name=f"lease {key}")
                return Slot(key, owner, renewal)
        return None

    async def give_back(self, slot: Slot) -> None:
        """Free for the next one; when the store is lost, after a while."""
        slot.renewal.cancel()
        with contextlib.suppress(StoreUnavailable):
            await asyncio.shield(self._store.release(slot.key, slot.owner))


async def renew_lease(store: Store, key: str, owner: str, ttl_seconds: float) -> None:
    """Renew a lease until cancelled; a store that is lost is asked again, and the lease taken anew if it is free."""
    while True:
        await asyncio.sleep(ttl_seconds / 3)
        with contextlib.suppress(StoreUnavailable):
            await store.acquire(key, owner, ttl_seconds)
