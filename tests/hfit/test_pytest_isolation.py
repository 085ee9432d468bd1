"""How the pytest plugin keeps tests apart: transactions, reloads, several providers; in processes of their own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.fake_hfitd import FakeHfitd
from tests.support.plugin_runs import ENGINES, INI, passed, run_pytest, url_of

HEAD = """
    import os, psycopg, pymysql, sqlite3
    from urllib.parse import urlsplit

    def url():
        return os.environ["TEST_URL"].replace("WORKER", os.environ.get("PYTEST_XDIST_WORKER", "main"))

    def connect(url):
        if url.startswith("postgresql"):
            return psycopg.connect(url)
        parts = urlsplit(url)
        return pymysql.connect(host=parts.hostname, port=parts.port, user=parts.username, password=parts.password,
                               database=parts.path[1:])

    def ask(connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
"""
WORK = HEAD + """
    @pytest.fixture
    def shop(hfit_load, hfit_rollback):
        assert dict(hfit_load(url()).rows) == {"LABEL": 2}
        return hfit_rollback(connect(url()))

    @pytest.mark.hfit("shop-ENGINE")
    @pytest.mark.parametrize("round", range(3))
    def test_it(round, shop):
        assert ask(shop, "SELECT id, name FROM customer ORDER BY id") == [(1, "Ann"), (2, "Bob")]
        ask(shop, "INSERT INTO customer (id, name) VALUES (3, 'Cy')")
        shop.commit()
        ask(shop, "DELETE FROM customer WHERE id < 3")
        shop.rollback()
        with shop:
            ask(shop, "UPDATE customer SET name = 'Dee' WHERE id = 1")
        shop.close()
        assert ask(shop, "SELECT name FROM customer ORDER BY id") == [("Dee",), ("Bob",), ("Cy",)]
"""


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Server:
    kind = {"postgresql": "postgres", "mysql": "mariadb"}[request.param]
    found: Server = request.getfixturevalue(f"{kind}_server")
    return found


def databases_of(server: Server) -> set[str]:
    every = "SELECT datname FROM pg_database" if server.kind == "postgresql" else "SHOW DATABASES"
    return set(run_sql(server, every).split())


def work_on(server: Server, text: str = WORK) -> str:
    label = {"postgresql": "public.customer", "mysql": "shop.customer"}[server.kind]
    return text.replace("LABEL", label).replace("ENGINE", server.kind)


@pytest.fixture
def transaction(plugin_shop: FakeHfitd, work: Path) -> FakeHfitd:
    (work / "pytest.ini").write_text(INI + "hfit_isolation = transaction\n")
    return plugin_shop


@pytest.mark.parametrize(("server", "processes"), [("postgresql", "0"), ("postgresql", "2"), ("mysql", "0")],
                         indirect=["server"])  # fmt: skip
def test_the_work_of_tests_is_rolled_back_and_the_database_stays_filled(
    transaction: FakeHfitd, work: Path, server: Server, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    before = databases_of(server)
    monkeypatch.setenv("TEST_URL", url_of(server, "isolated_WORKER"))
    text = work_on(server) + """
    SEEN = []

    @pytest.fixture(autouse=True)
    def same_tables(shop):
        made = "SELECT oid FROM pg_database WHERE datname = current_database()"
        if "postgresql" not in url():
            made = "SELECT create_time FROM information_schema.tables WHERE table_schema = DATABASE()"
        SEEN.append(ask(shop, made))
        assert SEEN[0] == SEEN[-1]
    """
    assert passed(run_pytest(work, text, *(["-n", processes] if processes != "0" else [])), 3)
    assert databases_of(server) == before


def test_what_a_test_commits_all_the_same_is_taken_back(
    transaction: FakeHfitd, work: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = databases_of(server)
    monkeypatch.setenv("TEST_URL", url_of(server, "isolated_dirty"))
    text = HEAD + """
    @pytest.mark.hfit("shop-ENGINE")
    @pytest.mark.parametrize("round", range(6))
    def test_it(round, hfit_load):
        hfit_load(url())
        connection = connect(url())
        assert ask(connection, "SELECT id, name FROM customer ORDER BY id") == [(1, "Ann"), (2, "Bob")]
        ask(connection, ["DELETE FROM customer", "UPDATE customer SET name = 'x'", "CREATE TABLE more (a int)",
                         "SELECT 1", "INSERT INTO customer VALUES (9, 'Nine')", "DROP TABLE customer"][round])
        connection.commit()
        connection.close()
    """
    assert passed(run_pytest(work, work_on(server, text)), 6)
    assert databases_of(server) == before


def test_counters_are_set_back_after_each_test(
    transaction: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "0-schema.sql": b"CREATE TABLE public.customer (id serial PRIMARY KEY, name varchar(20));\n",
        "1-customer.sql": ENGINES["postgresql"][1].encode(),
    }
    transaction.packages["shop-postgresql"].files = files
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, "isolated_counters"))
    text = WORK.replace("INSERT INTO customer (id, name) VALUES (3, 'Cy')", "INSERT INTO customer (name) VALUES ('Cy')")
    text += """
        assert ask(shop, "SELECT max(id) FROM customer") == [(3,)]
    """
    assert passed(run_pytest(work, work_on(postgres_server, text)), 3)


def test_a_database_that_was_there_is_filled_once_and_put_back_at_the_end(
    transaction: FakeHfitd, work: Path, mariadb_server: Server, mariadb_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = mariadb_server, mariadb_database
    run_sql(server, "CREATE TABLE own (a int)", name)
    monkeypatch.setenv("TEST_URL", url_of(server, name))
    assert passed(run_pytest(work, work_on(server)), 3)
    assert run_sql(server, "SHOW TABLES", name).split() == ["own"]


def test_processes_that_share_one_database_take_turns(
    transaction: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, "isolated_shared"))
    assert passed(run_pytest(work, work_on(postgres_server), "-n", "2"), 3)


def test_a_test_may_choose_its_own_way(
    transaction: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = postgres_server
    monkeypatch.setenv("TEST_URL", url_of(server, "isolated_choice"))
    text = HEAD + """
    @pytest.mark.hfit("shop-ENGINE")
    @pytest.mark.parametrize("way", ["transaction", "reload", "database", "transaction", None])
    def test_it(way, hfit_load, hfit_rollback):
        hfit_load(url(), isolation=way)
        connection = hfit_rollback(connect(url())) if way in (None, "transaction") else connect(url())
        assert ask(connection, "SELECT id, name FROM customer ORDER BY id") == [(1, "Ann"), (2, "Bob")]
        ask(connection, "DELETE FROM customer")
        connection.commit()
        connection.close()

    @pytest.mark.hfit("shop-ENGINE")
    def test_mistaken(hfit_load):
        with pytest.raises(pytest.fail.Exception, match="'mine' is not a way"):
            hfit_load(url(), isolation="mine")
    """
    assert passed(run_pytest(work, work_on(server, text)), 6)


def test_reload_needs_no_template_database(
    plugin_shop: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = postgres_server
    monkeypatch.setenv("HFIT_ISOLATION", "reload")
    monkeypatch.setenv("TEST_URL", url_of(server, "isolated_reload"))
    checked = "assert not any(name.startswith('hfit_tmpl') for (name,) in names())\n        assert dict"
    text = work_on(server).replace("assert dict", checked)
    text += """
    def names():
        with connect(url().replace("isolated_reload", "postgres")) as connection:
            return ask(connection, "SELECT datname FROM pg_database")
    """
    before = databases_of(server)
    assert passed(run_pytest(work, text), 3)
    assert databases_of(server) == before


def test_what_a_killed_session_left_is_no_obstacle(
    plugin_shop: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = databases_of(postgres_server)
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, "isolated_killed"))
    for name, moment in (("isolated_killed", "2100-01-01"), ("hfit_tmpl_old", "2020-01-01")):
        run_sql(postgres_server, f"CREATE DATABASE {name};")
        remark = f"hfit: made for tests, session x {moment}T00:00:00+00:00"
        run_sql(postgres_server, f"COMMENT ON DATABASE {name} IS '{remark}'")
    run_sql(postgres_server, "CREATE TABLE customer (left_over int)", "isolated_killed")
    text = HEAD + """
    @pytest.mark.hfit("shop-postgresql")
    def test_it(hfit_load):
        hfit_load(url())
        with psycopg.connect(url()) as connection:
            (remark,) = connection.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert remark.startswith("hfit: made for tests, session ")
    """
    assert passed(run_pytest(work, text), 1)
    assert databases_of(postgres_server) == before


def add_both(fake: FakeHfitd, template: str) -> None:
    """A package with the table of two providers."""
    files = {
        "0-lite.sql": b"CREATE TABLE customer (id integer PRIMARY KEY, name varchar(20));\n",
        "0-pg.sql": b"CREATE TABLE public.customer (id integer PRIMARY KEY, name varchar(20));\n",
        "1-lite.sql": ENGINES["sqlite"][1].encode(),
        "1-pg.sql": ENGINES["postgresql"][1].encode(),
    }
    engines = {"lite": "sqlite", "pg": "postgresql"}

    def edit(document: dict[str, Any]) -> None:
        document["sources"] = [
            {"provider": name, "engine": engine, "database": "shop"} for name, engine in engines.items()
        ]
        for member in document["members"]:
            name = member["path"].rpartition(".sql")[0].rpartition("-")[2]
            if name in engines:
                counted = [{"table": f"{ENGINES[engines[name]][0]}.customer", "rows": 2, "masks": {}}]
                kind = {"kind": "ddl"} if member["path"].startswith("0") else {"tables": counted}
                member.update({"engine": engines[name], "provider": name, **kind})

    fake.add_package(template, files).edit = edit


@pytest.mark.parametrize("way", ["database", "transaction"])
def test_a_package_of_several_providers_fills_a_database_of_each(
    plugin_shop: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    add_both(plugin_shop, "both")
    monkeypatch.setenv("HFIT_ISOLATION", way)
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, "isolated_both"))
    text = HEAD + """
    def counts():
        with connect(url()) as pg:
            found = ask(pg, "SELECT count(*) FROM customer")
        lite = sqlite3.connect("lite.db")
        found += lite.execute("SELECT count(*) FROM customer").fetchall()
        lite.execute("DELETE FROM customer")
        lite.commit()
        lite.close()
        return found

    @pytest.mark.hfit("both")
    @pytest.mark.parametrize("round", range(2))
    def test_together(round, hfit_load):
        reports = hfit_load({"pg": url(), "lite": "sqlite:///lite.db"})
        assert {name: dict(report.rows) for name, report in reports.items()} == {
            "pg": {"public.customer": 2}, "lite": {"main.customer": 2}}
        assert counts() == [(2,), (2,)]

    @pytest.mark.hfit("both")
    def test_one_after_the_other(hfit_load):
        assert hfit_load("pg=" + url()).provider == "pg"
        assert hfit_load("lite=sqlite:///lite.db").provider == "lite"
        assert counts() == [(2,), (2,)]

    @pytest.mark.hfit("both")
    def test_unclear(hfit_load):
        with pytest.raises(pytest.fail.Exception, match="not clear which provider"):
            hfit_load(url())
        with pytest.raises(pytest.fail.Exception, match="no SQL of the provider 'other'"):
            hfit_load({"other": url()})
    """
    assert passed(run_pytest(work, text), 4)
    assert not (work / "lite.db").exists()
    assert "isolated_both" not in databases_of(postgres_server)


def test_rollback_takes_a_connection_of_sqlite_and_refuses_what_is_none(plugin_shop: FakeHfitd, work: Path) -> None:
    with closing(sqlite3.connect(work / "own.db")) as own:
        own.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    text = """
    import sqlite3

    @pytest.mark.parametrize("round", range(2))
    def test_it(round, hfit_rollback):
        connection = hfit_rollback(sqlite3.connect("own.db"))
        connection.execute("INSERT INTO t VALUES (2)")
        connection.commit()
        connection.execute("DELETE FROM t")
        connection.rollback()
        assert connection.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]

    def test_none(hfit_rollback):
        with pytest.raises(pytest.fail.Exception, match="synchronous DB-API connection"):
            hfit_rollback("postgresql://localhost/x")
    """
    assert passed(run_pytest(work, text), 3)
    assert plugin_shop.requests == []
