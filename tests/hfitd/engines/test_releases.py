"""What a package asks of the server it is loaded into is known before a row is read, and names nothing hidden."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import DdlOptions, Outlook
from hfitd.engines.table import open_engine
from hfitd.model import TableName
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import relation
from tests.support.whole_packages import provider_of

POSTGRES = """
CREATE COLLATION loose (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TABLE person (
    id int PRIMARY KEY, email text, hidden int, amount numeric, exact numeric(10,2), tiny numeric(2,5),
    spans int4multirange[], path jsonpath, name text COLLATE loose,
    twice int GENERATED ALWAYS AS (id * 2) STORED, mail_size int GENERATED ALWAYS AS (length(email)) STORED,
    UNIQUE NULLS NOT DISTINCT (exact), UNIQUE (tiny) INCLUDE (id),
    CONSTRAINT plain CHECK (name <> 'INCLUDE (x) NOT ENFORCED'));
CREATE UNIQUE INDEX secret_ix ON person (hidden) NULLS NOT DISTINCT;
CREATE INDEX mails ON person (id) INCLUDE (exact);
CREATE TABLE split (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE ranged (id int) PARTITION BY RANGE (id);
CREATE TABLE rest PARTITION OF ranged DEFAULT;
"""
SHOWN = ["id", "email", "amount", "exact", "tiny", "spans", "path", "name", "twice", "mail_size"]
MARIADB = """
CREATE SEQUENCE numbers;
CREATE TABLE person (
    id int PRIMARY KEY DEFAULT nextval(numbers), email varchar(50), place inet6, mark uuid,
    unseen int INVISIBLE, made varchar(40) DEFAULT (concat('INVISIBLE', 'x')), plain varchar(9) DEFAULT 'INVISIBLE',
    newer varchar(9) COLLATE utf8mb4_uca1400_ai_ci, secret uuid);
"""
SQLITE = """
CREATE TABLE person (id INTEGER PRIMARY KEY, twice INT AS (id * 2) STORED) STRICT;
CREATE TABLE plain (id INTEGER PRIMARY KEY, "STRICT" TEXT DEFAULT ') STRICT');
"""

Tables = dict[str, tuple[list[str], list[str]]]


async def outlook_of(provider: ProviderConfig, tables: Tables, options: DdlOptions | None) -> Outlook:
    """The outlook of these tables, each with its masked and its granted columns (all when empty)."""
    engine = open_engine(provider)
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            names = {name: TableName(catalog.default_schema, name) for name in tables}
            relations = [relation(catalog, names[name], *views) for name, views in tables.items()]
            return await snapshot.outlook(relations, options)
    finally:
        await engine.close()


def needs(outlook: Outlook) -> set[tuple[str, ...]]:
    """What is needed: kind, name, then product and release in turn."""
    return {
        (item.what, item.name, *(word for release in item.releases for word in release)) for item in outlook.requires
    }


OF_ROWS = {
    ("Infinity", "amount", "postgresql", "14"), ("type", "tiny", "postgresql", "15"),
    ("type", "spans", "postgresql", "14"), ("type", "path", "postgresql", "12"),
}  # fmt: skip


async def test_postgres_names_what_older_servers_do_not_know(postgres_server: Server, postgres_database: str) -> None:
    run_sql(postgres_server, POSTGRES, postgres_database)
    provider = provider_of(postgres_server, postgres_database)
    tables: Tables = {"person": (["email"], SHOWN), "split": ([], []), "ranged": ([], []), "rest": ([], [])}
    whole = await outlook_of(provider, tables, DdlOptions())
    assert needs(whole) == OF_ROWS | {
        ("collation", "loose", "postgresql", "12"), ("generated column", "twice", "postgresql", "12"),
        ("constraint", "person_exact_key", "postgresql", "15"),
        ("constraint", "person_tiny_id_key", "postgresql", "11"),
        ("index", "mails", "postgresql", "11"), ("partitions", "split", "postgresql", "11"),
        ("constraint", "split_pkey", "postgresql", "11"), ("partition", "rest", "postgresql", "11"),
    }  # fmt: skip
    assert {item.name for item in whole.requires if item.if_held} == {"amount"}
    assert "secret" not in str(whole.requires) and "hidden" not in str(whole.requires)
    assert needs(await outlook_of(provider, tables, None)) == OF_ROWS


async def test_mariadb_names_what_older_servers_and_mysql_do_not_know(
    mariadb_server: Server, mariadb_database: str
) -> None:
    run_sql(mariadb_server, MARIADB, mariadb_database)
    provider = provider_of(mariadb_server, mariadb_database)
    shown = ["id", "email", "place", "mark", "unseen", "made", "plain", "newer"]
    of_rows = {
        ("type", "place", "mariadb", "10.5"), ("type", "mark", "mariadb", "10.7"),
        ("collation", "newer", "mariadb", "10.10"),
    }  # fmt: skip
    tables: Tables = {"person": ([], shown)}
    whole = await outlook_of(provider, tables, DdlOptions())
    assert needs(whole) == of_rows | {
        ("sequence", "id", "mariadb", "10.3"), ("invisible column", "unseen", "mariadb", "10.3", "mysql", "8.0.23"),
        ("default", "made", "mariadb", "10.2"),
    }  # fmt: skip
    assert "secret" not in str(whole.requires)
    assert needs(await outlook_of(provider, tables, None)) == of_rows


async def test_sqlite_names_what_older_libraries_do_not_know(tmp_path: Path) -> None:
    place = tmp_path / "shop.db"
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(SQLITE)
    provider = ProviderConfig(name="shop", type="sqlite", path=place)
    outlook = await outlook_of(provider, {"person": ([], []), "plain": ([], [])}, DdlOptions())
    strict = ("strict table", "person", "sqlite", "3.37")
    assert needs(outlook) == {strict, ("generated column", "twice", "sqlite", "3.31")}
    masked = await outlook_of(provider, {"person": (["twice"], [])}, DdlOptions())
    assert needs(masked) == {strict}
