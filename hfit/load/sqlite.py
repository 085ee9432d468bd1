"""Loading into an SQLite file: one transaction, made in the file that is there or in a new one.

1. References are unchecked while rows come; afterwards those of the loaded tables are looked through, and what refers
   to nothing is told. With ``replace`` a row outside of the package that would then refer to nothing refuses the load.
2. Triggers of the loaded tables are dropped and made again inside the transaction.
3. Whatever fails, everything is rolled back; a file that was not there before is removed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from hfit.errors import LoadFailed, NetworkFailed, TargetBusy, TargetRefused
from hfit.load.compare import blur
from hfit.load.interface import (
    Canon,
    Cells,
    Mode,
    Options,
    Part,
    Progress,
    Script,
    ServerName,
    TableRef,
    TableState,
    Target,
)
from hfit.load.script import CopyBlock, Statement, read_script
from hfit.load.statements import Kind, insert_head, kind_of, quote
from hfit.transfer import silent

BUSY_SECONDS = 0.5
PAUSE_SECONDS = 0.05
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"


async def open_sqlite(target: Target, lock_seconds: float) -> SqliteLoader:
    """Open or make the file; wait ``lock_seconds`` for a lock. NetworkFailed when that cannot be done."""
    path = Path(target.database)
    is_new = _is_new(path)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        await _patiently(connection, "SELECT count(*) FROM sqlite_schema", lock_seconds)
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA trusted_schema=OFF")
    except sqlite3.Error as error:
        if _is_busy(error):
            raise _locked(str(path)) from error
        raise NetworkFailed(f"{path} cannot be opened.", reason=str(error)) from error
    return SqliteLoader(connection, path, lock_seconds, is_new=is_new)


class SqliteLoader:
    """One connection; see the module."""

    def __init__(self, connection: sqlite3.Connection, path: Path, lock_seconds: float, *, is_new: bool) -> None:
        self._connection, self._path, self._is_new = connection, path, is_new
        self.server = ServerName("sqlite", sqlite3.sqlite_version)
        self._lock_seconds = lock_seconds

    async def inspect(self, tables: Sequence[TableRef]) -> Mapping[TableRef, TableState]:
        """The tables that are there."""
        with _translated("Looking at the target"):
            there = {row[0].lower() for row in self._connection.execute(_TABLES)}
            return {table: self._state(table.name) for table in tables if table.name.lower() in there}

    async def occupied(self) -> str | None:
        """A table that holds rows."""
        with _translated("Looking at the target"):
            names = [row[0] for row in self._connection.execute(_TABLES).fetchall()]
            return next((name for name in names if self._has_rows(name)), None)

    async def close(self) -> None:
        """Close the file; what a full disk left of the transaction is taken back, and a file made for nothing removed
        (step 3)."""
        self._connection.close()
        if self._path.with_name(self._path.name + "-journal").exists():
            with suppress(sqlite3.Error), closing(sqlite3.connect(self._path)) as again:
                again.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if self._is_new and self._path.exists() and self._path.stat().st_size == 0:
            self._path.unlink()

    async def define(self, script: Script) -> None:
        """The DDL, in the transaction."""
        await self._begin()
        await _Load(self._connection, script).define()

    async def fill(self, script: Script, options: Options, progress: Progress) -> tuple[str, ...]:
        """The rows, in the transaction."""
        await self._begin()
        return tuple(await _Load(self._connection, script).fill(options, progress))

    async def check_open(self) -> None:
        """A file does not go away."""

    async def commit(self) -> tuple[str, ...]:
        """End the transaction."""
        with _translated("The end of the transaction"):
            await _patiently(self._connection, "COMMIT", self._lock_seconds)
        return ()

    async def roll_back(self) -> str:
        """Take everything back."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        return ""

    async def _begin(self) -> None:
        if not self._connection.in_transaction:
            with _translated("The target"):
                await _patiently(self._connection, "BEGIN IMMEDIATE", self._lock_seconds)

    def package_rows(self, script: Script, part: Part, table: TableRef) -> Iterator[Cells]:
        """The member's VALUES, evaluated by SQLite itself in an empty memory database."""
        scratch = sqlite3.connect(":memory:")
        scratch.text_factory = bytes
        try:
            with part.file.open("rb") as file:
                for item in read_script(file, "sqlite", part.path):
                    if isinstance(item, Statement) and kind_of(item, "sqlite", part.path) is Kind.INSERT:
                        found, _, start = insert_head(item.text, "sqlite")
                        if found == table:
                            yield from _typed_rows(scratch, "VALUES " + item.text[start:].decode())
        finally:
            scratch.close()

    async def target_rows(self, table: TableRef, columns: Sequence[str]) -> AsyncIterator[Cells]:
        """The values of the file."""
        self._connection.text_factory = bytes
        try:
            for cells in _typed_rows(
                self._connection,
                f"SELECT {', '.join(map(quote, columns))} FROM {quote(table.name)}",  # noqa: S608 - quoted
            ):
                yield cells
        finally:
            self._connection.text_factory = str

    def show(self, cell: bytes) -> str:
        """Without the storage class."""
        if cell[:1] == b"r":
            return repr(struct.unpack(">d", cell[1:])[0])
        return cell[1:].decode("utf-8", "backslashreplace")

    async def canons(self, table: TableRef, columns: Sequence[str], masked: frozenset[str]) -> Sequence[Canon | None]:
        """Storage class and value; of masked cells the text alone, for a column turns text into numbers."""
        return [self._blurred if name in masked else None for name in columns]

    def _blurred(self, cell: bytes) -> bytes:
        return blur(self.show(cell).encode())

    def _state(self, table: str) -> TableState:
        info = self._connection.execute("SELECT name, pk FROM pragma_table_xinfo(?) ORDER BY cid", (table,)).fetchall()
        key = sorted((place, name) for name, place in info if place)
        return TableState(
            columns=tuple(name for name, _ in info),
            primary_key=tuple(name for _, name in key),
            has_rows=self._has_rows(table),
        )

    def _has_rows(self, table: str) -> bool:
        return self._connection.execute(f"SELECT 1 FROM {quote(table)} LIMIT 1").fetchone() is not None  # noqa: S608 - quoted


class _Load:
    """What one script does, inside the transaction. It lets the loop go on after each statement: Ctrl-C comes there."""

    def __init__(self, connection: sqlite3.Connection, script: Script) -> None:
        self._connection, self._script = connection, script
        self._options = Options(Mode.CREATE)
        self._progress: Progress = silent
        self._total, self._done = sum(script.rows.values()), 0
        self._keys: dict[TableRef, tuple[str, ...]] = {}

    async def define(self) -> None:
        for part in self._script.parts:
            if part.is_ddl:
                await self._run_part(part)

    async def fill(self, options: Options, progress: Progress) -> list[str]:
        self._options, self._progress = options, progress
        with _translated("The target"):
            triggers = self._prepare()
            outside = self._orphans(pointing_here=True)
            if self._options.mode is Mode.REPLACE:
                for table in self._script.filled:
                    self._connection.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608 - quoted
        for part in self._script.parts:
            if not part.is_ddl:
                await self._run_part(part)
        with _translated("Checking the loaded rows"):
            notes = self._finish(outside)
            for text in triggers:
                self._connection.execute(text)  # 2
            return notes

    def _prepare(self) -> list[str]:
        names = {table.name.lower() for table in self._script.filled}
        for table in self._script.filled:
            info = self._connection.execute("SELECT pk, name FROM pragma_table_info(?)", (table.name,)).fetchall()
            self._keys[table] = tuple(name for _, name in sorted(info) if _)
        listed = self._connection.execute("SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'")
        found = [(name, text) for name, table, text in listed.fetchall() if table.lower() in names]
        for name, _ in found:
            self._connection.execute(f"DROP TRIGGER {quote(name)}")  # 2
        return [text for _, text in found]

    def _finish(self, outside: Mapping[str, int]) -> list[str]:
        for table, expected in self._script.rows.items():
            (found,) = self._connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchone()  # noqa: S608 - quoted
            wrong = found < expected if self._options.mode is Mode.UPSERT else found != expected
            if wrong:
                raise LoadFailed(f"{table} holds {found} rows, the package has {expected}.")
        for name, count in self._orphans(pointing_here=True).items():
            if count > outside.get(name, 0) and not self._options.allow_dangling:
                raise TargetRefused(
                    f"Rows outside of the package would refer to nothing: {name}.",
                    suggestions=["Load into a fresh file, or allow it with --allow-dangling."],
                )
        return [f"{count} rows refer to nothing: {name}." for name, count in self._orphans(pointing_here=False).items()]

    def _orphans(self, *, pointing_here: bool) -> dict[str, int]:
        """Step 1: rows that refer to nothing, by table and parent."""
        names = {table.name.lower() for table in self._script.filled}
        found: dict[str, int] = {}
        if pointing_here and self._options.mode is not Mode.REPLACE:
            return found
        for (table,) in self._connection.execute(_TABLES).fetchall():
            if (table.lower() in names) is pointing_here:
                continue
            for _, _, parent, _ in self._connection.execute(f"PRAGMA foreign_key_check({quote(table)})"):
                if not pointing_here or parent.lower() in names:
                    found[f"{table} to {parent}"] = found.get(f"{table} to {parent}", 0) + 1
        return found

    async def _run_part(self, part: Part) -> None:
        with part.file.open("rb") as file:
            for item in read_script(file, "sqlite", part.path):
                assert not isinstance(item, CopyBlock)
                with _translated(f"{part.path}, line {item.line}"):
                    self._run(item, part.path)
                await asyncio.sleep(0)

    def _run(self, statement: Statement, path: str) -> None:
        kind, text = kind_of(statement, "sqlite", path), statement.text
        if kind is Kind.TRANSACTION:
            return
        if kind is not Kind.INSERT:
            self._connection.execute(text.decode())
            return
        table, columns, _ = insert_head(text, "sqlite")
        changed = self._connection.execute(text.decode() + self._tail(table, columns)).rowcount
        self._done += max(changed, 0)
        self._progress(min(self._done, self._total), self._total)

    def _tail(self, table: TableRef, columns: Sequence[str]) -> str:
        if self._options.mode is not Mode.UPSERT:
            return ""
        key = self._keys[table]
        changes = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in columns if name not in key)
        return f" ON CONFLICT ({', '.join(map(quote, key))}) DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}"


def _typed_rows(connection: sqlite3.Connection, sql: str) -> Iterator[Cells]:
    """Rows with each value's storage class in its first byte. TEXT and BLOB both arrive as bytes, so they are asked."""
    width = len(connection.execute(f"SELECT * FROM ({sql}) LIMIT 0").description)  # noqa: S608 - ours
    names = [f"column{number + 1}" for number in range(width)]
    listed = ", ".join(f"typeof({name}), {name}" for name in names)
    rows = connection.execute(f"WITH r ({', '.join(names)}) AS ({sql}) SELECT {listed} FROM r")  # noqa: S608 - ours
    for row in rows:
        yield tuple(_cell(kind, value) for kind, value in zip(row[::2], row[1::2], strict=True))


def _cell(kind: bytes, value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, float):
        return b"r" + struct.pack(">d", value)
    return kind[:1] + (value if isinstance(value, bytes) else str(value).encode())


def _is_new(path: Path) -> bool:
    if path.exists():
        return False
    if not path.parent.is_dir():
        raise NetworkFailed(f"{path} cannot be made.", reason=f"There is no folder {path.parent}.")
    return True


async def _patiently(connection: sqlite3.Connection, statement: str, seconds: float) -> None:
    """Wait for a lock in small steps, because nothing interrupts SQLite while it waits itself."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _locked(where: str) -> TargetBusy:
    return TargetBusy(
        f"{where}: somebody else holds a lock on the file.",
        suggestions=["Try again when they have finished, or wait longer: --lock-timeout"],
    )


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """SQLite's errors as ours, in its own words."""
    try:
        yield
    except sqlite3.Error as error:
        if _is_busy(error):
            raise _locked(where) from error
        raise LoadFailed(f"{where}: the target refused it.", reason=f"{error}.") from error
