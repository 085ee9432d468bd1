"""What a package does not carry is named before anything is read, and nothing that may not be seen is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import DdlOptions, Outlook
from hfitd.engines.table import open_engine
from hfitd.model import TableName
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import relation
from tests.support.whole_packages import provider_of

POSTGRES = """
CREATE TEXT SEARCH CONFIGURATION odd (COPY = simple);
CREATE TABLE secret_place (id int);
CREATE TYPE topsecret_rank AS ENUM ('topsecret enum');
CREATE FUNCTION spy(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS
    'SELECT $1 > (SELECT count(*) FROM secret_place)';
CREATE FUNCTION fine(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE person (
    id int PRIMARY KEY, email text DEFAULT 'topsecret default', open text, hidden int DEFAULT 5, photo oid,
    r topsecret_rank,
    words tsvector GENERATED ALWAYS AS (to_tsvector('public.odd', open)) STORED,
    CONSTRAINT mail CHECK (email <> 'topsecret check'), CONSTRAINT spied CHECK (spy(id)),
    CONSTRAINT kept CHECK (fine(id)),
    CONSTRAINT topsecret_hidden CHECK (hidden > 3));
CREATE INDEX found ON person (open) WHERE email <> 'topsecret index';
CREATE INDEX topsecret_ix ON person (hidden) WHERE hidden > 7;
CREATE TRIGGER counting BEFORE INSERT ON person FOR EACH ROW EXECUTE FUNCTION count_up();
CREATE POLICY mine ON person USING (open = 'topsecret policy');
CREATE RULE quiet AS ON DELETE TO person DO INSTEAD NOTHING;
CREATE TABLE old (id int) PARTITION BY LIST (id); COMMENT ON TABLE old IS 'topsecret comment';
ALTER TABLE old ADD CONSTRAINT aged CHECK (id > 0) NOT VALID;
CREATE TABLE old_1 PARTITION OF old FOR VALUES IN (777001);
CREATE VIEW shown AS SELECT open FROM person WHERE email <> 'topsecret view';
CREATE TABLE by_name (name text, v int) PARTITION BY LIST (name);
CREATE TABLE by_name_1 PARTITION OF by_name FOR VALUES IN ('topsecret bound');
"""
MYSQL = """
CREATE TABLE person (
    id int PRIMARY KEY, email varchar(50) DEFAULT 'topsecret default', open varchar(20), hidden int DEFAULT 9,
    r enum('topsecret enum', 'x'),
    short varchar(20) AS (IF(email = 'topsecret gen', 'a', 'b')) STORED,
    CONSTRAINT mail CHECK (email <> 'topsecret check'),
    CONSTRAINT topsecret_hidden CHECK (hidden > 3)) COMMENT 'topsecret comment';
CREATE TRIGGER counting BEFORE INSERT ON person FOR EACH ROW SET NEW.open = 'topsecret trigger';
CREATE VIEW shown AS SELECT open FROM person WHERE email <> 'topsecret view';
CREATE TABLE by_name (name varchar(30), v int) PARTITION BY LIST COLUMNS (name)
    (PARTITION p0 VALUES IN ('topsecret bound'));
CREATE TABLE versioned (id int) WITH SYSTEM VERSIONING;
"""
SQLITE = """
CREATE TABLE person (id INTEGER PRIMARY KEY,
    email TEXT DEFAULT 'topsecret default' CHECK (email <> 'topsecret check'), open TEXT, hidden INT);
CREATE INDEX found ON person (open) WHERE email <> 'topsecret index';
CREATE TRIGGER counting AFTER INSERT ON person BEGIN UPDATE person SET open = 'topsecret trigger'; END;
CREATE VIEW shown AS SELECT open FROM person WHERE email <> 'topsecret view';
"""


class Bytes:
    """A sink in memory."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


async def seen(
    provider: ProviderConfig, tables: dict[str, tuple[Sequence[str], Sequence[str]]], *, whole: bool = False
) -> tuple[Outlook, str]:
    """The outlook and the DDL of these tables, each with its masked and its granted columns (all when empty)."""
    engine = open_engine(provider)
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            schema = catalog.default_schema
            relations = [relation(catalog, TableName(schema, name), *views) for name, views in tables.items()]
            sink, options = Bytes(), DdlOptions(whole=whole)
            await snapshot.ddl(relations, options, sink)
            return await snapshot.outlook(relations, options), sink.data.decode()
    finally:
        await engine.close()


def names(outlook: Outlook) -> set[tuple[str, str]]:
    """What is left out, and its name."""
    assert all(item.reason.endswith(".") for item in outlook.left_out)
    return {(item.what, item.name) for item in outlook.left_out}


GRANTED = ["id", "email", "open", "photo", "r", "words"]


async def test_postgres_names_what_it_leaves_out(postgres_server: Server, postgres_database: str) -> None:
    run_sql(postgres_server, POSTGRES, postgres_database)
    provider = provider_of(postgres_server, postgres_database)
    tables: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "person": (["email", "r"], GRANTED), "old": ([], []), "shown": ([], []), "by_name": (["name"], []),
    }  # fmt: skip
    outlook, ddl = await seen(provider, tables, whole=True)
    assert names(outlook) == {
        ("trigger", "counting"), ("policy", "mine"), ("rule", "quiet"), ("view", "shown"), ("default", "email"),
        ("check", "mail"), ("check", "spied"), ("generation", "words"), ("index", "found"), ("partitions", "by_name"),
    }  # fmt: skip
    assert outlook.unchecked == {(TableName("public", "old"), "aged")}
    assert "fine" in ddl and "kept" in ddl and "777001" in ddl
    for text in (ddl, str(outlook)):
        assert "topsecret" not in text and "hidden" not in text and "secret_place" not in text
    with fresh_database(postgres_server) as target:
        run_sql(postgres_server, ddl, target)


async def test_contents_of_large_objects_are_said_to_be_missing_where_there_are_some(
    postgres_server: Server, postgres_database: str
) -> None:
    run_sql(postgres_server, POSTGRES, postgres_database)
    provider = provider_of(postgres_server, postgres_database)

    async def rows_outlook() -> Outlook:
        engine = open_engine(provider)
        async with engine.snapshot() as snapshot:
            person = relation(await snapshot.catalog(), TableName("public", "person"))
            outlook = await snapshot.outlook([person], None)
        await engine.close()
        return outlook

    assert names(await rows_outlook()) == set()
    run_sql(postgres_server, "SELECT lo_create(0)", postgres_database)
    assert names(await rows_outlook()) == {("large objects", "photo")}


async def test_a_column_of_a_type_that_only_an_administrator_can_create_comes_as_text(
    postgres_server: Server, postgres_database: str
) -> None:
    script = (
        "CREATE TYPE odd_int; "
        "CREATE FUNCTION odd_in(cstring) RETURNS odd_int LANGUAGE internal IMMUTABLE STRICT AS 'int4in'; "
        "CREATE FUNCTION odd_out(odd_int) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'; "
        "CREATE TYPE odd_int (INPUT = odd_in, OUTPUT = odd_out, LIKE = int4); "
        "CREATE DOMAIN odder AS odd_int; CREATE TYPE both_odd AS (a odder, b text); "
        "CREATE TABLE t (id int PRIMARY KEY, o odd_int DEFAULT '5', d odder, p both_odd[], n int DEFAULT 7);"
    )
    run_sql(postgres_server, script, postgres_database)
    outlook, ddl = await seen(provider_of(postgres_server, postgres_database), {"t": ([], [])})
    assert names(outlook) == {("type", "o"), ("type", "d"), ("type", "p"), ("default", "o")}
    with fresh_database(postgres_server) as target:
        run_sql(postgres_server, ddl + "INSERT INTO t VALUES (1, '3', '4', '{}');", target)
        assert run_sql(postgres_server, "SELECT * FROM t", target) == "1|3|4|{}|7\n"


async def test_mariadb_names_what_it_leaves_out(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, MYSQL, mariadb_database)
    tables: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "person": (["email", "r"], ["id", "email", "open", "r", "short"]), "shown": ([], []), "versioned": ([], []),
        "by_name": (["name"], []),
    }  # fmt: skip
    outlook, ddl = await seen(provider_of(mariadb_server, mariadb_database), tables)
    assert names(outlook) == {
        ("trigger", "counting"), ("view", "shown"), ("history", "versioned"), ("check", "mail"), ("default", "email"),
        ("members", "r"), ("generation", "short"), ("partitions", "by_name"),
    }  # fmt: skip
    for text in (ddl, str(outlook)):
        assert "topsecret" not in text and "hidden" not in text
    with fresh_database(mariadb_server) as target:
        run_sql(mariadb_server, ddl, target)


async def test_sqlite_names_what_it_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SQLITE)
    tables: dict[str, tuple[Sequence[str], Sequence[str]]] = {"person": (["email"], []), "shown": ([], [])}
    outlook, ddl = await seen(ProviderConfig(name="shop", type="sqlite", path=path), tables)
    assert names(outlook) == {("trigger", "counting"), ("words", "person"), ("view", "shown")}
    assert "topsecret" not in ddl + str(outlook)
