"""How many instances share the store: each keeps a record of itself there that ends with it.

While the store is lost the last number holds; by it an instance knows its share of what all may do together.
"""

from __future__ import annotations

import asyncio
import contextlib

from hfitd.errors import StoreUnavailable
from hfitd.store.interface import Store
from hfitd.store.keys import key_of, parts_of

BEAT_SECONDS = 5.0
ALIVE_SECONDS = 15.0
MARK = b"2"  # the format of records that this program writes; one of format 1 wrote another word


class Fleet:
    """The instances of one store, seen by the one called ``name``. ``size`` is at least one."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._key = key_of("instance", name)
        self.size = 1

    async def beat(self) -> None:
        """Say that this instance lives, and count those that do; StoreUnavailable."""
        await self._store.write(self._key, MARK, ttl_seconds=ALIVE_SECONDS)
        self.size = max(len(await self._store.keys("instance:")), 1)

    async def names(self) -> list[str]:
        """The instances that live, sorted; StoreUnavailable."""
        return sorted(parts_of(key)[0] for key in await self._store.keys("instance:"))

    async def is_mixed(self) -> bool:
        """Whether an instance of another format lives; StoreUnavailable."""
        records = [await self._store.read(key) for key in await self._store.keys("instance:")]
        return any(record is not None and record.value != MARK for record in records)

    async def keep_beating(self) -> None:
        """Beat until cancelled."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def leave(self) -> None:
        """Others need not wait for this instance's record to end."""
        with contextlib.suppress(StoreUnavailable):
            await self._store.delete(self._key)
