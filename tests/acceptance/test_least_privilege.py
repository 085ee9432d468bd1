"""``hfitd policy grants`` on real servers: the script runs, the role serves everything granted, and can do no more."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, Person, provider, role, running
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.http import Api

TABLES = """
CREATE TABLE town (id integer PRIMARY KEY, name varchar(40) NOT NULL);
CREATE TABLE person (id integer PRIMARY KEY, email varchar(80) NOT NULL, ssn varchar(20), note varchar(80),
    pay integer NOT NULL, town_id integer NOT NULL, tenant integer NOT NULL,
    CONSTRAINT lives FOREIGN KEY (town_id) REFERENCES town (id));
CREATE TABLE visit (person_id integer NOT NULL, place varchar(40), seen integer,
    CONSTRAINT who FOREIGN KEY (person_id) REFERENCES person (id));
CREATE TABLE hidden (id integer PRIMARY KEY, body varchar(40));
CREATE VIEW towns AS SELECT id, name AS called FROM town;
INSERT INTO town VALUES (1, 'Ulm'), (2, 'Bonn');
INSERT INTO person VALUES (1, 'one@canary.test', 'CANARYssn1', 'CANARYnote1', 100, 1, 1),
    (2, 'two@canary.test', 'CANARYssn2', 'CANARYnote2', 200, 2, 2);
INSERT INTO visit VALUES (1, 'here', 1), (1, 'there', 2), (2, 'CANARYplace', 3);
INSERT INTO hidden VALUES (1, 'CANARYhidden');
"""
POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = "*/*/person.email"
mask = "hash"
[[policy.mask]]
columns = "*/*/person.ssn"
mask = "null"
[[policy.mask]]
columns = "*/*/person.pay"
mask = "const"
value = 0
[[policy.mask]]
columns = "*/*/person.note"
mask = "drop"
[[policy.clear]]
columns = ["*/*/town*.*", "*/*/visit.*"]
[[policy.row_filter]]
table = "shop/*/person"
roles = ["dev"]
where = "tenant = 1"
[limits]
requests_per_minute = 100000
"""
TEMPLATE = """hfitVersion: 1
templateName: case
packageName: case
exports:
  schema.sql: {{type: table-create, data: {{dbms: shop, tablelist: [{schema}town, {schema}person, {schema}visit]}}}}
  person.ndjson: {{type: table-data, data: {{dbms: shop, table: {schema}person}}}}
  visit.ndjson: {{type: table-data, data: {{dbms: shop, table: {schema}visit, order: none}}}}
  plain.ndjson: {{type: table-data, data: {{dbms: shop, table: {schema}visit}}}}
  towns.csv: {{type: table-data, data: {{dbms: shop, table: {schema}towns}}}}
  free.csv: {{type: database, provider: shop, query: "SELECT p.id, p.ssn, p.email, count(*) AS n FROM person p JOIN
    visit v ON v.person_id = p.id GROUP BY p.id, p.ssn, p.email"}}
  subset.sql: {{type: subset, data: {{dbms: shop, roots: [{{table: {schema}person, where: "id = 1"}}], children: all}}}}
"""


@dataclass(frozen=True)
class Site:
    """A daemon on the role that the script made, and the server behind it."""

    daemon: Daemon
    dev: Person
    server: Server
    database: str
    weak: Server
    script: str


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server: Server = request.getfixturevalue("mariadb_server" if request.param == "mysql" else "postgres_server")
    database, user = f"least_{request.param}", f"least_{request.param}"
    run_sql(server, f"CREATE DATABASE {database};")
    run_sql(server, TABLES, database)
    folder = tmp_path_factory.mktemp("least")
    weak = replace(server, user=user, password="w-password")
    rest = POLICY + role("dev", "rows:shop/**", "query:shop/**", "ddl:shop/**", "!rows:shop/*/hidden",
                         "!ddl:shop/*/hidden", "template.run:*", "template.edit:*")  # fmt: skip
    daemon = Daemon(folder, provider("shop", server, database) + rest)
    account = user if server.kind == "postgresql" else f"{user}@127.0.0.1"
    make = {
        "postgresql": f"CREATE ROLE {user} LOGIN PASSWORD 'w-password';",
        "mysql": f"CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY 'w-password';",
    }[server.kind]
    drop = {
        "postgresql": f"DROP OWNED BY {user};",
        "mysql": f"DROP USER '{user}'@'127.0.0.1';",
    }[server.kind]
    with running(daemon):
        ran = daemon.hfitd("policy", "grants", "shop", "--role", account)
    assert ran.code == 0, ran.err
    run_sql(server, make, database)
    try:
        run_sql(server, ran.out, database)
        run_sql(server, ran.out, database)  # once more, as after a change
        daemon.write_config(provider("shop", weak, database) + rest, {"insecure": '["secrets"]'})
        with running(daemon):
            yield Site(daemon, daemon.add_person("dev@example.org", "dev"), server, database, weak, ran.out)
    finally:
        run_sql(server, drop, database)
        run_sql(server, f"DROP DATABASE {database};")
        if server.kind == "postgresql":
            run_sql(server, f"DROP ROLE {user};")


async def members(site: Site) -> dict[str, bytes]:
    api = Api(site.daemon, site.dev)
    schema = "public." if site.server.kind == "postgresql" else ""
    kept = await api.put_template(TEMPLATE.format(schema=schema))
    assert kept.status in {201, 409}, kept.body
    answer = await api.package("case", compression="none")
    assert answer.status == 200, answer.body
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        return {m.name.split("/", 1)[1]: f.read() for m in archive if (f := archive.extractfile(m)) is not None}


async def test_the_daemon_starts_guarded_and_serves_everything_that_is_granted(site: Site) -> None:
    found = await members(site)
    (person,) = found["person.ndjson"].splitlines()
    assert b'"ssn":null' in person.replace(b" ", b"") and b'"pay":0' in person.replace(b" ", b"")
    assert b'"email"' in person and b"note" not in person
    assert b"Bonn" in found["towns.csv"] and b"there" in found["visit.ndjson"] and b"there" in found["plain.ndjson"]
    assert len(found["free.csv"].splitlines()) == 2
    assert b"Ulm" in found["subset.sql"] and b"here" in found["subset.sql"]
    assert b"ssn" in found["schema.sql"] and b"lives" in found["schema.sql"]
    assert not [name for name, data in found.items() if b"canary.test" in data or b"CANARYssn" in data]


def direct(site: Site, query: str) -> subprocess.CompletedProcess[str]:
    """The query by the server's own client, as the generated role."""
    weak, database = site.weak, site.database
    if weak.kind == "postgresql":
        argv = ["psql", "-X", "-h", weak.host, "-p", str(weak.port), "-U", weak.user, "-d", database, "-c", query]
        return subprocess.run(argv, env={"PGPASSWORD": weak.password, "PATH": "/usr/bin:/bin"}, capture_output=True,
                              text=True, check=False)  # fmt: skip
    argv = ["mariadb", "-h", weak.host, "-P", str(weak.port), "-u", weak.user, f"-p{weak.password}", database]
    argv += ["-e", query]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("column", ["ssn", "pay", "note"])
def test_the_role_itself_cannot_read_what_the_policy_never_shows(site: Site, column: str) -> None:
    refused = (f"SELECT {column} FROM person", f"SELECT 1 FROM person WHERE {column} IS NULL", "SELECT * FROM person",
               "SELECT * FROM hidden", "INSERT INTO town VALUES (9, 'x')", "DELETE FROM visit")  # fmt: skip
    for query in refused:
        ran = direct(site, query)
        assert ran.returncode != 0, query
        assert "denied" in ran.stderr.lower() or "read-only" in ran.stderr.lower(), ran.stderr
    assert direct(site, "SELECT id, email FROM person").returncode == 0


def test_check_finds_nothing_to_complain_about(site: Site) -> None:
    ran = site.daemon.hfitd("check", "--db", "shop")
    assert ran.code == 0, ran.err
    assert "warn  provider shop" not in ran.err


async def test_a_column_added_later_is_not_readable_until_somebody_decides(site: Site) -> None:
    run_sql(site.server, "ALTER TABLE town ADD mayor varchar(20);", site.database)
    try:
        assert direct(site, "SELECT mayor FROM town").returncode != 0
        rows = await Api(site.daemon, site.dev).get(f"/db/shop/{site.database}/town/rows")
        assert rows.status == 200, rows.body
        assert b"Ulm" in rows.body and b"mayor" not in rows.body
    finally:
        run_sql(site.server, "ALTER TABLE town DROP COLUMN mayor;", site.database)


def test_the_script_says_what_it_leaves_to_the_administrator(site: Site, tmp_path: Path) -> None:
    assert "hidden" not in site.script
    assert "w-password" not in site.script
    if site.server.kind == "postgresql":
        assert "default_transaction_read_only = on" in site.script and "CONNECTION LIMIT" in site.script
        assert "-- REVOKE TEMPORARY" in site.script
    else:
        assert "MAX_USER_CONNECTIONS" in site.script and "FILE" in site.script
