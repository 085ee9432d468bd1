"""One suite over every engine: what the rooms above rely on."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import time
from dataclasses import replace

import pytest

from hfitd.engines.interface import DdlOptions, Format, Select, Snapshot, Wanted
from hfitd.engines.places import Places
from hfitd.engines.table import open_engine
from hfitd.errors import (
    Busy,
    DbUnavailable,
    HfitError,
    NotFound,
    ParamInvalid,
    QueryTimeout,
    SchemaChanged,
    SqlRefused,
    ValidationFailed,
)
from hfitd.model import Catalog, Kind, Sink
from hfitd.sql import bind, join, text
from tests.support.engine_worlds import World, query, relation, select_all


class Bytes:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0

    async def write(self, data: bytes) -> None:
        self.data += data
        self.writes += 1


class FullDisk:
    """A sink that cannot take anything."""

    async def write(self, data: bytes) -> None:
        raise OSError(28, "No space left on device")


async def rendered(snapshot: Snapshot, select: Select, form: Format) -> bytes:
    sink = Bytes()
    receipt = await snapshot.render(select, form, sink)
    assert receipt.size == len(sink.data)
    return sink.data


async def vanished(world: World) -> bool:
    """Whether the sleeping query is gone from the server within 2 s."""
    deadline = time.monotonic() + 2.0
    while world.sleeping():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def until_sleeping(world: World) -> None:
    deadline = time.monotonic() + 10.0
    while not world.sleeping():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


# --- the catalogue -----------------------------------------------------------------------------------------------


async def test_the_catalogue_lists_tables_columns_and_kinds(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    customer = catalog.tables[world.table("customer")]
    assert [column.name for column in customer.columns] == [
        "id", "name", "email", "born", "balance", "active", "photo", "seen", "profile",
    ]  # fmt: skip
    kinds = {column.name: column.kind for column in customer.columns}
    assert (kinds["id"], kinds["name"], kinds["photo"]) == (Kind.INTEGER, Kind.TEXT, Kind.BYTES)
    assert customer.kind == "table"
    assert customer.primary_key == ("id",)
    assert not customer.columns[0].nullable
    assert customer.columns[3].nullable
    assert customer.columns[1].max_length == 40
    assert catalog.tables[world.table("grown")].kind == "view"
    assert catalog.tables[world.table("loose")].row_key == ()
    assert world.table('Odd "Name') in catalog.tables


async def test_the_catalogue_lists_keys_and_foreign_keys_in_column_order(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    assert catalog.tables[world.table("purchase")].primary_key == ("customer_id", "line")
    uniques = [key.columns for key in catalog.tables[world.table("customer")].keys if not key.primary]
    assert uniques == [("email",)]
    found = {
        (key.table.name, key.columns, key.target.name, key.target_columns) for key in catalog.foreign_keys
    }
    assert found == {
        ("purchase", ("customer_id",), "customer", ("id",)),
        ("counted", ("parent",), "counted", ("id",)),
    }


async def test_the_catalogue_names_generated_and_identity_columns(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    total = catalog.tables[world.table("purchase")].column("total")
    number = catalog.tables[world.table("counted")].column("id")
    assert total is not None and total.generated == "stored"
    assert number is not None and number.identity


async def test_databases_are_those_of_the_provider(world: World) -> None:
    assert await world.engine.databases() == [world.provider.database]


async def test_a_database_that_is_not_configured_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        async with world.engine.snapshot("elsewhere"):
            raise AssertionError


# --- rendering ---------------------------------------------------------------------------------------------------


async def test_csv_keeps_every_value(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        select = select_all(world, await snapshot.catalog(), "customer", columns=["id", "name", "born", "photo"])
        data = await rendered(snapshot, select, Format.CSV)
    assert data.startswith(b"id,name,born,photo\r\n")
    assert b'4,"",1999-12-31,\r\n' in data, "the empty string is quoted and NULL is empty"
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows[1] == ["1", "Ada", "1815-12-10", base64.b64encode(b"\x00\xff\n\\'").decode()]
    assert rows[2] == ["2", "O'Hara, \"Bob\"", "", ""]
    assert rows[3][1] == "tab\tnew\nline\rback\\slash"
    assert rows[5][1] == "Zoë 李雷 🙂"


async def test_ndjson_keeps_every_value(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        data = await rendered(snapshot, select_all(world, await snapshot.catalog(), "customer"), Format.NDJSON)
    lines = data.decode().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    printed = "10.5" if world.kind == "sqlite" else "10.50"
    assert f'"balance":{printed},' in lines[0], "a number stands as the engine prints it"
    assert rows[0]["photo"] == base64.b64encode(b"\x00\xff\n\\'").decode()
    assert (rows[1]["photo"], rows[2]["photo"]) == ("", None)
    assert rows[1]["name"] == "O'Hara, \"Bob\""
    assert rows[2]["name"] == "tab\tnew\nline\rback\\slash"
    assert (rows[3]["name"], rows[4]["name"]) == ("", "Zoë 李雷 🙂")


async def test_the_same_rows_give_the_same_bytes(world: World) -> None:
    forms: dict[Format, bytes] = {}
    for _ in range(2):
        async with world.engine.snapshot() as snapshot:
            for form in Format:
                data = await rendered(snapshot, select_all(world, await snapshot.catalog(), "customer"), form)
                assert forms.setdefault(form, data) == data


async def test_rows_without_a_key_are_ordered_by_all_columns_with_null_first(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        data = await rendered(snapshot, select_all(world, await snapshot.catalog(), "loose"), Format.CSV)
    assert data == b"a,b\r\n,a\r\n1,\r\n1,Z\r\n1,z\r\n2,b\r\n2,b\r\n"


@pytest.mark.parametrize("form", Format)
async def test_a_mask_covers_its_column_in_every_form(world: World, form: Format) -> None:
    def cover(value: bytes) -> bytes:
        return b"covered\t'" + str(len(value)).encode()

    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        select = select_all(world, catalog, "customer", {"email": cover, "photo": lambda raw: raw[:1] + b"\xee"})
        data = await rendered(snapshot, select, form)
    assert b"example.com" not in data
    assert data.count(b"covered") == 5
    assert b"00ff0a5c27" not in data.lower()
    assert base64.b64encode(b"\x00\xff\n\\'") not in data


async def test_an_output_too_few_is_refused_and_never_shifts_a_mask(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        whole = select_all(world, await snapshot.catalog(), "customer")
        for form in Format:
            with pytest.raises(SchemaChanged):
                await rendered(snapshot, replace(whole, outputs=whole.outputs[1:]), form)


async def test_an_empty_result_is_a_whole_file(world: World) -> None:
    select = query(text("SELECT id FROM ") + text(_place(world, "customer")) + text(" WHERE id = 0"), "id")
    async with world.engine.snapshot() as snapshot:
        assert await rendered(snapshot, select, Format.CSV) == b"id\r\n"
    async with world.engine.snapshot() as snapshot:
        assert await rendered(snapshot, select, Format.NDJSON) == b""


async def test_an_error_of_the_sink_is_the_sinks(world: World) -> None:
    sink: Sink = FullDisk()
    with pytest.raises(OSError, match="No space left") as caught:
        async with world.engine.snapshot() as snapshot:
            select = select_all(world, await snapshot.catalog(), "customer")
            await snapshot.render(select, Format.NDJSON, sink)
    assert not isinstance(caught.value, HfitError)
    async with world.engine.snapshot() as snapshot:
        assert await snapshot.rows(query(text("SELECT 1"), "one"), 1) == [("1",)]


# --- rows, batches, describe, estimate ---------------------------------------------------------------------------


async def test_rows_are_text_with_a_limit_and_masks(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        select = select_all(
            world, catalog, "customer", {"name": lambda name: name[:1] + b"."}, columns=["id", "name", "photo", "born"]
        )
        rows = await snapshot.rows(select, 2)
    assert rows == [
        ("1", "A.", "1815-12-10", base64.b64encode(b"\x00\xff\n\\'").decode()),
        ("2", "O.", None, ""),
    ]


async def test_batches_give_all_rows_in_order(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        select = select_all(world, await snapshot.catalog(), "customer", columns=["id"])
        async with snapshot.batches(select, 2) as batches:
            sizes = [(len(batch), batch[0]) async for batch in batches]
    assert sizes == [(2, ("1",)), (2, ("3",)), (1, ("5",))]


async def test_columns_are_the_batches_turned_whatever_the_cells_hold(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        for names in (["id"], ["id", "name"], ["id", "name", "photo", "born"]):
            select = select_all(world, catalog, "customer", columns=names)
            async with snapshot.batches(select, 100) as batches:
                rows = [row async for batch in batches for row in batch]
            async with snapshot.columns(select) as pages:
                turned = [row async for page in pages for row in zip(*page, strict=True)]
            assert turned == rows


async def test_pages_of_columns_stay_small_and_lose_no_row(world: World) -> None:
    number = "(SELECT 0 AS a UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4)"
    source = ", ".join(f"{number} AS t{place}" for place in range(6))
    value = " + ".join(f"{5**place} * t{place}.a" for place in range(6))
    select = query(text(f"SELECT {value}, 'a value that is long enough to fill' FROM {source}"), "n", "long")
    async with world.engine.snapshot() as snapshot, snapshot.columns(select) as pages:
        found = [list(page[0]) async for page in pages]
    assert sorted(int(value or 0) for page in found for value in page) == list(range(5**6))
    assert len(found) > 2


async def test_columns_may_be_left_early_and_what_goes_wrong_is_raised(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        select = select_all(world, await snapshot.catalog(), "customer", columns=["id"])
        async with snapshot.columns(select) as pages:
            assert (await anext(aiter(pages)))[0][0] == "1"
    async with world.engine.snapshot() as snapshot:
        with pytest.raises((SqlRefused, SchemaChanged)):
            async with snapshot.columns(query(text("SELECT nothing_of_that_name"), "a")) as pages:
                async for _ in pages:
                    pass


async def test_batches_may_be_left_early(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        select = select_all(world, await snapshot.catalog(), "customer", columns=["id"])
        async with snapshot.batches(select, 1) as batches:
            assert await anext(aiter(batches)) == [("1",)]
    async with world.engine.snapshot() as snapshot:
        assert await snapshot.rows(query(text("SELECT 2"), "two"), 1) == [("2",)]


async def test_describe_says_kinds_without_running(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        select = select_all(world, await snapshot.catalog(), "customer", columns=["id", "name", "born", "photo"])
        types = await snapshot.describe(select)
    assert [type_.kind for type_ in types] == [Kind.INTEGER, Kind.TEXT, Kind.DATE, Kind.BYTES]


async def test_estimate_answers_without_running(world: World) -> None:
    async with world.engine.snapshot() as snapshot:
        estimate = await snapshot.estimate(select_all(world, await snapshot.catalog(), "customer"))
    assert estimate.rows is None or estimate.rows >= 0


async def test_binds_are_values_in_every_road(world: World) -> None:
    hostile = "' OR 1=1; DROP TABLE customer; -- \\' \" $1 %s 🙂"
    place = _place(world, "customer")
    select = query(
        text(f"SELECT id FROM {place} WHERE name <> ") + bind(hostile, None, "name") + text(" AND id >= ")
        + bind("2", "integer", "least") + text(" AND id < ") + bind("4", None, "most") + text(" ORDER BY id"),
        "id",
    )  # fmt: skip
    async with world.engine.snapshot() as snapshot:
        await snapshot.describe(select)
        await snapshot.estimate(select)
        assert await snapshot.rows(select, 10) == [("2",), ("3",)]
        assert await rendered(snapshot, select, Format.CSV) == b"id\r\n2\r\n3\r\n"
        async with snapshot.batches(select, 10) as batches:
            assert [batch async for batch in batches] == [[("2",), ("3",)]]


async def test_a_bound_null_is_null(world: World) -> None:
    place = _place(world, "customer")
    select = query(text(f"SELECT id FROM {place} WHERE id = ") + bind(None, "integer", "id"), "id")
    async with world.engine.snapshot() as snapshot:
        assert await snapshot.rows(select, 10) == []
        assert await rendered(snapshot, select, Format.NDJSON) == b""


@pytest.mark.parametrize("value", ["abc", "1.5", "1e400", "99999999999999999999999999", "0x10", " 7", "1_0", "", "now"])
async def test_s32_a_value_of_another_type_is_refused_by_its_label(world: World, value: str) -> None:
    place = _place(world, "customer")
    select = query(text(f"SELECT id FROM {place} WHERE id = ") + bind(value, "integer", "customer_id"), "id")
    async with world.engine.snapshot() as snapshot:
        with pytest.raises(ParamInvalid, match="customer_id") as caught:
            await snapshot.describe(select)
    assert not value.strip() or value not in caught.value.message.replace("customer_id", "")


@pytest.mark.parametrize("value", ["2024-02-30", "2024-13-01", "today", "yesterday", "1", "01/02/2024"])
async def test_s32_a_date_that_is_none_is_refused(world: World, value: str) -> None:
    place = _place(world, "customer")
    select = query(text(f"SELECT id FROM {place} WHERE born = ") + bind(value, "date", "since"), "id")
    async with world.engine.snapshot() as snapshot:
        with pytest.raises(ParamInvalid, match="since"):
            await snapshot.describe(select)


@pytest.mark.parametrize("value", ["nul\0", "lone \ud800"])
async def test_s32_text_that_no_server_takes_is_refused(world: World, value: str) -> None:
    place = _place(world, "customer")
    select = query(text(f"SELECT id FROM {place} WHERE name = ") + bind(value, None, "name"), "id")
    async with world.engine.snapshot() as snapshot:
        with pytest.raises(ParamInvalid, match="name"):
            await snapshot.describe(select)


async def test_s18_multibyte_tricks_stay_one_value(world: World) -> None:
    place = _place(world, "customer")
    for value in ("¿' or 1=1 -- ", "\xbf\\' or 1=1 -- ", "縗' or 1=1 -- "):
        select = query(text(f"SELECT id FROM {place} WHERE name = ") + bind(value, None, "name"), "id")
        async with world.engine.snapshot() as snapshot:
            assert await snapshot.rows(select, 10) == []
            assert await rendered(snapshot, select, Format.NDJSON) == b""


# --- what a statement cannot do, even with the validator bypassed ------------------------------------------------


@pytest.mark.parametrize("road", ["describe", "estimate", "rows", "batches", "sql", "csv", "ndjson"])
@pytest.mark.parametrize(
    "attack",
    [
        "SELECT 1; DROP TABLE loose",
        "SELECT 1; COMMIT; DROP TABLE loose",
        "SELECT 1) TO STDOUT; COMMIT; DROP TABLE loose; --",
        "SELECT 1) AS q; COMMIT; DROP TABLE loose; --",
    ],
)
async def test_s01_the_driver_refuses_stacked_statements(world: World, road: str, attack: str) -> None:
    select = query(text(attack), "a")
    with pytest.raises(ValidationFailed):
        async with world.engine.snapshot() as snapshot:
            await _travel(snapshot, select, road)
    async with world.engine.snapshot() as snapshot:
        assert world.table("loose") in (await snapshot.catalog()).tables


async def test_s25_an_error_never_carries_the_servers_words(world: World) -> None:
    place = _place(world, "customer")
    select = query(text(f"SELECT no_such_function_anywhere(email) FROM {place}"), "a")
    async with world.engine.snapshot() as snapshot:
        with pytest.raises(SqlRefused) as caught:
            await snapshot.describe(select)
    assert "no_such_function_anywhere" not in str(caught.value)
    assert "no_such_function_anywhere" not in repr(caught.value.__cause__)


async def test_a_snapshot_does_not_see_later_rows(world: World) -> None:
    world.run("CREATE TABLE late (id integer PRIMARY KEY); INSERT INTO late VALUES (1);")
    try:
        counted = query(text(f"SELECT count(*) FROM {_place(world, 'late')}"), "n")
        async with world.engine.snapshot() as snapshot:
            assert await snapshot.rows(counted, 1) == [("1",)]
            world.run("INSERT INTO late VALUES (2);")
            assert await snapshot.rows(counted, 1) == [("1",)]
        async with world.engine.snapshot() as snapshot:
            assert await snapshot.rows(counted, 1) == [("2",)]
    finally:
        world.run("DROP TABLE late;")


# --- time, places and loss ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("road", ["rows", "batches", "columns", "ndjson", "sql"])
async def test_r12_a_cancelled_query_is_gone_from_the_server(world: World, road: str) -> None:
    async def work() -> None:
        async with world.engine.snapshot() as snapshot:
            await _travel(snapshot, query(text(world.sleep), "s"), road)

    task = asyncio.create_task(work())
    await until_sleeping(world)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await vanished(world)


@pytest.mark.parametrize("road", ["rows", "batches", "ndjson"])
async def test_s28_a_query_beyond_its_time_is_ended(world: World, road: str) -> None:
    engine = open_engine(replace(world.provider, statement_timeout_seconds=0.3))
    try:
        started = time.monotonic()
        with pytest.raises(QueryTimeout):
            async with engine.snapshot() as snapshot:
                await _travel(snapshot, query(text(world.sleep), "s"), road)
        assert time.monotonic() - started < 10
        assert await vanished(world)
    finally:
        await engine.close()


async def test_closing_the_engine_ends_what_runs(world: World) -> None:
    engine = open_engine(world.provider)

    async def work() -> None:
        async with engine.snapshot() as snapshot:
            await snapshot.rows(query(text(world.sleep), "s"), 1)

    task = asyncio.create_task(work())
    await until_sleeping(world)
    await engine.close()
    with pytest.raises(HfitError):
        await task
    assert await vanished(world)


async def test_who_finds_no_place_gets_busy_with_a_hint(world: World) -> None:
    engine = open_engine(world.provider, Places("shop", 1, queue_seconds=0.05))
    try:
        async with engine.snapshot():
            with pytest.raises(Busy) as caught:
                async with engine.snapshot():
                    raise AssertionError
        assert caught.value.retry_after_seconds
        async with engine.snapshot():
            pass
    finally:
        await engine.close()


async def test_check_names_the_version_and_the_powers_of_the_login(world: World) -> None:
    report = await world.engine.check()
    assert report.version[0].isdigit()
    assert isinstance(report.warnings, tuple)


# --- DDL ---------------------------------------------------------------------------------------------------------


async def test_ddl_and_rows_rebuild_the_tables(world: World) -> None:
    sink = Bytes()
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        names = [world.table(name) for name in ("purchase", "customer", "counted", "loose", 'Odd "Name')]
        await snapshot.ddl([relation(catalog, name) for name in names], DdlOptions(), sink)
        for name in ("customer", "purchase", "counted", "loose", 'Odd "Name'):
            await snapshot.render(select_all(world, catalog, name), Format.SQL, sink)
    assert world.load(sink.data).split() == ["5", "3", "2", "6", "2"]


async def test_ddl_shows_only_granted_columns(world: World) -> None:
    sink = Bytes()
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        granted = relation(catalog, world.table("customer"), only=["id", "name"])
        await snapshot.ddl([granted], DdlOptions(), sink)
    assert b"email" not in sink.data
    assert b"name" in sink.data


@pytest.mark.parametrize("option", ["ifnotexists", "dropcreate"])
async def test_ddl_with_an_option_may_run_twice(world: World, option: str) -> None:
    sink = Bytes()
    async with world.engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        names = ("customer", "purchase", "counted", "loose", 'Odd "Name')
        relations = [relation(catalog, world.table(name)) for name in names]
        await snapshot.ddl(relations, DdlOptions(option=option), sink)
    assert world.load(sink.data + sink.data).split() == ["0"] * 5


def _place(world: World, name: str) -> str:
    return world.engine.dialect.qualified(world.schema, name)


async def _travel(snapshot: Snapshot, select: Select, road: str) -> None:
    if road == "describe":
        await snapshot.describe(select)
    elif road == "estimate":
        await snapshot.estimate(select)
    elif road == "rows":
        await snapshot.rows(select, 10)
    elif road == "columns":
        async with snapshot.columns(select) as pages:
            async for _ in pages:
                pass
    elif road == "batches":
        async with snapshot.batches(select, 10) as batches:
            async for _ in batches:
                pass
    else:
        await snapshot.render(replace(select, into="t"), Format(road), Bytes())


async def test_o07_a_server_that_is_not_there_is_unavailable(world: World) -> None:
    """Opening an engine connects to nothing; asking it says DB_UNAVAILABLE and names no address."""
    engine = open_engine(world.absent)
    try:
        with pytest.raises(DbUnavailable) as caught:
            await engine.check()
        assert "127.0.0.1" not in str(caught.value)
    finally:
        await engine.close()


TRICKY = ["plain", "Mixed Case", "a\"b", "a`b", "a'b", "a\\b", "a%sb", "$1", "sélect 李🙂", "x;--", "n\nl", "select"]


@pytest.mark.parametrize("name", TRICKY)
async def test_s19_quoted_identifiers_come_back_as_they_were(world: World, name: str) -> None:
    if world.kind == "mysql" and any(letter > "\uffff" for letter in name):
        with pytest.raises(ValueError, match="MySQL"):
            world.engine.dialect.identifier(name)
        return
    quoted = world.engine.dialect.identifier(name)
    select = query(text(f"SELECT q.{quoted} FROM (SELECT 1 AS {quoted}) AS q"), "one")
    async with world.engine.snapshot() as snapshot:
        assert await snapshot.rows(select, 1) == [("1",)]


@pytest.mark.parametrize("value", [*TRICKY, "", "\t\r\n", "E'x'", "\\'; DROP TABLE loose; --"])
async def test_s17_literals_come_back_as_they_were(world: World, value: str) -> None:
    dialect = world.engine.dialect
    async with world.engine.snapshot() as snapshot:
        column = (await snapshot.catalog()).tables[world.table("customer")].columns[1]
        words = f"SELECT {dialect.literal(value)}, {dialect.typed_literal(value, column)}, {dialect.literal(None)}"
        assert await snapshot.rows(query(text(words), "a", "b", "c"), 1) == [(value, value, None)]


def test_s19_names_that_no_server_takes_are_refused(world: World) -> None:
    for name in ("", "a\0b"):
        with pytest.raises(ValueError):
            world.engine.dialect.identifier(name)


# --- rows found by given values ----------------------------------------------------------------------------------


def wanted_columns(world: World, catalog: Catalog, table: str, *names: str) -> tuple[Wanted, ...]:
    """Columns of a table, wanted with values of their own types."""
    columns = {column.name: column for column in catalog.tables[world.table(table)].columns}
    dialect = world.engine.dialect
    chosen = (columns[name] for name in names)
    return tuple(Wanted(text(dialect.identifier(c.name)), c.type_name, c.kind) for c in chosen)


async def found(
    world: World, table: str, show: str, names: tuple[str, ...], rows: list[tuple[str | None, ...]]
) -> tuple[list[tuple[str | None, ...]], list[str | None]]:
    """What ``match`` finds, with numbers, and what ``among`` finds."""
    dialect = world.engine.dialect
    place = text(dialect.qualified(world.schema, table))
    shown = text(dialect.identifier(show))
    async with world.engine.snapshot() as snapshot:
        wanted = wanted_columns(world, await snapshot.catalog(), table, *names)
        match = dialect.match(wanted, rows, "hfit_")
        sql = text("SELECT ") + match.number + text(", ") + shown + text(" FROM ") + place + match.source
        numbered = await snapshot.rows(query(sql + text(" WHERE ") + match.where, "n", "v"), 100)
        sql = text("SELECT ") + shown + text(" FROM ") + place + text(" WHERE ") + dialect.among(wanted, rows)
        plain = await snapshot.rows(query(sql, "v"), 100)
    return sorted(numbered, key=str), sorted((row[0] for row in plain), key=str)


async def test_rows_are_found_by_one_value_with_the_number_of_the_row_that_was_given(world: World) -> None:
    numbered, plain = await found(world, "customer", "id", ("id",), [("3",), ("99",), ("1",)])
    assert numbered == [("0", "3"), ("2", "1")]
    assert plain == ["1", "3"]


async def test_rows_are_found_by_several_values_together(world: World) -> None:
    rows: list[tuple[str | None, ...]] = [("1", "2"), ("2", "1"), ("2", "2")]
    numbered, plain = await found(world, "purchase", "line", ("customer_id", "line"), rows)
    assert numbered == [("0", "2"), ("1", "1")]
    assert plain == ["1", "2"]


async def test_text_that_breaks_quoting_finds_its_own_row_and_no_other(world: World) -> None:
    names = ("O'Hara, \"Bob\"", "tab\tnew\nline\rback\\slash", "", "Zoë 李雷 🙂")
    rows: list[tuple[str | None, ...]] = [(name,) for name in names]
    numbered, _ = await found(world, "customer", "id", ("name",), rows)
    assert numbered == [("0", "2"), ("1", "3"), ("2", "4"), ("3", "5")]


async def test_bytes_and_decimals_find_their_rows_by_what_batches_gives(world: World) -> None:
    photo = base64.b64encode(b"\x00\xff\n\\'").decode()
    numbered, plain = await found(world, "customer", "id", ("photo",), [(photo,), ("",)])
    assert numbered == [("0", "1"), ("1", "2")]
    assert plain == ["1", "2"]
    numbered, _ = await found(world, "customer", "id", ("balance",), [("10.50",), ("-0.01",)])
    assert numbered == [("0", "1"), ("1", "2")]


async def test_a_whole_batch_of_values_finds_every_row_once(world: World) -> None:
    dialect = world.engine.dialect
    count = min(dialect.match_limit(1), 20_000)
    numbered, plain = await found(world, "customer", "id", ("id",), [(str(n),) for n in range(count)])
    assert numbered == [(str(n), str(n)) for n in range(1, 6)]
    assert plain == ["1", "2", "3", "4", "5"]


async def test_rows_of_a_table_without_a_key_have_a_name_that_finds_them(world: World) -> None:
    dialect = world.engine.dialect
    async with world.engine.snapshot() as snapshot:
        seen = relation(await snapshot.catalog(), world.table("loose"))
        wanted = dialect.row_identity(seen.table, [item.column for item in seen.columns])
        place = text(f" FROM {dialect.own_rows(seen.table)}")
        names = join(", ", (item.target for item in wanted))
        ids = await snapshot.rows(query(text("SELECT ") + names + place, *("n" for _ in wanted)), 100)
        assert len(ids) == 6
        for name in set(ids):
            again = text("SELECT ") + names + place + text(" WHERE ") + dialect.among(wanted, [name])
            rows = await snapshot.rows(query(again, *("n" for _ in wanted)), 100)
            assert rows == [name] * ids.count(name)
