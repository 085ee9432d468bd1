"""The server's plan as a second opinion: nothing is read that the query does not name, whatever got past the parser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfitd.engines.interface import Output, Reads, Select, Snapshot
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.postgres import PostgresEngine
from hfitd.errors import NotFound, SqlRefused
from hfitd.export.query.free import parse_query, rewrite_query
from hfitd.model import Catalog, Relation, TableName
from hfitd.sql import text
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import World, postgres_provider, relation
from tests.support.mysql_world import mysql_provider
from tests.support.query_corpus import read_corpus

SMUGGLED = [
    "SELECT customer.name FROM {customer}, {purchase}",
    "SELECT name FROM {customer} WHERE EXISTS (SELECT 1 FROM {purchase} WHERE customer_id = id)",
    "SELECT name FROM {customer} UNION ALL SELECT what FROM {purchase}",
    "SELECT (SELECT max(what) FROM {purchase}) AS name FROM {customer}",
    "SELECT what AS name FROM {purchase}",
    "SELECT name FROM {customer} WHERE id IN (SELECT id FROM {grown}) AND id IN (SELECT line FROM {purchase})",
    "WITH p AS (SELECT what FROM {purchase}) SELECT max(what) AS name FROM p",
    "SELECT count(*) AS name FROM {purchase}",
]
HONEST = [
    "SELECT name FROM customer",
    "SELECT count(*) AS n FROM customer",
    "SELECT g.name FROM grown g JOIN customer c ON c.id = g.id",
    "SELECT count(*) AS n FROM grown",
    "WITH purchase AS (SELECT id AS what FROM customer) SELECT max(what) AS m FROM purchase",
    "SELECT id FROM customer UNION SELECT line FROM purchase ORDER BY 1",
    "SELECT c.name, (SELECT count(*) FROM purchase p WHERE p.customer_id = c.id) AS n FROM customer c",
    "SELECT id FROM customer WHERE 1 = 0",
    "SELECT 1 AS one",
    "SELECT q.n FROM (SELECT count(*) AS n FROM loose) AS q WHERE q.n > 0",
]


def rewritten(world: World, catalog: Catalog, source: str, row_filter: str = "") -> Select:
    """A free query as the daemon sends it; ``row_filter`` is put on customer."""

    def relation_of(schema: str | None, name: str) -> Relation:
        if schema not in (None, world.schema) or world.table(name) not in catalog.tables:
            raise NotFound()
        found = relation(catalog, world.table(name))
        return replace(found, row_filter=text(row_filter)) if row_filter and name == "customer" else found

    parsed = parse_query(source, world.engine.dialect.sqlglot_name)
    return rewrite_query(parsed, world.engine.dialect, world.schema, relation_of, lambda _: {}, {})


def place(world: World, name: str) -> str:
    return world.engine.dialect.qualified(world.schema, name)


@pytest.mark.parametrize("source", SMUGGLED)
async def test_s06_a_table_that_was_not_expected_is_refused(world: World, source: str) -> None:
    sql = source.format(**{name: place(world, name) for name in ("customer", "purchase", "grown")})
    names = frozenset({world.table("customer"), world.table("grown")})
    sources = tuple(text(f"(SELECT name FROM {place(world, name)})") for name in ("customer", "grown"))
    select = Select(text(sql), (Output("name"),), reads=Reads(names, sources))
    async with world.engine.snapshot() as snapshot:
        await snapshot.estimate(replace(select, reads=None))
        with pytest.raises(SqlRefused, match="does not name"):
            await snapshot.estimate(select)
        wider = Reads(names | {world.table("purchase")}, sources)
        await snapshot.estimate(replace(select, reads=wider))


@pytest.mark.parametrize("source", HONEST)
async def test_a_rewritten_query_reads_what_it_says(world: World, source: str) -> None:
    async with world.engine.snapshot() as snapshot:
        select = rewritten(world, await snapshot.catalog(), source)
        assert select.reads is not None
        await snapshot.estimate(select)


async def test_a_row_filter_may_read_what_the_policy_says(world: World) -> None:
    filtered = f"id IN (SELECT customer_id FROM {place(world, 'purchase')})"
    async with world.engine.snapshot() as snapshot:
        select = rewritten(world, await snapshot.catalog(), "SELECT name FROM customer", filtered)
        await snapshot.estimate(select)
        assert len(await snapshot.rows(select, 9)) == 2


async def asked(snapshot: Snapshot, schema: str, source: str, sqlglot_name: str, engine: object) -> None:
    catalog = await snapshot.catalog()
    parsed = parse_query(source, sqlglot_name)

    def relation_of(_: str | None, name: str) -> Relation:
        return relation(catalog, TableName(schema, name))

    select = rewrite_query(parsed, engine.dialect, schema, relation_of, lambda _: {}, {})  # type: ignore[attr-defined]
    await snapshot.estimate(select)


async def test_reports_and_views_of_sakila_are_not_refused(
    postgres_server: Server, mariadb_server: Server, sakila_postgres: str, sakila_mariadb: str
) -> None:
    postgres = PostgresEngine(postgres_provider(postgres_server, sakila_postgres))
    mariadb = MysqlEngine(mysql_provider(mariadb_server, sakila_mariadb))
    for engine, schema in ((postgres, "public"), (mariadb, sakila_mariadb)):
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            views = [n.name for n, t in catalog.tables.items() if t.kind in {"view", "partitioned"}]
            assert len(views) > 5
            whole = [f"SELECT count(*) AS n FROM {name}" for name in views]
            for source in [*read_corpus("developers_sakila.sql"), *whole]:
                await asked(snapshot, schema, source, engine.dialect.sqlglot_name, engine)
        await engine.close()


async def test_s09_functions_that_scan_are_expected_of_views_only(
    postgres_server: Server, postgres_database: str
) -> None:
    run_sql(
        postgres_server,
        "CREATE TABLE t (id integer); CREATE VIEW numbers AS SELECT n AS id FROM generate_series(1, 3) AS n;"
        "CREATE FUNCTION hidden() RETURNS SETOF integer LANGUAGE sql STABLE AS 'SELECT id FROM public.t';"
        "CREATE VIEW told AS SELECT n AS id FROM hidden() AS n;",
        postgres_database,
    )
    engine = PostgresEngine(postgres_provider(postgres_server, postgres_database))
    numbers = TableName("public", "numbers")
    async with engine.snapshot() as snapshot:
        for name in ("numbers", "told"):
            await asked(snapshot, "public", f"SELECT max(id) AS m FROM {name}", "postgres", engine)
        reads = Reads(frozenset({numbers}), (text("(SELECT id FROM public.numbers)"),))
        for source in ("public.hidden()", "pg_catalog.pg_ls_dir('.')", "pg_catalog.unnest(ARRAY[1])"):
            select = Select(text(f"SELECT n FROM {source} AS n"), (Output("n"),), reads=reads)
            with pytest.raises(SqlRefused, match="does not name"):
                await snapshot.estimate(select)
    await engine.close()
