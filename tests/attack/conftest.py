"""A gateway over one SQLite file in which every hidden value begins with CANARY, and one with little patience over
three engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.daemon import Daemon, Person, provider, role, running, sqlite_provider, volume
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS
from tests.live.world import POLICY as OPEN_POLICY
from tests.support.http import Api

TABLES = """
CREATE TABLE customer (id integer PRIMARY KEY, email text, ssn text, town text, tenant integer);
CREATE TABLE rental (id integer PRIMARY KEY, customer_id integer REFERENCES customer (id),
    boss_id integer REFERENCES customer (id), what text);
INSERT INTO customer VALUES (1, 'CANARY1@x.org', 'CANARYssn1', 'Ulm', 1), (2, 'CANARY2@x.org', 'CANARYssn2', 'Bonn', 2),
    (3, 'CANARY3@x.org', 'CANARYssn3', 'Kiel', 1);
INSERT INTO rental VALUES (1, 1, 3, 'r1'), (2, 2, 3, 'r2'), (3, 3, 1, 'r3');
"""
POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = ["*/*/customer.email"]
mask = "hash"
[[policy.mask]]
columns = ["*/*/customer.ssn", "*/*/rental.boss_id"]
mask = "null"
[limits]
requests_per_minute = 100000
concurrent_packages = 50
orphan_grace = "500ms"
[auth]
max_attempts = 1000
"""
GRANTS = (
    "rows:**", "query:**", "ddl:**", "files.list:**", "files.read:**", "!files.read:files/secret/**",
    "!files.list:files/hidden**", "!files.read:files/hidden**",
    "template.run:*", "template.edit:*", "template.share:*",
)  # fmt: skip


@dataclass(frozen=True)
class Till:
    """The gateway, its configuration, and two people of the same role."""

    daemon: Daemon
    body: str
    alice: Person
    bob: Person


@pytest.fixture(scope="session")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    folder = tmp_path_factory.mktemp("till")
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.executescript(TABLES)
    connection.close()
    (folder / "files" / "secret").mkdir(parents=True)
    (folder / "files" / "open.txt").write_text("open\n")
    (folder / "files" / "key.pem").write_text("CANARYpem\n")
    (folder / "files" / "hidden").mkdir()
    (folder / "files" / "hidden" / "h.bin").write_text("CANARYhidden\n")
    (folder / "files" / "secret" / "s.txt").write_text("CANARYfile\n")
    parts = [sqlite_provider("shop", folder / "shop.db"), volume("files", folder / "files"), POLICY]
    body = "\n".join([*parts, role("dev", *GRANTS)])
    with running(Daemon(folder, body)) as daemon:
        people = [daemon.add_person(f"{name}@example.org", "dev") for name in ("alice", "bob")]
        yield Till(daemon, body, *people)


PROVIDERS = ("pg", "my", "lite")
TIME_LIMIT = "700ms"  # of a statement
HOT = {
    1: "'''; drop table hot;--'",
    2: "'../../etc/passwd'",
    3: "'*'",
    4: "NULL",
    5: "{many}",
}
BROAD = 1000  # columns of a table; engines give at most 4096 of a query
SPELT = {  # the type of a long text, and ten million letters
    "pg": ("text", "repeat('x', 10000000)"),
    "my": ("longtext", "repeat('x', 10000000)"),
    "lite": ("text", "printf('%.*c', 10000000, 'x')"),
}
MANY_TABLES = "".join(
    ["CREATE TABLE t (id integer PRIMARY KEY, v varchar(200));"]
    + [f"INSERT INTO t VALUES ({number}, '{'a' * 61}{number}');" for number in range(100)]
    + [f"CREATE TABLE broad ({', '.join(f'c{number} integer' for number in range(BROAD))});"]
    + [f"INSERT INTO broad VALUES ({', '.join(map(str, range(BROAD)))});"]
    + ["CREATE TABLE hot (id integer PRIMARY KEY, v {long});"]
    + [f"INSERT INTO hot VALUES ({number}, {value});" for number, value in HOT.items()]
)


def many_tables(name: str) -> str:
    """The statements for an engine."""
    long, many = SPELT[name]
    return MANY_TABLES.replace("{long}", long).replace("{many}", many)


@dataclass(frozen=True)
class Gate:
    """A gateway before three databases, with little patience, and with more as ``calm_pg`` and so on."""

    daemon: Daemon
    api: Api
    servers: dict[str, Server]
    databases: dict[str, str]

    def running(self, name: str) -> int:
        """Statements of the gateway that the server works on now."""
        if name == "pg":
            where = f"datname = '{self.databases[name]}' AND application_name = 'hfitd' AND state = 'active'"
            return int(run_sql(self.servers[name], f"SELECT count(*) FROM pg_stat_activity WHERE {where}"))
        where = f"db = '{self.databases[name]}' AND command <> 'Sleep'"
        return int(run_sql(self.servers[name], f"SELECT count(*) FROM information_schema.processlist WHERE {where}"))


@pytest.fixture(scope="session")
def gate(
    postgres_server: Server, mariadb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    with sqlite3.connect(folder / "t.db") as connection:
        connection.executescript(many_tables("lite"))
    connection.close()
    with fresh_database(postgres_server) as one, fresh_database(mariadb_server) as two:
        run_sql(postgres_server, many_tables("pg"), one)
        run_sql(mariadb_server, many_tables("my"), two)
        parts = []
        for calm in ("", "calm_"):
            parts += [provider(f"{calm}pg", postgres_server, one), provider(f"{calm}my", mariadb_server, two)]
            parts.append(sqlite_provider(f"{calm}lite", folder / "t.db"))
        (folder / "files").mkdir()
        for name in ("*", "other", "x"):
            (folder / "files" / name).write_text(f"file {name}")
        parts[:3] = [f'{part.rstrip()}\nstatement_timeout = "{TIME_LIMIT}"\n' for part in parts[:3]]
        parts += [volume("files", folder / "files"), OPEN_POLICY, LIMITS, role("developer", *EVERYTHING)]
        body = "\n".join(parts)
        with running(Daemon(folder, body)) as daemon:
            person: Person = daemon.add_person("dev@example.org", "developer")
            servers = {"pg": postgres_server, "my": mariadb_server}
            yield Gate(daemon, Api(daemon, person), servers, {"pg": one, "my": two, "lite": "main"})
