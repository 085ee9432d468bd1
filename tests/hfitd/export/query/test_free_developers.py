"""Queries that developers write: they keep working, and give the rows that the database gives for the original."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import pytest

from hfitd.export.query.free import parse_query, rewrite_query
from hfitd.model import Column, Kind, MaskedColumn, Relation, Table, TableName
from tests.support.query_corpus import read_corpus
from tests.support.query_worlds import World, mariadb_world, postgres_world

EVERYWHERE = [
    *read_corpus("developers_everywhere.sql"),
    "SELECT COUNT(*), 'text', 1.5, NULL, 'it''s' FROM users -- a comment\n WHERE id > 0 /* and another */",
]
NOT_SQLITE = {
    "WITH users AS (SELECT id FROM users WHERE id < 4) SELECT * FROM users ORDER BY id": "SELECT 1 AS n",
    "(SELECT id FROM users)": "SELECT id FROM users",
    "SELECT id, CAST(id AS CHAR(10)), CAST(total AS DECIMAL(10, 1)) FROM orders": "SELECT CAST(id AS TEXT) FROM orders",
}
POSTGRES = read_corpus("developers_postgres.sql")
MYSQL = read_corpus("developers_mysql.sql")
SQLITE = read_corpus("developers_sqlite.sql")
SAKILA = read_corpus("developers_sakila.sql")


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, (list, tuple, dict)) else value


def _same(query: str, left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> None:
    one, other = ([tuple(map(_plain, row)) for row in rows] for rows in (left, right))
    if "ORDER BY" not in query.rpartition(")")[2].upper():
        one, other = sorted(one, key=repr), sorted(other, key=repr)
    assert one == other


async def _check(world: World, query: str) -> None:
    select = world.rewrite(query, masked=False)
    rows = await world.run(select.sql)
    _same(query, rows, await world.run_text(query))
    assert all(len(row) == len(select.outputs) for row in rows)
    names = [output.name for output in select.outputs]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("query", EVERYWHERE)
async def test_an_ordinary_query_gives_the_rows_of_the_original(shop: World, query: str) -> None:
    if shop.dialect.name == "mysql":
        query = query.replace('"Order Id"', "`Order Id`")
    if shop.dialect.name == "sqlite" and query in NOT_SQLITE:
        query = NOT_SQLITE[query]
    await _check(shop, query)


@pytest.mark.parametrize("query", POSTGRES)
async def test_what_postgres_adds_works(shop_postgres: World, query: str) -> None:
    await _check(shop_postgres, query)


@pytest.mark.parametrize("query", MYSQL)
async def test_what_mysql_adds_works_on_mariadb(shop_mariadb: World, query: str) -> None:
    if "->" in query:
        rewritten = shop_mariadb.rewrite(query, masked=False)
        assert await shop_mariadb.run(rewritten.sql) == []  # MariaDB has no such operator, the rewritten query runs
        return
    await _check(shop_mariadb, query)


@pytest.mark.parametrize("query", SAKILA)
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
async def test_reports_on_sakila_give_the_rows_of_the_original(
    request: pytest.FixtureRequest, engine: str, query: str
) -> None:
    server, database = request.getfixturevalue(f"{engine}_server"), request.getfixturevalue(f"sakila_{engine}")
    open_world = postgres_world if engine == "postgres" else mariadb_world
    async with open_world(server, database, make=False) as world:
        schema = "public" if engine == "postgres" else database
        listed = await world.run_text(
            "SELECT table_name, column_name FROM information_schema.columns"
            f" WHERE table_schema = '{schema}' ORDER BY table_name, ordinal_position"
        )
        columns: dict[str, list[MaskedColumn]] = {}
        for table, column in listed:
            columns.setdefault(table, []).append(MaskedColumn(Column(column, "text", Kind.TEXT)))

        def relation_of(_: str | None, name: str) -> Relation:
            return Relation("sakila", Table(TableName(schema, name), "table", ()), tuple(columns[name]))

        parsed = parse_query(query, world.dialect.sqlglot_name)
        select = rewrite_query(parsed, world.dialect, schema, relation_of, lambda _: {}, {})
        _same(query, await world.run(select.sql), await world.run_text(query))


@pytest.mark.parametrize("query", SQLITE)
async def test_what_sqlite_adds_works(shop_sqlite: World, query: str) -> None:
    await _check(shop_sqlite, query)
