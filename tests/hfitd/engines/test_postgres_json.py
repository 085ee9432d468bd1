"""NDJSON that the server renders is, byte for byte, what the daemon makes of the cells."""

from __future__ import annotations

import json
from dataclasses import replace

from hfitd.engines.interface import Format, Output, Select, Snapshot
from hfitd.engines.postgres import PostgresEngine
from hfitd.model import Kind
from hfitd.sql import bind, text
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider


class Bytes:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


def same(cell: bytes) -> bytes:
    return cell


async def both_roads(snapshot: Snapshot, select: Select) -> list[bytes]:
    """The lines as the server renders them, and, with a mask that changes nothing, as the daemon does."""
    types = await snapshot.describe(select)
    place = next(n for n, type_ in enumerate(types) if type_.kind is not Kind.JSON)
    masked = list(select.outputs)
    masked[place] = replace(masked[place], cell=same)
    files = []
    for one in (select, replace(select, outputs=tuple(masked))):
        sink = Bytes()
        receipt = await snapshot.render(one, Format.NDJSON, sink)
        assert receipt.size == len(sink.data) and receipt.rows == sink.data.count(b"\n")
        files.append(sink.data)
    return files


async def test_the_torture_set_comes_out_the_same_by_both_roads(nasty_postgres: str, postgres_server: Server) -> None:
    engine = PostgresEngine(postgres_provider(postgres_server, nasty_postgres))
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            for name, table in catalog.tables.items():
                listed = ", ".join(engine.dialect.identifier(column.name) for column in table.columns)
                place = engine.dialect.qualified(name.schema, name.name)
                if table.kind in ("table", "partitioned") and listed:
                    outputs = tuple(Output(column.name, None, column) for column in table.columns)
                    select = Select(text(f"SELECT {listed} FROM {place} t ORDER BY t::text"), outputs)
                    served, cells = await both_roads(snapshot, select)
                    assert served == cells, name
    finally:
        await engine.close()


ODD = r"""
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN whole AS int;
CREATE TYPE mood AS ENUM ('so "so"', 'ok');
CREATE CAST (pair AS json) WITH INOUT;
CREATE TABLE odd (id int, n numeric, f real, d double precision, b bytea, j json, k jsonb, t timestamp, z timestamptz,
  day date, o time, c character(5), x "char", i oid, v bit(3), m money, arr text[], p pair, e mood, u uuid, r int4range,
  "100%s ""q"" \ é" text, w interval, tree xml, ip inet, q regclass, nm name, yes boolean);
INSERT INTO odd VALUES
 (1, 'NaN', '-Infinity', '-0', repeat('x', 100)::bytea, E'{"a":\r\n\t1.50,"a":"\\u00e9\\n"}',
  '{"a": 1e400, "b": [null]}', 'infinity', '-infinity', '-infinity', '24:00', 'a', 'y', 4294967295, '101', 1.5,
  '{"a,b",NULL,"\"q"}', '(1,"x y")', 'so "so"', '00000000-0000-0000-0000-00000000000a', '[1,5)',
  E'\x01\x02\x08\x0b\x0c\x1f\x7f\t\r\n\\ "q" \u2028 é', '1 day -2:03', '<a/>', '::1/64', 'pg_class', 'n', true),
 (2, 1e30, 1e-7, 1.7976931348623157e308, '', '"x"', '"\u0001"', '0044-03-15 12:00:00 BC',
  '12026-01-02 03:04:05.678901+00', '0001-01-01 BC', '00:00:00.000001', '', '', 0, NULL, NULL, '{}', ROW(NULL, NULL),
  'ok', NULL, 'empty', '\.', '1 mon', NULL, '10.0.0.1', '-', '', false),
 (3, 'Infinity', 'NaN', 1e21, NULL, 'null', 'null', '2024-01-01 00:00:00.5', '2024-06-01 12:00:00+02', '2024-01-01',
  '1:2:3', NULL, NULL, NULL, '000', '-1', NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL);
"""


async def test_every_odd_value_comes_out_the_same_by_both_roads(
    postgres_server: Server, postgres_database: str
) -> None:
    run_sql(postgres_server, ODD, postgres_database)
    engine = PostgresEngine(postgres_provider(postgres_server, postgres_database))
    try:
        async with engine.snapshot() as snapshot:
            (table,) = [t for name, t in (await snapshot.catalog()).tables.items() if name.name == "odd"]
            outputs = tuple(Output(column.name, None, column) for column in table.columns)
            select = Select(text("SELECT * FROM public.odd ORDER BY id"), outputs)
            served, cells = await both_roads(snapshot, select)
    finally:
        await engine.close()
    assert served == cells
    first = json.loads(served.splitlines()[0])
    assert first["i"] == 4294967295 and first["n"] == "NaN" and first['100%s "q" \\ é'].startswith("\x01\x02")
    assert served.count(b"\n") == 3 and b'"b":"eHh4' in served


async def test_what_the_server_would_write_otherwise_comes_from_cells(
    postgres_server: Server, postgres_database: str
) -> None:
    """An offset of a time of day, a domain, and a name that the server would cut; values are bound, names are any."""
    run_sql(postgres_server, "CREATE DOMAIN whole AS int;", postgres_database)
    engine = PostgresEngine(postgres_provider(postgres_server, postgres_database))
    long = "é" * 32
    sql = text("SELECT '12:00+02'::timetz, 7::public.whole, ") + bind("x", "text")
    try:
        async with engine.snapshot() as snapshot:
            sink = Bytes()
            await snapshot.render(Select(sql, (Output("t"), Output("w"), Output(long))), Format.NDJSON, sink)
            named = Bytes()
            await snapshot.render(Select(text("SELECT ") + bind("x", "text"), (Output(long),)), Format.NDJSON, named)
            outputs = tuple(map(Output, ("r", "q", "hfit_row", "hfit_row_", "c0")))
            names = Bytes()
            await snapshot.render(Select(text("SELECT 1, 2, 3, 4, 5"), outputs), Format.NDJSON, names)
            bound = Bytes()
            await snapshot.render(Select(text("SELECT ") + bind("x\n", "text"), (Output("a"),)), Format.NDJSON, bound)
    finally:
        await engine.close()
    assert sink.data.decode() == f'{{"t":"12:00:00+02:00","w":7,"{long}":"x"}}\n'
    assert named.data.decode() == f'{{"{long}":"x"}}\n'
    assert names.data == b'{"r":1,"q":2,"hfit_row":3,"hfit_row_":4,"c0":5}\n'
    assert bound.data == b'{"a":"x\\n"}\n'
