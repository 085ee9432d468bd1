"""Results that are too large stop at the cap: nothing is cut off silently, nothing is left, the daemon stays small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, Person, provider, role, running
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.live.world import EVERYTHING, POLICY

MEGABYTE = 1024 * 1024
CAPS = """
[limits]
package_bytes = "8MB"
package_rows = 1000
requests_per_minute = 100000
"""
HUGE = 200 * MEGABYTE
TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  rows.{form}: {{{export}}}
"""


@pytest.fixture
def capped(postgres_server: Server, postgres_database: str, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with small caps before a database with one huge value, many rows and a few."""
    run_sql(
        postgres_server,
        f"create table huge as select 1 as id, repeat('0123456789abcdef', {HUGE} / 16) as value;"
        "create table many as select g as id, repeat('x', 20) as value from generate_series(1, 5000) g;"
        "create table few as select g as id from generate_series(1, 10) g;",
        postgres_database,
    )
    body = "\n".join([provider("shop_pg", postgres_server, postgres_database), POLICY, CAPS])
    with running(Daemon(tmp_path, body + role("developer", *EVERYTHING))) as daemon:
        yield daemon


def peak_bytes(daemon: Daemon) -> int:
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def download(daemon: Daemon, person: Person, table: str, form: str, schema: str = "public.") -> int:
    name = f"{table}-{form}"
    template = person.folder / f"{name}.yaml"
    export = f"type: table-data, data: {{dbms: shop_pg, table: {schema}{table}}}"
    if table == "product":  # of 25 million rows
        export = "type: database, provider: shop_pg, query: 'SELECT a.id, b.value FROM many a, many b'"
    template.write_text(TEMPLATE.format(name=name, form=form, export=export))
    created = daemon.hfit(person, "pkg-tmpl", "create", template)
    assert created.code == 0, created.err
    return daemon.hfit(person, "pkg-download", name).code


def test_s29_o10_a_result_above_the_caps_is_no_package_and_others_are_served(
    capped: Daemon, postgres_server: Server, postgres_database: str
) -> None:
    person = capped.add_person("dev@example.org", "developer")
    assert capped.hfit(person, "login").code == 0
    before = peak_bytes(capped)
    for table, form in (("huge", "ndjson"), ("many", "sql"), ("product", "csv")):
        assert download(capped, person, table, form) != 0
        assert not (person.folder / f"{table}-{form}").exists()
        assert capped.status_of("/health") == 200
    rows = capped.hfit(person, "rows", "shop_pg", postgres_database, "public.huge")
    assert rows.code != 0
    assert len(rows.out) < 8 * MEGABYTE
    assert peak_bytes(capped) - before < 5 * HUGE  # one value is held whole, some times over; no buffer grows with rows
    assert download(capped, person, "few", "sql") == 0
    assert capped.spool_is_empty()
    running_queries = "select count(*) from pg_stat_activity where state = 'active' and datname = current_database()"
    assert run_sql(postgres_server, running_queries, postgres_database).strip() == "1"
    outcomes = [record.get("code") for record in capped.audit_records()]
    assert "LIMIT_EXCEEDED" in outcomes or any(r.get("outcome") == "failed" for r in capped.audit_records())


def test_s29_o10_the_caps_hold_on_mariadb_too(
    mariadb_server: Server, mariadb_database: str, tmp_path: Path
) -> None:
    run_sql(
        mariadb_server,
        "create table huge (id integer primary key, value longtext);"
        "insert into huge values (1, repeat('0123456789abcdef', 786432));"
        "create table many (id integer primary key, value text);"
        "insert into many select seq, repeat('x', 20) from seq_1_to_5000;"
        "create table few as select seq as id from seq_1_to_10;",
        mariadb_database,
    )
    body = "\n".join([provider("shop_pg", mariadb_server, mariadb_database), POLICY, CAPS])
    with running(Daemon(tmp_path, body + role("developer", *EVERYTHING))) as daemon:
        person = daemon.add_person("dev@example.org", "developer")
        assert daemon.hfit(person, "login").code == 0
        before = peak_bytes(daemon)
        for table, form in (("huge", "ndjson"), ("many", "sql"), ("product", "csv")):
            assert download(daemon, person, table, form, "") != 0
            assert not (person.folder / f"{table}-{form}").exists()
        assert peak_bytes(daemon) - before < 15 * 12 * MEGABYTE
        assert download(daemon, person, "few", "sql", "") == 0
        assert daemon.spool_is_empty()
        question = f"select count(*) from information_schema.processlist where db = '{mariadb_database}'"
        assert run_sql(mariadb_server, question).strip() == "0"
