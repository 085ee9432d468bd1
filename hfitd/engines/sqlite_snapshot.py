"""One read transaction on an SQLite file. Rows are fetched and typed in its thread, in batches of bounded size."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from hfitd.engines.interface import Columns, DdlOptions, Estimate, Format, Outlook, Output, OutputType, Row, Select
from hfitd.engines.plan_reads import refuse_unexpected
from hfitd.engines.rendering import CsvEncoder, Encoder, InsertEncoder, NdjsonEncoder, Renderer
from hfitd.engines.shape import RawRow, Shape
from hfitd.engines.sqlite_catalog import read_catalog
from hfitd.engines.sqlite_connection import Worker
from hfitd.engines.sqlite_ddl import foresee_ddl, write_ddl
from hfitd.engines.sqlite_dialect import SqliteDialect, composed
from hfitd.engines.sqlite_values import Reals, cells_of, csv_fields, json_values, kind_of_output, literal_of, texts
from hfitd.engines.turned import COLUMN_ROWS, turned
from hfitd.errors import DbUnavailable, SchemaChanged
from hfitd.model import Catalog, Receipt, Relation, Sink

BATCH_ROWS = 500
BATCH_BYTES = 256 * 1024
# The first works outside a transaction, the second inside one.
BEFORE_ROWS = b"PRAGMA foreign_keys=OFF;\nPRAGMA defer_foreign_keys=ON;\n"


class SqliteSnapshot:
    """A deferred transaction that has taken its read lock. Writers of a file without WAL wait until it ends."""

    def __init__(self, worker: Worker, path: Path, dialect: SqliteDialect) -> None:
        self.position = ""
        self.lag_seconds: float | None = None
        self._worker = worker
        self._path = path
        self._dialect = dialect
        self._turn = asyncio.Lock()
        self._catalog: Catalog | None = None

    async def begin(self) -> None:
        """Begin, take the read lock, and note the file's state."""

        def start(connection: sqlite3.Connection) -> str:
            connection.execute("BEGIN DEFERRED")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            try:
                changed = self._path.stat().st_mtime_ns
            except OSError as error:
                raise DbUnavailable("The database file of this provider cannot be read.") from error
            return f"data_version {version}, mtime {changed // 10**9}.{changed % 10**9:09d}"

        self.position = await self._worker.call(start)

    async def catalog(self) -> Catalog:
        """The shape of the file."""
        async with self._turn:
            if self._catalog is None:
                self._catalog = await self._worker.call(read_catalog)
        return self._catalog

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """Kinds by the outputs' columns, for SQLite's results have no types; checks that the statement compiles."""
        sql, values = composed(select.sql)

        def compile_only(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(f"SELECT * FROM ({sql}) LIMIT 0", values)  # noqa: S608 - composed
            return len(cursor.description or ())

        async with self._turn:
            count = await self._worker.call(compile_only, trusted=False)
        _check_width(count, select.outputs)
        return tuple(
            OutputType(output.column.type_name if output.column else "", kind_of_output(output))
            for output in select.outputs
        )

    async def estimate(self, select: Select) -> Estimate:
        """SQLite's planner gives no numbers; this only checks that the statement compiles and what it reads."""
        await self.describe(select)
        if select.reads is not None:
            names = frozenset(table.name.lower() for table in select.reads.tables)
            await refuse_unexpected(await self._tables_of(select), names, select.reads, self._tables_of)
        return Estimate(rows=None, cost=None)

    async def _tables_of(self, select: Select) -> frozenset[str]:
        """Tables and views that the statement reads, as the authorizer was asked for them while it was compiled."""
        known = frozenset(table.name.lower() for table in (await self.catalog()).tables)
        sql, values = composed(select.sql)
        async with self._turn:
            await self._worker.call(
                lambda connection: connection.execute(f"SELECT * FROM ({sql}) LIMIT 0", values),  # noqa: S608 - composed
                trusted=False,
            )
            return self._worker.asked & known  # a CTE is asked for by its own name too

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """At most ``limit`` rows."""
        found: list[Row] = []
        async with self._result(select) as batches:
            async for rows in batches:
                found.extend(texts(_shape(select), rows[: limit - len(found)]))
                if len(found) >= limit:
                    break
        return found

    @asynccontextmanager
    async def batches(self, select: Select, size: int) -> AsyncIterator[AsyncIterator[list[Row]]]:
        """All rows in batches of ``size``, the last one shorter."""
        async with self._result(select) as batches:
            yield _resized(batches, _shape(select), size)

    def columns(self, select: Select) -> AbstractAsyncContextManager[AsyncIterator[Columns]]:
        """All rows as columns."""
        return turned(self.batches(select, COLUMN_ROWS))

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """Stream all rows to the sink."""
        with Reals() as reals:
            keep = [n for n, output in enumerate(select.outputs) if form is not Format.SQL or _is_written(output)]
            shape = _shape(select, keep)
            renderer = Renderer(shape, self._encoder(select, form, shape, reals), sink)
            async with self._result(select) as batches:
                async for rows in batches:
                    await renderer.add([[row[n] for n in keep] for row in rows])
            return await renderer.finish()

    def _encoder(self, select: Select, form: Format, shape: Shape, reals: Reals) -> Encoder:
        if form is Format.CSV:
            return CsvEncoder(shape, csv_fields(shape))
        if form is Format.NDJSON:
            return NdjsonEncoder(shape, json_values(shape))
        columns = ", ".join(self._dialect.identifier(name) for name in shape.names)
        return InsertEncoder(
            f"INSERT INTO {select.into} ({columns}) VALUES".encode(),
            [literal_of(kind, reals) for kind in shape.kinds],
            before=BEFORE_ROWS,
        )

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """Statements that create these tables; see ``sqlite_ddl``."""
        catalog = await self.catalog()
        async with self._turn:
            data = await self._worker.call(lambda connection: write_ddl(connection, catalog, relations, options))
        await sink.write(data)
        return Receipt(rows=0, size=len(data))

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """What a package of these will not hold, and what it asks of a target; rows lose and ask nothing."""
        if options is None:
            return Outlook()
        catalog = await self.catalog()
        async with self._turn:
            return await self._worker.call(lambda connection: foresee_ddl(connection, catalog, relations))

    @asynccontextmanager
    async def _result(self, select: Select) -> AsyncIterator[AsyncIterator[Sequence[RawRow]]]:
        """The running statement; left before its end it is simply closed."""
        sql, values = composed(select.sql)
        async with self._turn:
            cursor = await self._worker.call(lambda connection: connection.execute(sql, values), trusted=False)
            try:
                _check_width(len(cursor.description or ()), select.outputs)
                yield self._fetched(cursor)
            finally:
                await self._worker.call(lambda _: cursor.close())

    async def _fetched(self, cursor: sqlite3.Cursor) -> AsyncIterator[Sequence[RawRow]]:
        while rows := await self._worker.call(lambda _: _batch(cursor), trusted=False, fresh=False):
            yield rows


def _batch(cursor: sqlite3.Cursor) -> list[RawRow]:
    rows: list[RawRow] = []
    size = 0
    for row in cursor:
        cells = cells_of(row)
        rows.append(cells)
        size += sum(len(cell) for cell in cells if cell is not None)
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            break
    return rows


def _is_written(output: Output) -> bool:
    return output.hidden or output.column is None or not output.column.generated


def _check_width(count: int, outputs: Sequence[Output]) -> None:
    if count != len(outputs):
        raise SchemaChanged("The result has another number of columns than planned; plan again.")


def _shape(select: Select, keep: Sequence[int] | None = None) -> Shape:
    shape = Shape.joined(select.outputs, [kind_of_output(output) for output in select.outputs])
    return shape if keep is None else shape.kept(keep)


async def _resized(batches: AsyncIterator[Sequence[RawRow]], shape: Shape, size: int) -> AsyncIterator[list[Row]]:
    held: list[Row] = []
    async for rows in batches:
        held.extend(texts(shape, rows))
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held
