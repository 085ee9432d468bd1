"""A gateway over one SQLite file in which every hidden value begins with CANARY."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.daemon import Daemon, Person, role, running, sqlite_provider, volume

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
