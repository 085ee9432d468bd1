"""The test servers themselves: the loaded data is what the published digests say."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.live import databases
from tests.live.databases import DATA, run_sql, value_digests
from tests.live.servers import Server, ServerMissing, find_binary

NASTY_SCHEMAS = ("nasty", "nasty_types", "nasty_myonly", "nasty_audit", "nasty_mariadb", "Weird Schema")


def test_sakila_on_postgresql_holds_the_published_values(postgres_server: Server, sakila_postgres: str) -> None:
    assert value_digests(postgres_server, sakila_postgres) == (DATA / "digests/pg_sakila.txt").read_text()


def test_chinook_on_postgresql_holds_the_published_values(postgres_server: Server, chinook_postgres: str) -> None:
    assert value_digests(postgres_server, chinook_postgres) == (DATA / "digests/pg_chinook.txt").read_text()


def test_nasty_on_postgresql_holds_the_published_values(postgres_server: Server, nasty_postgres: str) -> None:
    assert value_digests(postgres_server, nasty_postgres) == (DATA / "nasty/digest_pg.expected").read_text()


def test_sakila_on_mariadb_holds_the_published_values(mariadb_server: Server, sakila_mariadb: str) -> None:
    assert value_digests(mariadb_server, sakila_mariadb) == (DATA / "digests/mariadb_sakila.txt").read_text()


def test_chinook_on_mariadb_holds_the_published_values(mariadb_server: Server, chinook_mariadb: str) -> None:
    assert value_digests(mariadb_server, chinook_mariadb) == (DATA / "digests/mariadb_Chinook.txt").read_text()


def test_nasty_on_mariadb_holds_the_published_values(mariadb_server: Server, nasty_mariadb: str) -> None:
    found = "".join(f"# {name}\n{value_digests(mariadb_server, name)}" for name in NASTY_SCHEMAS)
    assert nasty_mariadb in NASTY_SCHEMAS
    assert found == (DATA / "nasty/digest_mariadb.expected").read_text()


def test_chinook_on_sqlite_is_whole(chinook_sqlite: Path) -> None:
    connection = sqlite3.connect(chinook_sqlite)
    assert connection.execute("select count(*) from Track").fetchone() == (3503,)
    assert connection.execute("pragma foreign_key_check").fetchall() == []
    connection.close()


def test_the_newer_postgresql_is_newer(postgres_server: Server, postgres_new_server: Server) -> None:
    old, new = (int(run_sql(s, "show server_version_num")) for s in (postgres_server, postgres_new_server))
    assert new > old >= 150000


def test_a_server_with_tls_offers_it(postgres_tls_server: Server, mariadb_tls_server: Server) -> None:
    assert run_sql(postgres_tls_server, "show ssl").strip() == "on"
    assert run_sql(mariadb_tls_server, "select @@have_ssl").strip() == "YES"


@pytest.mark.mysql9
def test_a_real_mysql_holds_what_mariadb_holds(mysql9_server: Server) -> None:
    assert "MariaDB" not in run_sql(mysql9_server, "select version()")
    databases.load_sakila(mysql9_server)
    found = value_digests(mysql9_server, "sakila").splitlines()
    published = (DATA / "digests/mariadb_sakila.txt").read_text().splitlines()
    # Sakila gives addresses a place on MySQL only.
    assert {line.split()[0] for line in set(found) ^ set(published)} == {"address"}


def test_a_fresh_database_is_empty_and_goes_away(mariadb_server: Server, postgres_server: Server) -> None:
    for server in (mariadb_server, postgres_server):
        with databases.fresh_database(server) as name:
            run_sql(server, "create table t (a int primary key);", name)
        with pytest.raises(AssertionError):
            run_sql(server, "select 1", name)


def test_redis_starts_empty(redis_url: str) -> None:
    assert redis_url.startswith("redis://:")


def test_servers_do_not_run_as_root(postgres_server: Server, mariadb_server: Server, redis_server: Server) -> None:
    assert {s.directory.stat().st_uid for s in (postgres_server, mariadb_server, redis_server)} != {0}


def test_a_missing_binary_is_one_line_that_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HFIT_TEST_PG_BIN", str(tmp_path))
    with pytest.raises(ServerMissing) as caught:
        find_binary("initdb", "HFIT_TEST_PG_BIN", "postgresql")
    assert "postgresql" in str(caught.value)
    assert "\n" not in str(caught.value)
