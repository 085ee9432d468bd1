"""Loading into PostgreSQL 10 and later: one transaction, COPY for the rows, no superuser.

1. DDL and settings of the members run as they are, statement by statement; rows go through COPY from memory.
2. Whatever fails, everything is rolled back and the target is as it was; counters move last, just before the commit.
3. The session is pinned: what it prints and reads does not depend on the server's or the role's settings.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from hfit.errors import HfitClientError, LoadFailed, NetworkFailed, TargetBusy
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
from hfit.load.postgres_around import Around, put_back, set_counters, state_counters, take_off
from hfit.load.postgres_catalog import find_occupied, place_of, read_states, read_tables, scope_of
from hfit.load.postgres_upsert import SPOOL, make_spool, merge_spool
from hfit.load.script import CopyBlock, Statement, read_script
from hfit.load.statements import Kind, copy_head, kind_of, quote
from hfit.text import visible
from hfit.transfer import silent

CONNECT_SECONDS = 10.0
_SETTINGS = {
    "application_name": "hfit", "client_encoding": "UTF8", "datestyle": "ISO, YMD", "intervalstyle": "postgres",
    "timezone": "UTC", "bytea_output": "hex", "extra_float_digits": "3", "xmloption": "content",
    "lc_monetary": "C", "standard_conforming_strings": "on", "row_security": "off",
    "client_min_messages": "warning", "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}  # fmt: skip
_UNSURE = "Whether it holds the rows is not known: the connection broke at the very end."


async def open_postgres(target: Target, lock_seconds: float) -> PostgresLoader:
    """Connect; wait ``lock_seconds`` for a lock. NetworkFailed when there is no such server, database or role."""
    try:
        connection = await asyncpg.connect(
            host=target.socket or target.host,
            port=target.port,
            user=target.user,
            password=target.password or None,
            database=target.database,
            ssl=_tls(target),
            timeout=CONNECT_SECONDS,
            statement_cache_size=0,
            server_settings={**_SETTINGS, "lock_timeout": f"{max(1, round(lock_seconds * 1000))}ms"},  # 3
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or "It did not answer in time."
        raise NetworkFailed(f"{target} cannot be reached.", reason=reason) from error
    return PostgresLoader(connection)


def _tls(target: Target) -> object:
    if target.tls in ("disable", "prefer") or target.socket:
        return False if target.tls == "disable" or target.socket else "prefer"
    context = ssl.create_default_context(cafile=str(target.tls_ca) if target.tls_ca else None)
    if target.tls == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class PostgresLoader:
    """One connection; see the module."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        version = connection.get_server_version()
        self.server = ServerName("postgresql", f"{version.major}.{version.minor}")
        self._transaction: Any = None
        self._loads: dict[str, _Load] = {}
        self._committing = False

    async def inspect(self, tables: Sequence[TableRef]) -> Mapping[TableRef, TableState]:
        """The tables that are there."""
        with _translated("Looking at the target"):
            return await read_states(self._connection, tables)

    async def occupied(self) -> str | None:
        """A table that holds rows."""
        with _translated("Looking at the target"):
            return await find_occupied(self._connection)

    async def close(self) -> None:
        """Close the connection."""
        self._connection.terminate()

    async def define(self, script: Script) -> None:
        """The DDL, in the transaction."""
        await (await self._load_of(script)).define()

    async def fill(self, script: Script, options: Options, progress: Progress) -> tuple[str, ...]:
        """The rows, in the transaction."""
        return tuple(await (await self._load_of(script)).fill(options, progress))

    async def check_open(self) -> None:
        """Ask for nothing."""
        with _translated("The target"):
            await self._connection.execute("SELECT 1")

    async def commit(self) -> tuple[str, ...]:
        """Counters, then the end of the transaction (step 2)."""
        notes = []
        with _translated("The end of the transaction"):
            for load in self._loads.values():
                notes += await load.set_counters()
            self._committing = True
            await self._transaction.commit()
        return tuple(notes)

    async def roll_back(self) -> str:
        """Take everything back, or hang up: then the server does it."""
        if self._transaction is None:
            return ""
        lost = self._connection.is_closed()
        try:
            await self._transaction.rollback()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()
        return _UNSURE if lost and self._committing else ""

    async def _load_of(self, script: Script) -> _Load:
        if self._transaction is None:
            self._transaction = self._connection.transaction()
            with _translated("The target"):
                await self._transaction.start()
        return self._loads.setdefault(script.provider, _Load(self._connection, script))

    def package_rows(self, script: Script, part: Part, table: TableRef) -> Iterator[Cells]:
        """COPY lines of the member, cells as they stand, NULL as None."""
        with part.file.open("rb") as file:
            for item in read_script(file, "postgresql", part.path):
                if isinstance(item, CopyBlock):
                    found, columns = copy_head(item.head, part.path, item.line)
                    if found == table:
                        for piece in item.pieces:
                            yield from _cells(piece, len(columns))

    async def target_rows(self, table: TableRef, columns: Sequence[str]) -> AsyncIterator[Cells]:
        """COPY lines of the target."""
        record = (await read_tables(self._connection, [table]))[table]
        listed = ", ".join(map(quote, columns))
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(16)

        async def copy() -> None:
            try:
                query = f"SELECT {listed} FROM {scope_of(record)}{place_of(table)}"  # noqa: S608 - quoted
                await self._connection.copy_from_query(query, output=lambda piece: queue.put(bytes(piece)))
            finally:
                await queue.put(None)

        task = asyncio.create_task(copy())
        rest = b""
        try:
            while (piece := await queue.get()) is not None:
                whole, _, rest = (rest + piece).rpartition(b"\n")
                if whole or rest != piece:
                    for cells in _cells(whole + b"\n", len(columns)):
                        yield cells
            with _translated(f"Reading {table}"):
                await task
        finally:
            task.cancel()

    def show(self, cell: bytes) -> str:
        """As COPY spells it."""
        return cell.decode("utf-8", "backslashreplace")

    async def canons(self, table: TableRef, columns: Sequence[str], masked: frozenset[str]) -> Sequence[Canon | None]:
        """COPY text is exact for every type; masked cells with blanks and the spelling of numbers put aside."""
        return [blur if name in masked else None for name in columns]


class _Load:
    """What one script does, inside the transaction."""

    def __init__(self, connection: Any, script: Script) -> None:
        self._connection, self._script = connection, script
        self._progress: Progress = silent
        self._total, self._done = sum(script.rows.values()), 0
        self._mode, self._allow_dangling = Mode.CREATE, False
        self._tables: Mapping[TableRef, Any] = {}
        self._counted: dict[TableRef, int] = dict.fromkeys(script.rows, 0)
        self._late: list[str] = []
        self._around: Around | None = None

    async def define(self) -> None:
        for part in self._script.parts:
            if part.is_ddl:
                await self._run_part(part)

    async def fill(self, options: Options, progress: Progress) -> list[str]:
        self._mode, self._allow_dangling, self._progress = options.mode, options.allow_dangling, progress
        with _translated("The target"):
            around = self._around = await self._prepare()
        for part in self._script.parts:
            if not part.is_ddl:
                await self._run_part(part)
        with _translated("Checking the loaded rows"):
            await self._count()
            return await put_back(self._connection, around, allow_dangling=options.allow_dangling)

    async def set_counters(self) -> list[str]:
        stated = await state_counters(self._connection, self._late)
        masked = {(table.schema, table.name, name) for table, names in self._script.masked.items() for name in names}
        return await set_counters(self._connection, self._around, stated, masked) if self._around else []

    async def _prepare(self) -> Around:
        tables = self._tables = await read_tables(self._connection, list(self._script.filled))
        replacing = self._mode is Mode.REPLACE
        around = await take_off(self._connection, [record["oid"] for record in tables.values()], replacing=replacing)
        if replacing:
            for table, record in tables.items():
                await self._connection.execute(f"DELETE FROM {scope_of(record)}{place_of(table)}")  # noqa: S608 - quoted
        return around

    async def _count(self) -> None:
        for table, expected in self._script.rows.items():
            found = self._counted[table]
            if self._mode is not Mode.UPSERT:
                place = scope_of(self._tables[table]) + place_of(table)
                found = await self._connection.fetchval(f"SELECT count(*) FROM {place}")  # noqa: S608 - quoted
            if found != expected:
                raise LoadFailed(f"{table} holds {found} rows, the package has {expected}.")

    async def _run_part(self, part: Part) -> None:
        with part.file.open("rb") as file:
            for item in read_script(file, "postgresql", part.path):
                with _translated(f"{part.path}, line {item.line}"):
                    if isinstance(item, CopyBlock):
                        await self._copy(item, part.path)
                    else:
                        await self._run(item, part.path)

    async def _run(self, statement: Statement, path: str) -> None:
        kind = kind_of(statement, "postgresql", path)
        text = statement.text.decode()
        if kind is Kind.LATE:
            self._late.append(text)
        elif kind is not Kind.TRANSACTION:
            await self._connection.execute(text)  # 1

    async def _copy(self, block: CopyBlock, path: str) -> None:
        table, columns = copy_head(block.head, path, block.line)
        if self._mode is Mode.UPSERT and self._tables[table]["primary_key"]:
            await make_spool(self._connection, table, columns)
            await self._copy_into(SPOOL[1], SPOOL[0], table, columns, block.pieces)
            await merge_spool(self._connection, table, self._tables[table], columns)
        else:
            await self._copy_into(table.name, table.schema, table, columns, block.pieces)

    async def _copy_into(
        self, name: str, schema: str | None, table: TableRef, columns: Sequence[str], pieces: Iterator[bytes]
    ) -> None:
        status = await self._connection.copy_to_table(
            name, schema_name=schema, columns=list(columns) or None, source=self._counted_pieces(pieces), format="text"
        )
        self._counted[table] += int(status.removeprefix("COPY "))

    async def _counted_pieces(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            self._done += piece.count(b"\n")
            self._progress(self._done, self._total)


def _cells(piece: bytes, width: int) -> Iterator[Cells]:
    for line in piece.split(b"\n")[:-1]:
        yield tuple([None if cell == b"\\N" else cell for cell in line.split(b"\t")]) if width else ()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """The driver's errors as ours, with the server's own words: it is the user's own database."""
    try:
        yield
    except asyncpg.PostgresConnectionError as error:
        raise _broken(error) from error
    except asyncpg.LockNotAvailableError as error:
        raise TargetBusy(
            f"{where}: somebody else holds a lock in the target.",
            suggestions=["Try again when they have finished, or wait longer: --lock-timeout"],
        ) from error
    except asyncpg.PostgresError as error:
        told = [error.args[0] if error.args else "", getattr(error, "detail", None), getattr(error, "context", None)]
        reason = " ".join(str(part) for part in told if part)
        raise LoadFailed(f"{where}: the target refused it.", reason=reason) from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> HfitClientError:
    return NetworkFailed("The connection to the target broke.", reason=visible(error))
