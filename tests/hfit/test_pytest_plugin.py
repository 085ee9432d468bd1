"""The pytest plugin, in pytest processes of their own, against a gateway on the wire and real databases."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hfit.conftest import Hfit
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.fake_hfitd import FakeHfitd
from tests.support.plugin_runs import INI, passed, run_pytest, url_of


def downloads(fake: FakeHfitd) -> list[dict[str, str]]:
    return fake.seen("POST", "/packdownload")


SQLITE = """
    import sqlite3

    @pytest.mark.hfit("shop-sqlite", customer_id=42)
    @pytest.mark.parametrize("round", range(3))
    def test_each_has_its_own(round, hfit_package, hfit_load):
        assert (hfit_package / "0-schema.sql").is_file()
        report = hfit_load("sqlite:///shop.db")
        assert dict(report.rows) == {"main.customer": 2}
        assert (report.mode, report.target) == ("create", "shop.db")
        connection = sqlite3.connect("shop.db")
        assert connection.execute("SELECT name FROM customer ORDER BY id").fetchall() == [("Ann",), ("Bob",)]
        connection.execute("DELETE FROM customer")
        connection.commit()
        connection.close()
"""


def test_each_test_gets_the_loaded_package(plugin_shop: FakeHfitd, work: Path) -> None:
    assert passed(run_pytest(work, SQLITE), 3)
    assert not (work / "shop.db").exists()
    assert len(downloads(plugin_shop)) == 1


def test_the_next_session_transfers_nothing(plugin_shop: FakeHfitd, work: Path) -> None:
    assert passed(run_pytest(work, SQLITE), 3)
    assert passed(run_pytest(work, SQLITE), 3)
    first, second = downloads(plugin_shop)
    assert "X-Hfit-Known-Digest" not in first
    assert len(second["X-Hfit-Known-Digest"]) == 64


def test_processes_of_xdist_share_packages_and_take_turns(plugin_shop: FakeHfitd, work: Path) -> None:
    assert passed(run_pytest(work, SQLITE.replace("range(3)", "range(8)"), "-n", "2"), 8)
    assert not (work / "shop.db").exists()
    assert len(downloads(plugin_shop)) == 1


def test_an_existing_file_is_put_back(plugin_shop: FakeHfitd, work: Path) -> None:
    text = """
        import sqlite3

        @pytest.mark.hfit("no-ddl-sqlite")
        @pytest.mark.parametrize("mode", ["data", "replace", "upsert"])
        def test_it(mode, hfit_load):
            assert hfit_load("sqlite:///own.db", mode=mode).rows["main.customer"] == 2
            with sqlite3.connect("own.db") as connection:
                assert connection.execute("SELECT count(*) FROM customer").fetchall() == [(2,)]
                connection.execute("CREATE TABLE more (a)")
            connection.close()
    """
    with contextlib.closing(sqlite3.connect(work / "own.db")) as own:
        own.executescript("CREATE TABLE customer (id integer PRIMARY KEY, name text); CREATE TABLE other (a);")
    assert passed(run_pytest(work, text), 3)
    with contextlib.closing(sqlite3.connect(work / "own.db")) as own:
        assert own.execute("SELECT name FROM sqlite_schema").fetchall() == [("customer",), ("other",)]
        assert own.execute("SELECT count(*) FROM customer").fetchall() == [(0,)]


POSTGRES = """
    import asyncio, asyncpg, os

    def ask(url, sql):
        async def run():
            connection = await asyncpg.connect(url)
            try:
                if not sql.startswith("SELECT"):
                    return await connection.execute(sql)
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()
        return asyncio.run(run())

    @pytest.mark.hfit("shop-postgresql")
    @pytest.mark.parametrize("round", range(6))
    def test_it(round, hfit_load):
        url = os.environ["TEST_URL"].replace("WORKER", os.environ.get("PYTEST_XDIST_WORKER", "main"))
        report = hfit_load(url)
        assert dict(report.rows) == {"public.customer": 2}
        assert ask(url, "SELECT id, name FROM customer ORDER BY id") == [(1, "Ann"), (2, "Bob")]
        ask(url, "DELETE FROM customer")
        ask(url, "CREATE TYPE mood AS ENUM ('ok'); CREATE SCHEMA x; CREATE TABLE x.t (id serial, m mood)")
"""


def databases_of(server: Server) -> set[str]:
    return set(run_sql(server, "SELECT datname FROM pg_database").split())


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_postgresql_database_is_made_from_a_template_for_each_test(
    plugin_shop: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    before = databases_of(postgres_server)
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, "plugin_WORKER"))
    assert passed(run_pytest(work, POSTGRES, *(["-n", processes] if processes != "0" else [])), 6)
    assert databases_of(postgres_server) == before


@pytest.mark.parametrize("processes", ["0", "2"])
def test_an_existing_postgresql_database_is_put_back(
    plugin_shop: FakeHfitd, work: Path, postgres_database: str, postgres_server: Server,
    monkeypatch: pytest.MonkeyPatch, processes: str,
) -> None:  # fmt: skip
    run_sql(postgres_server, "CREATE TABLE own (a int); INSERT INTO own VALUES (7);", postgres_database)
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, postgres_database))
    run_sql(postgres_server, "DELETE FROM own", postgres_database)
    assert passed(run_pytest(work, POSTGRES, *(["-n", processes] if processes != "0" else [])), 6)
    objects = "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert run_sql(postgres_server, objects, postgres_database).strip() == "own"
    assert run_sql(postgres_server, "SELECT count(*) FROM pg_type WHERE typname = 'mood'", postgres_database)[0] == "0"


def test_tables_that_were_empty_are_emptied(
    plugin_shop: FakeHfitd, work: Path, postgres_database: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = "CREATE TABLE customer (id integer PRIMARY KEY, name text);"
    tables += "CREATE TABLE note (c integer REFERENCES customer); CREATE TABLE spare (a int);"
    run_sql(postgres_server, tables, postgres_database)
    monkeypatch.setenv("TEST_URL", url_of(postgres_server, postgres_database))
    text = """
        import asyncio, asyncpg, os

        @pytest.mark.hfit("no-ddl-postgresql")
        @pytest.mark.parametrize("round", range(2))
        def test_in_a_running_loop(round, hfit_load):
            async def main():
                return hfit_load(os.environ["TEST_URL"], mode="data")
            assert asyncio.run(main()).rows == {"public.customer": 2}
            if round == 0:
                async def make_again():
                    connection = await asyncpg.connect(os.environ["TEST_URL"])
                    await connection.execute("DROP TABLE spare; CREATE TABLE spare (b int)")
                    await connection.close()
                asyncio.run(make_again())
    """
    assert passed(run_pytest(work, text), 2)
    assert run_sql(postgres_server, "SELECT count(*) FROM customer", postgres_database).strip() == "0"


MYSQL = """
    import os

    @pytest.mark.hfit("shop-mysql")
    @pytest.mark.parametrize("round", range(3))
    def test_it(round, hfit_load):
        report = hfit_load(os.environ["TEST_URL"])
        assert dict(report.rows) == {"shop.customer": 2}
"""


def test_a_mysql_database_is_made_and_dropped(
    plugin_shop: FakeHfitd, work: Path, mariadb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_URL", url_of(mariadb_server, "plugin_made").replace("mariadb://", "mysql://"))
    assert passed(run_pytest(work, MYSQL), 3)
    assert "plugin_made" not in run_sql(mariadb_server, "SHOW DATABASES")


def test_an_existing_mysql_database_is_put_back(
    plugin_shop: FakeHfitd, work: Path, mariadb_server: Server, mariadb_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(mariadb_server, "CREATE TABLE own (a int);", mariadb_database)
    monkeypatch.setenv("TEST_URL", url_of(mariadb_server, mariadb_database).replace("mariadb://", "mysql://"))
    assert passed(run_pytest(work, MYSQL, "-n", "2"), 3)
    assert run_sql(mariadb_server, "SHOW TABLES", mariadb_database).split() == ["own"]


def test_a_database_with_rows_is_refused_and_stays(
    plugin_shop: FakeHfitd, work: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_database(postgres_server) as name:
        script = "CREATE TABLE customer (id int PRIMARY KEY, name text); INSERT INTO customer VALUES (9, 'Own');"
        run_sql(postgres_server, script, name)
        monkeypatch.setenv("TEST_URL", url_of(postgres_server, name))
        done = run_pytest(work, POSTGRES.replace("range(6)", "range(1)"))
        assert done.returncode == 1
        assert "hfit: The target already has a table" in done.stdout
        assert "Traceback" not in done.stdout
        assert run_sql(postgres_server, "SELECT name FROM customer", name).strip() == "Own"


def test_another_host_is_refused_before_anything_is_sent(plugin_shop: FakeHfitd, work: Path) -> None:
    text = """
        @pytest.mark.hfit("shop-postgresql")
        def test_it(hfit_load):
            hfit_load("postgresql://u:p@db.example.com/x")
    """
    done = run_pytest(work, text)
    assert "hfit: db.example.com is not this machine." in done.stdout
    assert "hfit_load accepts" not in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def test_it(hfit_package): pass", "need a marker"),
        ("@pytest.mark.hfit()\ndef test_it(hfit_package): pass", "takes one name"),
        ('@pytest.mark.hfit("a", 42)\ndef test_it(hfit_package): pass', "takes one name"),
        (
            '@pytest.mark.hfit("shop-sqlite")\ndef test_it(hfit_load): hfit_load("sqlite:///a.db", mode="all")',
            "'all' is not a mode",
        ),
        (
            '@pytest.mark.hfit("shop-sqlite")\ndef test_it(hfit_load): hfit_load("oracle://x/y")',
            "The URL of the target cannot be used",
        ),
    ],
)
def test_mistakes_are_explained_without_a_traceback(plugin_shop: FakeHfitd, work: Path, text: str, said: str) -> None:
    done = run_pytest(work, text)
    assert done.returncode == 1
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert ".py:" not in done.stdout.partition("short test summary")[0]


def test_who_is_not_logged_in_is_told_so(plugin_shop: FakeHfitd, work: Path, home: Path) -> None:
    (home / ".hfit" / "token").unlink()
    done = run_pytest(work, SQLITE)
    assert done.returncode == 1
    assert done.stdout.count("Next: Run: hfit login") in (3, 6)  # where CI is set, pytest's summary is not shortened
    assert "Traceback" not in done.stdout
    assert plugin_shop.requests == []


def test_a_failed_download_is_not_tried_for_every_test(plugin_shop: FakeHfitd, work: Path) -> None:
    plugin_shop.hooks["POST", "/packdownload"] = lambda handler: handler.not_found()
    done = run_pytest(work, SQLITE)
    assert "3 errors" in done.stdout
    assert len(downloads(plugin_shop)) == 1


def project(work: Path, origin: str) -> None:
    case = '[packages.case]\ntemplate = "shop-sqlite"\nparams = {a = 1}\ninto = "fixtures/case"\n'
    (work / "hfit.toml").write_text(f'server = "{origin}"\n{case}')


def test_a_locked_package_of_the_project_needs_no_server(
    plugin_shop: FakeHfitd, work: Path, hfit: Hfit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HFIT_SERVER_URL")
    project(work, plugin_shop.origin)
    assert hfit("refresh").code == 0
    text = SQLITE.replace('"shop-sqlite", customer_id=42', '"case"')
    plugin_shop.tokens.clear()
    plugin_shop.requests.clear()
    assert passed(run_pytest(work, text), 3)
    assert plugin_shop.requests == []
    lock = (work / "hfit.lock").read_text()
    (work / "hfit.toml").write_text((work / "hfit.toml").read_text().replace("a = 1", "a = 2"))
    done = run_pytest(work, text)
    assert "Next: Run: hfit refresh case" in done.stdout
    assert (work / "hfit.lock").read_text() == lock


def test_another_package_than_the_locked_one_is_an_error(
    plugin_shop: FakeHfitd, work: Path, hfit: Hfit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(work, plugin_shop.origin)
    assert hfit("refresh").code == 0
    monkeypatch.setenv("HFIT_CACHE_DIR", str(home / "empty-cache"))
    plugin_shop.add_package("shop-sqlite", {"0-schema.sql": b"-- another\n"})
    done = run_pytest(work, SQLITE.replace('"shop-sqlite", customer_id=42', '"case"'))
    assert "The server now has another package for 'case' than hfit.lock." in done.stdout


def test_offline_takes_what_the_cache_has_or_says_that_it_has_nothing(plugin_shop: FakeHfitd, work: Path) -> None:
    (work / "pytest.ini").write_text(INI + "hfit_offline = true\n")
    assert "is not in the local cache" in run_pytest(work, SQLITE).stdout
    (work / "pytest.ini").write_text(INI)
    assert passed(run_pytest(work, SQLITE), 3)
    (work / "pytest.ini").write_text(INI + "hfit_offline = true\n")
    plugin_shop.requests.clear()
    assert passed(run_pytest(work, SQLITE), 3)
    assert plugin_shop.requests == []


def test_the_server_can_stand_in_the_settings_of_pytest(
    plugin_shop: FakeHfitd, work: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HFIT_SERVER_URL")
    monkeypatch.delenv("HFIT_CONFIG_DIR")
    (home / ".hfit").rename(work / "conf")
    (work / "pytest.ini").write_text(INI + f"hfit_server = {plugin_shop.origin}\nhfit_config_dir = conf\n")
    assert passed(run_pytest(work, SQLITE), 3)


def test_the_plugin_imports_nothing_heavy_until_it_is_used(work: Path) -> None:
    code = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import hfit.pytest_plugin, json\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(json.dumps([sorted(new), sorted(n for n in sys.modules if n.startswith('hfit'))]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["hfit"], ["hfit", "hfit.pytest_plugin"]]


def test_the_marker_is_known(work: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--markers"], cwd=work, capture_output=True, text=True, check=True
    )
    assert "@pytest.mark.hfit(name, **params)" in done.stdout


def test_an_expired_package_fails_the_test_in_words(plugin_shop: FakeHfitd, work: Path) -> None:
    plugin_shop.packages["shop-sqlite"].expires = "2024-01-01T00:00:00+00:00"
    ran = run_pytest(work, SQLITE)
    assert ran.returncode == 1
    assert "hfit: The package expired at 2024-01-01" in ran.stdout
    assert "Traceback" not in ran.stdout
