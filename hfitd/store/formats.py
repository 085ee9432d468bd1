"""The formats that the store's records have had, and how each is brought to the next.

1. Records alone; what is listed was looked for among all of them.
2. What is listed stands in an index, and shared templates have a pointer by their name. Records are those of format 1,
   and a program of format 1 that runs beside writes them without either: ``mend`` makes up for it, see ``Upkeep``.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from hfitd.errors import StoreUnavailable
from hfitd.store.fleet import Fleet
from hfitd.store.interface import Store
from hfitd.store.schema import Step
from hfitd.store.templates import Templates

MIXED_SECONDS = 10.0
ROUND_SECONDS = 600.0


async def mend(store: Store) -> None:
    """What a program of the format before has written can be listed and found as if this one had; StoreUnavailable."""
    await store.mend()
    await Templates(store).point_to_shared()


STEPS: tuple[Step, ...] = (mend,)
"""``STEPS[n]`` brings the records of format ``n + 1`` to format ``n + 2``."""


class Upkeep:
    """Mends again and again, one instance for all: often while an instance of the format before lives, else rarely."""

    def __init__(self, store: Store, fleet: Fleet) -> None:
        self._store = store
        self._fleet = fleet

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(MIXED_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await self.turn()

    async def turn(self) -> bool:
        """Mend if it is time, and say whether; StoreUnavailable."""
        mixed = await self._fleet.is_mixed()
        key, owner = f"schema:mended-{'often' if mixed else 'rarely'}", secrets.token_hex(8)
        # Not given back: whoever has it has mended for as long as it lasts.
        if not await self._store.acquire(key, owner, MIXED_SECONDS if mixed else ROUND_SECONDS):
            return False
        await mend(self._store)
        return True
