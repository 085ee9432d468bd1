"""One SQLite connection in a thread of its own, read-only in every way SQLite has.

1. The file is opened with ``mode=ro``: a missing one is DbUnavailable, never made. (A database in WAL mode may get its
   ``-wal`` and ``-shm`` beside it, as every reader of it makes them.)
2. ``query_only`` and ``trusted_schema`` stand against the file's own views and triggers; extensions stay off; nothing
   can be attached; sizes are limited.
3. While a caller's statement is compiled an authorizer lets through reading of ordinary tables and a list of pure
   functions, and nothing else: no PRAGMA, no ATTACH, no catalogue, no writing.
4. Every statement has a budget of time inside SQLite, kept by its progress handler. Leaving interrupts it at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from hfitd.engines.sqlite_errors import translated
from hfitd.engines.sqlite_functions import FUNCTIONS
from hfitd.engines.sqlite_values import Text

T = TypeVar("T")

LOCK_SECONDS = 2.0
PROGRESS_STEPS = 10_000  # virtual machine steps between two looks at the clock
MAX_VALUE_BYTES = 256 * 1024 * 1024
MAX_SQL_BYTES = 4 * 1024 * 1024

_HIDDEN = ("sqlite_", "pragma_", "dbstat", "bytecode", "tables_used")
_SETTINGS = ("PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON")


class Worker:
    """The connection and its thread. One call at a time; made by ``opened``."""

    def __init__(self, path: Path, statement_seconds: float) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hfitd-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._statement_seconds = statement_seconds
        self._trusted = True  # our own statements; False while a caller's is compiled or runs
        self._left_seconds = statement_seconds
        self._ends_at = 0.0
        self._stopped = False
        self.asked: frozenset[str] = frozenset()  # tables that the last untrusted statement asked to read, lower case

    async def call(self, task: Callable[[sqlite3.Connection], T], *, trusted: bool = True, fresh: bool = True) -> T:
        """Run a task in the thread. ``fresh`` starts a new budget of time; without it the last one goes on.

        A cancelled call interrupts the task and waits until the thread is free again.
        """
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, task, trusted, fresh)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([future])
            future.cancelled() or future.exception()  # seen, so that nobody complains of it
            raise

    def stop(self) -> None:
        """Interrupt what runs; nothing runs afterwards."""
        self._stopped = True
        if self._connection is not None:
            self._connection.interrupt()

    async def close(self) -> None:
        """Interrupt what runs, close the file and end the thread."""
        self.stop()
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(self._thread, self._close))
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.set_progress_handler(None, 0)
            connection.close()

    def _guarded(self, task: Callable[[sqlite3.Connection], T], trusted: bool, fresh: bool) -> T:
        with translated():
            if self._connection is None:
                self._connection = self._open()
            if fresh:
                self._left_seconds = self._statement_seconds
            started = time.monotonic()
            self._ends_at = started + self._left_seconds  # 4
            self._trusted = trusted
            self.asked = frozenset() if fresh else self.asked
            try:
                return task(self._connection)
            finally:
                self._left_seconds -= time.monotonic() - started

    def _open(self) -> sqlite3.Connection:
        address = f"{self._path.absolute().as_uri()}?mode=ro"  # 1
        # A statement from the cache would be compiled without a question to the authorizer.
        connection = sqlite3.connect(
            address, uri=True, isolation_level=None, timeout=LOCK_SECONDS, cached_statements=0
        )
        try:
            connection.text_factory = Text
            for setting in _SETTINGS:  # 2
                connection.execute(setting)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
            connection.set_authorizer(self._authorize)
            connection.set_progress_handler(self._is_over, PROGRESS_STEPS)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_over(self) -> int:
        return int(self._stopped or time.monotonic() > self._ends_at)

    def _authorize(  # 3
        self, action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
    ) -> int:
        if self._trusted or action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and not (first or "").lower().startswith(_HIDDEN):
            self.asked |= {(first or "").lower()}
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in FUNCTIONS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


@asynccontextmanager
async def opened(path: Path, statement_seconds: float) -> AsyncIterator[Worker]:
    """A connection in its thread, opened with the first call and closed when the block is left."""
    worker = Worker(path, statement_seconds)
    try:
        yield worker
    finally:
        await worker.close()
