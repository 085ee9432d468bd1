"""The store of a single instance: one SQLite file, written durably by one thread.

Records and counters are on disk before a call returns (WAL, ``synchronous = FULL``). Rate limits and leases live in
the memory of the process: they mean nothing after it, and a crash must not leave a lease behind. A second process is
refused by a lock on ``<file>.lock``, which the system drops with the process, however it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hfitd.errors import Conflict, StoreUnavailable
from hfitd.store.interface import RateDecision, Record
from hfitd.store.keys import check_key, check_one_group
from hfitd.store.rate import next_arrival

_T = TypeVar("_T")
_OPERATION_SECONDS = 2.0
_PURGE_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL, expires REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (key TEXT PRIMARY KEY, amount INTEGER NOT NULL, expires REAL) WITHOUT ROWID;
CREATE TEMP TABLE rate (key TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE lease (key TEXT PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_expires ON record (expires) WHERE expires IS NOT NULL;
"""


class EmbeddedStore:
    """Store over stdlib sqlite3. Make one with ``open``; use it from one event loop."""

    def __init__(self, database: sqlite3.Connection, lock: int, executor: ThreadPoolExecutor) -> None:
        self._database = database
        self._lock = lock
        self._executor = executor
        self._purge_at = 0.0
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> EmbeddedStore:
        """Open or make the file (mode 0600). StoreUnavailable when another process holds it or it cannot be used."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="hfitd-store")
        try:
            database, lock = await asyncio.get_running_loop().run_in_executor(executor, _open_file, path)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(database, lock, executor)

    async def read(self, key: str) -> Record | None:
        """See Store."""
        return await self._run(lambda: self._read(check_key(key)))

    async def write(
        self, key: str, value: bytes, *, expect: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """See Store."""
        return await self._run(lambda: self._write(check_key(key), value, expect, ttl_seconds))

    async def write_all(self, values: Mapping[str, tuple[bytes, int | None]]) -> None:
        """See Store."""
        check_one_group(values)

        def write() -> None:
            for key, (value, expect) in values.items():
                self._write(key, value, expect, None)

        await self._run(write)

    async def delete(self, key: str) -> bool:
        """See Store."""
        return await self._run(lambda: self._delete(check_key(key)))

    async def keys(self, prefix: str) -> list[str]:
        """See Store."""
        check_key(prefix)
        statement = (
            "SELECT key FROM record WHERE key >= ? AND key < ? AND (expires IS NULL OR expires > ?) ORDER BY key"
        )

        def select() -> list[str]:
            rows = self._database.execute(statement, (prefix, prefix + "\x7f", time.time()))
            return [str(row[0]) for row in rows]

        return await self._run(select)

    async def mend(self) -> None:
        """See Store; here keys are listed out of the records themselves."""

    async def take(self, key: str) -> bytes | None:
        """See Store."""

        def take() -> bytes | None:
            record = self._read(check_key(key))
            self._database.execute("DELETE FROM record WHERE key = ?", (key,))
            return None if record is None else record.value

        return await self._run(take)

    async def add(self, key: str, amount: int = 1, *, ttl_seconds: float | None = None) -> int:
        """See Store."""
        return await self._run(lambda: self._add(check_key(key), amount, ttl_seconds))

    async def add_within(
        self, key: str, amount: int, *, limit: int, ttl_seconds: float | None = None
    ) -> int | None:
        """See Store."""

        def add() -> int | None:
            statement = "SELECT amount FROM counter WHERE key = ? AND (expires IS NULL OR expires > ?)"
            row = self._database.execute(statement, (check_key(key), time.time())).fetchone()
            if (0 if row is None else int(row[0])) + amount > limit:
                return None
            return self._add(key, amount, ttl_seconds)

        return await self._run(add)

    async def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        """See Store."""
        return await self._run(lambda: self._allow(check_key(key), limit, period_seconds, cost))

    async def acquire(self, key: str, owner: str, ttl_seconds: float) -> bool:
        """See Store."""
        statement = (
            "INSERT INTO lease VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET owner = excluded.owner,"
            " expires = excluded.expires WHERE lease.owner = excluded.owner OR lease.expires <= ?"
        )

        def acquire() -> bool:
            now = time.time()
            values = (check_key(key), owner, now + ttl_seconds, now)
            return self._database.execute(statement, values).rowcount == 1

        return await self._run(acquire)

    async def release(self, key: str, owner: str) -> None:
        """See Store."""
        values = (check_key(key), owner)

        def release() -> None:
            self._database.execute("DELETE FROM lease WHERE key = ? AND owner = ?", values)

        await self._run(release)

    async def holder(self, key: str) -> str | None:
        """See Store."""
        statement = "SELECT owner FROM lease WHERE key = ? AND expires > ?"

        def select() -> str | None:
            row = self._database.execute(statement, (check_key(key), time.time())).fetchone()
            return None if row is None else str(row[0])

        return await self._run(select)

    async def ping(self) -> None:
        """See Store."""
        await self._run(lambda: self._database.execute("SELECT count(*) FROM record WHERE key = ''").fetchone())

    async def close(self) -> None:
        """Close the file and let another process have it. Further calls are StoreUnavailable."""
        if self._closed:
            return
        self._closed = True

        def close() -> None:
            self._database.close()
            os.close(self._lock)

        await asyncio.get_running_loop().run_in_executor(self._executor, close)
        self._executor.shutdown(wait=False)

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Do the work as one transaction in the store's thread.

        A cancelled caller leaves the transaction whole: the thread finishes it and only then takes the next.
        """
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._transact, work)
        try:
            async with asyncio.timeout(_OPERATION_SECONDS):
                return await future
        except (sqlite3.Error, TimeoutError, RuntimeError) as error:
            raise StoreUnavailable("The store's file cannot be used now; look for a full or broken disk.") from error

    def _transact(self, work: Callable[[], _T]) -> _T:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            self._purge()
            result = work()
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return result

    def _read(self, key: str) -> Record | None:
        statement = "SELECT value, version FROM record WHERE key = ? AND (expires IS NULL OR expires > ?)"
        row = self._database.execute(statement, (key, time.time())).fetchone()
        return None if row is None else Record(bytes(row[0]), int(row[1]))

    def _write(self, key: str, value: bytes, expect: int | None, ttl_seconds: float | None) -> int:
        current = self._read(key)
        version = 0 if current is None else current.version
        if expect is not None and expect != version:
            raise Conflict()
        expires = None if ttl_seconds is None else time.time() + ttl_seconds
        self._database.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", (key, value, version + 1, expires))
        return version + 1

    def _delete(self, key: str) -> bool:
        found = self._read(key) is not None
        counted = "SELECT 1 FROM counter WHERE key = ? AND (expires IS NULL OR expires > ?)"
        found = self._database.execute(counted, (key, time.time())).fetchone() is not None or found
        self._database.execute("DELETE FROM record WHERE key = ?", (key,))
        self._database.execute("DELETE FROM counter WHERE key = ?", (key,))
        self._database.execute("DELETE FROM rate WHERE key = ?", (key,))
        return found

    def _add(self, key: str, amount: int, ttl_seconds: float | None) -> int:
        now = time.time()
        self._database.execute("DELETE FROM counter WHERE key = ? AND expires <= ?", (key, now))
        expires = None if ttl_seconds is None else now + ttl_seconds
        statement = (
            "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET amount = amount + excluded.amount"
            " RETURNING amount"
        )
        return int(self._database.execute(statement, (key, amount, expires)).fetchone()[0])

    def _allow(self, key: str, limit: int, period_seconds: float, cost: int) -> RateDecision:
        now = time.time()
        row = self._database.execute("SELECT expires FROM rate WHERE key = ?", (key,)).fetchone()
        decision, ahead = next_arrival(0.0 if row is None else row[0] - now, limit, period_seconds, cost)
        if decision.allowed:
            self._database.execute("INSERT OR REPLACE INTO rate VALUES (?, ?)", (key, now + ahead))
        return decision

    def _purge(self) -> None:
        """Forget what has expired, at most every 30 s, so that floods of challenges do not stay on disk."""
        now = time.time()
        if now < self._purge_at:
            return
        self._purge_at = now + _PURGE_SECONDS
        for statement in (
            "DELETE FROM record WHERE expires <= ?",
            "DELETE FROM counter WHERE expires <= ?",
            "DELETE FROM rate WHERE expires <= ?",
            "DELETE FROM lease WHERE expires <= ?",
        ):
            self._database.execute(statement, (now,))


def _open_file(path: Path) -> tuple[sqlite3.Connection, int]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable("The folder of the embedded store cannot be written; check data_dir.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return _open_database(path), lock
    except BlockingIOError as error:
        os.close(lock)
        raise StoreUnavailable(
            "Another hfitd process uses this embedded store.",
            suggestions=["Stop the other process.", "Several instances need a shared store: set store.url to Redis."],
        ) from error
    except (OSError, sqlite3.Error) as error:
        os.close(lock)
        raise StoreUnavailable("The file of the embedded store cannot be opened or is damaged.") from error


def _open_database(path: Path) -> sqlite3.Connection:
    # Closed from the thread that uses it; the check would only forbid closing after a failed start.
    database = sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA temp_store = MEMORY")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database
