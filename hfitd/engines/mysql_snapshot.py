"""One consistent, read-only view of a MySQL or MariaDB server, on a connection of its own.

The driver speaks one statement at a time; a stream that is left before its end makes the connection useless, so it is
aborted and its query killed, never drained.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Generic, TypeVar

from hfitd.engines.interface import Columns, DdlOptions, Estimate, Format, Outlook, OutputType, Row, Select
from hfitd.engines.mysql_binary import binary_parser, needs_binary
from hfitd.engines.mysql_binds import compose
from hfitd.engines.mysql_catalog import read_catalog
from hfitd.engines.mysql_connection import Opened
from hfitd.engines.mysql_ddl import foresee_ddl, write_ddl
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.mysql_errors import ServerSaid, translated
from hfitd.engines.mysql_insert import insert_encoder, project, written
from hfitd.engines.mysql_lines import plan_lines, write_lines
from hfitd.engines.mysql_releases import required_of_rows
from hfitd.engines.mysql_rows import (
    CellCutter,
    Cutter,
    Field,
    forget,
    patience,
    prepare,
    raw_rows,
    start_prepared,
    start_query,
)
from hfitd.engines.mysql_types import Convert, Typed, typed
from hfitd.engines.plan_reads import refuse_unexpected
from hfitd.engines.rendering import Renderer, render_batches, text_encoder, text_rows
from hfitd.engines.shape import RawRow, Shape
from hfitd.engines.turned import COLUMN_ROWS, turned
from hfitd.errors import DbUnavailable, HfitError, Internal, SchemaChanged
from hfitd.model import Catalog, Kind, Receipt, Relation, Sink

Batch = TypeVar("Batch")
Step = dict[str, str | None]  # a row of EXPLAIN by its column names

STALL_SECONDS = 5.0  # silence allowed beyond the statement timeout, which the server keeps itself
_PREFIX = "<"  # EXPLAIN writes <derived2>, <union1,2>, <subquery3> for what is no table


class MysqlSnapshot:
    """A read-only, repeatable-read transaction that began with a consistent snapshot."""

    def __init__(
        self, opened: Opened, database: str, databases: Sequence[str], dialect: MysqlDialect, stall_seconds: float
    ) -> None:
        self.position = ""
        self.lag_seconds: float | None = None
        self.running = False  # a statement is on the server; leaving now has to kill it
        self._opened = opened
        self._connection = opened.connection
        self._database, self._databases = database, tuple(databases)
        self._dialect = dialect
        self._stall_seconds = stall_seconds
        self._catalog: Catalog | None = None
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None  # whose statement is running

    async def begin(self) -> None:
        """Start the transaction and note what the server calls this moment."""
        async with self._statement():
            await self._connection.command("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await self._connection.command("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            self.position = await self._read_position()

    async def end(self) -> None:
        """Roll back; nothing is ever committed."""
        async with self._statement():
            await self._connection.command("ROLLBACK")

    async def _read_position(self) -> str:
        """GTID or binlog position of the snapshot; where there is none, the server's clock and the connection."""
        if self._opened.mariadb:
            status = {row[0]: row[1] for row in await self._connection.command("SHOW STATUS LIKE 'binlog_snapshot_%'")}
            if file := status.get("Binlog_snapshot_file"):
                return f"{file}:{status.get('Binlog_snapshot_position')}"
        else:
            ((executed,),) = await self._connection.command("SELECT @@GLOBAL.gtid_executed")
            if executed:
                return executed
        ((moment,),) = await self._connection.command("SELECT CONCAT(UTC_TIMESTAMP(6), 'Z#', CONNECTION_ID())")
        return moment or ""

    async def catalog(self) -> Catalog:
        """The shape of every database the provider may read; see ``mysql_catalog``."""
        async with self._statement():
            if self._catalog is None:
                self._catalog = await read_catalog(self._opened, self._database, self._databases)
        return self._catalog

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """Types of the outputs; the server prepares the statement and does not run it."""
        sql = compose(select.sql)
        async with self._statement():
            statement, fields = await prepare(self._connection, sql)
            await forget(self._connection, statement)
        return tuple(item.type for item in _types(select, fields))

    async def estimate(self, select: Select) -> Estimate:
        """EXPLAIN's rows: of the result, and as cost the rows that all steps read."""
        steps = await self._plan(select)
        if select.reads is not None:
            names = frozenset(table.name for table in select.reads.tables)
            await refuse_unexpected(_tables_of(steps), names, select.reads, self._tables_of_plan)
        return _estimate(steps)

    async def _plan(self, select: Select) -> list[Step]:
        sql = compose(select.sql)
        explain = "EXPLAIN" if self._opened.mariadb else "EXPLAIN FORMAT=TRADITIONAL"  # newer MySQL prints a tree
        async with self._statement():
            steps = await self._connection.command(f"{explain} {sql}")
            columns = self._connection.last_names
        return [dict(zip(columns, step, strict=True)) for step in steps]

    async def _tables_of_plan(self, select: Select) -> frozenset[str]:
        return _tables_of(await self._plan(select))

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """At most ``limit`` rows; the server is told to stop there."""
        found: list[Row] = []
        async with self._result(select, limit) as (types, stream):
            shape = _shape(select, types)
            async for rows in stream:
                found.extend(text_rows(shape, rows[: max(0, limit - len(found))]))
        return found

    @asynccontextmanager
    async def batches(self, select: Select, size: int) -> AsyncIterator[AsyncIterator[list[Row]]]:
        """All rows in batches of ``size``, the last one shorter. No other statement may run meanwhile."""
        async with self._result(select) as (types, stream):
            yield _texts(stream, _shape(select, types), size)

    def columns(self, select: Select) -> AbstractAsyncContextManager[AsyncIterator[Columns]]:
        """All rows as columns."""
        return turned(self.batches(select, COLUMN_ROWS))

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """Stream all rows to the sink. A failing sink costs the connection."""
        if form is Format.SQL:
            return await self._render_sql(select, sink)
        async with self._result(select) as (types, stream):
            shape = _shape(select, types)
            return await render_batches(stream, Renderer(shape, text_encoder(form, shape), sink))

    async def _render_sql(self, select: Select, sink: Sink) -> Receipt:
        """INSERT statements, spelt by the server where it can."""
        keep = written(select)
        async with self._prepared(select) as (statement, fields):
            types = _types(select, fields)
            shape = _shape(select, types).kept(keep)
            encoder = insert_encoder(select, [types[n] for n in keep], shape, self._dialect)
            lines = None
            if not needs_binary(fields):
                lines = plan_lines(select, types, keep, self._dialect, self._opened.packet_bytes)
            if lines is not None:
                async with self._asking():
                    await forget(self._connection, statement)
                    await start_query(self._connection, compose(lines.sql))
                async with self._reading(lines.cutter()) as batches:
                    return await write_lines(batches, lines, encoder, sink)
            async with self._asking():
                cutter = await self._start(select, statement, fields)
            renderer = Renderer(shape, encoder, sink)
            async with self._reading(cutter) as stream:
                async for rows in _converted(stream, types):
                    await renderer.add(project(rows, keep, len(select.outputs)))
            return await renderer.finish()

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """Statements that create these tables; see ``mysql_ddl``."""
        catalog = await self.catalog()
        async with self._statement():
            data = await write_ddl(self._opened, catalog, relations, options)
        await sink.write(data)
        return Receipt(rows=0, size=len(data))

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """What a package of these will not hold, and what it asks of a target; rows lose nothing."""
        if options is None:
            return Outlook(requires=required_of_rows(relations))
        catalog = await self.catalog()
        async with self._statement():
            return await foresee_ddl(self._opened, catalog, relations, options)

    @asynccontextmanager
    async def _taking_turns(self) -> AsyncIterator[None]:
        """One statement at a time: others wait, but a task that would wait for itself is told so."""
        task = asyncio.current_task()
        if self._holder is task:
            raise Internal("A second statement on one snapshot has to wait until the first is read to its end.")
        async with self._turn:
            if self.running or self._connection.closed:
                raise DbUnavailable("The connection of this snapshot is gone; start again.")
            self._holder, self.running = task, True
            try:
                yield
            finally:
                self._holder = None

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Driver calls that end soon. A refusal by the server ends its statement; anything else, the connection."""
        try:
            with translated():
                async with patience(self._stall_seconds):
                    yield
        except HfitError as error:
            if isinstance(error.__cause__, ServerSaid) and error.__cause__.ended:
                self.running = False
            raise

    @asynccontextmanager
    async def _statement(self) -> AsyncIterator[None]:
        """One of our own short statements; whatever stops it half-way leaves ``running`` set."""
        async with self._taking_turns(), self._asking():
            yield
            self.running = False

    @asynccontextmanager
    async def _result(
        self, select: Select, limit: int | None = None
    ) -> AsyncIterator[tuple[tuple[Typed, ...], AsyncIterator[Sequence[RawRow]]]]:
        """The running result of a statement. Left before its end, the connection is aborted."""
        async with self._prepared(select) as (statement, fields):
            async with self._asking():
                await self._limit(limit)
                cutter = await self._start(select, statement, fields)
            types = _types(select, fields)
            async with self._reading(cutter) as stream:
                yield types, _converted(stream, types)
            if not self._connection.closed:
                async with self._asking():
                    await self._limit(None if limit is None else -1)

    @asynccontextmanager
    async def _prepared(self, select: Select) -> AsyncIterator[tuple[int, tuple[Field, ...]]]:
        """The number and the columns of a statement that the server has parsed, for the block that runs it."""
        async with self._taking_turns():
            async with self._asking():
                statement, fields = await prepare(self._connection, compose(select.sql))
                if len(fields) != len(select.outputs):
                    await forget(self._connection, statement)
            if len(fields) != len(select.outputs):
                self.running = False
                raise _changed()
            yield statement, fields
            self.running = self._connection.closed  # left early, its query may still be on the server

    @asynccontextmanager
    async def _reading(self, cutter: Cutter[Batch]) -> AsyncIterator[AsyncIterator[Batch]]:
        """The batches of the result that has been started; not read to the end, the connection is aborted."""
        stream = _Stream(raw_rows(self._connection, cutter, self._stall_seconds))
        try:
            yield stream
        finally:
            if not stream.ended:
                self._connection.abort()

    async def _limit(self, limit: int | None) -> None:
        if limit is not None:
            await self._connection.command(f"SET SESSION sql_select_limit={limit if limit >= 0 else 'DEFAULT'}")

    async def _start(self, select: Select, statement: int, fields: Sequence[Field]) -> Cutter[Sequence[RawRow]]:
        """Run it, by the binary protocol if the text protocol would lose digits."""
        if needs_binary(fields):
            return CellCutter(len(fields), binary_parser(await start_prepared(self._connection, statement)))
        await forget(self._connection, statement)
        return CellCutter(len(await start_query(self._connection, compose(select.sql))))


class _Stream(Generic[Batch]):
    """Batches; knows whether the server has said that was all."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self._batches = batches
        self.ended = False

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        try:
            return await anext(self._batches)
        except StopAsyncIteration:
            self.ended = True
            raise


async def _converted(
    stream: AsyncIterator[Sequence[RawRow]], types: Sequence[Typed]
) -> AsyncIterator[Sequence[RawRow]]:
    """The rows with each cell as the cell of its kind."""
    converts = [(n, item.convert) for n, item in enumerate(types) if item.convert is not None]
    async for rows in stream:
        yield [_convert(row, converts) for row in rows] if converts else rows


def _convert(row: RawRow, converts: Sequence[tuple[int, Convert]]) -> RawRow:
    cells = list(row)
    for number, convert in converts:
        cell = cells[number]
        if cell is not None:
            cells[number] = convert(cell)
    return cells


async def _texts(stream: AsyncIterator[Sequence[RawRow]], shape: Shape, size: int) -> AsyncIterator[list[Row]]:
    held: list[Row] = []
    async for rows in stream:
        held.extend(text_rows(shape, rows))
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held


def _changed() -> SchemaChanged:
    return SchemaChanged("The result has another number of columns than planned; plan again.")


def _types(select: Select, fields: Sequence[Field]) -> tuple[Typed, ...]:
    if len(fields) != len(select.outputs):
        raise _changed()
    return tuple(typed(field, output) for field, output in zip(fields, select.outputs, strict=True))


def _shape(select: Select, types: Sequence[Typed]) -> Shape:
    """Names, kinds and masks. A server that keeps JSON as text has not checked it, so it counts as masked."""
    shape = Shape.of(select.outputs, [item.type for item in types])
    masks = tuple(
        _as_it_is if mask is None and kind is Kind.JSON and item.type.type_name != "json" else mask
        for mask, kind, item in zip(shape.masks, shape.kinds, types, strict=False)  # hidden ones have no mask
    )
    return replace(shape, masks=masks)


def _as_it_is(cell: bytes) -> bytes:
    return cell


def _tables_of(steps: Sequence[Step]) -> frozenset[str]:
    """Tables by the names that the statement gives them: EXPLAIN has no others, and ours are the tables' own."""
    names = (step["table"] for step in steps)
    return frozenset(name for name in names if name is not None and not name.startswith(_PREFIX))


def _estimate(steps: Sequence[Step]) -> Estimate:
    """Rows multiply within a SELECT and add up over SELECTs. A SELECT that only reads a derived table adds nothing."""
    products: dict[str, float] = {}
    only_derived: dict[str, bool] = {}
    for step in steps:
        number, table = step["id"] or "union", step["table"] or ""
        rows = float(step["rows"]) if step["rows"] else 1.0
        products[number] = products.get(number, 1.0) * rows
        only_derived[number] = number not in only_derived and table.startswith(_PREFIX)
    if not products:
        return Estimate(None, None)
    cost = sum(product for number, product in products.items() if not only_derived[number])
    outer = next(iter(products.values()))
    return Estimate(rows=min(round(outer), 2**63 - 1), cost=max(cost, outer))
