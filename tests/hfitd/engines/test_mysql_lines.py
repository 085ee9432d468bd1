"""Lines that the server spells are, byte for byte, those that the daemon spells from cells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfitd.engines.interface import Format, Output, OutputType, Select
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.mysql_insert import text_literal
from hfitd.engines.mysql_lines import LONG_BYTES, plan_lines, spell_runs
from hfitd.engines.mysql_rows import Field
from hfitd.engines.mysql_types import Typed
from hfitd.export.query.select import select_relation
from hfitd.masks.interface import BoundMask
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Kind, MaskedColumn, MaskRule, Relation, TableName
from hfitd.sql import text
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.mysql_world import mysql_provider

KEY = b"a mask key for tests, long enough"


@dataclass
class Collected:
    data: bytearray = field(default_factory=bytearray)

    async def write(self, data: bytes) -> None:
        self.data += data


Masks = dict[str, BoundMask]


async def both_roads(engine: MysqlEngine, database: str, relation: Relation, masks: Masks) -> list[bytes]:
    """The file as the server spells it, and as the daemon does."""
    generated = {item.column.name for item in relation.columns if item.column.generated}
    select = select_relation(
        relation, engine.dialect, masks,
        where=None, order=None, limit=None, into="`t`", leave_out=generated, hidden=True,
    )  # fmt: skip
    files = []
    for one in (select, replace(select, columns=())):
        out = Collected()
        async with engine.snapshot(database) as snapshot:
            await snapshot.render(one, Format.SQL, out)
        files.append(bytes(out.data))
    return files


async def relation_of(engine: MysqlEngine, database: str, table: str) -> Relation:
    async with engine.snapshot(database) as snapshot:
        catalog = await snapshot.catalog()
    found = catalog.tables[TableName(database, table)]
    return Relation("shop", found, tuple(MaskedColumn(column) for column in found.columns))


@pytest.mark.parametrize("database", ["nasty", "nasty_types", "nasty_myonly", "nasty_mariadb"])
async def test_the_torture_set_comes_out_the_same_by_both_roads(
    mariadb_server: Server, nasty_mariadb: str, database: str
) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, nasty_mariadb, databases=("nasty*",)))
    async with engine.snapshot(database) as snapshot:
        catalog = await snapshot.catalog()
    tables = [table for name, table in catalog.tables.items() if name.schema == database and table.kind == "table"]
    assert tables
    for table in tables:
        relation = Relation("shop", table, tuple(MaskedColumn(column) for column in table.columns))
        spelt, cells = await both_roads(engine, database, relation, {})
        assert spelt == cells, table.name


NUMBERS = """
CREATE TABLE n (id int PRIMARY KEY, d double, e double NOT NULL, z int(8) unsigned zerofill, m decimal(8,2) zerofill,
  p decimal(60,30), y year, b bit(64), t time(6), s timestamp(3) NULL, w datetime(6), u bigint unsigned, a tinyint(1));
INSERT INTO n VALUES (1, '-0', '-0', 42, 7.5, -0.0, '0000', x'ffffffffffffffff', '-838:59:59.999999',
    '2038-01-19 03:14:07.999', '0000-00-00', 18446744073709551615, -1),
  (2, 1.7976931348623157e308, 5e-324, 0, 0, 1e-30, 2155, 0, '00:00:00.000001', NULL, '9999-12-31 23:59:59.5', 0, 127),
  (3, 1e15, 123456789012345680, NULL, NULL, -99999999999999999999999.5, NULL, NULL, NULL, NULL, '2024-00-00', NULL, 0),
  (4, 0.1, 0, 99999999, 999999.99, 0, 1901, 5, '12:00:00', '1970-01-01 00:00:01', '2024-02-29 01:02:03', 1, NULL);
"""


async def test_numbers_and_moments_are_printed_in_a_run_as_alone(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, "SET sql_mode='', time_zone='+00:00';" + NUMBERS, mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    spelt, cells = await both_roads(engine, mariadb_database, await relation_of(engine, mariadb_database, "n"), {})
    assert spelt == cells
    assert b",42,7.50," in spelt and b",18446744073709551615," in spelt


WORDS = f"""
CREATE TABLE w (id int PRIMARY KEY, l longtext, b longblob, m mediumtext CHARACTER SET latin1, k char(3), j json,
  x varchar(9) CHARACTER SET utf16, e enum('a','ü'), r varbinary(9), f float);
INSERT INTO w VALUES
  (1, REPEAT('a\\'\\\\é', {LONG_BYTES}), REPEAT(x'fffefdfb00', {LONG_BYTES}), REPEAT('ÿ', {LONG_BYTES + 1}), 'k',
   '{{}}', 'é', 'ü', x'fefdff', NULL),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, '', '', '', '', '[1, "\\\\n"]', '\\'', 'a', '', NULL),
  (4, CONCAT('cr', CHAR(13)), REPEAT('b', {LONG_BYTES}), CONCAT(CHAR(0), '\\\\'), CHAR(127), '"x"', '\\t\\n', 'a', 'q',
   NULL),
  (5, REPEAT('z', {LONG_BYTES}), REPEAT('b', {LONG_BYTES + 1}), REPEAT('y', {LONG_BYTES}), 'k', 'null', 'x', 'a', 'q',
   NULL);
"""


@pytest.mark.parametrize("left_out", [("f",), ("f", "k"), ()])
async def test_long_and_unsafe_values_come_out_the_same_by_both_roads(
    mariadb_server: Server, mariadb_database: str, left_out: tuple[str, ...]
) -> None:
    """With ``f``, a FLOAT, nothing is spelt by the server; with ``k`` masked the line has two runs."""
    run_sql(mariadb_server, WORDS, mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    relation = await relation_of(engine, mariadb_database, "w")
    masks = {}
    if "k" in left_out:
        column = relation.table.column("k")
        assert column is not None
        masks["k"] = bind_mask(MaskRule("redact", {}), column, KEY)
    relation = replace(
        relation,
        columns=tuple(
            replace(item, rule=MaskRule("redact", {})) if item.column.name in masks else item
            for item in relation.columns
            if item.column.name != "f" or not left_out
        ),
    )
    spelt, cells = await both_roads(engine, mariadb_database, relation, masks)
    assert spelt == cells
    assert b"'cr\r'" not in spelt and spelt.count(b"),\n(") == 3


MASKED = """
CREATE TABLE p (mail varchar(80), id int, born date, who varchar(40), z int(5) unsigned zerofill, note text,
  PRIMARY KEY (mail, id));
INSERT INTO p VALUES ('b@x.test', 1, '1980-01-01', 'Ann', 7, 'it''s'), ('a@x.test', 2, '1981-02-02', NULL, 8, NULL),
  ('c@x.test', 3, NULL, 'Ann', NULL, '\\\\');
"""


@pytest.mark.parametrize(
    "rules",
    [
        {"mail": MaskRule("email", {}), "z": MaskRule("integer", {})},
        {"born": MaskRule("date_shift", {"subject": "who"})},
        {"mail": MaskRule("const", {"value": "x"}), "note": MaskRule("null", {})},
        {"who": MaskRule("hash", {}), "born": MaskRule("date_shift", {"subject": "z"}), "id": MaskRule("integer", {})},
    ],
)
async def test_masked_rows_come_out_the_same_and_in_the_same_order_by_both_roads(
    mariadb_server: Server, mariadb_database: str, rules: dict[str, MaskRule]
) -> None:
    run_sql(mariadb_server, MASKED, mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    plain = await relation_of(engine, mariadb_database, "p")
    masks = {
        item.column.name: bind_mask(rules[item.column.name], item.column, KEY, table=plain.table)
        for item in plain.columns
        if item.column.name in rules
    }
    columns = tuple(MaskedColumn(item.column, rules.get(item.column.name)) for item in plain.columns)
    spelt, cells = await both_roads(engine, mariadb_database, replace(plain, columns=columns), masks)
    assert spelt == cells
    assert (b"b@x.test" in spelt) == ("mail" not in rules)


def planned(columns: list[Column], size: int, packet_bytes: int) -> int:
    """How many outputs a statement over these columns has, each as long as ``size``."""
    dialect = MysqlDialect()
    listed = tuple(text(dialect.identifier(column.name)) for column in columns)
    select = Select(text("SELECT"), tuple(Output(c.name, None, c) for c in columns), "`t`", columns=listed)
    types = [Typed(OutputType("varchar", Kind.TEXT), Field(c.name, 253, 0, 45, size, 0)) for c in columns]
    lines = plan_lines(select, types, range(len(columns)), dialect, packet_bytes)
    return 0 if lines is None else len(lines.items)


def test_a_run_never_grows_beyond_what_the_server_may_put_into_a_row() -> None:
    columns = [Column(name, "varchar(1000)", Kind.TEXT) for name in "abcd"]
    assert planned(columns, 4000, packet_bytes=1 << 20) == 1
    assert planned(columns, 4000, packet_bytes=40_000) == 3  # two in a run, two on their own
    assert planned(columns, 4000, packet_bytes=1024) == 0  # nothing is gained


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1))
def test_a_batch_of_runs_is_spelt_like_each_value_alone(values: list[str]) -> None:
    cells = [value.encode() for value in values]
    runs = [b"1,\xfe" + cell + b"\xfe,NULL,\xfe\xfe" for cell in cells]
    assert spell_runs(runs) == [b"1," + text_literal(cell) + b",NULL,''" for cell in cells]


@pytest.mark.mysql9
@pytest.mark.parametrize(("script", "table"), [(NUMBERS, "n"), (WORDS, "w")])
async def test_a_real_mysql_prints_in_a_run_what_it_prints_alone(
    mysql9_server: Server, mysql9_database: str, script: str, table: str
) -> None:
    run_sql(mysql9_server, "SET sql_mode='', time_zone='+00:00';" + script, mysql9_database)
    engine = MysqlEngine(mysql_provider(mysql9_server, mysql9_database))
    spelt, cells = await both_roads(engine, mysql9_database, await relation_of(engine, mysql9_database, table), {})
    assert spelt == cells
    assert spelt.count(b"),\n(") >= 3
