"""Ceilings of cost and rows, on every way to a provider's rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfitd.engines.interface import Engine, Format, Output, Select, Snapshot
from hfitd.engines.table import open_engine
from hfitd.errors import CostRefused
from hfitd.gateway.cost_guard import Ceiling, CostGuard
from hfitd.sql import text
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider
from tests.support.mysql_world import mysql_provider

FILL = "CREATE TABLE t (id integer PRIMARY KEY, v integer);"
POSTGRES = FILL + "INSERT INTO t SELECT g, g FROM generate_series(1, 2000) g; ANALYZE t;"
MARIADB = FILL + "INSERT INTO t SELECT seq, seq FROM seq_1_to_2000; ANALYZE TABLE t;"

def select(engine: Engine, sql: str) -> Select:
    """One output; ``t`` is the table."""
    table = "public.t" if engine.dialect.name == "postgresql" else "t"
    return Select(text(sql.replace("{t}", table)), (Output("v"),))


def small(engine: Engine) -> Select:
    """One row by its key."""
    return select(engine, "SELECT v FROM {t} WHERE id = 7")


def scan(engine: Engine) -> Select:
    """One row by reading all."""
    return select(engine, "SELECT v FROM {t} WHERE v = 7")


def cartesian(engine: Engine) -> Select:
    """Eight thousand million rows."""
    return select(engine, "SELECT a.v FROM {t} AS a, {t} AS b, {t} AS c")


class Nowhere:
    """A sink."""

    async def write(self, data: bytes) -> None:
        """Forget it."""


@pytest.fixture(params=["postgres", "mariadb"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres_server")
        database: str = request.getfixturevalue("postgres_database")
        run_sql(server, POSTGRES, database)
        return open_engine(postgres_provider(server, database))
    server = request.getfixturevalue("mariadb_server")
    database = request.getfixturevalue("mariadb_database")
    run_sql(server, MARIADB, database)
    return open_engine(mysql_provider(server, database))


async def _rows(snapshot: Snapshot, select: Select) -> None:
    await snapshot.rows(select, 1)


async def _batches(snapshot: Snapshot, select: Select) -> None:
    async with snapshot.batches(select, 100) as batches:
        async for _ in batches:
            pass


async def _columns(snapshot: Snapshot, select: Select) -> None:
    async with snapshot.columns(select) as pages:
        async for _ in pages:
            pass


async def _render(snapshot: Snapshot, select: Select) -> None:
    await snapshot.render(select, Format.NDJSON, Nowhere())


async def _estimate(snapshot: Snapshot, select: Select) -> None:
    await snapshot.estimate(select)


WAYS = [_rows, _batches, _columns, _render, _estimate]


@pytest.mark.parametrize("way", WAYS)
async def test_s28_no_way_to_rows_goes_round_the_ceiling(engine: Engine, way: object) -> None:
    assert callable(way)
    guarded = CostGuard(engine, Ceiling(cost=1_000_000.0))
    try:
        async with guarded.snapshot() as snapshot:
            await way(snapshot, small(engine))
            await way(snapshot, scan(engine))
            with pytest.raises(CostRefused, match=r"expected to cost [0-9]+ of at most 1000000") as caught:
                await way(snapshot, cartesian(engine))
        assert "SELECT" not in caught.value.message
    finally:
        await guarded.close()


async def test_a_ceiling_of_rows_is_one_of_the_result(engine: Engine) -> None:
    guarded = CostGuard(engine, Ceiling(rows=5000))
    try:
        async with guarded.snapshot() as snapshot:
            await snapshot.rows(scan(engine), 1)
            with pytest.raises(CostRefused, match=r"give [0-9]+ of at most 5000 rows"):
                await snapshot.rows(cartesian(engine), 1)
    finally:
        await guarded.close()


@pytest.mark.parametrize("ceiling", [Ceiling(cost=1_000_000.0), Ceiling(rows=5000)])
async def test_s27_a_refusal_tells_no_numbers_of_rows_that_the_reader_may_not_see(
    engine: Engine, ceiling: Ceiling
) -> None:
    guarded = CostGuard(engine, ceiling)
    try:
        async with guarded.snapshot() as snapshot:
            with pytest.raises(CostRefused) as caught:
                await snapshot.rows(replace(cartesian(engine), untold=True), 1)
        assert not any(char.isdigit() for char in caught.value.message)
    finally:
        await guarded.close()
