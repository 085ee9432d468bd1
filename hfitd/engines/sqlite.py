"""An SQLite file as one provider. Its only database is ``main``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import Dialect, ServerReport
from hfitd.engines.places import Places
from hfitd.engines.sqlite_catalog import MAIN
from hfitd.engines.sqlite_connection import Worker, opened
from hfitd.engines.sqlite_dialect import SqliteDialect
from hfitd.engines.sqlite_snapshot import SqliteSnapshot
from hfitd.errors import DbUnavailable, NotFound


class SqliteEngine:
    """One file. Opens it for each snapshot, in a thread of its own."""

    def __init__(self, provider: ProviderConfig, places: Places | None = None) -> None:
        self.name = provider.name
        self.dialect: Dialect = SqliteDialect()
        self._provider = provider
        self._places = places or Places(provider.name, provider.max_connections)
        self._open: set[Worker] = set()
        self._closed = False

    async def databases(self) -> list[str]:
        """``main``."""
        return [MAIN]

    @asynccontextmanager
    async def snapshot(self, database: str | None = None, user: str = "") -> AsyncIterator[SqliteSnapshot]:
        """A read transaction. NotFound for another database than ``main``, DbUnavailable without the file."""
        if (database or MAIN) != MAIN:
            raise NotFound("There is no such database.")
        if self._closed:
            raise DbUnavailable("This provider is being closed; try again.")
        path = self._path()
        async with self._places.take(user), opened(path, self._provider.statement_timeout_seconds) as worker:
            self._open.add(worker)
            try:
                snapshot = SqliteSnapshot(worker, path, SqliteDialect())
                await snapshot.begin()
                yield snapshot
            finally:
                self._open.discard(worker)

    async def check(self) -> ServerReport:
        """Open the file and say what is there."""
        async with self.snapshot() as snapshot:
            catalog = await snapshot.catalog()
        warnings = []
        if os.access(self._path(), os.W_OK):
            warnings.append("The daemon's user may write the file; reading is enough.")
        return ServerReport(catalog.engine, catalog.version, tuple(warnings))

    async def close(self) -> None:
        """Interrupt every query; each connection closes as its snapshot is left."""
        self._closed = True
        for worker in self._open:
            worker.stop()

    def _path(self) -> Path:
        if self._provider.path is None:
            raise DbUnavailable("This provider has no path.")
        return self._provider.path
