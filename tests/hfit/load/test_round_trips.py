"""Whole databases go through a package and come out with the same values."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hfit.errors import TargetDiffers
from hfitd.config.model import ProviderConfig
from tests.live.databases import data_statements, statements_only, value_digests
from tests.live.servers import Server
from tests.support.whole_packages import Load, Packed, Verify, provider_of, read_content


@pytest.mark.parametrize("source", ["sakila_postgres", "chinook_postgres"])
async def test_postgres_comes_out_with_the_same_values(
    request: pytest.FixtureRequest, source: str, postgres_server: Server, postgres_database: str, packed: Packed,
    load: Load, verify: Verify,
) -> None:  # fmt: skip
    original = request.getfixturevalue(source)
    path = packed(await read_content(provider_of(postgres_server, original)))
    url = postgres_server.url(postgres_database)
    (report,) = load(path, url)
    assert report.mode == "create" and not report.notes
    assert value_digests(postgres_server, postgres_database) == value_digests(postgres_server, original)
    assert verify(path, url) == dict(report.rows)


@pytest.mark.parametrize("source", ["sakila_mariadb", "chinook_mariadb"])
async def test_mariadb_comes_out_with_the_same_values(
    request: pytest.FixtureRequest, source: str, mariadb_server: Server, mariadb_database: str, packed: Packed,
    load: Load, verify: Verify,
) -> None:  # fmt: skip
    original = request.getfixturevalue(source)
    path = packed(await read_content(provider_of(mariadb_server, original)))
    url, before = mariadb_server.url(mariadb_database), data_statements(mariadb_server)
    (report,) = load(path, url)
    assert not report.notes
    assert data_statements(mariadb_server) > before
    expected = value_digests(mariadb_server, original)
    assert value_digests(mariadb_server, mariadb_database) == expected
    assert verify(path, url) == dict(report.rows)
    with statements_only(mariadb_server):
        load(path, url, mode="replace")
    assert value_digests(mariadb_server, mariadb_database) == expected


async def test_sqlite_comes_out_with_the_same_values(
    chinook_sqlite: Path, tmp_path: Path, packed: Packed, load: Load, verify: Verify
) -> None:
    path = packed(await read_content(ProviderConfig(name="shop", type="sqlite", path=chinook_sqlite)))
    url = f"sqlite:///{tmp_path / 'target.db'}"
    (report,) = load(path, url)
    with closing(sqlite3.connect(chinook_sqlite)) as before, closing(sqlite3.connect(tmp_path / "target.db")) as after:
        assert sorted(before.iterdump()) == sorted(after.iterdump())
        after.execute("UPDATE Track SET Name = 'x' WHERE TrackId = 1234")
        after.commit()
    with pytest.raises(TargetDiffers, match=r"main\.Track differs where TrackId is 1234: column Name differs"):
        verify(path, url)
    assert sum(report.rows.values()) > 15_000
