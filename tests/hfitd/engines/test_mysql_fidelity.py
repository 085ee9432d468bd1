"""Every value of the torture set survives: read, written as SQL, loaded by the ordinary client, compared by digest."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfitd.engines.interface import DdlOptions, Format, Output, Select
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.mysql_binary import shortest_float
from hfitd.export.query.select import select_relation
from hfitd.model import Catalog, MaskedColumn, Relation, TableName
from hfitd.sql import join, text
from tests.live.databases import fresh_database, run_sql, value_digests
from tests.live.servers import Server
from tests.support.mysql_world import mysql_provider


@dataclass
class Collected:
    data: bytearray = field(default_factory=bytearray)

    async def write(self, data: bytes) -> None:
        self.data += data


def relations_of(catalog: Catalog, database: str) -> list[Relation]:
    return [
        Relation("shop", table, tuple(MaskedColumn(column) for column in table.columns))
        for name, table in catalog.tables.items()
        if name.schema == database and table.kind == "table"
    ]


def whole_table(engine: MysqlEngine, relation: Relation) -> Select:
    name, quote = relation.table.name, engine.dialect.identifier
    columns = join(", ", [text(quote(item.column.name)) for item in relation.columns])
    place = engine.dialect.qualified(name.schema, name.name)
    sql = text("SELECT ") + columns + text(f" FROM {place} ORDER BY ") + engine.dialect.row_order(relation)
    outputs = tuple(Output(item.column.name, None, item.column) for item in relation.columns)
    return Select(sql, outputs, quote(name.name))


@pytest.mark.parametrize("database", ["nasty", "nasty_types", "nasty_myonly", "nasty_mariadb"])
async def test_every_value_survives_ddl_and_insert_statements(
    mariadb_server: Server, nasty_mariadb: str, database: str
) -> None:
    provider = mysql_provider(mariadb_server, nasty_mariadb, databases=("nasty*", "Weird Schema"))
    engine = MysqlEngine(provider)
    out = Collected()
    async with engine.snapshot(database) as snapshot:
        relations = relations_of(await snapshot.catalog(), database)
        await snapshot.ddl(relations, DdlOptions(whole=True), out)
        for relation in relations:
            await snapshot.render(whole_table(engine, relation), Format.SQL, out)
    with fresh_database(mariadb_server) as copy:
        run_sql(mariadb_server, bytes(out.data), copy)
        assert value_digests(mariadb_server, copy) == value_digests(mariadb_server, database)
        counter = (
            "SELECT auto_increment FROM information_schema.tables WHERE auto_increment IS NOT NULL AND table_schema="
        )
        order = " ORDER BY table_name;"
        kept, original = (run_sql(mariadb_server, f"{counter}'{name}'{order}") for name in (copy, database))
        assert kept == original


async def test_a_float_keeps_every_bit_and_prints_short(mariadb_server: Server, nasty_mariadb: str) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, "nasty_types"))
    async with engine.snapshot() as snapshot:
        select = Select(text("SELECT f, d FROM nasty_types.t_num ORDER BY id"), (Output("f"), Output("d")))
        rows = await snapshot.rows(select, 100)
        assert await snapshot.rows(select, 2) == rows[:2]
    assert [row[0] for row in rows[2:]] == ["1.1754944e-38", "0.1", "0", "16777216"]
    assert rows[0][1] == "99999999999999999999999999999999999.999999999999999999999999999999"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_short_text_of_a_float_is_that_float(number: float) -> None:
    read = float(shortest_float(number))
    assert struct.pack("<f", read) == struct.pack("<f", number)
    assert abs(read) <= 3.4028234663852886e38


async def test_rows_longer_than_a_packet_arrive_whole(mariadb_server: Server, mariadb_database: str) -> None:
    """A payload of more than 2^24-1 bytes is split into several packets by the server."""
    size = 9 * 1024 * 1024
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    words = f"SELECT REPEAT('x', {size}), REPEAT('é', {size // 2}), 'end' UNION ALL SELECT 'a', 'b', 'c'"
    async with engine.snapshot() as snapshot:
        rows = await snapshot.rows(Select(text(words), (Output("a"), Output("b"), Output("c"))), 5)
        assert await snapshot.rows(Select(text("SELECT 1"), (Output("a"),)), 1) == [("1",)]
    assert [len(cell or "") for cell in rows[0]] == [size, size // 2, 3]
    assert rows[1] == ("a", "b", "c")


async def test_bits_years_and_zero_filled_numbers_are_numbers(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(
        mariadb_server,
        "CREATE TABLE n (b bit(64), y year, z int(8) unsigned zerofill, d decimal(6,2) zerofill);"
        "INSERT INTO n VALUES (x'ffffffffffffffff', '0000', 42, 7.5), (0, 2155, 0, 0);",
        mariadb_database,
    )
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    out = Collected()
    async with engine.snapshot() as snapshot:
        outputs = tuple(map(Output, "byzd"))
        await snapshot.render(Select(text("SELECT b, y, z, d FROM n ORDER BY y"), outputs), Format.NDJSON, out)
    assert bytes(out.data).splitlines() == [
        b'{"b":18446744073709551615,"y":0,"z":42,"d":7.50}',
        b'{"b":0,"y":2155,"z":0,"d":0.00}',
    ]


async def test_the_catalogue_of_the_torture_set_is_right(mariadb_server: Server, nasty_mariadb: str) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, nasty_mariadb, databases=("nasty*", "Weird Schema")))
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    assert await engine.databases() == [
        "Weird Schema", "nasty", "nasty_audit", "nasty_mariadb", "nasty_myonly", "nasty_types",
    ]  # fmt: skip
    keys = {(key.table, key.columns): (key.target, key.target_columns) for key in catalog.foreign_keys}
    emp = TableName("nasty", "emp")
    assert keys[TableName("nasty_audit", "note"), ("emp_id",)] == (emp, ("emp_id",))
    assert keys[TableName("nasty", "tenant_doc"), ("tenant_id", "owner_user_id")] == (
        TableName("nasty", "tenant_user"), ("tenant_id", "user_id"),
    )  # fmt: skip
    assert TableName("nasty", "CamelCase") in catalog.tables
    assert TableName("nasty", "camelcase") in catalog.tables
    invisible = catalog.tables[TableName("nasty_myonly", "invis")].column("secret")
    assert invisible is not None and invisible.invisible
    assert len(catalog.tables[TableName("nasty", "wide")].columns) == 1000
    assert [item.name.name for item in catalog.sequences] == ["seq1", "seq_down"]
    assert catalog.tables[TableName("nasty_types", "t_json")].columns[1].kind == "json"


async def test_an_invisible_column_is_in_a_loadable_file_and_in_no_other(
    mariadb_server: Server, nasty_mariadb: str
) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, nasty_mariadb, databases=("nasty*",)))
    loadable, read = Collected(), Collected()
    async with engine.snapshot("nasty_myonly") as snapshot:
        name = TableName("nasty_myonly", "invis")
        (invis,) = [item for item in relations_of(await snapshot.catalog(), name.schema) if item.table.name == name]
        await snapshot.ddl([invis], DdlOptions(), loadable)
        for hidden, form, out in ((True, Format.SQL, loadable), (False, Format.NDJSON, read)):
            select = select_relation(
                invis, engine.dialect, {}, where=None, order=None, limit=None, into="`invis`", hidden=hidden
            )
            await snapshot.render(select, form, out)
    assert bytes(read.data) == b'{"id":1,"shown":1}\n{"id":2,"shown":2}\n'
    with fresh_database(mariadb_server) as copy:
        run_sql(mariadb_server, bytes(loadable.data), copy)
        rows = "SELECT id, secret, shown FROM invis ORDER BY id;"
        assert run_sql(mariadb_server, rows, copy) == run_sql(mariadb_server, rows, "nasty_myonly")
        assert "top secret" in run_sql(mariadb_server, rows, copy)
        assert run_sql(mariadb_server, "SELECT * FROM invis LIMIT 1;", copy) == "1\t1\n"
