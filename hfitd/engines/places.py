"""A limited number of places for jobs, with a short queue: nobody waits long, nobody is let in beyond the limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hfitd.errors import Busy

QUEUE_SECONDS = 5.0
QUEUE_LENGTH = 20


class Places:
    """``count`` places. Who finds too long a queue, or waits too long in it, gets Busy."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(max(1, count))
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """A place for as long as the block runs."""
        if self._free.locked() and self._waiting >= QUEUE_LENGTH:
            raise Busy(retry_after_seconds=10)
        self._waiting += 1
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(retry_after_seconds=5) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
