"""Keys of every type find their rows, both ways, and are written by their own operators and collations."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hfitd.config.model import ProviderConfig
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world

POSTGRES = [
    ("public.citext", "'Ab''\\c'", "'aB''\\C'"),
    ("text COLLATE public.nocase", "'ÄB'", "'äb'"),
    ("char(5)", "'ab'", "'ab   '"),
    ("varchar(5)", "'{\"a,'", "'{\"a,'"),
    ("numeric(12,4)", "1.5", "1.5000"),
    ("numeric", "'NaN'", "'NaN'"),
    ("double precision", "0.1", "0.1"),
    ("real", "1.1", "1.1"),
    ("uuid", "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"),
    ("bytea", "'\\x00ff5c22'", "'\\x00ff5c22'"),
    ("timestamptz", "'2024-01-01 00:00:00.1+00'", "'2024-01-01 02:00:00.1+02'"),
    ("timestamp", "'infinity'", "'infinity'"),
    ("date", "'0044-03-15 BC'", "'0044-03-15 BC'"),
    ("interval", "'1 day'", "'24 hours'"),
    ("public.mood", "'sad \"'", "'sad \"'"),
    ("boolean", "true", "true"),
    ("inet", "'10.0.0.1/8'", "'10.0.0.1/8'"),
    ("jsonb", "'{\"a\": 1}'", "'{\"a\": 1.0}'"),
    ("int4range", "'[1,3]'", "'[1,4)'"),
    ("bit(3)", "B'101'", "B'101'"),
    ("text[]", "ARRAY['a,\"', NULL, '\\']", "ARRAY['a,\"', NULL, '\\']"),
    ("public.posint", "7", "7"),
    ("public.pair", "ROW(1, 'x,\"')", "ROW(1, 'x,\"')"),
    ("\"char\"", "'x'", "'x'"),
    ("bigint", "-9223372036854775808", "-9223372036854775808"),
]  # fmt: skip
MARIADB = [
    ("varchar(20) COLLATE utf8mb4_general_ci", "'Käse'", "'KÄSE  '"),
    ("varchar(20) COLLATE utf8mb4_bin", "'Käse'", "'Käse'"),
    ("char(6) CHARACTER SET latin1", "'Käse'", "'käse'"),
    ("varbinary(9)", "X'00FF5C27'", "X'00FF5C27'"),
    ("binary(4)", "X'00FF'", "X'00FF'"),
    ("decimal(20,4)", "1.5", "1.5000"),
    ("double", "0.1", "0.1"),
    ("bigint unsigned", "18446744073709551615", "18446744073709551615"),
    ("int(6) zerofill", "42", "42"),
    ("datetime(6)", "'2024-01-01 00:00:00.1'", "'2024-01-01 00:00:00.1'"),
    ("timestamp", "'2024-01-01 00:00:01'", "'2024-01-01 00:00:01'"),
    ("date", "'2024-02-29'", "'2024-02-29'"),
    ("time(3)", "'-838:59:59.5'", "'-838:59:59.5'"),
    ("year", "2024", "2024"),
    ("bit(9)", "b'101'", "b'101'"),
    ("enum('a''b','c')", "'a''b'", "'a''b'"),
    ("set('x','y')", "'x,y'", "'x,y'"),
    ("uuid", "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'"),
    ("inet6", "'::1'", "'::1'"),
]
HEAD = """
CREATE EXTENSION citext;
CREATE COLLATION public.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE public.mood AS ENUM ('sad "', 'ok');
CREATE DOMAIN public.posint AS integer CHECK (VALUE > 0);
CREATE TYPE public.pair AS (a integer, b text);
"""


def tables(number: int, sort: str, parent: str, child: str) -> str:
    """A parent by this key alone, one by it and a number, and their children."""
    return f"""
    CREATE TABLE p{number} (k {sort} NOT NULL, PRIMARY KEY (k));
    CREATE TABLE q{number} (n int NOT NULL, k {sort} NOT NULL, UNIQUE (n, k));
    CREATE TABLE c{number} (id int PRIMARY KEY, k {sort}, n int,
        FOREIGN KEY (k) REFERENCES p{number} (k), FOREIGN KEY (n, k) REFERENCES q{number} (n, k));
    INSERT INTO p{number} VALUES ({parent});
    INSERT INTO q{number} VALUES (1, {parent}), (2, {parent});
    INSERT INTO c{number} VALUES (1, {child}, 1), (2, {child}, NULL), (3, NULL, NULL);
    """


async def assert_found(world: SubsetWorld, number: int) -> None:
    """Up from the children, down from the parents, and the file holds the rows."""
    up = await world.run((f"c{number}", ""), children="none")
    assert sorted(up.rows.values()) == [1, 1, 3] and up.detail("dangling") == []
    down = await world.run((f"p{number}", ""))
    assert sorted(down.rows.values()) == [1, 1, 2]
    aside = await world.run((f"q{number}", "n = 1"))
    assert sorted(aside.rows.values()) == [1, 1, 1]
    for result in (up, down, aside):
        assert result.built.rows == sum(len(keys) for keys in result.keys.values())


async def test_keys_of_every_type_find_their_rows_on_postgresql(
    postgres_server: Server, postgres_database: str
) -> None:
    script = "".join(tables(n, *given) for n, given in enumerate(POSTGRES))
    run_sql(postgres_server, HEAD + script, postgres_database)
    async with subset_world(server_provider(postgres_server, postgres_database)) as world:
        for number, (sort, *_) in enumerate(POSTGRES):
            try:
                await assert_found(world, number)
            except Exception as error:
                raise AssertionError(f"{sort}: {error}") from error


async def test_keys_of_every_type_find_their_rows_on_mariadb(mariadb_server: Server, mariadb_database: str) -> None:
    script = "".join(tables(n, *given) for n, given in enumerate(MARIADB))
    run_sql(mariadb_server, script, mariadb_database)
    async with subset_world(server_provider(mariadb_server, mariadb_database)) as world:
        for number, (sort, *_) in enumerate(MARIADB):
            try:
                await assert_found(world, number)
            except Exception as error:
                raise AssertionError(f"{sort}: {error}") from error


SQLITE = [
    ("TEXT COLLATE NOCASE", "'Ab'", "'aB'"),
    ("TEXT", "'42'", "42"),
    ("INTEGER", "42", "'42'"),
    ("REAL", "0.1", "0.1"),
    ("NUMERIC", "1.5", "'1.50'"),
    ("BLOB", "X'00FF27'", "X'00FF27'"),
    ("", "'a'", "'a'"),
    ("", "7", "7"),
]


@pytest.mark.parametrize("number", range(len(SQLITE)))
async def test_keys_of_every_affinity_find_their_rows_on_sqlite(tmp_path: Path, number: int) -> None:
    database = sqlite3.connect(tmp_path / "keys.db")
    database.executescript(tables(number, *SQLITE[number]))
    database.close()
    provider = ProviderConfig(name="src", type="sqlite", database="main", path=tmp_path / "keys.db")
    async with subset_world(provider) as world:
        await assert_found(world, number)


async def test_a_root_is_found_and_written_by_the_operator_of_an_extension(
    postgres_server: Server, postgres_database: str
) -> None:
    script = "CREATE EXTENSION citext; CREATE TABLE w (mail citext PRIMARY KEY, n int);"
    run_sql(postgres_server, f"{script} INSERT INTO w VALUES ('A@b.c', 1), ('d@e.f', 2);", postgres_database)
    async with subset_world(server_provider(postgres_server, postgres_database)) as world:
        result = await world.run(("w", "mail = 'a@B.C'"))
    assert result.keys == {"public.w": [("A@b.c",)]} and b"A@b.c\t1" in result.script
