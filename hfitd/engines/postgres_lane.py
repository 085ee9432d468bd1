"""One connection inside a snapshot. It does one thing at a time; whoever uses it holds its ``turn``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hfitd.engines.interface import Select
from hfitd.engines.postgres_binds import Known, Prepared, Statements
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_pool import Lease

# A small read is followed by a pause in which the kernel collects a bigger one: a third of the CPU (performance B1).
_SMALL_BYTES = 64 * 1024
_NAP_AFTER_BYTES = 512 * 1024
_NAP_SECONDS = 0.001


class Lane:
    """The connection of a lease. ``known`` is what the first of a snapshot has found out."""

    def __init__(self, lease: Lease, known: Known | None = None) -> None:
        self.lease = lease
        self.connection: Any = lease.connection
        self.known = known or Known()
        self.statements = Statements(lease.connection, self.known)
        self.turn = asyncio.Lock()

    async def prepare(self, select: Select, stage: Stage) -> Prepared:
        """A caller's statement, checked by the server; the connection is not used again afterwards."""
        self.lease.spoilt = True
        return await self.statements.prepare(select, stage)

    async def copy(self, text: str, take: Callable[[bytes], Awaitable[None]], **options: str) -> int:
        """COPY the rows of ``text``, made of what has been prepared, into ``take``; their number.

        Every chunk is whole rows: the server puts each into a message of its own, and the driver gives whole messages.
        """
        feed = _Feed(take)
        try:
            with translated(Stage.RUN):
                status: str = await self.connection.copy_from_query(text, output=feed.accept, **options)
        except Exception:
            # What the sink raised is the sink's, and not an error of the database.
            if feed.error is not None:
                raise feed.error from None
            raise
        return int(status.removeprefix("COPY "))


class _Feed:
    """Takes the chunks of a COPY, lets the kernel collect bigger ones, and keeps the sink's error apart."""

    def __init__(self, take: Callable[[bytes], Awaitable[None]]) -> None:
        self._take = take
        self._taken = 0
        self.error: Exception | None = None

    async def accept(self, chunk: bytes | bytearray) -> None:
        """Pass a chunk on; the driver gives what it has, often a bytearray."""
        try:
            await self._take(bytes(chunk))
        except Exception as error:
            self.error = error
            raise
        self._taken += len(chunk)
        if len(chunk) < _SMALL_BYTES and self._taken > _NAP_AFTER_BYTES:
            await asyncio.sleep(_NAP_SECONDS)
