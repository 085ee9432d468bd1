"""The shop of ``tests.support.query_worlds`` on each engine, made once; nobody writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.live.databases import fresh_database
from tests.live.servers import Server
from tests.support.query_worlds import World, mariadb_world, postgres_world, sqlite_world


@pytest_asyncio.fixture(scope="session")
async def shop_postgres(postgres_server: Server) -> AsyncIterator[World]:
    """The shop on PostgreSQL."""
    with fresh_database(postgres_server) as database:
        async with postgres_world(postgres_server, database) as world:
            yield world


@pytest_asyncio.fixture(scope="session")
async def shop_mariadb(mariadb_server: Server) -> AsyncIterator[World]:
    """The shop on MariaDB."""
    with fresh_database(mariadb_server) as database:
        async with mariadb_world(mariadb_server, database) as world:
            yield world


@pytest.fixture(scope="session")
def shop_sqlite() -> Iterator[World]:
    """The shop in SQLite."""
    with sqlite_world() as world:
        yield world


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def shop(request: pytest.FixtureRequest) -> World:
    """The shop on each engine in turn."""
    found: World = request.getfixturevalue(f"shop_{request.param}")
    return found
