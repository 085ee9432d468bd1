"""``hfit verify --target``: every kind of value, every kind of difference, little memory."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hfit.errors import TargetDiffers
from hfit.load.compare import Sides, find_difference
from hfit.load.interface import Cells
from hfitd.config.model import ProviderConfig
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed, Verify, provider_of, read_content

# column: type, value, another value that is near
POSTGRES = {
    "id": ("integer PRIMARY KEY", "1", ""),
    "f4": ("real", "0.1", "0.10000002"), "f8": ("double precision", "'NaN'", "'Infinity'"),
    "n": ("numeric", "1.50", "1.5"), "m": ("numeric(40, 20)", "1e-20", "2e-20"),
    "ts": ("timestamptz", "'2024-01-01 00:00:00+02'", "'2024-01-01 00:00:00.000001+02'"),
    "d": ("date", "'infinity'", "'-infinity'"), "i": ("interval", "'1 mon'", "'30 days'"),
    "j": ("json", """'{"a":1, "a":2}'""", """'{"a":2}'"""), "jb": ("jsonb", "'[1.0]'", "'[1.00]'"),
    "e": ("mood", "'ok'", "'Ok'"), "a": ("text[]", "ARRAY['x', NULL]", "ARRAY['x', 'NULL']"),
    "b": ("bytea", r"'\\x00ff'", r"'\\x00fe'"), "t": ("text", "''", "NULL"), "l": ("text", r"E'a\\tb'", r"'a\\tb'"),
    "u": ("boolean", "true", "false"), "r": ("int4range", "'[1,3)'", "'[1,4)'"),
}  # fmt: skip
MYSQL = {
    "id": ("integer PRIMARY KEY", "1", ""),
    "f4": ("float", "0.1", "0.10000002"), "f8": ("double", "0.1", "0.10000000000000002"),
    "n": ("decimal(30,10)", "1.5", "1.5000000001"),
    "ts": ("datetime(6)", "'2024-01-01'", "'2024-01-01 00:00:00.000001'"),
    "d": ("date", "'2024-02-29'", "'2024-03-01'"), "i": ("time", "'-800:00:00'", "'800:00:00'"),
    "j": ("json", """'{"a": 1}'""", """'{"a": 1.0}'"""), "e": ("enum('ok', 'no')", "'ok'", "'no'"),
    "s": ("set('a', 'b')", "'a'", "'a,b'"), "b": ("varbinary(9)", r"x'00ff'", r"x'00fe'"), "t": ("text", "''", "NULL"),
    "l": ("varchar(9)", "'a'", "'A'"), "y": ("year", "2024", "2025"), "k": ("bit(64)", "b'1'", "b'10'"),
    "u": ("bigint unsigned", "18446744073709551615", "18446744073709551614"), "z": ("int(5) zerofill", "7", "8"),
}  # fmt: skip
SQLITE = {
    "id": ("integer PRIMARY KEY", "1", ""),
    "f8": ("real", "0.1", "0.10000000000000002"), "n": ("", "1", "1.0"), "t": ("text", "''", "NULL"),
    "l": ("", "'1'", "1"), "b": ("blob", "x'00'", "x'01'"), "c": ("", "'a'", "x'61'"),
    "i": ("int", "9007199254740993", "9007199254740992"),
}  # fmt: skip


def table(columns: dict[str, tuple[str, str, str]], generated: str) -> str:
    listed = ", ".join(f"{name} {kind}" for name, (kind, _, _) in columns.items())
    return f"CREATE TABLE v ({listed}, made integer GENERATED ALWAYS AS ({generated}) STORED)"


def insert(columns: dict[str, tuple[str, str, str]]) -> str:
    return f"INSERT INTO v ({', '.join(columns)}) VALUES ({', '.join(value for _, value, _ in columns.values())})"


async def differences(
    columns: dict[str, tuple[str, str, str]], run: Callable[[str], object], verify: Callable[[], object]
) -> None:
    """Each column in turn gets its other value, is named, and gets its value again."""
    verify()
    for name, (_, value, other) in columns.items():
        if other:
            run(f"UPDATE v SET {name} = {other}")
            with pytest.raises(TargetDiffers, match=rf"v differs where id is 1: column {name} differs\."):
                verify()
            run(f"UPDATE v SET {name} = {value}")
    verify()


async def test_every_kind_of_value_of_postgres_is_compared_exactly(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load, verify: Verify
) -> None:
    with fresh_database(postgres_server) as source:
        mood = "CREATE TYPE mood AS ENUM ('ok', 'Ok')"
        run_sql(postgres_server, f"{mood}; {table(POSTGRES, 'id * 2')}; {insert(POSTGRES)}", source)
        path = packed(await read_content(provider_of(postgres_server, source)))
    url = postgres_server.url(postgres_database)
    load(path, url)
    await differences(POSTGRES, lambda sql: run_sql(postgres_server, sql, postgres_database), lambda: verify(path, url))


async def test_every_kind_of_value_of_mariadb_is_compared_exactly(
    mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load, verify: Verify
) -> None:
    with fresh_database(mariadb_server) as source:
        run_sql(mariadb_server, f"{table(MYSQL, 'id * 2')}; {insert(MYSQL)};", source)
        path = packed(await read_content(provider_of(mariadb_server, source)))
    url = mariadb_server.url(mariadb_database)
    load(path, url)
    await differences(MYSQL, lambda sql: run_sql(mariadb_server, sql, mariadb_database), lambda: verify(path, url))


async def test_every_kind_of_value_of_sqlite_is_compared_exactly(
    tmp_path: Path, packed: Packed, load: Load, verify: Verify
) -> None:
    def run(sql: str, name: str = "target.db") -> None:
        with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as connection:
            connection.execute(sql)

    for statement in (table(SQLITE, "id * 2"), insert(SQLITE)):
        run(statement, "source.db")
    path = packed(await read_content(ProviderConfig(name="shop", type="sqlite", path=tmp_path / "source.db")))
    url = f"sqlite:///{tmp_path}/target.db"
    load(path, url)
    await differences(SQLITE, run, lambda: verify(path, url))


def rows_of(*rows: tuple[str | None, ...]) -> list[Cells]:
    return [tuple(None if cell is None else cell.encode() for cell in row) for row in rows]


def sides(package: list[Cells], target: list[Cells], keys: tuple[int, ...] = (0,)) -> Sides:
    async def found() -> AsyncIterator[Cells]:
        for row in target:
            yield row

    return Sides(("id", "x", "y"), keys, lambda: iter(package), found, bytes.decode)


ROWS = rows_of(("1", "a", "b"), ("2", None, "c"), ("3", "", "c"))


async def test_rows_are_equal_in_any_order() -> None:
    assert await find_difference(sides(ROWS, ROWS[::-1])) is None
    assert await find_difference(sides([], [])) is None


@pytest.mark.parametrize(
    ("target", "key", "what"),
    [
        ([ROWS[0], ROWS[2]], "2", "the row is missing"),
        ([*ROWS, *rows_of(("9", "", ""))], "9", "the target has a row that the package does not have"),
        ([*ROWS, ROWS[1]], "2", "the package has 1 such rows, the target 2"),
        ([ROWS[0], *rows_of(("2", "", "c")), ROWS[2]], "2", "column x differs"),
        ([ROWS[0], *rows_of(("2", None, None), ("3", None, "d"))], "2", "column y differs"),
        (rows_of(("1", "ab", ""), *[("2", None, "c"), ("3", "", "c")]), "1", "column x differs"),
        ([], "1", "the row is missing"),
    ],
)
async def test_the_first_difference_is_named(target: list[Cells], key: str, what: str) -> None:
    found = await find_difference(sides(ROWS, target))
    assert found is not None
    assert (found.key, found.what) == (key, what)


async def test_equal_rows_without_a_key_are_counted() -> None:
    pair = [ROWS[0], ROWS[0], ROWS[1]]
    found = await find_difference(sides(pair, [ROWS[0], ROWS[1], ROWS[1]], (0, 1, 2)))
    assert found is not None
    assert (found.key, found.what) == ("1, a, b", "the package has 2 such rows, the target 1")


async def test_large_tables_take_little_memory_even_when_every_row_differs() -> None:
    count, size = 3000, 20_000

    def package() -> Iterator[Cells]:
        return ((b"%d" % number, b"x" * size, None) for number in range(count))

    async def target() -> AsyncIterator[Cells]:
        for number in range(count):
            yield (b"%d" % number, b"y" * size, None)

    tracemalloc.start()
    try:
        found = await find_difference(Sides(("id", "x", "y"), (0,), package, target, bytes.decode))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found is not None
    assert (found.key, found.what) == ("0", "column x differs")
    assert peak < 8 << 20 < count * size


def test_masked_values_are_compared_as_the_column_stores_them(
    postgres_server: Server, postgres_database: str, packed: Packed, load: Load, verify: Verify
) -> None:
    made = Content("postgresql", "shop")
    made.add_ddl("00.sql", b"CREATE TABLE p (id int PRIMARY KEY, code char(5), amount numeric(9,2), name text);\n")
    rows = b"1\tab\t7\tZo\xc3\xab\n2\tcd\t1.5\tx\n"
    made.add_rows("01.sql", b'COPY "public"."p" ("id", "code", "amount", "name") FROM stdin;\n' + rows + b"\\.\n",
                  "public.p", 2)  # fmt: skip
    made.details["01.sql"]["tables"][0]["masks"] = {"code": "text", "amount": "noise", "name": "person_name"}
    path, url = packed(made), postgres_server.url(postgres_database)
    load(path, url)
    assert verify(path, url) == {"public.p": 2}
    run_sql(postgres_server, "UPDATE p SET amount = 7.01 WHERE id = 1", postgres_database)
    with pytest.raises(TargetDiffers, match="where id is 1: column amount differs"):
        verify(path, url)
