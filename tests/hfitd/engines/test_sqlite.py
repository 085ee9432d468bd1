"""SQLite files: read-only in every way, and every stored value comes back as it was stored."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import DdlOptions, Format, Output, Select
from hfitd.engines.sqlite import SqliteEngine
from hfitd.engines.sqlite_dialect import SqliteDialect, bound
from hfitd.engines.sqlite_values import Reals, cells_of, literal_of
from hfitd.engines.sqlite_values import Text as TextCell
from hfitd.errors import DbUnavailable, NotFound, ParamInvalid, SqlRefused
from hfitd.model import Kind, MaskedColumn, MaskRule, Relation, TableName
from hfitd.sql import Bind, text
from tests.support.sqlite_world import run_script


class Collected:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


def engine_of(path: Path, **changes: Any) -> SqliteEngine:
    return SqliteEngine(ProviderConfig(name="s", type="sqlite", database="main", path=path, **changes))


def plain(words: str, *names: str) -> Select:
    return Select(text(words), tuple(map(Output, names or ("a",))))


async def dump(engine: SqliteEngine, option: str = "") -> bytes:
    """DDL and rows of every table."""
    out, dialect = Collected(), engine.dialect
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        relations = [
            Relation("s", table, tuple(map(MaskedColumn, table.columns)))
            for table in catalog.tables.values()
            if table.kind == "table"
        ]
        await snapshot.ddl(relations, DdlOptions(option), out)
        for relation in relations:
            name = relation.table.name
            listed = ", ".join(dialect.identifier(item.column.name) for item in relation.columns)
            place = dialect.qualified("main", name.name)
            sql = text(f"SELECT {listed} FROM {place} ORDER BY ") + dialect.row_order(relation)
            outputs = tuple(Output(item.column.name, None, item.column) for item in relation.columns)
            await snapshot.render(Select(sql, outputs, dialect.identifier(name.name)), Format.SQL, out)
    return out.data


async def test_chinook_survives_the_ordinary_shell(chinook_sqlite: Path, tmp_path: Path) -> None:
    script = await dump(engine_of(chinook_sqlite))
    copy = tmp_path / "copy.db"
    with (
        contextlib.closing(sqlite3.connect(copy)) as target,
        contextlib.closing(sqlite3.connect(chinook_sqlite)) as old,
    ):
        target.executescript(script.decode())
        assert sorted(target.iterdump()) == sorted(old.iterdump())
    if shell := shutil.which("sqlite3"):
        by_shell = tmp_path / "shell.db"
        subprocess.run([shell, "-bail", str(by_shell)], input=script, check=True)
        with (
            contextlib.closing(sqlite3.connect(by_shell)) as loaded,
            contextlib.closing(sqlite3.connect(copy)) as other,
        ):
            assert list(loaded.iterdump()) == list(other.iterdump())


ODD = """
CREATE TABLE v (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT COLLATE NOCASE DEFAULT 'it''s' /* no; ) */,
    c AS (id * 2) STORED, d AS (id * 3)); -- end
CREATE TABLE w (k TEXT PRIMARY KEY, "x""y" REAL) WITHOUT ROWID, STRICT;
CREATE INDEX "i ""x" ON v (b) WHERE a IS NOT NULL;
CREATE VIEW seen AS SELECT id FROM v;
INSERT INTO v (id, a, b) VALUES (1, 1, 'x'), (2, 1.0, 'X'), (3, '1', NULL), (4, x'31', char(0)||'n'), (5, NULL, ''),
    (6, 9e999, char(13)||char(10)), (7, -9e999, 'line'||char(10)||'.quit'), (8, 0.1, cast(x'ff00' as text)),
    (9, -9223372036854775808, '/'), (10, 5e-324, 'go'), (11, 1.7976931348623157e308, '`"[]'),
    (12, 0.30000000000000004, '');
DELETE FROM v WHERE id = 12;
INSERT INTO w VALUES ('a', 1e15), ('B', 123456789.123456789);
"""
TYPES = """SELECT id, typeof(a), quote(a), typeof(b), hex(b), c, d FROM v
UNION ALL SELECT 0, k, "x""y", 0, 0, 0, 0 FROM w ORDER BY 1, 2"""


async def test_every_storage_class_survives(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    run_script(path, ODD)
    engine = engine_of(path)
    for option in ("", "ifnotexists", "dropcreate"):
        script = await dump(engine, option)
        assert b"no; )" not in script, "comments stay behind"
        with contextlib.closing(sqlite3.connect(path)) as old, contextlib.closing(sqlite3.connect(":memory:")) as new:
            new.executescript(script.decode())
            assert new.execute(TYPES).fetchall() == old.execute(TYPES).fetchall()
            assert new.execute("SELECT seq FROM sqlite_sequence").fetchall() == [(12,)]
            new.execute("INSERT INTO v (a) VALUES (0)")
            assert new.execute("SELECT max(id) FROM v").fetchone() == (13,)


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=40),
)


@settings(max_examples=500, deadline=None)
@given(value=VALUES)
def test_a_literal_stores_what_was_stored(value: Any) -> None:
    with Reals() as reals, contextlib.closing(sqlite3.connect(":memory:")) as connection:
        stored = TextCell(value.encode()) if isinstance(value, str) else value
        (cell,) = cells_of((stored,))
        words = "NULL" if cell is None else literal_of(Kind.TEXT, reals)(cell).decode()
        (found,) = connection.execute(f"SELECT {words}").fetchone()
    assert type(found) is type(value)
    assert found == value
    if isinstance(value, float):
        assert math.copysign(1, found) == math.copysign(1, value)


@pytest.mark.parametrize(
    "words",
    [
        "SELECT name FROM sqlite_schema", "SELECT sql FROM main.sqlite_master", "SELECT * FROM pragma_table_list",
        "SELECT load_extension('x')", "SELECT randomblob(9)", "SELECT zeroblob(9)", "SELECT printf('%d', 1)",
        "SELECT readfile('/etc/passwd')", "PRAGMA user_version", "ATTACH 'x.db' AS x", "INSERT INTO t VALUES (2)",
        "DELETE FROM t RETURNING a", "CREATE TABLE u (a)", "SELECT 1; SELECT 2", "COMMIT", "VACUUM INTO 'x.db'",
        "SELECT * FROM json_each('[1]')", "SELECT sqlite_version()",
    ],
)  # fmt: skip
async def test_s08_s16_s20_only_reading_of_ordinary_tables_is_let_through(tmp_path: Path, words: str) -> None:
    path = tmp_path / "t.db"
    run_script(path, "CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    engine = engine_of(path)
    async with engine.snapshot() as snapshot:
        with pytest.raises(SqlRefused):
            await snapshot.rows(plain(words), 5)
        assert await snapshot.rows(plain("SELECT a FROM t"), 5) == [("1",)]
    assert [item.name for item in tmp_path.iterdir()] == ["t.db"]


async def test_a_missing_file_is_unavailable_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "absent.db"
    with pytest.raises(DbUnavailable) as caught:
        await engine_of(path).check()
    assert "absent" not in str(caught.value)
    assert not path.exists()
    (tmp_path / "text.db").write_text("this is no database, but long enough to be looked at" * 20)
    with pytest.raises(DbUnavailable):
        await engine_of(tmp_path / "text.db").check()
    with pytest.raises(NotFound):
        async with engine_of(path).snapshot("temp"):
            raise AssertionError


async def test_ddl_of_masked_and_hidden_columns_is_made_from_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    run_script(
        path,
        "CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT);"
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL DEFAULT 'boss@x' UNIQUE,"
        " n INT DEFAULT 3, secret TEXT, p_id INT REFERENCES p, CHECK (email <> 'ceo@x'));",
    )
    out = Collected()
    async with engine_of(path).snapshot() as snapshot:
        catalog = await snapshot.catalog()
        table, parent = catalog.tables[TableName("main", "t")], catalog.tables[TableName("main", "p")]
        columns = tuple(
            MaskedColumn(column, MaskRule("hash") if column.name == "email" else None)
            for column in table.columns
            if column.name != "secret"
        )
        relations = [Relation("s", table, columns), Relation("s", parent, tuple(map(MaskedColumn, parent.columns)))]
        await snapshot.ddl(relations, DdlOptions(), out)
    for leak in (b"boss", b"ceo", b"secret"):
        assert leak not in out.data
    with contextlib.closing(sqlite3.connect(":memory:")) as made:
        made.executescript(out.data.decode())
        assert [row[1] for row in made.execute("PRAGMA table_info(t)")] == ["id", "email", "n", "p_id"]
        assert made.execute('SELECT "table", "to" FROM pragma_foreign_key_list(\'t\')').fetchall() == [("p", "id")]
        assert len(made.execute("PRAGMA index_list(t)").fetchall()) == 1


async def test_s27_the_fence_keeps_conditions_away_from_hidden_rows(tmp_path: Path) -> None:
    """``abs`` of the smallest integer overflows; the hidden row holds it."""
    path = tmp_path / "t.db"
    run_script(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT);"
                     "INSERT INTO t VALUES (1, 1), (7, -9223372036854775808);")  # fmt: skip
    engine = engine_of(path)
    condition = "WHERE abs(n) >= 0"
    async with engine.snapshot() as snapshot:
        fenced = f"SELECT id FROM (SELECT id, n FROM t WHERE id <> 7{engine.dialect.fence}) AS q {condition}"
        assert await snapshot.rows(plain(fenced), 5) == [("1",)]


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.characters(min_codepoint=1, blacklist_categories=("Cs",)), min_size=1, max_size=60))
def test_s19_every_name_comes_back(name: str) -> None:
    assume(name.lower() not in ("true", "false"))  # SQLite renames such a column of a derived table
    quoted = SqliteDialect().identifier(name)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t ({quoted} INT)")
        cursor = connection.execute(f"SELECT q.{quoted} FROM (SELECT {quoted} FROM t) AS q")
        assert cursor.description[0][0] == name


def test_names_fold_ascii_letters_only() -> None:
    dialect = SqliteDialect()
    assert dialect.same_name("Café", "cafÉ") is False
    assert dialect.same_name("Order", "oRDER")


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [("5", "INTEGER", 5), ("5", "NUMERIC(9,2)", 5), ("0.5", "REAL", 0.5), ("t", "BOOLEAN", 1), ("eA==", "BLOB", b"x"),
     ("5", "TEXT", "5"), ("5", None, "5"), (None, "INTEGER", None)],
)  # fmt: skip
def test_a_bind_has_the_class_of_its_column(value: str | None, declared: str | None, expected: object) -> None:
    found = bound(Bind(value, declared))
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(("value", "declared"), [("9223372036854775808", "INTEGER"), ("x", "REAL"), ("1e999", "REAL"),
                                                 ("!", "BLOB"), ("2", "BOOLEAN"), ("\ud800", "TEXT")])  # fmt: skip
def test_s32_what_the_type_cannot_take_is_refused(value: str, declared: str) -> None:
    with pytest.raises(ParamInvalid, match="label"):
        bound(Bind(value, declared, "label"))


async def test_a_slow_query_leaves_the_loop_free(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    run_script(path, "CREATE TABLE t (a);")
    words = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000000) SELECT count(*) FROM n"
    ticks = 0
    async with engine_of(path).snapshot() as snapshot:
        query = asyncio.create_task(snapshot.rows(plain(words), 1))
        while not query.done():
            ticks += 1
            await asyncio.sleep(0.001)
    assert await query == [("2000000",)]
    assert ticks > 10
