"""Loading into PostgreSQL 10 and later: one transaction, COPY for the rows, no superuser.

1. DDL and settings of the members run as they are, statement by statement; rows go through COPY from memory.
2. Whatever fails, everything is rolled back and the target is as it was.
3. The session is pinned: what it prints and reads does not depend on the server's or the role's settings.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from hfit.errors import LoadFailed, NetworkFailed
from hfit.load.compare import blur
from hfit.load.interface import Canon, Cells, Mode, Options, Part, Progress, Script, TableRef, TableState, Target
from hfit.load.postgres_around import Around, put_back, set_counters, take_off
from hfit.load.postgres_catalog import find_occupied, place_of, read_states, read_tables, scope_of
from hfit.load.script import CopyBlock, Statement, read_script
from hfit.load.statements import Kind, copy_head, kind_of, quote

CONNECT_SECONDS = 10.0
_SETTINGS = {
    "application_name": "hfit", "client_encoding": "UTF8", "datestyle": "ISO, YMD", "intervalstyle": "postgres",
    "timezone": "UTC", "bytea_output": "hex", "extra_float_digits": "3", "xmloption": "content",
    "lc_monetary": "C", "standard_conforming_strings": "on", "row_security": "off",
    "client_min_messages": "warning", "statement_timeout": "0", "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "0",
}  # fmt: skip
_SPOOL = "hfit_rows"  # the temporary table of upsert
_UNCHANGED = "The target was not changed."


async def open_postgres(target: Target) -> PostgresLoader:
    """Connect. NetworkFailed when there is no such server, database or role."""
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
            server_settings=_SETTINGS,  # 3
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NetworkFailed(f"{target} cannot be reached.", reason=str(error)) from error
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

    async def load(self, script: Script, options: Options, progress: Progress) -> tuple[str, ...]:
        """Everything in one transaction (step 2)."""
        transaction = self._connection.transaction()
        with _translated("The target"):
            await transaction.start()
        try:
            notes = await _Load(self._connection, script, options, progress).run()
            with _translated("The end of the transaction"):
                await transaction.commit()
        except BaseException:
            await self._roll_back(transaction)
            raise
        return tuple(notes)

    async def _roll_back(self, transaction: Any) -> None:
        try:
            await transaction.rollback()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()  # the server rolls back when the connection is gone

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
    """One load, inside its transaction."""

    def __init__(self, connection: Any, script: Script, options: Options, progress: Progress) -> None:
        self._connection, self._script, self._options = connection, script, options
        self._progress, self._total, self._done = progress, sum(script.rows.values()), 0
        self._tables: Mapping[TableRef, Any] = {}
        self._counted: dict[TableRef, int] = dict.fromkeys(script.rows, 0)
        self._late: list[str] = []

    async def run(self) -> list[str]:
        if self._options.mode is Mode.CREATE:
            for part in self._script.parts:
                if part.is_ddl:
                    await self._run_part(part)
        with _translated("The target"):
            around = await self._prepare()
        for part in self._script.parts:
            if not part.is_ddl:
                await self._run_part(part)
        with _translated("Checking the loaded rows"):
            return await self._finish(around)

    async def _prepare(self) -> Around:
        tables = self._tables = await read_tables(self._connection, list(self._script.filled))
        replacing = self._options.mode is Mode.REPLACE
        around = await take_off(self._connection, [record["oid"] for record in tables.values()], replacing=replacing)
        if replacing:
            for table, record in tables.items():
                await self._connection.execute(f"DELETE FROM {scope_of(record)}{place_of(table)}")  # noqa: S608 - quoted
        return around

    async def _finish(self, around: Around) -> list[str]:
        for table, expected in self._script.rows.items():
            found = self._counted[table]
            if self._options.mode is not Mode.UPSERT:
                place = scope_of(self._tables[table]) + place_of(table)
                found = await self._connection.fetchval(f"SELECT count(*) FROM {place}")  # noqa: S608 - quoted
            if found != expected:
                raise LoadFailed(f"{table} holds {found} rows, the package has {expected}.", reason=_UNCHANGED)
        notes = await put_back(self._connection, around, allow_dangling=self._options.allow_dangling)
        for statement in self._late:
            await self._connection.execute(statement)
        return notes + await set_counters(self._connection, around)

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
        if self._options.mode is Mode.UPSERT and self._tables[table]["primary_key"]:
            await self._upsert(table, columns, block.pieces)
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

    async def _upsert(self, table: TableRef, columns: Sequence[str], pieces: Iterator[bytes]) -> None:
        record = self._tables[table]
        listed = ", ".join(map(quote, columns))
        key = ", ".join(map(quote, record["primary_key"]))
        fixed = {*record["primary_key"], *record["always"]}
        changes = ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in columns if name not in fixed)
        action = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
        await self._connection.execute(
            f"CREATE TEMPORARY TABLE {_SPOOL} ON COMMIT DROP AS "  # noqa: S608 - quoted
            f"SELECT {listed} FROM ONLY {place_of(table)} WITH NO DATA"
        )
        await self._copy_into(_SPOOL, None, table, columns, pieces)
        await self._connection.execute(
            f"INSERT INTO {place_of(table)} ({listed}) OVERRIDING SYSTEM VALUE "  # noqa: S608 - quoted
            f"SELECT {listed} FROM {_SPOOL} ON CONFLICT ({key}) {action}"
        )
        await self._connection.execute(f"DROP TABLE {_SPOOL}")


def _cells(piece: bytes, width: int) -> Iterator[Cells]:
    for line in piece.split(b"\n")[:-1]:
        yield tuple([None if cell == b"\\N" else cell for cell in line.split(b"\t")]) if width else ()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """The driver's errors as LoadFailed, with the server's own words: it is the user's own database."""
    try:
        yield
    except asyncpg.PostgresError as error:
        told = [error.args[0] if error.args else "", getattr(error, "detail", None), getattr(error, "context", None)]
        reason = " ".join(str(part) for part in told if part)
        raise LoadFailed(f"{where}: the target refused it.", reason=f"{reason} {_UNCHANGED}") from error
    except (OSError, asyncpg.InterfaceError) as error:
        raise NetworkFailed("The connection to the target broke.", reason=f"{error} {_UNCHANGED}") from error
