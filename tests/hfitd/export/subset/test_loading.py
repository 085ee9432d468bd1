"""The file of a subset loads with the engines' own clients, whatever refers to whatever."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hfitd.config.model import ProviderConfig
from tests.live.databases import create_database, drop_database, fresh_database, run_sql
from tests.live.servers import Server, find_binary
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world

OWNER = "hfit_subset_owner"
EMPTY = """
SELECT format('TRUNCATE %s RESTART IDENTITY', string_agg(c.oid::regclass::text, ', ')) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information)'
\\gexec
"""
STATE = """
SELECT conrelid::regclass, conname, condeferrable, condeferred, convalidated FROM pg_constraint WHERE contype = 'f'
ORDER BY conrelid::regclass::text, 2;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text, 2;
"""
REFERENCES = """
SELECT format('SELECT count(*) FROM ONLY %s c WHERE %s AND NOT EXISTS (SELECT FROM %s p WHERE %s)',
    k.conrelid::regclass,
    string_agg(format('c.%I IS NOT NULL', a.attname), ' AND '), k.confrelid::regclass,
    string_agg(format('p.%I OPERATOR(%I.=) c.%I', b.attname, n.nspname, a.attname), ' AND '))
FROM pg_constraint k CROSS JOIN unnest(k.conkey, k.confkey, k.conpfeqop) AS u (here, there, operator)
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.here
JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.there
JOIN pg_operator o ON o.oid = u.operator JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE k.contype = 'f' AND k.conname <> 'legacy_fk' AND k.conparentid = 0 GROUP BY k.oid \\gexec
"""


def dump_schema(server: Server, database: str) -> str:
    """``pg_dump --schema-only``, without what only a superuser may do."""
    program = find_binary("pg_dump", "HFIT_TEST_PG_BIN", "postgresql-client")
    done = subprocess.run(
        [
            str(program), "--schema-only", "--no-owner", "--no-privileges", "--no-comments", "-h", server.host,
            "-p", str(server.port), "-U", server.user, database,
        ],
        env={**os.environ, "PGPASSWORD": server.password}, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.fixture(scope="session")
def owned_database(postgres_server: Server, nasty_postgres: str) -> Iterator[tuple[Server, str]]:
    """The torture set's tables, empty, in a database of a role that is nothing but their owner."""
    name = create_database(postgres_server)
    run_sql(postgres_server, f"CREATE ROLE {OWNER} LOGIN PASSWORD 'p'; ALTER DATABASE {name} OWNER TO {OWNER};")
    run_sql(postgres_server, "GRANT ALL ON SCHEMA public TO PUBLIC;", name)
    schema = dump_schema(postgres_server, nasty_postgres)
    extensions = [line for line in schema.splitlines() if line.startswith("CREATE EXTENSION")]
    run_sql(postgres_server, "\n".join(extensions), name)
    role = replace(postgres_server, user=OWNER, password="p")
    run_sql(role, schema, name)
    try:
        yield role, name
    finally:
        drop_database(postgres_server, name)
        run_sql(postgres_server, f"DROP OWNED BY {OWNER}; DROP ROLE {OWNER};")


@pytest.fixture
def owned(owned_database: tuple[Server, str]) -> tuple[Server, str]:
    """The same, emptied."""
    run_sql(owned_database[0], EMPTY, owned_database[1])
    return owned_database


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("nasty.site", "site_id = 2"),
        ("nasty.customer", "customer_id = 10"),
        ("nasty.ring_a", "id = 2"),
        ("nasty.twin_a", "id = 2"),
        ("nasty.payment", "payment_id = 901"),
        ("nasty.tenant_user", "tenant_id = 7"),
        ("nasty.hub", "id = 1"),
        ("nasty.chain", "id = 1"),
        ("nasty.legacy_orphan", ""),
        ("nasty_pgonly.sale", ""),
        ("nasty_pgonly.odd_pk", ""),
        ("nasty_pgonly.gen_mid", ""),
        ("nasty_pgonly.ident_always", ""),
        ("nasty_pgonly.base", ""),
        ("nasty_types.t_ext", ""),
        ("nasty_pgonly.trig_target", ""),
    ],
)
async def test_an_ordinary_owner_loads_a_subset_with_psql(
    owned: tuple[Server, str], nasty_pg: SubsetWorld, table: str, where: str
) -> None:
    role, name = owned
    before = run_sql(role, STATE, name)
    result = await nasty_pg.run((table, where))
    run_sql(role, result.script, name)
    for entry in result.built.tables:
        schema, _, bare = entry.table.partition(".")
        quoted = bare.replace('"', '""')
        count = run_sql(role, f'SELECT count(*) FROM ONLY "{schema}"."{quoted}"', name)
        whole = run_sql(role, f'SELECT count(*) FROM "{schema}"."{quoted}"', name)
        assert entry.rows in (int(count), int(whole)), entry.table
    assert run_sql(role, STATE, name) == before
    assert set(run_sql(role, REFERENCES, name).split()) == {"0"}


async def test_counters_go_on_after_the_loaded_values(owned: tuple[Server, str], nasty_pg: SubsetWorld) -> None:
    role, name = owned
    result = await nasty_pg.run(("nasty_pgonly.ident_always", ""), children="none")
    run_sql(role, result.script, name)
    run_sql(role, "INSERT INTO nasty_pgonly.ident_always (v) VALUES ('next');", name)
    assert run_sql(role, "SELECT id FROM nasty_pgonly.ident_always WHERE v = 'next';", name) == "110\n"


async def test_a_damaged_file_leaves_the_target_as_it_was(owned: tuple[Server, str], nasty_pg: SubsetWorld) -> None:
    role, name = owned
    before = run_sql(role, STATE, name)
    result = await nasty_pg.run(("nasty.order", "id = 1000"))
    broken = result.script.replace(b"COMMIT;", b"SELECT 1/0;\nCOMMIT;")
    with pytest.raises(AssertionError):
        run_sql(role, broken, name)
    assert run_sql(role, STATE, name) == before
    assert run_sql(role, 'SELECT count(*) FROM nasty."order";', name) == "0\n"


def schema_of(server: Server, database: str) -> bytes:
    """``mariadb-dump`` of the tables alone."""
    program = find_binary("mariadb-dump", "HFIT_TEST_MYSQL_BIN", "mariadb-client")
    done = subprocess.run(
        [
            str(program), "--no-defaults", "--protocol=tcp", f"--host={server.host}", f"--port={server.port}",
            f"--user={server.user}", "--default-character-set=utf8mb4", "--no-data", database,
        ],
        env={**os.environ, "MYSQL_PWD": server.password}, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


MARIADB_REFERENCES = """
SELECT CONCAT('SELECT COUNT(*) FROM `', table_name, '` c WHERE ',
    GROUP_CONCAT(CONCAT('c.`', REPLACE(column_name, '`', '``'), '` IS NOT NULL') SEPARATOR ' AND '),
    ' AND NOT EXISTS (SELECT 1 FROM `', referenced_table_name, '` p WHERE ',
    GROUP_CONCAT(CONCAT('p.`', REPLACE(referenced_column_name, '`', '``'), '` = c.`',
        REPLACE(column_name, '`', '``'), '`') SEPARATOR ' AND '), ');')
FROM information_schema.key_column_usage
WHERE referenced_table_name IS NOT NULL AND table_schema = DATABASE() AND table_name <> 'legacy_orphan'
GROUP BY table_name, constraint_name;
"""


@pytest.mark.parametrize(
    ("table", "where"),
    [("site", "site_id = 2"), ("customer", "customer_id = 10"), ("ring_a", "id = 2"), ("hub", "id = 1"),
     ("payment", "payment_id = 901"), ("legacy_orphan", "")],
)  # fmt: skip
async def test_a_subset_loads_with_the_mariadb_client(
    mariadb_server: Server, nasty_mariadb: str, table: str, where: str
) -> None:
    provider = server_provider(mariadb_server, nasty_mariadb)  # this database alone, so names are bare
    async with subset_world(provider) as world:
        result = await world.run((table, where))
    with fresh_database(mariadb_server) as name:
        run_sql(mariadb_server, schema_of(mariadb_server, nasty_mariadb), name)
        run_sql(mariadb_server, result.script, name)
        for entry in result.built.tables:
            quoted = entry.table.partition(".")[2].replace("`", "``")
            assert run_sql(mariadb_server, f"SELECT COUNT(*) FROM `{quoted}`", name) == f"{entry.rows}\n"
        checks = run_sql(mariadb_server, f"SET group_concat_max_len = 100000; {MARIADB_REFERENCES}", name)
        assert set(run_sql(mariadb_server, checks, name).split()) == {"0"}


async def test_a_subset_loads_into_sqlite_and_every_reference_holds(chinook_sqlite: Path, tmp_path: Path) -> None:
    provider = ProviderConfig(name="src", type="sqlite", database="main", path=chinook_sqlite)
    async with subset_world(provider) as world:
        result = await world.run(("Customer", "CustomerId = 1"))
    source, target = sqlite3.connect(chinook_sqlite), sqlite3.connect(tmp_path / "target.db")
    made = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
    for (statement,) in source.execute(made):
        target.execute(statement)
    target.executescript(result.script.decode())
    assert target.execute("PRAGMA foreign_key_check").fetchall() == []
    for entry in result.built.tables:
        name = entry.table.partition(".")[2]
        assert target.execute(f'SELECT count(*) FROM "{name}"').fetchone() == (entry.rows,)
    source.close()
    target.close()
