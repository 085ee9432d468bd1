"""Worlds of the subset tests: the torture set, opened once for each file of tests, for a server ends idle snapshots."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.live.servers import Server
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world

NASTY_DATABASES = ("nasty*", "Weird*")


@pytest.fixture(scope="module")
async def nasty_pg(postgres_server: Server, nasty_postgres: str) -> AsyncIterator[SubsetWorld]:
    """The torture set on PostgreSQL."""
    async with subset_world(server_provider(postgres_server, nasty_postgres)) as world:
        yield world


@pytest.fixture(scope="module")
async def nasty_my(mariadb_server: Server, nasty_mariadb: str) -> AsyncIterator[SubsetWorld]:
    """The torture set on MariaDB, with the databases beside it."""
    async with subset_world(server_provider(mariadb_server, nasty_mariadb, NASTY_DATABASES)) as world:
        yield world
