"""Names, literals and binds mean the same to the server as to us, under every setting of its session."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.engines.interface import Output, Select
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.mysql_binds import compose, spell
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.errors import ParamInvalid
from hfitd.sql import Bind, bind, text
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.mysql_world import mysql_provider

DIALECT = MysqlDialect()
MODES = ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT"]
PLANE = st.characters(min_codepoint=1, max_codepoint=0xFFFF, blacklist_categories=("Cs",))


@pytest.fixture(scope="module")
def raw(mariadb_server: Server) -> Iterator[Any]:
    """A plain driver connection, for what the server makes of our words."""
    connection = pymysql.connect(
        host=mariadb_server.host, port=mariadb_server.port, user=mariadb_server.user, charset="utf8mb4",
        password=mariadb_server.password,
    )  # fmt: skip
    try:
        yield connection
    finally:
        connection.close()


def ask(connection: Any, words: str) -> tuple[list[tuple[Any, ...]], list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(words)
        return list(cursor.fetchall()), [column[0] for column in cursor.description]


@settings(max_examples=200, deadline=None)
@given(name=st.text(PLANE, min_size=1, max_size=60))
def test_s19_every_name_comes_back(raw: Any, name: str) -> None:
    try:
        quoted = DIALECT.identifier(name)
    except ValueError:
        assert name[-1] in " \t\n\r\v\f"
        return
    with raw.cursor() as cursor:
        cursor.execute(f"SET sql_mode='{MODES[len(name) % len(MODES)]}'")
        cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE mysql.named ({quoted} int) ENGINE=MEMORY")
    assert ask(raw, "SELECT * FROM mysql.named")[1] == [name]
    assert ask(raw, f"SELECT q.{quoted} FROM mysql.named AS q")[1] == [name]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=60, deadline=None)
@given(value=st.text(st.characters(blacklist_categories=("Cs",)), max_size=80))
def test_s17_every_text_comes_back_under_every_mode(raw: Any, mode: str, value: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(f"SET sql_mode='{mode}'")
    typed = spell(Bind(value, "varchar(80)"))
    rows, _ = ask(raw, f"SELECT {DIALECT.literal(value)}, {typed}")
    assert rows == [(value, value)]


@pytest.mark.parametrize("charset", ["gbk", "latin1", "sjis", "big5", "utf8mb4"])
def test_s18_no_client_character_set_breaks_a_value(raw: Any, charset: str) -> None:
    """Text stands as hexadecimal digits, so there is no byte for a character set to swallow."""
    for value in ("\xbf' or 1=1 -- ", "\u7e57' or 1=1 -- ", "¿\\' or 1=1 -- "):
        with raw.cursor() as cursor:
            cursor.execute(f"SET NAMES {charset}")
        try:
            condition = compose(text("'a' = ") + bind(value, None, "v"))
            assert ask(raw, f"SELECT count(*) FROM (SELECT 1) AS q WHERE {condition}")[0] == [(0,)]
        finally:
            with raw.cursor() as cursor:
                cursor.execute("SET NAMES utf8mb4")


@pytest.mark.parametrize(
    ("value", "type_name", "spelt"),
    [
        ("42", "int(11)", "42"),
        ("-1", "bigint(20)", "-1"),
        ("18446744073709551615", "bigint(20) unsigned", "18446744073709551615"),
        ("1.50", "decimal(12,2)", "1.50"),
        ("1e3", "double", "1e3"),
        ("0.1", "float", "0.10000000149011612e0"),
        ("true", "boolean", "1"),
        ("2024-02-29", "date", "'2024-02-29'"),
        ("0000-00-00", "date", "'0000-00-00'"),
        ("2024-02-29T23:59:59.5Z", "datetime(6)", "'2024-02-29 23:59:59.5'"),
        ("-838:59:59", "time", "'-838:59:59'"),
        (base64.b64encode(b"\x00'").decode(), "varbinary(10)", "X'0027'"),
        ("a'b", "varchar(10)", "_utf8mb4 X'612762'"),
        ("x", None, "_utf8mb4 X'78'"),
        (None, "int(11)", "NULL"),
    ],
)
def test_a_bind_is_spelt_by_its_type(value: str | None, type_name: str | None, spelt: str) -> None:
    assert spell(Bind(value, type_name)) == spelt


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        ("1 OR 1=1", "int(11)"), ("0x10", "int(11)"), ("1e400", "double"), ("NaN", "double"), ("-1", "int unsigned"),
        ("128", "tinyint(4)"), ("18446744073709551616", "bigint unsigned"), ("１", "int(11)"),
        ("1" * 66, "decimal(65,0)"),
        ("2024-02-30", "date"), ("2024-1-1", "date"), ("2024-01-01 25:00:00", "datetime"), ("10:00+02:00", "time"),
        ("2024-01-01T00:00:00+02:00", "timestamp"), ("not base64!", "blob"), ("maybe", "boolean"), ("1'", "time"),
        ("\ud800", "text"), ("nul\0", None), ("zzz", "uuid"),
    ],
)  # fmt: skip
def test_s32_what_the_type_cannot_take_is_refused_by_name(value: str, type_name: str | None) -> None:
    with pytest.raises(ParamInvalid) as caught:
        spell(Bind(value, type_name, "customer_id"))
    assert "customer_id" in caught.value.message
    assert value not in caught.value.message


@pytest.mark.parametrize("value", [{"a": 1}, [1], True, 1.5, b"x"])
def test_s32_a_value_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ParamInvalid):
        spell(Bind(value, "int(11)", "customer_id"))


async def test_a_bound_text_lets_the_server_use_its_index(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(
        mariadb_server,
        "CREATE TABLE t (id int PRIMARY KEY, l varchar(20) CHARACTER SET latin1, b varbinary(20), d date,"
        " KEY (l), KEY (b), KEY (d));"
        "INSERT INTO t SELECT seq, concat('ä', seq), seq, '2024-01-01' + INTERVAL seq DAY FROM seq_1_to_500;",
        mariadb_database,
    )
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    wanted = [("l", "ä7", "varchar(20)"), ("b", base64.b64encode(b"7").decode(), "varbinary(20)"),
              ("d", "2024-01-08", "date"), ("id", "7", "int(11)")]  # fmt: skip
    async with engine.snapshot() as snapshot:
        for column, value, type_name in wanted:
            select = Select(text(f"SELECT id FROM t WHERE `{column}` = ") + bind(value, type_name), (Output("id"),))
            assert await snapshot.rows(select, 5) == [("7",)]
            assert (await snapshot.estimate(select)).rows == 1


async def test_s27_the_fence_keeps_conditions_away_from_hidden_rows(
    mariadb_server: Server, mariadb_database: str
) -> None:
    """``exp`` overflows for the hidden row only; without the fence the server says so."""
    run_sql(mariadb_server, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (7);", mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    hidden = f"SELECT id FROM t WHERE id <> 7{engine.dialect.fence}"
    words = f"SELECT id FROM ({hidden}) AS q WHERE exp(IF(id = 7, 1000000, 0)) > 0"
    async with engine.snapshot() as snapshot:
        assert await snapshot.rows(Select(text(words), (Output("id"),)), 5) == [("1",)]
        steps = await snapshot.estimate(Select(text(words), (Output("id"),)))
        assert steps.rows is not None


async def test_a_masked_statement_counts_cartesian_products_as_cost(
    mariadb_server: Server, mariadb_database: str
) -> None:
    run_sql(mariadb_server, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT seq FROM seq_1_to_1000;",
            mariadb_database)  # fmt: skip
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    fenced = f"(SELECT id FROM t{engine.dialect.fence})"
    async with engine.snapshot() as snapshot:
        one = await snapshot.estimate(Select(text(f"SELECT id FROM {fenced} AS a"), (Output("id"),)))
        three = Select(text(f"SELECT a.id FROM {fenced} a, {fenced} b, {fenced} c"), (Output("id"),))
        many = await snapshot.estimate(three)
    assert one.cost is not None and one.cost < 5000
    assert many.cost is not None and many.cost > 1e8
