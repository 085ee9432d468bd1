"""The standard installation of the whole-process tests: three engines, two volumes, Redis, four people."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.live.daemon import Daemon, Person, make_key, provider, role, running, sqlite_provider, volume
from tests.live.databases import run_sql
from tests.live.servers import Server

RAW_EMAIL = b"@sakilacustomer.org"  # in every e-mail of the sample's customers, and masked for everybody
MASK_KEY = "a mask key for tests only, 32 or more"
SLOW = """
CREATE TABLE quick (id integer PRIMARY KEY, filler text);
INSERT INTO quick SELECT i, left(repeat(md5(i::text), 40), 1000) FROM generate_series(1, 3000) i;
CREATE TABLE wide (id integer PRIMARY KEY, filler text);
INSERT INTO wide SELECT i, repeat(md5(i::text), 31) FROM generate_series(1, 12000) i;
CREATE VIEW slow_short AS SELECT i AS id, pg_sleep(0.02)::text AS pause FROM generate_series(1, 100) i;
CREATE VIEW slow_long AS SELECT i AS id, pg_sleep(0.05)::text AS pause FROM generate_series(1, 1200) i;
CREATE TABLE held (id integer PRIMARY KEY);
CREATE TABLE head (id integer PRIMARY KEY);
INSERT INTO head VALUES (1);
CREATE TABLE link (id integer PRIMARY KEY, head integer REFERENCES head, parent integer REFERENCES link);
INSERT INTO link SELECT i, CASE i WHEN 1 THEN 1 END, nullif(i - 1, 0) FROM generate_series(1, 30000) i;
CREATE INDEX ON link (parent);
ANALYZE quick, head, link;
"""
EVERYTHING = (
    "rows:**", "query:**", "ddl:**", "files.list:**", "files.read:**",
    "template.run:*", "template.edit:*", "template.share:*",
)  # fmt: skip
GUEST = (
    "rows:shop_pg/public/customer", "rows:shop_pg/public/rental", "!rows:shop_pg/public/customer.active",
    "query:shop_pg/public/customer", "files.list:docs/**", "files.read:docs/**", "template.run:*", "template.edit:*",
)  # fmt: skip

CASE = """hfitVersion: 1
templateName: customer-case
description: One customer with what belongs to it
projectName: shop
packageName: case-${customer_id}
parameters:
  customer_id: {type: integer, required: true, description: Whose case}
exports:
  pg_schema.sql: {type: table-create, data: {dbms: shop_pg, tablelist: [public.customer, public.rental]}}
  pg_customer.sql: {type: table-data, data: {dbms: shop_pg, table: public.customer,
    filter: "WHERE customer_id = ${customer_id}"}}
  pg_rental.sql: {type: table-data, data: {dbms: shop_pg, table: public.rental,
    filter: "WHERE customer_id = ${customer_id}"}}
  pg_everybody.ndjson: {type: table-data, data: {dbms: shop_pg, table: public.customer}}
  totals.csv: {type: database, provider: shop_pg, query: "SELECT c.email, c.last_name, count(*) AS n FROM customer c
    JOIN rental r USING (customer_id) WHERE c.customer_id = ${customer_id} GROUP BY c.email, c.last_name"}
  my_schema.sql: {type: table-create, data: {dbms: shop_my, tablelist: [customer, payment]}}
  my_customer.sql: {type: table-data, data: {dbms: shop_my, table: customer, filter: "customer_id = ${customer_id}"}}
  my_payment.sql: {type: table-data, data: {dbms: shop_my, table: payment, filter: "customer_id = ${customer_id}"}}
  music.csv: {type: table-data, data: {dbms: music, table: Customer}}
  logs: {type: files, volume: app_logs, filters: ["name:*_${customer_id}_*"]}
  docs: {type: files, volume: docs, filters: ["name:*_${customer_id}_*"]}
"""


def package_template(name: str, *tables: str) -> str:
    """A template without parameters that exports these tables of ``slow_pg``, in this order."""
    lines = [
        f"  {number:02}_{table}.ndjson: {{type: table-data, data: {{dbms: slow_pg, table: public.{table}}}}}"
        for number, table in enumerate(tables)
    ]
    return "\n".join(["hfitVersion: 1", f"templateName: {name}", f"packageName: {name}", "exports:", *lines, ""])


@dataclass(frozen=True)
class Shop:
    """The servers and files that stand behind the gateway."""

    postgres: Server
    mariadb: Server
    music: Path
    slow: str

    def config(self, folder: Path) -> str:
        """The configuration without server and store."""
        return "\n".join([
            provider("shop_pg", self.postgres, "sakila"),
            provider("shop_my", self.mariadb, "sakila"),
            provider("slow_pg", self.postgres, self.slow),
            sqlite_provider("music", self.music),
            volume("app_logs", folder / "logs"),
            volume("docs", folder / "docs"),
            POLICY,
            role("developer", *EVERYTHING),
            role("guest", *GUEST),
            LIMITS,
        ])


POLICY = f"""
[policy]
mask_key = "{MASK_KEY}"
[[policy.mask]]
columns = ["*/*/customer.email", "*/*/Customer.Email", "*/*/staff.email"]
mask = "hash"
[[policy.mask]]
columns = ["*/*/customer.last_name", "*/*/Customer.LastName"]
mask = "const"
value = "X"
[[policy.clear]]
columns = ["*/*/*.*"]
"""
LIMITS = """
[limits]
requests_per_minute = 100000
concurrent_packages = 200
orphan_grace = "500ms"
[auth]
max_attempts = 1000
"""


def small_config(folder: Path, music: Path) -> str:
    """One SQLite provider, one volume, the embedded store."""
    parts = [sqlite_provider("music", music), volume("files", folder / "files"), POLICY, LIMITS]
    return "\n".join([*parts, role("developer", *EVERYTHING)])


@dataclass(frozen=True)
class World:
    """A running gateway and its people: ``dev`` and ``peer`` may everything, ``guest`` little, ``nobody`` nothing."""

    daemon: Daemon
    shop: Shop
    dev: Person
    peer: Person
    guest: Person
    nobody: Person


def make_volumes(folder: Path) -> None:
    """Two volumes with files of customer 42 and others."""
    (folder / "logs" / "app").mkdir(parents=True)
    (folder / "docs").mkdir()
    (folder / "logs" / "case_42_0001.txt").write_text("hello 42\n")
    (folder / "logs" / "case_7_0001.txt").write_text("hello 7\n")
    (folder / "logs" / "app" / "0001.log").write_text("app log\n")
    (folder / "docs" / "a_42_b.pdf").write_bytes(os.urandom(100_000))
    (folder / "docs" / "big.bin").write_bytes(os.urandom(3_000_000))


@contextlib.contextmanager
def running_world(folder: Path, shop: Shop, store: str) -> Iterator[World]:
    """The installation, running; the first person comes in by ``hfitd user add``, as an operator does it."""
    make_volumes(folder)
    daemon = Daemon(folder, shop.config(folder) + store)
    with running(daemon):
        place = folder / "people" / "dev@example.org"
        place.mkdir(parents=True)
        dev = Person("dev@example.org", make_key(place / "id_ed25519"), place)
        added = daemon.hfitd("user", "add", dev.email, dev.key.with_suffix(".pub"), "--role", "developer")
        assert added.code == 0, added.err
        peer = daemon.add_person("peer@example.org", "developer")
        guest = daemon.add_person("guest@example.org", "guest")
        nobody = daemon.add_person("nobody@example.org")
        yield World(daemon, shop, daemon.login(dev), peer, guest, nobody)


def make_slow_database(server: Server, name: str) -> str:
    """Tables that take their time."""
    run_sql(server, f"CREATE DATABASE {name};")
    run_sql(server, SLOW, name)
    return name
