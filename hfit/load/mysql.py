"""Loading into MySQL and MariaDB: the package's own rows, as data or as INSERT statements, without server-side files.

1. Rows are one transaction: when one fails, none stays, but in tables whose engine has no transactions
   (MyISAM). DDL ends a transaction on MySQL. The error names what is left: tables that were created, tables with rows.
2. Foreign keys are unchecked while rows come, for any shape of references; afterwards every key of the loaded tables
   is looked through, and what refers to nothing is told. With ``replace`` a row outside of the package that would
   then refer to nothing refuses the load.
3. The members set their session up and put it back; what this module sets ends with its connection.
4. Where the server takes LOAD DATA LOCAL, rows go as data (``mysql_bulk``). A statement is proved to hold only rows
   of literals: before the first one runs where the need is known by then, else before it runs itself.
5. ``upsert`` goes by primary key: a row that meets another row by another unique key fails the load.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import BinaryIO

import aiomysql
from pymysql.err import MySQLError, OperationalError

from hfit.errors import LoadFailed, NetworkFailed, TargetBusy, TargetRefused
from hfit.load.compare import blur
from hfit.load.interface import Canon, Cells, Mode, Options, Part, Progress, Script, TableRef, TableState, Target
from hfit.load.mysql_bulk import Bulk
from hfit.load.mysql_catalog import (
    find_lasting,
    find_occupied,
    find_orphans,
    place_of,
    read_spellings,
    read_states,
    read_unique_keys,
)
from hfit.load.mysql_connection import TargetConnection
from hfit.load.mysql_values import read_values
from hfit.load.script import CopyBlock, Statement, read_again, read_script
from hfit.load.statements import Kind, created_table, insert_head, kind_of, map_databases, quote_mysql
from hfit.text import visible
from hfit.transfer import silent

_SESSION = (
    b"SET NAMES utf8mb4",
    b"SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,STRICT_ALL_TABLES', time_zone='+00:00'",
    b"SET SESSION foreign_key_checks=0, unique_checks=1, autocommit=0",
    b"SET SESSION innodb_lock_wait_timeout=%d, lock_wait_timeout=%d",
)
_UNSURE = "Whether it holds the rows is not known: the connection broke at the very end."
_LOST = frozenset((2006, 2013, 2014, 2055, 1053, 1927, 4031))  # the server or the way to it has gone
_LOCKED = 1205
_SEVERAL_ROWS = 1242  # what step 5 makes of a row met by another key
_PAGE_ROWS = 1000


async def open_mysql(target: Target, lock_seconds: float) -> MysqlLoader:
    """Connect; wait ``lock_seconds`` for a lock. NetworkFailed when there is no such server, database or role."""
    connection = TargetConnection(target)
    seconds = max(1, round(lock_seconds))
    try:
        await connection._connect()
        for statement in _SESSION:
            await connection.run(statement % (seconds, seconds) if b"%d" in statement else statement)
        ((limit, takes_rows),) = await connection.fetch("SELECT @@max_allowed_packet, @@local_infile")
    except (OSError, TimeoutError, MySQLError) as error:
        connection.abort()
        raise NetworkFailed(f"{target} cannot be reached.", reason=_why(error)) from error
    return MysqlLoader(connection, target.database, int(limit), takes_rows=bool(takes_rows))


class MysqlLoader:
    """One connection; see the module."""

    def __init__(self, connection: TargetConnection, database: str, packet_bytes: int, *, takes_rows: bool) -> None:
        self._connection, self._database, self._packet_bytes = connection, database, packet_bytes
        self._takes_rows = takes_rows
        self.server = connection.server_name
        self._loads: dict[str, _Load] = {}
        self._committing = False

    async def inspect(self, tables: Sequence[TableRef]) -> Mapping[TableRef, TableState]:
        """The tables that are there."""
        with _translated("Looking at the target"):
            return await read_states(self._connection, tables, self._database)

    async def occupied(self) -> str | None:
        """A table of the database that holds rows."""
        with _translated("Looking at the target"):
            return await find_occupied(self._connection, self._database)

    async def close(self) -> None:
        """Close the connection."""
        self._connection.abort()

    async def define(self, script: Script) -> None:
        """The DDL, which lasts (step 1)."""
        await self._load_of(script).define()

    async def fill(self, script: Script, options: Options, progress: Progress) -> tuple[str, ...]:
        """The rows, in the transaction."""
        return tuple(await self._load_of(script).fill(options, progress))

    async def check_open(self) -> None:
        """Ask for nothing."""
        with _translated("The target"):
            await self._connection.run(b"DO 0")

    async def commit(self) -> tuple[str, ...]:
        """End the transaction."""
        with _translated("The end of the transaction"):
            self._committing = True
            await self._connection.run(b"COMMIT")
        return ()

    async def roll_back(self) -> str:
        """Take the rows back, or hang up: then the server does it. Tells what no rollback takes back."""
        lost = not self._connection.in_step
        if not lost:
            try:
                await self._connection.run(b"ROLLBACK")
            except (OSError, MySQLError):
                lost = True
        if lost:
            self._connection.abort()
        told = [load.left() for load in self._loads.values()]
        return " ".join(filter(None, [*told, _UNSURE if lost and self._committing else ""]))

    def _load_of(self, script: Script) -> _Load:
        load = _Load(self._connection, script, self._database, self._packet_bytes, takes_rows=self._takes_rows)
        return self._loads.setdefault(script.provider, load)

    def package_rows(self, script: Script, part: Part, table: TableRef) -> Iterator[Cells]:
        """The literals of the member's INSERT statements, as bytes."""
        with part.file.open("rb") as file:
            for item in read_script(file, "mysql", part.path):
                if isinstance(item, Statement) and kind_of(item, "mysql", part.path) is Kind.INSERT:
                    found, _, start = insert_head(item.text, "mysql")
                    if TableRef(script.databases.get(found.schema, found.schema), found.name) == table:
                        yield from read_values(item.text, start)

    async def target_rows(self, table: TableRef, columns: Sequence[str]) -> AsyncIterator[Cells]:
        """The values of the target, as bytes."""
        spellings = await read_spellings(self._connection, table, columns, self._database)
        listed = ", ".join(spelling.select for spelling in spellings)
        cursor = aiomysql.SSCursor(self._connection)
        self._connection.decoders, self._connection.use_unicode = {}, False
        with _translated(f"Reading {table}"):
            await cursor.execute(f"SELECT {listed} FROM {place_of(table)}")  # noqa: S608 - quoted
            while rows := await cursor.fetchmany(_PAGE_ROWS):
                for row in rows:
                    yield tuple(None if cell is None else bytes(cell) for cell in row)

    def show(self, cell: bytes) -> str:
        """As text."""
        return cell.decode("utf-8", "backslashreplace")

    async def canons(self, table: TableRef, columns: Sequence[str], masked: frozenset[str]) -> Sequence[Canon | None]:
        """Floats as numbers; masked cells with blanks and the spelling of numbers put aside."""
        spellings = await read_spellings(self._connection, table, columns, self._database)
        return [blur if name in masked else item.canon for name, item in zip(columns, spellings, strict=True)]


class _Load:
    """What one script does."""

    def __init__(
        self, connection: TargetConnection, script: Script, database: str, packet_bytes: int, *, takes_rows: bool
    ) -> None:
        self._connection, self._script, self._database = connection, script, database
        self._packet_bytes, self._takes_rows = packet_bytes, takes_rows
        self._bulk: Bulk | None = None
        self._proved = False
        self._options = Options(Mode.CREATE)
        self._progress: Progress = silent
        self._total, self._done = sum(script.rows.values()), 0
        self._created: list[str] = []
        self._lasting: list[str] = []  # tables whose engine has no transactions
        self._keys: dict[TableRef, tuple[str, ...]] = {}

    async def define(self) -> None:
        self._prove()
        for part in self._script.parts:
            if part.is_ddl:
                await self._run_part(part)

    async def fill(self, options: Options, progress: Progress) -> list[str]:
        self._options, self._progress = options, progress
        self._prove()
        with _translated("The target"):
            orphans = await self._prepare()
        if self._takes_rows and options.mode is not Mode.UPSERT:
            self._bulk = Bulk(self._connection, self._database)
        for part in self._script.parts:
            if not part.is_ddl:
                await self._run_part(part)
        with _translated("Checking the loaded rows"):
            return await self._finish(orphans)

    def left(self) -> str:
        """What a failure leaves behind."""
        told = []
        if empty := [name for name in self._created if name not in self._lasting]:
            told.append(f"These tables were created and are empty: {', '.join(empty)}.")
        if self._lasting:
            told.append(f"Rows may be left in these, which have no transactions: {', '.join(self._lasting)}.")
        return " ".join(told)

    async def _prepare(self) -> dict[str, int]:
        filled = list(self._script.filled)
        states = await read_states(self._connection, filled, self._database)
        self._keys = {table: state.primary_key for table, state in states.items()}
        self._lasting = await find_lasting(self._connection, filled, self._database)
        if self._options.mode is not Mode.REPLACE:
            return {}
        outside = await find_orphans(self._connection, filled, self._database, pointing_here=True)
        for table in filled:
            await self._connection.run(f"DELETE FROM {place_of(table)}".encode())  # noqa: S608 - quoted
        return outside

    async def _finish(self, outside: Mapping[str, int]) -> list[str]:
        filled = list(self._script.filled)
        for table, expected in self._script.rows.items():
            ((found,),) = await self._connection.fetch(f"SELECT COUNT(*) FROM {place_of(table)}")  # noqa: S608 - quoted
            wrong = found < expected if self._options.mode is Mode.UPSERT else found != expected
            if wrong:
                raise LoadFailed(f"{table} holds {found} rows, the package has {expected}.")
        if self._options.mode is Mode.REPLACE:
            after = await find_orphans(self._connection, filled, self._database, pointing_here=True)
            for key, count in after.items():
                if count > outside.get(key, 0) and not self._options.allow_dangling:
                    raise TargetRefused(
                        f"Rows outside of the package would refer to nothing: {key}.",
                        suggestions=["Load into a fresh database, or allow it with --allow-dangling."],
                    )
        orphans = await find_orphans(self._connection, filled, self._database, pointing_here=False)
        return [f"{count} rows refer to nothing: {key}." for key, count in orphans.items()]  # 2

    def _prove(self) -> None:
        """Step 4."""
        if self._proved or (self._takes_rows and self._options.mode is not Mode.UPSERT):
            return
        for part in self._script.parts:
            with part.file.open("rb") as file:
                for item in read_again(file, [one for one in part.passed if not one.proved], part.path):
                    kind_of(item, "mysql", part.path)
        self._proved = True

    async def _run_part(self, part: Part) -> None:
        with part.file.open("rb") as file:
            if not part.passed:
                await self._run_all(read_script(file, "mysql", part.path), part)
                return
            for head, group in groupby(read_again(file, part.passed, part.path), _head_of):
                await self._run_all(await self._send(head, group, part, file), part)

    async def _run_all(self, items: Iterable[Statement | CopyBlock], part: Part) -> None:
        for item in items:
            assert not isinstance(item, CopyBlock)
            where = f"{part.path}, line {item.line}"
            with _translated(where):
                await self._run(item, part.path, where)

    async def _send(
        self, head: bytes, group: Iterator[Statement], part: Part, file: BinaryIO
    ) -> Iterable[Statement]:
        """Rows as data; gives the statements that have to be run."""
        if self._bulk is None or not head:
            return group
        table, columns, _ = insert_head(head, "mysql")
        table = TableRef(self._script.databases.get(table.schema, table.schema), table.name)

        def again(first: int, last: int) -> Iterator[Statement]:
            return read_again(file, [one for one in part.passed if first <= one.offset <= last], part.path)

        with _translated(f"{part.path}: rows of {table}"):
            return await self._bulk.load(table, columns, group, again, self._tell)

    def _tell(self, rows: int) -> None:
        self._done += rows
        self._progress(min(self._done, self._total), self._total)

    async def _run(self, statement: Statement, path: str, where: str) -> None:
        kind = kind_of(statement, "mysql", path, prove=not self._proved)
        text, databases = statement.text, self._script.databases
        if kind is Kind.TRANSACTION:
            return
        if kind is not Kind.INSERT:
            await self._connection.run(map_databases(text, databases))
            if kind is Kind.CREATE_TABLE:
                self._created.append(str(created_table(statement, "mysql")[0]))
            return
        table, columns, start = insert_head(text, "mysql")
        table = TableRef(databases.get(table.schema, table.schema), table.name)
        head = map_databases(text[:start], databases)
        await self._insert(head + text[start:] + self._tail(table, columns), table, where)
        self._tell(1 + text.count(b"\n(", start))  # a row a line; text may hold the same, and this is for a bar only

    def _tail(self, table: TableRef, columns: Sequence[str]) -> bytes:
        """Step 5: a row met by another key is an error, which a subquery with two rows is."""
        if self._options.mode is not Mode.UPSERT:
            return b""
        key = self._keys[table]
        same = " AND ".join(f"{quote_mysql(name)} <=> VALUES({quote_mysql(name)})" for name in key)
        first = quote_mysql(key[0])
        changes = [f"{first} = IF({same}, {first}, (SELECT 1 UNION SELECT 2))"]
        names = [quote_mysql(name) for name in columns if name not in key]
        changes += [f"{name} = VALUES({name})" for name in names]
        return f" ON DUPLICATE KEY UPDATE {', '.join(changes)}".encode()

    async def _insert(self, statement: bytes, table: TableRef, where: str) -> None:
        if len(statement) >= self._packet_bytes:
            raise LoadFailed(
                f"{where}: rows of {table} need {len(statement)} bytes at once, the target takes {self._packet_bytes}.",
                suggestions=[f"Set max_allowed_packet of the target to {len(statement) + (1 << 20)} or more."],
            )
        try:
            await self._connection.run(statement)
        except OperationalError as error:
            if error.args[0] != _SEVERAL_ROWS or self._options.mode is not Mode.UPSERT:
                raise
            keys = ", ".join(await read_unique_keys(self._connection, table, self._database))
            raise LoadFailed(
                f"{where}: a row meets another row of {table} by a key that is not its primary key: {keys}.",
                suggestions=["Load with --mode replace, or into a fresh database."],
            ) from error


def _head_of(statement: Statement) -> bytes:
    """An INSERT as far as its rows; nothing of other statements."""
    return statement.text[: statement.rows_at] if statement.rows_at >= 0 else b""


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """The driver's errors as ours, with the server's own words: it is the user's own database."""
    try:
        yield
    except MySQLError as error:
        number = error.args[0] if error.args else 0
        reason = _why(error)
        if number in _LOST:
            raise NetworkFailed("The connection to the target broke.", reason=reason) from error
        if number == _LOCKED:
            raise TargetBusy(
                f"{where}: somebody else holds a lock in the target.",
                suggestions=["Try again when they have finished, or wait longer: --lock-timeout"],
            ) from error
        raise LoadFailed(f"{where}: the target refused it.", reason=reason) from error
    except OSError as error:
        raise NetworkFailed("The connection to the target broke.", reason=_why(error)) from error


def _why(error: BaseException) -> str:
    """What the server or the system said; the driver puts its own words around the system's."""
    said = error.args[1] if isinstance(error, MySQLError) and len(error.args) > 1 else error
    told = [str(said), str(error.__cause__ or "")]
    return visible(". ".join(text.rstrip(".") for text in told if text) or "It did not answer in time") + "."
