"""MySQL and MariaDB as one provider: few connections, each for one snapshot, gone with it.

1. At most ``max_connections`` at once; who waits too long, or finds too many waiting, gets Busy. Only the connection
   that ends a query (3) waits for nobody and lasts a moment.
2. Only configured databases are read: ``database`` and what the globs of ``databases`` match, never the server's own.
3. A snapshot that is left early loses its socket at once; then a second connection ends its query on the server,
   also when the job was cancelled. The server id of both connections is compared, so that behind a proxy nobody
   else's connection is hit.
"""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import Dialect, ServerReport
from hfitd.engines.lag import refuse_old
from hfitd.engines.mysql_connection import Opened, opened
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.mysql_errors import translated
from hfitd.engines.mysql_grants import powers_of, roles_of
from hfitd.engines.mysql_lag import read_lag
from hfitd.engines.mysql_snapshot import STALL_SECONDS, MysqlSnapshot
from hfitd.engines.places import Places
from hfitd.errors import Busy, DbUnavailable, HfitError, NotFound

KILL_ATTEMPTS = 3
KILL_PAUSE_SECONDS = 0.2
KILL_SECONDS = 2.0

SYSTEM_DATABASES = frozenset(("information_schema", "mysql", "performance_schema", "sys"))


class MysqlEngine:
    """One MySQL or MariaDB server. Connects to nothing until it is asked something."""

    def __init__(self, provider: ProviderConfig, places: Places | None = None) -> None:
        self.name = provider.name
        self.dialect: Dialect = MysqlDialect()
        self._provider = provider
        self._places = places or Places(provider.name, provider.max_connections)  # 1
        self._open: set[Opened] = set()
        self._kills: set[asyncio.Task[None]] = set()
        self._closed = False

    async def databases(self) -> list[str]:
        """Configured databases that the role can see."""
        async with self._places.take(), opened(self._provider, None) as session:
            with translated():
                rows = await session.connection.command("SHOW DATABASES")
        return sorted(name for (name,) in rows if name is not None and self._is_allowed(name))

    @asynccontextmanager
    async def snapshot(self, database: str | None = None, user: str = "") -> AsyncIterator[MysqlSnapshot]:
        """A snapshot of the whole server that reads ``database`` by default. NotFound when it is not configured."""
        name = database or self._provider.database
        if not name or not self._is_allowed(name):  # 2
            raise NotFound("There is no such database.")
        if self._closed:
            raise DbUnavailable("This provider is being closed; try again.")
        async with self._places.take(user), opened(self._provider, name) as session:
            lag = await self._read_lag(session)
            with translated():
                rows = await session.connection.command("SHOW DATABASES")
            readable = [other for (other,) in rows if other is not None and self._is_allowed(other)]
            stall_seconds = self._provider.statement_timeout_seconds + STALL_SECONDS
            snapshot = MysqlSnapshot(session, name, readable, MysqlDialect(), stall_seconds)
            snapshot.lag_seconds = lag
            self._open.add(session)
            try:
                await snapshot.begin()
                yield snapshot
                if not snapshot.running:
                    await snapshot.end()
            finally:
                self._open.discard(session)
                session.connection.abort()  # 3
                if snapshot.running:
                    await self._kill(session)

    async def check(self) -> ServerReport:
        """Log in and say what is there and what the role could do besides reading."""
        async with self._places.take(), opened(self._provider, self._provider.database or None) as session:
            await self._read_lag(session)
            with translated():
                grants = await self._grants(session)
            warnings, excess = powers_of(grants)
            return ServerReport(session.engine, session.version, warnings, excess)

    async def _grants(self, session: Opened) -> list[str]:
        """What the account may do with the roles in force, and with every role that it can take on."""
        connection = session.connection
        found = [grant for (grant,) in await connection.command("SHOW GRANTS") if grant is not None]
        for role in roles_of(found):
            if session.mariadb:
                await connection.command(f"SET ROLE {role}")
            show = "SHOW GRANTS" if session.mariadb else f"SHOW GRANTS FOR CURRENT_USER() USING {role}"
            found += [grant for (grant,) in await connection.command(show) if grant is not None]
        return found

    async def close(self) -> None:
        """Abort every connection, end their queries, and open no more."""
        self._closed = True
        sessions, self._open = self._open, set()
        for session in sessions:
            session.connection.abort()
        await asyncio.gather(*(self._kill(session) for session in sessions), *self._kills)

    async def _read_lag(self, session: Opened) -> float | None:
        """How far behind the server is; asked only for ``max_lag``, as it takes a privilege of its own."""
        if self._provider.max_lag_seconds is None:
            return None
        lag = await read_lag(session.connection)
        refuse_old(lag, self._provider.max_lag_seconds)
        return lag

    def _is_allowed(self, name: str) -> bool:  # 2
        if name.lower() in SYSTEM_DATABASES:
            return False
        globs = self._provider.databases
        return name == self._provider.database or any(fnmatch.fnmatchcase(name, glob) for glob in globs)

    async def _kill(self, session: Opened) -> None:
        """3: shielded, for the caller is often being cancelled; and nobody waits long for a server that is silent."""
        task = asyncio.create_task(self._end_on_server(session))
        self._kills.add(task)
        task.add_done_callback(self._kills.discard)
        await asyncio.wait([task], timeout=KILL_SECONDS)

    async def _end_on_server(self, session: Opened) -> None:
        """Best effort: when the server cannot be reached, its own statement timeout ends the query."""
        for attempt in range(KILL_ATTEMPTS):
            try:
                async with opened(self._provider, None) as second:
                    if second.identity == session.identity:
                        with translated():
                            await second.connection.command(f"KILL CONNECTION {session.connection.thread_id()}")
                return
            except Busy:
                await asyncio.sleep(KILL_PAUSE_SECONDS * (attempt + 1))
            except HfitError:
                return  # unreachable, or the thread has ended by itself
