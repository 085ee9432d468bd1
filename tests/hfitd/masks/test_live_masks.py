"""Every mask on real servers: what they make loads into the columns it came from, and is the same everywhere."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.access.policy import Policy
from hfitd.config.model import MaskPolicy, PolicyConfig, ProviderConfig, RoleConfig, RowFilterPolicy
from hfitd.engines.interface import Dialect, Format, Select
from hfitd.engines.table import open_engine
from hfitd.errors import MaskDoesNotFit
from hfitd.export.query.free import parse_query, rewrite_query
from hfitd.export.query.select import select_relation
from hfitd.masks.table import bind_mask, bind_text_mask
from hfitd.model import Actor, Catalog, Json, MaskRule, TableName
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider
from tests.support.mysql_world import mysql_provider

KEY = b"a mask key for tests only, 32 or more"
ACTOR = Actor("dev@example.com", ("reader",))
ROLES = {"reader": RoleConfig("reader", ("rows:**",))}
RULES: Mapping[str, tuple[str, Mapping[str, Json]]] = {
    "id": ("integer", {}),
    "email": ("email", {}),
    "name": ("person_name", {"part": "full"}),
    "phone": ("phone", {}),
    "street": ("street", {}),
    "city": ("city", {}),
    "iban": ("iban", {}),
    "card": ("card", {"first": 6}),
    "born": ("date_shift", {"subject": "id"}),
    "seen": ("date_shift", {"subject": "id"}),
    "joined": ("bucket", {"unit": "month"}),
    "salary": ("noise", {"percent": 10}),
    "points": ("bucket", {"step": 10}),
    "bio": ("text", {}),
    "host": ("ip", {}),
    "doc": ("json", {"paths": {"$.user.email": "email", "$.tags[*].phone": "phone", "$.id": "integer"}}),
    "list": ("delimited", {"separator": ";", "parts": "email"}),
    "token": ("hash", {}),
    "ref": ("uuid", {}),
    "code": ("digits", {}),
    "pin": ("redact", {"last": 2}),
}
COLUMNS = """
    id int PRIMARY KEY, email varchar(80) UNIQUE, name varchar(60), phone varchar(30), street varchar(60),
    city varchar(40), iban varchar(34) UNIQUE, card varchar(19), born date, seen {time}, joined date,
    salary decimal(10,2), points smallint, bio {text}, host {host}, doc {json}, list varchar(200), token varchar(32),
    ref {uuid}, code varchar(20), pin varchar(20)"""
ROWS = r"""
INSERT INTO person VALUES
(4711, 'Ann.Lee@Corp.example', 'Ann Lee', '+31 6 1234 5678', '12 Main Street', 'Amsterdam', 'NL91ABNA0417164300',
 '4111-1111-1111-1111', '1984-05-17', '2024-01-31 08:15:00.250', '2020-02-29', 1234.56, 17, 'Called twice; see #12.',
 '192.0.2.17', '{"user": {"email": "ann.lee@corp.example"}, "tags": [{"phone": "+31 6 1234 5678"}], "id": 4711}',
 'ann.lee@corp.example; x@y.example', 'ann.lee@corp.example', '8d5a1c9e-0000-4000-8000-0123456789ab', 'AB-12', '1234'),
(2, 'jürgen@müller.example', 'Jürgen Müller', '030 / 1234', 'Straße 7', 'Köln', 'DE89370400440532013000',
 '378282246310005', '2001-12-31', '1999-12-31 23:59:59.999', '1999-12-31', 0.01, -7, 'Grüße, "Ü" & Co',
 '2001:db8::1', '[1, 2]', 'a@b.example', 'x', '00000000-0000-0000-0000-000000000000', '007', ''),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
 NULL);
"""
POSTGRES = {"time": "timestamp(3)", "text": "text", "host": "inet", "json": "json", "uuid": "uuid"}
MYSQL = {"time": "datetime(3)", "text": "text", "host": "varchar(43)", "json": "longtext", "uuid": "char(36)"}
SQLITE = {"time": "datetime", "text": "text", "host": "text", "json": "text", "uuid": "text"}


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


def policy() -> Policy:
    masks = [MaskPolicy((f"*/*/person.{column}",), mask, options) for column, (mask, options) in RULES.items()]
    return Policy(PolicyConfig(mask=tuple(masks)), ROLES, KEY)


async def masked(provider: ProviderConfig, schema: str, form: Format, *, served: bool = True) -> bytes:
    """The table as a package would have it."""
    engine, rules = open_engine(provider), policy()
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            relation = rules.relation(ACTOR, "shop", catalog, TableName(schema, "person"))
            masks = {item.column.name: rules.bound_mask(relation, item) for item in relation.columns}
            select = select_relation(
                relation, engine.dialect, masks, where=None, order=None, limit=None, into="person", hidden=True
            )
            if not served:
                select = replace(select, served=None)
            sink = Kept()
            await snapshot.render(select, form, sink)
            return sink.data
    finally:
        await engine.close()


@pytest.fixture(scope="module")
def people(
    postgres_server: Server, mariadb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[ProviderConfig, str]]:
    """The same people on three engines: provider and schema."""
    run_sql(postgres_server, "CREATE DATABASE masks_people TEMPLATE template0;")
    run_sql(postgres_server, f"CREATE TABLE person ({COLUMNS.format(**POSTGRES)});{ROWS}", "masks_people")
    run_sql(mariadb_server, "CREATE DATABASE masks_people CHARACTER SET utf8mb4;")
    run_sql(mariadb_server, f"CREATE TABLE person ({COLUMNS.format(**MYSQL)});{ROWS}", "masks_people")
    file = tmp_path_factory.mktemp("people") / "people.db"
    _sqlite(file, f"CREATE TABLE person ({COLUMNS.format(**SQLITE)});{ROWS}")
    return {
        "postgresql": (postgres_provider(postgres_server, "masks_people"), "public"),
        "mysql": (mysql_provider(mariadb_server, "masks_people"), "masks_people"),
        "sqlite": (ProviderConfig("shop", "sqlite", path=file, database="main"), "main"),
    }


def _sqlite(file: Path, script: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.executescript(script)
    connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def rows(people) -> Mapping[str, list[dict[str, Json]]]:
    """The masked rows of every engine, by ascending hidden order."""
    found = {}
    for kind, (provider, schema) in people.items():
        lines = (await masked(provider, schema, Format.NDJSON)).decode().splitlines()
        found[kind] = [json.loads(line) for line in lines]
    return found


def _plain(row: dict[str, Json]) -> dict[str, Json]:
    """The row without what engines print differently: times, JSON documents as text, numbers as numbers."""
    doc = row["doc"]
    return {**row, "seen": str(row["seen"])[:19], "doc": json.loads(doc) if isinstance(doc, str) else doc}


def test_one_person_is_one_pseudonym_in_every_engine_json_leaf_and_file(rows):
    plain = {kind: [_plain(row) for row in found] for kind, found in rows.items()}
    assert plain["postgresql"] == plain["mysql"]
    assert plain["postgresql"] == plain["sqlite"]
    ann = plain["postgresql"][2]
    email = bind_text_mask("email", {}, KEY).cover(b" ANN.LEE@corp.example").decode()  # a field of a file
    assert ann["email"] == email == ann["doc"]["user"]["email"]
    assert ann["list"].split("; ")[0] == email
    phone = bind_text_mask("phone", {}, KEY).cover(b"+31 6 1234 5678").decode()
    assert ann["phone"] == ann["doc"]["tags"][0]["phone"] == phone
    assert ann["id"] == ann["doc"]["id"] == int(bind_text_mask("integer", {}, KEY).cover(b"4711"))


def test_null_stays_null_and_nothing_else_becomes_null(rows):
    for found in rows.values():
        empty = [row for row in found if row["email"] is None]
        assert len(empty) == 1
        assert [name for name, value in empty[0].items() if value is not None] == ["id"]
        assert all(value is not None for row in found if row is not empty[0] for value in row.values())


def test_no_raw_value_is_left(rows):
    text = json.dumps(rows, ensure_ascii=False).lower()
    raw = ("corp.example", "lee", "jürgen", "müller", "main street", "amsterdam", "köln", "abna0417", "1234.56",
           "1984-05-17", "called", "192.0.2.17", "8d5a1c9e")  # fmt: skip
    assert [value for value in raw if value in text] == []


async def test_masked_rows_load_into_the_columns_they_came_from(people, postgres_server, mariadb_server, tmp_path):
    for kind, server, types in (("postgresql", postgres_server, POSTGRES), ("mysql", mariadb_server, MYSQL)):
        script = await masked(*people[kind], Format.SQL)
        with fresh_database(server) as name:
            run_sql(server, f"CREATE TABLE person ({COLUMNS.format(**types)});", name)
            run_sql(server, script, name)
            counted = "SELECT count(*), count(born), count(doc), count(DISTINCT id) FROM person;"
            assert run_sql(server, counted, name).split() in (["3|2|2|3"], ["3", "2", "2", "3"])
    script = await masked(*people["sqlite"], Format.SQL)
    _sqlite(tmp_path / "new.db", f"CREATE TABLE person ({COLUMNS.format(**SQLITE)});{script.decode()}")
    with sqlite3.connect(tmp_path / "new.db") as connection:
        kinds = connection.execute("SELECT typeof(id), typeof(salary), typeof(points) FROM person WHERE email NOT NULL")
        assert set(kinds) == {("integer", "real", "integer")}
    connection.close()


async def test_dates_of_one_subject_keep_their_distance_and_the_subject_is_not_shown(people, rows):
    ann = rows["postgresql"][2]
    assert ann["born"] != "1984-05-17"
    masked_days = dt.date.fromisoformat(str(ann["seen"])[:10]) - dt.date.fromisoformat(str(ann["born"]))
    assert masked_days == dt.date(2024, 1, 31) - dt.date(1984, 5, 17)
    header = (await masked(*people["sqlite"], Format.CSV)).splitlines()[0].decode()
    assert header == ",".join(RULES)


@pytest.mark.parametrize("form", list(Format))
async def test_what_the_server_computes_is_what_the_daemon_computes(people, form):
    assert await masked(*people["postgresql"], form) == await masked(*people["postgresql"], form, served=False)


async def test_checks_and_enumerations_of_real_servers_are_known(postgres_server, mariadb_server):
    postgres_sql = (
        "CREATE TYPE mood AS ENUM ('sad', 'it''s ok'); CREATE TABLE person (id int PRIMARY KEY, feels mood,"
        " state varchar(9) CHECK (state IN ('new', 'old')), email text CHECK (email LIKE '%@%'));"
    )
    mysql_sql = (
        "CREATE TABLE person (id int PRIMARY KEY, feels enum('sad', 'it''s ok'), state varchar(9),"
        " email varchar(90) CHECK (email LIKE '%@%'), CHECK (state IN ('new', 'old')));"
    )
    for server, script, provider_of in (
        (postgres_server, postgres_sql, postgres_provider),
        (mariadb_server, mysql_sql, mysql_provider),
    ):
        with fresh_database(server) as name:
            run_sql(server, script, name)
            engine = open_engine(provider_of(server, name))
            async with engine.snapshot() as snapshot:
                (table,) = (await snapshot.catalog()).tables.values()
            await engine.close()
        columns = {column.name: column for column in table.columns}
        assert columns["feels"].members == ("sad", "it's ok")
        for column, mask in (("feels", "hash"), ("state", "person_name"), ("email", "hash")):
            with pytest.raises(MaskDoesNotFit):
                bind_mask(MaskRule(mask), replace(columns[column], max_length=None), KEY)
        assert bind_mask(MaskRule("email"), columns["email"], KEY).cell is not None


def _rewritten(query: str, dialect: Dialect, rules: Policy, catalog: Catalog, schema: str) -> Select:
    relation = rules.relation(ACTOR, "shop", catalog, TableName(schema, "person"))
    masks = {item.column.name: rules.bound_mask(relation, item) for item in relation.columns}
    parsed = parse_query(query, dialect.sqlglot_name)
    return rewrite_query(parsed, dialect, schema, lambda *_: relation, lambda _: masks, {})


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("SELECT born, email FROM person", 0),
        ("SELECT q.e, q.d FROM (SELECT p.born AS d, p.email AS e, p.seen FROM person p) AS q ORDER BY 1", 1),
        ("SELECT * FROM (SELECT * FROM (SELECT born, seen FROM person) AS a) AS b", 0),
    ],
)
async def test_free_queries_show_the_same_dates_and_never_the_subject(people, rows, query, place):
    expected = {row["born"] for row in rows["postgresql"]}
    for provider, schema in people.values():
        engine, rules = open_engine(provider), policy()
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            select = _rewritten(query, engine.dialect, rules, catalog, schema)
            found = await snapshot.rows(select, 10)
            written = Kept()
            await snapshot.render(select, Format.CSV, written)
        await engine.close()
        assert {row[place] for row in found} == expected
        assert {len(row) for row in found} == {2}
        assert written.data.count(b"\n") == 4
        assert b"4711" not in written.data


async def test_a_date_in_a_grouped_query_is_null_like_every_keyed_column(people):
    provider, schema = people["postgresql"]
    engine, rules = open_engine(provider), policy()
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
        select = _rewritten("SELECT max(born), count(*) FROM person", engine.dialect, rules, catalog, schema)
        assert await snapshot.rows(select, 10) == [(None, "3")]
    await engine.close()


async def test_s21_a_subject_that_is_denied_moves_dates_and_shows_nowhere(people, rows):
    """S21: the reader may not see ``id``, and of the rows only those inside the fence; the dates move all the same."""
    masks = [MaskPolicy((f"*/*/person.{column}",), mask, options) for column, (mask, options) in RULES.items()]
    roles = {"reader": RoleConfig("reader", ("rows:**", "!rows:*/*/person.id", "!rows:*/*/person.name"))}
    fence = RowFilterPolicy("*/*/person", ("reader",), "email LIKE 'Ann%'")
    rules = Policy(PolicyConfig(mask=tuple(masks), row_filter=(fence,)), roles, KEY)
    for kind, (provider, schema) in people.items():
        engine = open_engine(provider)
        async with engine.snapshot() as snapshot:
            relation = rules.relation(ACTOR, "shop", await snapshot.catalog(), TableName(schema, "person"))
            bound = {item.column.name: rules.bound_mask(relation, item) for item in relation.columns}
            select = select_relation(relation, engine.dialect, bound, where=None, order=None, limit=None, into="p")
            written = {form: Kept() for form in Format}
            for form, sink in written.items():
                await snapshot.render(select, form, sink)
            found = await snapshot.rows(select, 5)
        await engine.close()
        (line,) = written[Format.NDJSON].data.splitlines()
        expected = dict(rows[kind][2])
        del expected["id"], expected["name"]
        assert json.loads(line) == expected
        assert len(found) == 1
        assert len(found[0]) == len(expected)
        assert [form for form, sink in written.items() if b"4711" in sink.data or b"subject" in sink.data] == []
