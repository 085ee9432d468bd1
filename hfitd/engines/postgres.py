"""PostgreSQL 10 to 18: the engine and its snapshots.

How a caller's statement is kept harmless, beyond what its builder promises:

1. It runs in a read-only, repeatable-read transaction whose mode is pinned (``postgres_pool``).
2. It is prepared in the extended protocol, which refuses two statements, before it runs anywhere (``postgres_binds``).
3. Its values are bound, in COPY too.
4. It has a deadline of the wall clock besides the server's, which counts each fetch anew.
5. Whatever the server says of it leaves as an error without its words (``postgres_errors``).
6. Its connection is closed afterwards; leaving early cancels it on the server.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import (
    Columns,
    DdlOptions,
    Estimate,
    Format,
    Outlook,
    OutputType,
    Row,
    Select,
    ServerReport,
    Snapshot,
)
from hfitd.engines.lag import refuse_old
from hfitd.engines.places import Places
from hfitd.engines.plan_reads import refuse_unexpected
from hfitd.engines.postgres_binds import Prepared
from hfitd.engines.postgres_catalog import read_catalog
from hfitd.engines.postgres_check import report_server
from hfitd.engines.postgres_columns import Pages, Turner, pulled
from hfitd.engines.postgres_company import Company
from hfitd.engines.postgres_ddl import foresee, write_ddl
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_lane import Lane
from hfitd.engines.postgres_moment import is_replica, known_lag, read_lag, read_position
from hfitd.engines.postgres_plan import Entry, Plan, plan_entries, relation_entry
from hfitd.engines.postgres_pool import Lease, Pool
from hfitd.engines.postgres_render import render
from hfitd.engines.rendering import text_rows
from hfitd.engines.shape import RawRow, Shape
from hfitd.errors import DbUnavailable, NotFound, QueryTimeout
from hfitd.model import Catalog, Kind, Receipt, Relation, Sink

_DATABASES = """
SELECT datname::pg_catalog.text FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate AND pg_catalog.has_database_privilege(oid, 'CONNECT')
"""
PRINTED_BY_CAST = frozenset((
    "smallint", "integer", "bigint", "numeric", "uuid", "text", "character varying", "date",
    "timestamp without time zone", "timestamp with time zone",
))  # fmt: skip


class PostgresEngine:
    """One PostgreSQL server. Connects when first asked for something."""

    def __init__(self, provider: ProviderConfig, places: Places | None = None) -> None:
        self.name = provider.name
        self.dialect = PostgresDialect()
        self._provider = provider
        self._pool = Pool(provider, places)

    async def databases(self) -> list[str]:
        """The provider's database and those of its globs that the role may connect to."""
        async with self._pool.lend(self._provider.database) as lease:
            with translated(Stage.OWN):
                records = await lease.connection.fetch(_DATABASES)
        return sorted(name for name in (record[0] for record in records) if self._may_read(name))

    def snapshot(self, database: str | None = None, user: str = "") -> AbstractAsyncContextManager[Snapshot]:
        """One consistent view; a database that the provider does not list is NotFound."""
        name = database or self._provider.database
        if not self._may_read(name):
            raise NotFound("There is no such database.", resource=name)
        return self._snapshot(name, user)

    async def check(self) -> ServerReport:
        """Version and whatever the role can do that a reader should not."""
        async with self._pool.lend(self._provider.database) as lease:
            await self._read_lag(lease)
            return await report_server(lease.connection)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        await self._pool.close()

    def _may_read(self, database: str) -> bool:
        return database == self._provider.database or any(
            fnmatch.fnmatchcase(database, glob) for glob in self._provider.databases
        )

    async def _read_lag(self, lease: Lease) -> float | None:
        """How far behind the server is, as far as it says; DbUnavailable when that breaks ``max_lag``."""
        if self._provider.max_lag_seconds is None:
            return await known_lag(lease.connection)
        lag = await read_lag(lease.connection)
        refuse_old(lag, self._provider.max_lag_seconds)
        return lag

    @asynccontextmanager
    async def _snapshot(self, database: str, user: str) -> AsyncIterator[Snapshot]:
        async with self._pool.lend(database, user) as lease:
            lag = await self._read_lag(lease)
            position = await read_position(lease.connection)
            async with Company(Lane(lease), self._pool, user) as company:
                yield PostgresSnapshot(company, self._provider.statement_timeout_seconds, position, lag)


class PostgresSnapshot:
    """A repeatable-read transaction. Each of its connections does one thing at a time; callers may be many."""

    def __init__(
        self, company: Company, timeout_seconds: float, position: str, lag_seconds: float | None = None
    ) -> None:
        self.position, self.lag_seconds = position, lag_seconds
        self._company, self._lane = company, company.first
        self._connection, self._statements = self._lane.connection, self._lane.statements
        self._turn = self._lane.turn
        self._replica = lag_seconds is not None or is_replica(self._connection) is True
        self._timeout_seconds = timeout_seconds

    async def catalog(self) -> Catalog:
        """What the role may SELECT, in few queries."""
        async with self._turn:
            return await read_catalog(self._connection, self._lane.lease.database)

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """Types of the outputs; every value is tried on the server."""
        async with self._turn, self._deadline():
            prepared = await self._prepare(select, Stage.DESCRIBE)
            await self._statements.check_values(prepared)
        return prepared.types

    async def estimate(self, select: Select) -> Estimate:
        """The planner's rows, cost and row width."""
        async with self._turn, self._deadline():
            prepared = await self._prepare(select, Stage.DESCRIBE)
            plan = await self._plan(prepared)
            if select.reads is not None:
                tables = frozenset(relation_entry(table) for table in select.reads.tables)
                await refuse_unexpected(plan_entries(plan), tables, select.reads, self._entries_of)
        rows = int(plan["Plan Rows"])
        return Estimate(rows=rows, cost=float(plan["Total Cost"]), size=rows * int(plan["Plan Width"]))

    async def _plan(self, prepared: Prepared) -> Plan:
        with translated(Stage.DESCRIBE):
            text = await self._connection.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) {prepared.text}", *prepared.values)
        plan: Plan = json.loads(text)[0]["Plan"]
        return plan

    async def _entries_of(self, select: Select) -> frozenset[Entry]:
        return plan_entries(await self._plan(await self._prepare(select, Stage.DESCRIBE)))

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """At most ``limit`` rows; the server stops there."""
        async with self._turn, self._deadline():
            prepared = await self._prepare(select, Stage.RUN)
            shape = Shape.of(select.outputs, prepared.types)
            with translated(Stage.RUN):
                text = f"{_as_text(prepared)} LIMIT {int(limit)}"
                records = await self._connection.fetch(text, *prepared.values)
        return text_rows(shape, _raw_rows(records, shape))

    @asynccontextmanager
    async def batches(self, select: Select, size: int) -> AsyncIterator[AsyncIterator[list[Row]]]:
        """All rows through a server-side cursor, ``size`` at a time. The deadline counts the server's time only."""
        async with self._turn, self._deadline():
            prepared = await self._prepare(select, Stage.RUN)
            shape = Shape.of(select.outputs, prepared.types)
            with translated(Stage.RUN):
                cursor = await self._connection.cursor(_as_text(prepared), *prepared.values)
        pages = self._pages(cursor, shape, size)
        try:
            yield pages
        finally:
            await pages.aclose()

    def columns(self, select: Select) -> AbstractAsyncContextManager[AsyncIterator[Columns]]:
        """All rows by COPY; the deadline counts the reader's time too."""

        async def copy(pages: Pages) -> None:
            async with self._turn, self._deadline():
                prepared = await self._prepare(select, Stage.RUN)
                turner = Turner(Shape.of(select.outputs, prepared.types), pages)
                await self._statements.set_binds(prepared)
                await self._lane.copy(prepared.copy_text, turner.take)
                await turner.finish()
                await self._statements.clear_binds(prepared)

        return pulled(copy)

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """By one connection or by several that see the same; callers may be many (``postgres_render``)."""
        async with self._company.one() as lane, self._deadline():
            return await render(self._company, lane, select, form, sink)

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """Statements that create the relations, from the catalogue."""
        async with self._turn:
            return await write_ddl(self._connection, relations, options, sink)

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """What a package of these will not hold."""
        async with self._turn:
            return await foresee(self._connection, relations, options)

    async def _prepare(self, select: Select, stage: Stage) -> Prepared:
        return await self._lane.prepare(select, stage)  # 2 6

    async def _pages(self, cursor: Any, shape: Shape, size: int) -> AsyncGenerator[list[Row], None]:
        left = self._timeout_seconds
        clock = asyncio.get_running_loop().time
        while True:
            async with self._turn:
                started = clock()
                async with self._deadline(left):
                    with translated(Stage.RUN):
                        records = await cursor.fetch(size)
                left -= clock() - started
            if not records:
                return
            yield _text_rows(records, shape)

    @asynccontextmanager
    async def _deadline(self, seconds: float | None = None) -> AsyncIterator[None]:
        deadline = asyncio.timeout(self._timeout_seconds if seconds is None else max(seconds, 0.0))
        try:
            async with deadline:  # 4
                yield
        except TimeoutError:
            if deadline.expired():
                raise QueryTimeout() from None
            raise
        except DbUnavailable as error:
            # On a replica replay may cost the connection, and the driver has no words for why it is gone.
            error.conflict = error.conflict or (self._replica and self._company.has_lost)
            raise


def _as_text(prepared: Prepared) -> str:
    """The statement with every output as the server prints it, NULL as NULL.

    ``format`` calls the type's output function; a cast to text would not be the same for some types (``bpchar``,
    ``bool``, ``inet``), and ``num_nulls`` tells a NULL from a row of NULLs. For those of ``PRINTED_BY_CAST`` it is the
    same, and takes half the time.
    """
    names = [f"c{number}" for number in range(len(prepared.types))]
    if not names:
        return f"SELECT FROM ({prepared.text}) AS q"
    cells = ", ".join(
        f"CAST(q.{name} AS pg_catalog.text)"
        if output.type_name in PRINTED_BY_CAST
        else f"CASE pg_catalog.num_nulls(q.{name}) WHEN 0 THEN pg_catalog.format('%s', q.{name}) END"
        for name, output in zip(names, prepared.types, strict=True)
    )
    return f"SELECT {cells} FROM ({prepared.text}) AS q ({', '.join(names)})"  # noqa: S608 - cells and names are ours, the text is composed


def _text_rows(records: Sequence[Any], shape: Shape) -> list[Row]:
    """Records of text as rows, masks applied and bytes as base64."""
    if Kind.BYTES in shape.kinds or not shape.is_raw:
        return text_rows(shape, _raw_rows(records, shape))
    return list(map(tuple, records))


def _raw_rows(records: Sequence[Any], shape: Shape) -> list[RawRow]:
    return [
        [
            None if cell is None else bytes.fromhex(cell[2:]) if kind is Kind.BYTES else cell.encode()
            for kind, cell in zip(shape.raw_kinds, record, strict=True)
        ]
        for record in records
    ]
