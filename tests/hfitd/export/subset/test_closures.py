"""Subsets are exactly the sets that were worked out by hand and by the databases themselves."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hfitd.config.model import ProviderConfig
from tests.live.servers import Server
from tests.support.subset_worlds import Result, SubsetWorld, read_json, server_provider, subset_world

CHECKS = read_json("nasty/checks.json")
CLOSURES = read_json("closures.json")
CHILDREN = {"P": "none", "D": "all"}
BINARY_KEYS = ("nasty.textkey", "nasty.ukey")  # on MariaDB


def quoted(table: str, mark: str) -> str:
    """``nasty.Order Line`` as a template writes it."""
    schema, _, name = table.partition(".")
    return f"{mark}{schema}{mark}.{mark}{name}{mark}"


def checks_for(engine: str) -> list[Any]:
    """The common checks and the engine's own."""
    chosen = []
    for check in CHECKS:
        root, _, only = check["root"].partition(" [")
        if not only or only == f"{engine}]":
            chosen.append(pytest.param(check | {"root": root}, id=f"{root} {check['where']} {check['mode']}"))
    return chosen


def printed(key: tuple[str, ...], table: str, engine: str) -> str:
    """A key as the published sets print it."""
    words = {"t": "true", "f": "false"} if engine == "PG" else {}
    values = [words.get(value, value) for value in key]
    if engine == "MariaDB" and table in BINARY_KEYS:
        raw = base64.b64decode(values[0])
        if table == "nasty.textkey":
            return raw.decode()
        return f"{raw.hex()[:8]}-{raw.hex()[8:12]}-{raw.hex()[12:16]}-{raw.hex()[16:20]}-{raw.hex()[20:]}"
    return values[0] if len(values) == 1 else f"({','.join(values)})"


def number(text: str) -> str:
    """Decimals print with the scale of their column."""
    return text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "").isdigit() else text


def compare(result: Result, expected: Mapping[str, Any], engine: str) -> None:
    """Same tables, same rows, row for row; rows of tables without a key by number."""
    counts = {table: rows if isinstance(rows, int) else len(rows) for table, rows in expected.items()}
    assert result.rows == counts
    for table, keys in result.keys.items():
        if not isinstance(expected[table], int) and not keys[0][0].startswith("#"):
            found = sorted(number(printed(key, table, engine)) for key in keys)
            assert found == sorted(number(key) for key in expected[table]), table


@pytest.mark.parametrize("check", checks_for("PG"))
async def test_a_subset_on_postgresql_is_exactly_the_published_set(check: Any, nasty_pg: SubsetWorld) -> None:
    result = await nasty_pg.run((quoted(check["root"], '"'), check["where"]), children=CHILDREN[check["mode"]])
    compare(result, check["rows"], "PG")


@pytest.mark.parametrize("check", checks_for("MariaDB"))
async def test_a_subset_on_mariadb_is_exactly_the_published_set(check: Any, nasty_my: SubsetWorld) -> None:
    where = check["where"].replace('"', "`")
    result = await nasty_my.run((quoted(check["root"], "`"), where), children=CHILDREN[check["mode"]])
    compare(result, check["rows"], "MariaDB")


def closures_of(engine: str, database: str) -> list[Any]:
    """The published closures of one database, by counts."""
    chosen = [item for item in CLOSURES if (item["engine"], item["db"].lower()) == (engine, database)]
    assert len(chosen) == 8
    return chosen


async def assert_closures(provider: ProviderConfig, closures: list[Any], names: str = "{}") -> None:
    """Every closure, table by table; ``names`` spells a table's name on this engine."""
    async with subset_world(provider) as world:
        for closure in closures:
            children = CHILDREN[closure["mode"]]
            result = await world.run((closure["root"].rpartition(".")[2], closure["where"]), children=children)
            rows = closure["rows"].items()
            spelt = {names.format(t.rpartition(".")[2]) if names != "{}" else t: n for t, n in rows}
            assert result.rows == spelt, closure


async def test_subsets_of_chinook_on_postgresql_are_the_published_ones(
    postgres_server: Server, chinook_postgres: str
) -> None:
    await assert_closures(server_provider(postgres_server, chinook_postgres), closures_of("pg", "chinook"))


async def test_subsets_of_chinook_on_mariadb_are_the_published_ones(
    mariadb_server: Server, chinook_mariadb: str
) -> None:
    await assert_closures(server_provider(mariadb_server, chinook_mariadb), closures_of("my", "chinook"))


async def test_subsets_of_chinook_on_sqlite_are_the_published_ones(chinook_sqlite: Path) -> None:
    provider = ProviderConfig(name="src", type="sqlite", database="main", path=chinook_sqlite)
    await assert_closures(provider, closures_of("my", "chinook"), "main.{}")


async def test_subsets_of_sakila_on_postgresql_are_the_published_ones(
    postgres_server: Server, sakila_postgres: str
) -> None:
    await assert_closures(server_provider(postgres_server, sakila_postgres), closures_of("pg", "sakila"))


async def test_subsets_of_sakila_on_mariadb_are_the_published_ones(mariadb_server: Server, sakila_mariadb: str) -> None:
    await assert_closures(server_provider(mariadb_server, sakila_mariadb), closures_of("my", "sakila"))
