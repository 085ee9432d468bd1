"""Worlds of the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.databases import create_database, drop_database, run_sql
from tests.live.servers import Server
from tests.support import engine_worlds, mysql_world, sqlite_world
from tests.support.engine_worlds import SHOP, World


def _make_anew(server: Server) -> None:
    """An empty database; with tests in several processes a world is made once for every file of tests."""
    drop_database(server, SHOP)
    create_database(server, SHOP)


def _postgres(request: pytest.FixtureRequest, server_fixture: str) -> World:
    server = request.getfixturevalue(server_fixture)
    _make_anew(server)
    run_sql(server, engine_worlds.POSTGRES_SHOP, SHOP)
    return engine_worlds.postgres_world(server)


def _mariadb(request: pytest.FixtureRequest) -> World:
    server = request.getfixturevalue("mariadb_server")
    _make_anew(server)
    run_sql(server, mysql_world.MYSQL_SHOP, SHOP)
    return mysql_world.mysql_world(server)


def _sqlite(request: pytest.FixtureRequest) -> World:
    return sqlite_world.sqlite_world(request.getfixturevalue("tmp_path_factory").mktemp("sqlite"))


WORLDS = {
    "postgresql": lambda request: _postgres(request, "postgres_server"),
    "postgresql-new": lambda request: _postgres(request, "postgres_new_server"),
    "mariadb": _mariadb,
    "sqlite": _sqlite,
}


@pytest_asyncio.fixture(scope="session", params=WORLDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """One engine with the shop on it; read only."""
    made = WORLDS[request.param](request)
    try:
        yield made
    finally:
        await made.engine.close()
