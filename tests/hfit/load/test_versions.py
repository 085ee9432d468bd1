"""Packages between servers of different versions: newer ones take them, older ones say what is in the way."""

from __future__ import annotations

import pytest

from hfit.errors import LoadFailed, TargetRefused
from hfit.load.interface import Need, ServerName
from tests.live.databases import run_sql, value_digests
from tests.live.servers import Server
from tests.support.odd_databases import postgres_types
from tests.support.whole_packages import Load, Packed, Verify, provider_of, read_content


async def test_every_type_comes_to_a_newer_postgres_as_it_was(
    postgres_server: Server, postgres_database: str, postgres_new_server: Server, postgres_new_database: str,
    packed: Packed, load: Load, verify: Verify,
) -> None:  # fmt: skip
    run_sql(postgres_server, postgres_types(), postgres_database)
    path = packed(await read_content(provider_of(postgres_server, postgres_database)))
    url = postgres_new_server.url(postgres_new_database)
    (report,) = load(path, url)
    assert verify(path, url) == dict(report.rows)
    before = value_digests(postgres_server, postgres_database)
    assert value_digests(postgres_new_server, postgres_new_database) == before


async def test_what_an_older_server_does_not_know_is_refused_with_both_versions(
    postgres_server: Server, postgres_database: str, postgres_new_server: Server, postgres_new_database: str,
    packed: Packed, load: Load,
) -> None:  # fmt: skip
    run_sql(postgres_new_server, "CREATE TABLE t (a int DEFAULT random(1, 6))", postgres_new_database)
    path = packed(await read_content(provider_of(postgres_new_server, postgres_new_database)))
    with pytest.raises(LoadFailed, match="refused") as failed:
        load(path, postgres_server.url(postgres_database))
    (told,) = failed.value.suggestions
    assert told.startswith("The package was made from PostgreSQL 17") and "PostgreSQL 15" in told
    assert "not changed" in failed.value.reason
    assert run_sql(postgres_server, "SELECT count(*) FROM pg_class WHERE relname = 't'", postgres_database) == "0\n"


async def test_a_server_too_old_for_the_definitions_is_refused_before_anything_is_changed(
    postgres_server: Server, postgres_database: str, postgres_new_server: Server, postgres_new_database: str,
    packed: Packed, load: Load,
) -> None:  # fmt: skip
    script = "CREATE COLLATION newer (PROVIDER = builtin, LOCALE = 'C.UTF-8'); CREATE TABLE t (a text COLLATE newer)"
    run_sql(postgres_new_server, script, postgres_new_database)
    path = packed(await read_content(provider_of(postgres_new_server, postgres_new_database)))
    for rules in ({}, {"dry_run": True}):
        with pytest.raises(TargetRefused, match=r"PostgreSQL 15\.[0-9]+ cannot take the collation newer") as refused:
            load(path, postgres_server.url(postgres_database), **rules)
        assert "PostgreSQL 17 or later" in refused.value.suggestions[0]
    (report,) = load(path, postgres_new_server.url(postgres_new_database), mode="data")
    assert report.mode == "data"  # tables that are there decide for themselves


@pytest.mark.parametrize(
    ("releases", "server", "met"),
    [
        ({"mysql": "8.0.23", "mariadb": "10.3"}, ("mysql", "8.0.22"), False),
        ({"mysql": "8.0.23", "mariadb": "10.3"}, ("mysql", "8.0.23"), True),
        ({"mysql": "8.0.23", "mariadb": "10.3"}, ("mysql", "9.4.0"), True),
        ({"mysql": "8.0.23", "mariadb": "10.3"}, ("mariadb", "10.11.19"), True),
        ({"mariadb": "10.7"}, ("mysql", "9.4.0"), False),
        ({"postgresql": "14"}, ("postgresql", "13.22"), False),
        ({"postgresql": "14"}, ("postgresql", "14.0"), True),
        ({"sqlite": "3.37"}, ("sqlite", "3.40.1"), True),
    ],
)
def test_a_need_is_met_by_the_named_products_of_that_release_or_later(
    releases: dict[str, str], server: tuple[str, str], met: bool
) -> None:
    assert Need("type", "a", "t", releases).is_met_by(ServerName(*server)) is met


@pytest.mark.parametrize(
    ("target", "takes"),
    [
        (("mariadb", "10.11.19"), True),
        (("mariadb", "11.4.2"), True),
        (("mariadb", "10.6.20"), False),
        (("mysql", "9.4.0"), False),
    ],
)
def test_a_server_takes_what_the_same_product_of_no_newer_version_made(target: tuple[str, str], takes: bool) -> None:
    source = ServerName("mariadb", "10.11.19-MariaDB-0+deb12u1")
    assert ServerName(*target).takes(source) is takes
    assert str(source).startswith("MariaDB 10.11")
