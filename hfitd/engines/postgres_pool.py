"""Connections to one PostgreSQL server: few, fenced in, and closed once a caller's SQL ran on them.

1. TLS is what the provider says; with ``verify-full`` the certificate and its name are checked, and a server that
   does not offer TLS is not spoken to.
2. Every transaction is REPEATABLE READ READ ONLY, and its first statement pins that: afterwards the server refuses
   ``SET TRANSACTION READ WRITE``. It always ends in ROLLBACK.
3. Its settings are local to it and fixed, so that names, numbers and times have one meaning: an empty search_path
   (nobody's function shadows a built-in), UTC, ISO, ``row_security`` off (rows hidden from the role are an error, not
   a gap), limits for statements, locks and idling.
4. A connection that ran a caller's SQL is closed: what it may have left behind (locks, settings, a role) ends with it.
5. At most ``max_connections`` at once; who has to wait too long, or finds too many waiting, gets Busy.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from hfitd.config.model import ProviderConfig
from hfitd.engines.places import Places
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.errors import DbUnavailable

Connection = Any  # asyncpg has no types

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 2.0
IDLE_SECONDS = 30.0  # an unused connection is closed after this

# idle_in_transaction is far above any pause of a job and only ends what a hung daemon would leave.
_OPEN_SNAPSHOT = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;{share}
SET LOCAL search_path = '';
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL lc_monetary = 'C';
SET LOCAL extra_float_digits = 3;
SET LOCAL bytea_output = 'hex';
SET LOCAL standard_conforming_strings = on;
SET LOCAL row_security = off;
SET LOCAL xmloption = content;
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '600s';
SELECT pg_catalog.set_config('statement_timeout', '{milliseconds}', true);
"""


@dataclass(slots=True)
class Lease:
    """A connection with an open snapshot, lent for one job. ``spoilt`` says that a caller's SQL has run on it."""

    connection: Connection
    database: str
    spoilt: bool = False


class Pool:
    """The connections of one provider."""

    def __init__(self, provider: ProviderConfig, places: Places | None = None) -> None:
        self._provider = provider
        self._places = places or Places(provider.name, provider.max_connections)
        self._lent: set[Connection] = set()
        self._idle: dict[Connection, tuple[str, asyncio.TimerHandle]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lend(self, database: str, user: str = "") -> AsyncIterator[Lease]:
        """A connection with an open snapshot. Leaving the block with an error closes it and ends its query."""
        async with self._places.take(user), self._leased(database) as lease:  # 5
            yield lease

    @property
    def has_spare(self) -> bool:
        """Whether ``lend_spare`` may be worth asking."""
        return self._places.has_spare

    @asynccontextmanager
    async def lend_spare(self, database: str, user: str, snapshot_id: str) -> AsyncIterator[Lease]:
        """The same inside a snapshot that another connection has exported; Busy at once when others need the place."""
        async with self._places.take_spare(user), self._leased(database, snapshot_id) as lease:
            yield lease

    @asynccontextmanager
    async def _leased(self, database: str, snapshot_id: str = "") -> AsyncIterator[Lease]:
        lease = Lease(await self._open(database, snapshot_id), database)
        try:
            yield lease
            await self._give_back(lease)
        finally:
            self._lent.discard(lease.connection)
            if lease.connection not in self._idle:
                await self._discard(lease.connection)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        idle, self._idle = self._idle, {}
        for _, timer in idle.values():
            timer.cancel()
        await asyncio.gather(*(self._discard(connection) for connection in (*idle, *self._lent)))
        await asyncio.gather(*self._closing)

    async def connect(self, database: str) -> Connection:
        """A new connection, outside the limit; for ``check``. DbUnavailable when there is none to be had."""
        provider = self._provider
        with translated(Stage.CONNECT):
            return await asyncpg.connect(
                host=provider.host,
                port=provider.port or 5432,
                user=provider.user,
                # Never None: the driver would look for one in the environment.
                password=provider.password.reveal() if provider.password else "",
                database=database,
                ssl=_tls(provider),  # 1
                timeout=CONNECT_SECONDS,
                statement_cache_size=0,
                target_session_attrs="any",
                server_settings={"application_name": "hfitd", "default_transaction_read_only": "on"},
            )

    async def _open(self, database: str, snapshot_id: str = "") -> Connection:
        kept = self._kept(database)
        if kept is not None:
            try:
                return await self._open_snapshot(kept, snapshot_id)
            except DbUnavailable:
                pass  # The server was restarted since; a new connection tells whether it is back.
        await self._make_room()
        connection = await self.connect(database)
        return await self._open_snapshot(connection, snapshot_id)

    def _kept(self, database: str) -> Connection | None:
        for connection, (name, timer) in list(self._idle.items()):
            if name == database:
                timer.cancel()
                del self._idle[connection]
                return connection
        return None

    async def _make_room(self) -> None:
        # Idle ones count against the limit.
        if self._idle and len(self._idle) + len(self._lent) >= max(1, self._provider.max_connections):
            oldest = next(iter(self._idle))
            self._idle.pop(oldest)[1].cancel()
            await self._discard(oldest)

    async def _open_snapshot(self, connection: Connection, snapshot_id: str) -> Connection:
        share = f"\nSET TRANSACTION SNAPSHOT '{snapshot_id}';" if snapshot_id else ""
        milliseconds = max(1, int(self._provider.statement_timeout_seconds * 1000))
        self._lent.add(connection)
        try:
            with translated(Stage.CONNECT):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.execute(_OPEN_SNAPSHOT.format(share=share, milliseconds=milliseconds))  # 2 3
                    if connection.get_server_version().major >= 11:
                        # Compiling costs small queries a second and gains big exports nothing.
                        await connection.execute("SET LOCAL jit = off")
        except BaseException:
            self._lent.discard(connection)
            await self._discard(connection)
            raise
        return connection

    async def _give_back(self, lease: Lease) -> None:
        if lease.spoilt or lease.connection.is_closed():  # 4
            return
        with translated(Stage.OWN):
            await lease.connection.execute("ROLLBACK")  # 2
        if not self._places.is_alone:
            return  # an unused connection would count, and another instance may want its place
        timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire, lease.connection)
        self._idle[lease.connection] = (lease.database, timer)

    def _expire(self, connection: Connection) -> None:
        if self._idle.pop(connection, None):
            task = asyncio.get_running_loop().create_task(_end(connection))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _discard(self, connection: Connection) -> None:
        # Shielded: the server has to hear of the end also when we are being cancelled.
        task = asyncio.get_running_loop().create_task(_end(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        await asyncio.shield(task)


async def _end(connection: Connection) -> None:
    """Close; a query that still runs is cancelled by the driver first. A server that does not react is left.

    Whatever comes of it stays here, for it would stand before the error that the connection is closed for: when the
    server's last words and the close meet, asyncpg 0.32 raises AttributeError.
    """
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
    except Exception:  # noqa: BLE001
        connection.terminate()


def _tls(provider: ProviderConfig) -> ssl.SSLContext | bool:
    if provider.tls == "disable":
        return False
    context = ssl.create_default_context(cafile=str(provider.tls_ca) if provider.tls_ca else None)
    if provider.tls == "require":
        context.check_hostname = False
        if provider.tls_ca is None:
            context.verify_mode = ssl.CERT_NONE
    return context
