"""What is PostgreSQL's own: every type, TLS, pools, lost connections, roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from hfitd.config.model import Secret
from hfitd.engines.interface import DdlOptions, Format, Output, Select
from hfitd.engines.postgres import PostgresEngine
from hfitd.errors import (
    Busy,
    DbUnavailable,
    ExportRefused,
    HfitError,
    LoginRefused,
    NotFound,
    ParamInvalid,
    SchemaChanged,
)
from hfitd.model import Catalog, TableName
from hfitd.sql import bind, text
from tests.live.databases import fresh_database, run_sql, value_digests
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider, query, relation


class Bytes:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


@pytest_asyncio.fixture
async def engine(postgres_server: Server, postgres_database: str) -> AsyncIterator[PostgresEngine]:
    made = PostgresEngine(postgres_provider(postgres_server, postgres_database))
    yield made
    await made.close()


def everything(engine: PostgresEngine, catalog: Catalog, name: TableName) -> Select:
    """All rows of one table itself, without what inherits from it."""
    table = catalog.tables[name]
    columns = [column for column in table.columns if not column.generated]
    place = engine.dialect.qualified(name.schema, name.name)
    listed = ", ".join(engine.dialect.identifier(column.name) for column in columns)
    only = "ONLY " if table.kind == "table" else ""
    order = engine.dialect.row_order(relation(catalog, name))
    sql = text(f"SELECT {listed} FROM {only}{place}") + (text(" ORDER BY ") + order if order.pieces else text(""))
    return Select(sql, tuple(Output(column.name) for column in columns), into=place)


async def packed(engine: PostgresEngine) -> tuple[bytes, bytes]:
    """DDL and rows of a whole database."""
    ddl, rows = Bytes(), Bytes()
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        await snapshot.ddl([relation(catalog, name) for name in catalog.tables], DdlOptions(whole=True), ddl)
        for name, table in catalog.tables.items():
            if table.kind in ("table", "partitioned"):
                await snapshot.render(everything(engine, catalog, name), Format.SQL, rows)
    return ddl.data, rows.data


@pytest.mark.parametrize("sample", ["chinook_postgres", "sakila_postgres", "nasty_postgres"])
async def test_ddl_and_rows_of_a_whole_database_load_with_every_value(
    sample: str, request: pytest.FixtureRequest, postgres_server: Server
) -> None:
    database = request.getfixturevalue(sample)
    source = PostgresEngine(postgres_provider(postgres_server, database))
    try:
        ddl, rows = await packed(source)
        assert await packed(source) == (ddl, rows), "the same data gives the same bytes"
    finally:
        await source.close()
    with fresh_database(postgres_server) as target:
        run_sql(postgres_server, ddl, target)
        # Foreign-key order and triggers are the loader's business.
        run_sql(postgres_server, b"SET session_replication_role = replica;\n" + rows, target)
        assert value_digests(postgres_server, target) == value_digests(postgres_server, database)


async def test_nasty_rows_are_valid_in_every_form(nasty_postgres: str, postgres_server: Server) -> None:
    engine = PostgresEngine(postgres_provider(postgres_server, nasty_postgres))
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            for name, table in catalog.tables.items():
                if table.kind == "view":
                    continue
                select = everything(engine, catalog, name)
                counts = {(await snapshot.render(select, form, Bytes())).rows for form in Format}
                batched = 0
                async with snapshot.batches(select, 500) as batches:
                    async for batch in batches:
                        batched += len(batch)
                assert counts == {batched}, name
    finally:
        await engine.close()


async def test_the_catalogue_of_the_torture_set_is_read_whole(nasty_postgres: str, postgres_server: Server) -> None:
    engine = PostgresEngine(postgres_provider(postgres_server, nasty_postgres))
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
    finally:
        await engine.close()
    tables = catalog.tables
    sale = TableName("nasty_pgonly", "sale")
    assert tables[sale].kind == "partitioned"
    assert tables[TableName("nasty_pgonly", "sale_2023")].parents == (sale,)
    assert tables[TableName("nasty_pgonly", "child2")].parents == (TableName("nasty_pgonly", "child1"),)
    assert TableName("Weird Schema", 'sch.ema "x"') in tables
    assert len(tables[TableName("nasty_pgonly", "pk32")].primary_key) == 32
    keys = {key.name: key for key in catalog.foreign_keys if key.table == TableName("nasty_pgonly", "mf_child")}
    (full,) = keys.values()
    assert full.match_full
    assert (full.columns, full.target_columns) == (("a", "b"), ("a", "b"))
    assert (full.on_delete, full.on_update) == ("SET DEFAULT", "CASCADE")
    orphans = [key for key in catalog.foreign_keys if key.table == TableName("nasty", "legacy_orphan")]
    assert [key.validated for key in orphans] == [False]
    to_sale = [key for key in catalog.foreign_keys if key.target == sale]
    assert len(to_sale) == 1, "copies for the partitions are left out"
    assert tables[TableName("nasty_pgonly", "gen_mid")].column("full_key").generated == "stored"  # type: ignore[union-attr]
    owned = {str(sequence.name): sequence.owned_by for sequence in catalog.sequences}
    assert owned["nasty_pgonly.serial_t_id_seq"] == (TableName("nasty_pgonly", "serial_t"), "id")
    assert owned["nasty_pgonly.down_seq"] is None


async def test_every_key_of_the_torture_set_binds_back(nasty_postgres: str, postgres_server: Server) -> None:
    """A key that ``batches`` prints finds its row again, whatever its type: the foreign-key walk lives on that."""
    engine = PostgresEngine(postgres_provider(postgres_server, nasty_postgres))
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            for name, table in catalog.tables.items():
                if not table.primary_key or table.kind != "table" or len(table.primary_key) > 8:
                    continue
                place = engine.dialect.qualified(name.schema, name.name)
                columns = [table.column(column) for column in table.primary_key]
                listed = ", ".join(engine.dialect.identifier(column) for column in table.primary_key)
                keys = await snapshot.rows(query(text(f"SELECT {listed} FROM ONLY {place}"), *table.primary_key), 3)
                for key in keys:
                    where = text("true")
                    for column, value in zip(columns, key, strict=True):
                        assert column is not None
                        where += text(f" AND {engine.dialect.identifier(column.name)} = ")
                        where += bind(value, column.type_name, column.name)
                    found = query(text(f"SELECT 1 FROM ONLY {place} WHERE ") + where, "one")
                    await snapshot.describe(found)
                    assert await snapshot.rows(found, 2) == [("1",)], (name, key)
                    assert (await snapshot.render(found, Format.CSV, Bytes())).rows == 1
    finally:
        await engine.close()


async def test_an_array_of_keys_binds_in_copy_and_cursor(engine: PostgresEngine, postgres_server: Server) -> None:
    run_sql(postgres_server, "CREATE TABLE t (k text PRIMARY KEY); INSERT INTO t VALUES ('a,\"b'), ('c'), ('d')",
            engine._provider.database)  # fmt: skip
    select = query(
        text("SELECT k FROM public.t WHERE k = ANY (") + bind(r'{"a,\"b",d,zzz}', "text[]", "keys")
        + text(") ORDER BY 1"),
        "k",
    )  # fmt: skip
    sink = Bytes()
    async with engine.snapshot() as snapshot:
        assert await snapshot.rows(select, 5) == [('a,"b',), ("d",)]
        assert (await snapshot.render(select, Format.NDJSON, sink)).rows == 2


async def test_a_cast_never_truncates_a_bound_value(engine: PostgresEngine, postgres_server: Server) -> None:
    script = "CREATE TABLE t (c char(2), v varchar(2), n numeric(3,1)); INSERT INTO t VALUES ('ab', 'ab', 1.5);"
    run_sql(postgres_server, script, engine._provider.database)
    for column, type_name, value in (("c", "character(2)", "abc"), ("v", "character varying(2)", "abc"),
                                     ("n", "numeric(3,1)", "1.54")):  # fmt: skip
        select = query(text(f"SELECT 1 FROM public.t WHERE {column} = ") + bind(value, type_name, column), "one")
        async with engine.snapshot() as snapshot:
            assert await snapshot.rows(select, 1) == []


@pytest.mark.parametrize(
    ("type_name", "value"),
    [("boolean", "yes"), ("uuid", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"), ("timestamp", "now"), ("time", "allballs"),
     ("bytea", "not base64!"), ("regclass", "pg_authid"), ("double precision", "1e4000"), ("jsonb", "{"),
     ("integer[]", "{1,x}"), ("numeric", "0x1F"), ("double precision", "1e400")],
)  # fmt: skip
async def test_s32_each_type_takes_only_its_own_spelling(engine: PostgresEngine, type_name: str, value: str) -> None:
    async with engine.snapshot() as snapshot:
        with pytest.raises(ParamInvalid, match="p_name"):
            await snapshot.describe(
                query(text("SELECT 1 WHERE ") + bind(value, type_name, "p_name") + text(" IS NULL"), "a")
            )


async def test_a_type_that_cannot_be_inferred_is_named(engine: PostgresEngine) -> None:
    async with engine.snapshot() as snapshot:
        with pytest.raises(ParamInvalid, match="inferred"):
            await snapshot.describe(query(text("SELECT 1 WHERE ") + bind("x", None, "p") + text(" IS NULL"), "a"))


# --- L4: what is left behind -------------------------------------------------------------------------------------


async def test_s10_s11_nothing_of_a_job_is_left_for_the_next(engine: PostgresEngine) -> None:
    poison = text(
        "SELECT set_config('statement_timeout', '0', false), set_config('search_path', 'evil', false),"
        " set_config('role', 'pg_monitor', true), pg_advisory_lock(42)::text"
    )
    async with engine.snapshot() as snapshot:
        await snapshot.rows(query(poison, "a", "b", "c", "d"), 1)
    probe = query(
        text("SELECT current_setting('role'), current_setting('search_path'), current_setting('statement_timeout'),"
             " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), current_setting('transaction_read_only')"),
        "role", "path", "timeout", "locks", "read_only",
    )  # fmt: skip
    async with engine.snapshot() as snapshot:
        assert await snapshot.rows(probe, 1) == [("none", '""', "30s", "0", "on")]


@pytest.mark.parametrize(
    "words",
    [
        "WITH x AS (DELETE FROM public.t RETURNING *) SELECT * FROM x",
        "SELECT * FROM public.t FOR UPDATE",
        "SELECT nextval('public.s')",
    ],
)
async def test_s14_s15_writing_is_refused_by_the_transaction(
    engine: PostgresEngine, postgres_server: Server, words: str
) -> None:
    run_sql(postgres_server, "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE SEQUENCE s;",
            engine._provider.database)  # fmt: skip
    with pytest.raises(HfitError):
        async with engine.snapshot() as snapshot:
            await snapshot.rows(query(text(words), "a"), 1)
    assert run_sql(postgres_server, "SELECT count(*) FROM t", engine._provider.database) == "1\n"


@pytest.mark.parametrize(
    "words", ["SET TRANSACTION READ WRITE", "COMMIT", "COPY (SELECT 1) TO PROGRAM 'true'", "DO $$ BEGIN END $$"]
)
async def test_s10_s13_only_queries_run(engine: PostgresEngine, words: str) -> None:
    for form in Format:
        with pytest.raises(HfitError):
            async with engine.snapshot() as snapshot:
                await snapshot.render(query(text(words), "a"), form, Bytes())
    with pytest.raises(HfitError):
        async with engine.snapshot() as snapshot:
            await snapshot.rows(query(text(words), "a"), 1)


# --- losing the server -------------------------------------------------------------------------------------------


async def test_o07_a_terminated_backend_in_mid_stream_is_unavailable(
    engine: PostgresEngine, postgres_server: Server
) -> None:
    database = engine._provider.database

    class Killer(Bytes):
        async def write(self, data: bytes) -> None:
            await super().write(data)
            await asyncio.to_thread(
                run_sql, postgres_server,
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
                " AND application_name = 'hfitd'",
            )  # fmt: skip

    with pytest.raises(DbUnavailable):
        async with engine.snapshot() as snapshot:
            select = query(text("SELECT repeat('x', 1000) FROM generate_series(1, 100000)"), "x")
            await snapshot.render(select, Format.NDJSON, Killer())
    async with engine.snapshot() as snapshot:
        assert await snapshot.rows(query(text("SELECT 1"), "one"), 1) == [("1",)]


async def test_o07_a_kept_connection_that_died_is_replaced(engine: PostgresEngine, postgres_server: Server) -> None:
    async with engine.snapshot() as snapshot:
        await snapshot.catalog()
    run_sql(postgres_server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             f" WHERE datname = '{engine._provider.database}'")  # fmt: skip
    async with engine.snapshot() as snapshot:
        await snapshot.catalog()


async def test_r10_there_are_never_more_connections_than_configured(
    postgres_server: Server, postgres_database: str, chinook_postgres: str
) -> None:
    provider = postgres_provider(postgres_server, postgres_database, max_connections=2, databases=("chinook",))
    engine = PostgresEngine(provider)
    try:
        for database in (postgres_database, chinook_postgres, postgres_database, chinook_postgres):
            async with engine.snapshot(database) as one, engine.snapshot(postgres_database) as two:
                await one.catalog()
                await two.catalog()
                counting = (
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hfitd'"
                    f" AND datname IN ('{postgres_database}', '{chinook_postgres}')"
                )
                assert int(run_sql(postgres_server, counting)) <= 2
    finally:
        await engine.close()


async def test_a_table_locked_by_another_session_makes_busy(engine: PostgresEngine, postgres_server: Server) -> None:
    run_sql(postgres_server, "CREATE TABLE t (a int)", engine._provider.database)
    other = await asyncpg.connect(host=postgres_server.host, port=postgres_server.port, user=postgres_server.user,
                                  password=postgres_server.password, database=engine._provider.database)  # fmt: skip
    try:
        await other.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Busy):
            async with engine.snapshot() as snapshot:
                await snapshot.rows(query(text("SELECT a FROM public.t"), "a"), 1)
    finally:
        await other.close()


async def test_o09_a_dropped_table_is_a_changed_schema(engine: PostgresEngine, postgres_server: Server) -> None:
    for form in Format:
        with pytest.raises(SchemaChanged):
            async with engine.snapshot() as snapshot:
                await snapshot.render(query(text("SELECT a FROM public.gone"), "a"), form, Bytes())


# --- TLS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_s31_a_server_without_tls_is_not_spoken_to(
    postgres_server: Server, postgres_database: str, tls: str
) -> None:
    engine = PostgresEngine(postgres_provider(postgres_server, postgres_database, tls=tls))
    with pytest.raises(DbUnavailable):
        await engine.check()
    await engine.close()


async def test_tls_is_verified_as_the_provider_says(postgres_tls_server: Server, certificates: object) -> None:
    plain = postgres_provider(postgres_tls_server, "postgres")
    good = [replace(plain, tls="require"), replace(plain, tls="verify-full", tls_ca=postgres_tls_server.tls_ca)]
    for provider in good:
        engine = PostgresEngine(provider)
        async with engine.snapshot() as snapshot:
            secured = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert await snapshot.rows(query(secured, "ssl"), 1) == [("t",)]
        await engine.close()
    unknown = PostgresEngine(replace(plain, tls="verify-full"))
    with pytest.raises(DbUnavailable):
        await unknown.check()
    await unknown.close()


# --- roles -------------------------------------------------------------------------------------------------------

READER = """
CREATE ROLE {role} LOGIN PASSWORD 'reader-password';
CREATE TABLE seen (id int PRIMARY KEY, open text, hidden text UNIQUE, CHECK (hidden <> 'secret literal'));
CREATE TABLE unseen (id int PRIMARY KEY REFERENCES seen);
CREATE TABLE ruled (id int); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT SELECT (id, open) ON seen TO {role}; GRANT SELECT ON ruled TO {role};
"""


@pytest_asyncio.fixture
async def reader(postgres_server: Server, postgres_database: str) -> AsyncIterator[PostgresEngine]:
    """An engine whose role may read two columns of one table."""
    role = f"reader_{postgres_database}"
    run_sql(postgres_server, READER.format(role=role), postgres_database)
    provider = postgres_provider(postgres_server, postgres_database, user=role, password=Secret("reader-password"))
    made = PostgresEngine(provider)
    yield made
    await made.close()
    run_sql(postgres_server, f"DROP OWNED BY {role}; DROP ROLE {role};", postgres_database)


async def test_only_what_the_role_may_read_is_listed_as_readable(reader: PostgresEngine) -> None:
    async with reader.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    assert sorted(str(name) for name in catalog.tables) == ["public.ruled", "public.seen"]
    seen = catalog.tables[TableName("public", "seen")]
    assert [(column.name, column.readable) for column in seen.columns] == [
        ("id", True), ("open", True), ("hidden", False),
    ]  # fmt: skip
    assert [key.columns for key in seen.keys] == [("id",)]


async def test_rows_hidden_by_row_security_are_an_error_and_not_a_gap(reader: PostgresEngine) -> None:
    with pytest.raises(ExportRefused):
        async with reader.snapshot() as snapshot:
            await snapshot.rows(query(text("SELECT id FROM public.ruled"), "id"), 1)


async def test_check_finds_nothing_to_say_of_a_plain_reader(reader: PostgresEngine) -> None:
    report = await reader.check()
    assert (report.warnings, report.excess) == ((), ())


async def test_o13_check_names_every_power(reader: PostgresEngine, postgres_server: Server) -> None:
    role, database = reader._provider.user, reader._provider.database
    run_sql(postgres_server, f"ALTER ROLE {role} CREATEROLE; GRANT pg_read_server_files, pg_write_all_data TO {role};"
                             f" GRANT INSERT ON seen TO {role};", database)  # fmt: skip
    said = " ".join((await reader.check()).excess)
    for power in ("create roles", "pg_read_server_files", "pg_write_all_data", "write to"):
        assert power in said


async def test_o13_a_superuser_is_excess_and_createdb_is_a_warning(
    engine: PostgresEngine, reader: PostgresEngine, postgres_server: Server
) -> None:
    assert (await engine.check()).excess == ("the role is a superuser",)
    run_sql(postgres_server, f"ALTER ROLE {reader._provider.user} CREATEDB", reader._provider.database)
    report = await reader.check()
    assert (report.warnings, report.excess) == (("the role may create databases",), ())


@pytest.mark.parametrize(
    ("grant", "word"),
    [
        ("GRANT UPDATE (id) ON seen TO {role}", "write to 1 tables"),
        ("CREATE SCHEMA other; GRANT CREATE ON SCHEMA other TO {role}", "create objects in 1 schemas"),
        ("GRANT CREATE ON SCHEMA public TO {role}", "schema public"),
        ("GRANT CREATE ON DATABASE {database} TO {role}", "create schemas"),
        ("ALTER ROLE {role} REPLICATION", "replicate"),
        ("ALTER ROLE {role} BYPASSRLS", "row security"),
    ],
)
async def test_o13_one_power_too_many_is_excess(
    reader: PostgresEngine, postgres_server: Server, grant: str, word: str
) -> None:
    role, database = reader._provider.user, reader._provider.database
    run_sql(postgres_server, grant.format(role=role, database=database), database)
    (said,) = (await reader.check()).excess
    assert word in said


async def test_a_role_without_wal_functions_still_gets_a_position(
    reader: PostgresEngine, postgres_server: Server
) -> None:
    database = reader._provider.database
    async with reader.snapshot() as snapshot:
        assert "lsn=" in snapshot.position
    revoke = "REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC"
    run_sql(postgres_server, revoke.format("pg_current_wal_lsn(), pg_last_wal_replay_lsn()"), database)
    async with reader.snapshot() as snapshot:
        assert snapshot.position.startswith("snapshot=") and "lsn=" not in snapshot.position
        assert (await snapshot.catalog()).tables
    run_sql(postgres_server, revoke.format("txid_current_snapshot()"), database)
    async with reader.snapshot() as snapshot:
        assert snapshot.position.startswith("begun=")


async def test_a_primary_is_never_behind(postgres_server: Server, postgres_database: str) -> None:
    engine = PostgresEngine(postgres_provider(postgres_server, postgres_database, max_lag_seconds=0.001))
    assert (await engine.check()).engine == "postgresql"
    async with engine.snapshot() as snapshot:
        assert snapshot.position
    await engine.close()


async def test_a_wrong_password_is_unavailable_and_says_no_name(reader: PostgresEngine) -> None:
    wrong = PostgresEngine(replace(reader._provider, password=Secret("wrong")))
    with pytest.raises(LoginRefused) as caught:
        await wrong.check()
    await wrong.close()
    assert reader._provider.user not in str(caught.value)


async def test_databases_beside_the_providers_need_a_glob(
    postgres_server: Server, sakila_postgres: str, chinook_postgres: str
) -> None:
    engine = PostgresEngine(postgres_provider(postgres_server, chinook_postgres, databases=("sak*",)))
    try:
        assert await engine.databases() == ["chinook", "sakila"]
        async with engine.snapshot("sakila") as snapshot:
            assert TableName("public", "film") in (await snapshot.catalog()).tables
        with pytest.raises(NotFound):
            engine.snapshot("postgres")
    finally:
        await engine.close()


# --- DDL ---------------------------------------------------------------------------------------------------------

LEAKY = """
CREATE SCHEMA "Odd S"; CREATE TYPE "Odd S".rank AS ENUM ('topsecret one', 'topsecret two');
CREATE DOMAIN "Odd S".code AS text CHECK (VALUE <> 'topsecret domain');
CREATE TABLE person (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text DEFAULT 'topsecret@default' NOT NULL UNIQUE,
    r "Odd S".rank, c "Odd S".code, open text DEFAULT 'fine default', ungranted text DEFAULT 'topsecret u',
    short text GENERATED ALWAYS AS (CASE WHEN email = 'topsecret gen' THEN 'a' ELSE 'b' END) STORED,
    CHECK (email <> 'topsecret check'), CHECK (open <> 'fine check'), CHECK (ungranted <> open));
CREATE INDEX leaky ON person (open) WHERE email <> 'topsecret index';
CREATE INDEX fine ON person (open) WHERE open <> 'fine index';
CREATE INDEX hidden ON person (ungranted);
COMMENT ON TABLE person IS 'topsecret comment';
CREATE VIEW v AS SELECT id, open FROM person WHERE email = 'topsecret view';
CREATE TABLE p (k text, v int) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('topsecret bound');
"""


async def test_ddl_shows_no_literal_of_a_masked_or_ungranted_column(
    engine: PostgresEngine, postgres_server: Server
) -> None:
    run_sql(postgres_server, LEAKY, engine._provider.database)
    sink = Bytes()
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        relations = [
            relation(catalog, TableName("public", "person"), masked=["email", "r", "c"],
                     only=["id", "email", "r", "c", "open", "short"]),
            relation(catalog, TableName("public", "p"), masked=["k"]),
            relation(catalog, TableName("public", "v")),
        ]  # fmt: skip
        await snapshot.ddl(relations, DdlOptions(), sink)
    ddl = sink.data.decode()
    assert "topsecret" not in ddl
    assert "ungranted" not in ddl
    for shown in ("fine default", "fine check", "fine index", "ALWAYS AS IDENTITY", "UNIQUE (email)"):
        assert shown in ddl
    with fresh_database(postgres_server) as target:
        run_sql(postgres_server, ddl, target)


async def test_sequences_continue_where_they_stood(engine: PostgresEngine, postgres_server: Server) -> None:
    script = "CREATE TABLE t (id serial PRIMARY KEY, n bigint GENERATED BY DEFAULT AS IDENTITY);"
    script += "INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES;"
    run_sql(postgres_server, script, engine._provider.database)
    sink = Bytes()
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        await snapshot.ddl([relation(catalog, TableName("public", "t"))], DdlOptions(), sink)
    with fresh_database(postgres_server) as target:
        run_sql(postgres_server, sink.data, target)
        assert run_sql(postgres_server, "INSERT INTO t DEFAULT VALUES RETURNING id, n", target) == "3|3\n"


def test_passwords_never_show(tmp_path: Path, postgres_server: Server) -> None:
    assert postgres_server.password not in repr(postgres_provider(postgres_server, str(tmp_path)))
