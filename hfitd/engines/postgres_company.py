"""Further connections that see exactly what the first of a snapshot sees, so that a server's cores read side by side.

1. The first exports its snapshot, which lives as long as its transaction; a further one takes it over before anything
   else (PostgreSQL manual, "Snapshot Synchronization Functions").
2. Company is a favour: only places that nobody waits for are taken, never more than half of a provider's and
   ``MOST_LANES`` in all, and a job goes on alone where there are none.
3. What joined stays until the snapshot ends, and ends with it.
4. One address may be that of several servers, replicas behind a balancer. A snapshot's name means something on its own
   server only, and on another one, by chance, something else; so who joins has to be where the first is, which the
   moment tells at which its server was started. Whatever else keeps a connection from joining, the job goes on alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from types import TracebackType

from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_lane import Lane
from hfitd.engines.postgres_pool import Lease, Pool
from hfitd.errors import Busy, DbUnavailable, HfitError, Internal

MOST_LANES = 4
_SNAPSHOT_ID = re.compile(r"[0-9A-Fa-f-]{0,64}", re.ASCII)
_MAY_EXPORT = """
SELECT pg_catalog.has_function_privilege('pg_catalog.pg_export_snapshot()', 'EXECUTE')
    AND pg_catalog.has_function_privilege('pg_catalog.pg_postmaster_start_time()', 'EXECUTE')
"""
_EXPORT = "SELECT pg_catalog.pg_export_snapshot()"
_STARTED = "SELECT pg_catalog.pg_postmaster_start_time()"


class Company:
    """The lanes of one snapshot; the first is there from the beginning. An async context manager, so that they end.

    Without a ``pool`` the first stays alone.
    """

    def __init__(self, first: Lane, pool: Pool | None = None, user: str = "") -> None:
        self.first = first
        self._pool = pool
        self._user = user
        self._others: list[Lane] = []
        self._joining = 0
        self._stack = AsyncExitStack()
        self._exporting: asyncio.Event | None = None
        self._snapshot_id = ""
        self._started: datetime | None = None  # the server (4)

    async def __aenter__(self) -> Company:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)  # 3

    @property
    def has_lost(self) -> bool:
        """Whether the server has ended one of the connections."""
        return any(lane.connection.is_closed() for lane in (self.first, *self._others))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Lane]:
        """The turn of a lane: the first, another while that one is at work, the first again when there is none."""
        lane = self.first
        if lane.turn.locked():
            if self._exporting is not None:
                await self._exporting.wait()
            lane = await self._free() or lane
        async with lane.turn:
            if lane is self.first:
                await self._export()
            yield lane

    @asynccontextmanager
    async def several(self, own: Lane, most: int) -> AsyncIterator[list[Lane]]:
        """``own``, whose turn the caller has, and the turns of all others that can be had at once, ``most`` in all."""
        lanes = [own]
        async with AsyncExitStack() as turns:
            while len(lanes) < most and (lane := await self._free()) is not None:
                await turns.enter_async_context(lane.turn)
                lanes.append(lane)
            yield lanes

    async def _export(self) -> None:
        """1, in the turn of the first lane. An error would end its transaction, so its right is asked for before."""
        if self._pool is None or self._exporting is not None or not self._pool.has_spare:
            return
        self._exporting = asyncio.Event()
        try:
            with translated(Stage.OWN):
                if await self.first.connection.fetchval(_MAY_EXPORT):
                    self._started = await self.first.connection.fetchval(_STARTED)
                    self._snapshot_id = str(await self.first.connection.fetchval(_EXPORT))
        finally:
            self._exporting.set()
        if not _SNAPSHOT_ID.fullmatch(self._snapshot_id):
            raise Internal("The server names its snapshot in an unknown way.")

    async def _free(self) -> Lane | None:
        """A lane that is not at work, or one that joins (2)."""
        for lane in (self.first, *self._others):
            if not lane.turn.locked():
                return lane
        if self._pool is None or not self._snapshot_id or 1 + len(self._others) + self._joining >= MOST_LANES:
            return None
        self._joining += 1
        try:
            lease = await self._stack.enter_async_context(self._joined(self._pool))
        except Busy:
            return None
        except HfitError:
            self._snapshot_id = ""  # nor is another one tried
            return None
        finally:
            self._joining -= 1
        lane = Lane(lease, self.first.known)
        self._others.append(lane)
        return lane

    @asynccontextmanager
    async def _joined(self, pool: Pool) -> AsyncIterator[Lease]:
        """A further connection inside the snapshot, of the same server (4)."""
        async with pool.lend_spare(self.first.lease.database, self._user, self._snapshot_id) as lease:
            with translated(Stage.OWN):
                started = await lease.connection.fetchval(_STARTED)
            if started != self._started:
                raise DbUnavailable("Another server answers at the same address.")
            yield lease
