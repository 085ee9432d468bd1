"""Subsets of databases of any shape are what a closure in plain Python says they are."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hfitd.config.model import ProviderConfig
from hfitd.export.spool import Scratch
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.random_schemas import RandomSchema
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world

SEEDS = (1, 2)
TABLES = 40
ROOTS = 3


async def assert_closures(world: SubsetWorld, schema: RandomSchema, seed: int, spill_rows: int) -> None:
    """A few roots of one database, both ways."""
    for number in range(ROOTS):
        root, where, rows = schema.root(seed * 100 + number)
        quote = "`{}`" if schema.engine == "mysql" else '"{}"'
        name = f"{quote.format(root.schema)}.{quote.format(root.name)}"
        for children in ("none", "all"):
            expected, keys = schema.expected(schema.closure(root, rows, children=children == "all"))
            scratch = Scratch(spill_rows=spill_rows)
            result = await world.run((name, where), children=children, scratch=scratch)
            scratch.close()
            assert result.rows == expected, (seed, root.full, where, children)
            for table, listed in keys.items():
                found = result.keys[table]
                if found and not found[0][0].startswith("#"):
                    assert found == listed, (seed, table)


@pytest.fixture(params=SEEDS)
async def any_postgres(
    request: pytest.FixtureRequest, postgres_server: Server, postgres_database: str
) -> AsyncIterator[Any]:
    """A database of any shape on PostgreSQL."""
    schema = RandomSchema(request.param, "postgresql", TABLES, ("public", "Other one"))
    head = 'CREATE EXTENSION citext; CREATE SCHEMA "Other one";\n'
    run_sql(postgres_server, head + schema.script(), postgres_database)
    async with subset_world(server_provider(postgres_server, postgres_database)) as world:
        yield world, schema, request.param


async def test_subsets_of_any_shape_on_postgresql(any_postgres: Any) -> None:
    await assert_closures(*any_postgres, spill_rows=1_000_000)


async def test_subsets_of_any_shape_whose_keys_are_on_disk(any_postgres: Any) -> None:
    await assert_closures(*any_postgres, spill_rows=3)


@pytest.mark.parametrize("seed", SEEDS[:1])
async def test_subsets_of_any_shape_on_mariadb(mariadb_server: Server, mariadb_database: str, seed: int) -> None:
    schema = RandomSchema(seed, "mysql", TABLES, (mariadb_database,))
    run_sql(mariadb_server, schema.script(), mariadb_database)
    async with subset_world(server_provider(mariadb_server, mariadb_database)) as world:
        await assert_closures(world, schema, seed, 1_000_000)


@pytest.mark.parametrize("seed", SEEDS)
async def test_subsets_of_any_shape_on_sqlite(tmp_path: Path, seed: int) -> None:
    schema = RandomSchema(seed, "sqlite", TABLES, ("main",))
    database = sqlite3.connect(tmp_path / "any.db")
    database.executescript(schema.script())
    database.close()
    provider = ProviderConfig(name="src", type="sqlite", database="main", path=tmp_path / "any.db")
    async with subset_world(provider) as world:
        await assert_closures(world, schema, seed, 1_000_000)
