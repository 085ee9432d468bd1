"""The shop of the contract suite in an SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

from hfitd.config.model import ProviderConfig
from hfitd.engines.table import open_engine
from tests.support.engine_worlds import World

SQLITE_SHOP = """
PRAGMA journal_mode=WAL;
CREATE TABLE customer (
    id integer PRIMARY KEY, name varchar(40) NOT NULL, email varchar(80) NOT NULL UNIQUE, born date,
    balance numeric(12,2), active boolean, photo blob, seen timestamp, profile json);
CREATE TABLE purchase (
    customer_id integer NOT NULL REFERENCES customer, line integer NOT NULL, what text, -- a comment, with (a bracket
    total numeric(12,2) GENERATED ALWAYS AS (line * 1.50) STORED, PRIMARY KEY (customer_id, line));
CREATE TABLE counted (id integer PRIMARY KEY AUTOINCREMENT, parent integer REFERENCES counted (id));
CREATE TABLE loose (a integer, b varchar(10));
CREATE VIEW grown AS SELECT id, name FROM customer WHERE born < '2000-01-01';
CREATE TABLE "Odd ""Name" ("select" integer PRIMARY KEY, "a b" varchar(5));
INSERT INTO customer VALUES
    (1, 'Ada', 'ada@example.com', '1815-12-10', 10.50, true, X'00ff0a5c27', '2024-02-29 23:59:59.123',
     '{"a": [1, 2.50]}'),
    (2, 'O''Hara, "Bob"', 'bob@example.com', NULL, -0.01, false, X'', NULL, NULL),
    (3, 'tab' || char(9) || 'new' || char(10) || 'line' || char(13) || 'back\\slash', 'c@example.com', '2001-01-01',
     NULL, NULL, NULL, '1970-01-01 00:00:00', '"x"'),
    (4, '', 'd@example.com', '1999-12-31', 99999999.99, true, NULL, NULL, 'null'),
    (5, 'Zoë 李雷 🙂', 'e@example.com', NULL, 0, NULL, NULL, NULL, '{}');
INSERT INTO purchase (customer_id, line, what) VALUES (1, 2, 'tea'), (1, 1, NULL), (2, 1, '\\N');
INSERT INTO counted VALUES (10, NULL), (11, 10);
INSERT INTO loose VALUES (2, 'b'), (1, 'z'), (NULL, 'a'), (1, 'Z'), (2, 'b'), (1, NULL);
INSERT INTO "Odd ""Name" VALUES (7, 'x'), (8, NULL);
"""

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0"


def run_script(path: Path, script: str) -> None:
    """Run a script on a file, made if it is not there."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def _load(script: bytes) -> str:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script.decode())
        tables = ("customer", "purchase", "counted", "loose", '"Odd ""Name"')
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    return "\n".join(map(str, counts))


def _busy_threads() -> int:
    return sum(thread.name.startswith("hfitd-sqlite") for thread in threading.enumerate())


def sqlite_world(directory: Path) -> World:
    """The shop in a file with a name that a URL has to escape."""
    path = directory / "shop ?#%41.db"
    run_script(path, SQLITE_SHOP)
    provider = ProviderConfig(name="shop", type="sqlite", database="main", path=path)

    def run(script: str) -> str:
        run_script(path, script)
        return ""

    return World(
        kind="sqlite",
        engine=open_engine(provider),
        provider=provider,
        schema="main",
        run=run,
        sleep=_ENDLESS,
        sleeping=_busy_threads,
        load=_load,
        absent=replace(provider, path=directory / "absent.db"),
    )
