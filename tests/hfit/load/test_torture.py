"""The torture sets go through a package and come out with the same values."""

from __future__ import annotations

import pytest

from tests.live.databases import statements_only, value_digests
from tests.live.servers import Server
from tests.support.whole_packages import Load, Packed, Verify, provider_of, read_content


async def test_the_postgres_set_survives_export_and_load(
    nasty_postgres: str, postgres_server: Server, postgres_database: str, packed: Packed, load: Load, verify: Verify
) -> None:
    path = packed(await read_content(provider_of(postgres_server, nasty_postgres)))
    url = postgres_server.url(postgres_database)
    (report,) = load(path, url)
    before = value_digests(postgres_server, nasty_postgres).splitlines()
    after = value_digests(postgres_server, postgres_database).splitlines()
    assert after == before
    assert verify(path, url) == dict(report.rows)


@pytest.mark.parametrize(
    "original", ["nasty", "nasty_types", "nasty_audit", "nasty_myonly", "nasty_mariadb", "Weird Schema"]
)
async def test_the_mysql_set_survives_export_and_load(
    nasty_mariadb: str, original: str, mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load,
    verify: Verify,
) -> None:  # fmt: skip
    path = packed(await read_content(provider_of(mariadb_server, original)))
    url = mariadb_server.url(mariadb_database)
    (report,) = load(path, url)
    before, after = (value_digests(mariadb_server, name).splitlines() for name in (original, mariadb_database))
    assert after == before
    assert verify(path, url) == dict(report.rows)
    with statements_only(mariadb_server):
        load(path, url, mode="replace")
    assert value_digests(mariadb_server, mariadb_database).splitlines() == before
