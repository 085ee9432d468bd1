"""Masks in the server: the same bytes as in the daemon, and a key only for a server that keeps it to itself."""

from __future__ import annotations

import random

import asyncpg
import pytest

from hfitd.engines.interface import Format, Output, Select, Served
from hfitd.engines.postgres_twins import is_discreet, keeps_secrets, spell_twin
from hfitd.engines.table import open_engine
from hfitd.masks.derive import derive_key, hmac_pads
from hfitd.masks.interface import HashTwin
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Kind, MaskRule
from hfitd.sql import Sql, text
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider

KEY = b"a mask key for tests only, 32 or more"
QUIET = {
    "server_encoding": "UTF8", "server_version_num": "150004", "log_statement": "none", "hfit.private": "on",
    "log_min_duration_statement": "-1", "log_parameter_max_length_on_error": "0", "plpgsql.extra_errors": "none",
}  # fmt: skip
PLACES = (
    ("t", "text", Kind.TEXT, "hash", {}), ("v", "character varying(90)", Kind.TEXT, "hash", {"length": 16}),
    ("r", "text", Kind.TEXT, "redact", {"first": 2, "last": 3, "mark": "'"}),
    ("q", "text", Kind.TEXT, "redact", {"mark": "\\"}), ("i", "bigint", Kind.INTEGER, "bucket", {"step": 1000}),
    ("s", "smallint", Kind.INTEGER, "bucket", {"step": 7}),
)  # fmt: skip


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


def _select() -> Select:
    streamed: list[Output] = []
    served: list[Sql] = []
    for name, type_name, kind, mask, options in PLACES:
        column = Column(name, type_name, kind, max_length=90 if kind is Kind.TEXT else None)
        bound = bind_mask(MaskRule(mask, options), column, KEY)
        mark = f" E'{options['mark'] * 2}'" if "mark" in options else ""
        spelled = bound.twin and spell_twin(name, column, bound.twin, mark)
        assert spelled is not None
        streamed.append(Output(name, bound.cell, column))
        served.append(spelled)
    plain = text("SELECT t, v, r, q, i, s FROM public.odd ORDER BY n")
    there = text("SELECT ")
    for number, part in enumerate(served):
        there += text(", " if number else "") + part
    there += text(" FROM public.odd ORDER BY n")
    outputs = tuple(Output(output.name, None, output.column) for output in streamed)
    return Select(plain, tuple(streamed), "public.odd", served=Served(there, outputs, secret=True))


@pytest.fixture
async def odd(postgres_server: Server, postgres_database: str) -> str:
    """A table of texts that are hard to print and of numbers at the ends of their types."""
    chance = random.Random(7)
    letters = "ab'\"\\\t\n\r,\b\f\v üß€𝄞李\u0301é"
    values = ["".join(chance.choice(letters) for _ in range(chance.randrange(40))) for _ in range(300)]
    numbers = [chance.choice((0, 1, -1)) * chance.randrange(2**63) for _ in values[2:]] + [-(2**63), 2**63 - 1]
    connection = await asyncpg.connect(
        host=postgres_server.host, port=postgres_server.port, user=postgres_server.user,
        password=postgres_server.password, database=postgres_database,
    )  # fmt: skip
    try:
        await connection.execute(
            "CREATE TABLE odd (n int, t text, v varchar(90), r text, q text, i bigint, s smallint);"
            "INSERT INTO odd (n) VALUES (-1)"
        )
        await connection.executemany(
            "INSERT INTO odd VALUES ($1, $2::text, $2::text, $2::text, $2::text, $3, $4)",
            [
                (place, value, number, max(-(2**15), number % 2**16 - 2**15))
                for place, (value, number) in enumerate(zip(values, numbers, strict=True))
            ],
        )
    finally:
        await connection.close()
    return postgres_database


async def _rendered(server: Server, database: str, form: Format, select: Select) -> tuple[bytes, bool]:
    engine = open_engine(postgres_provider(server, database))
    try:
        async with engine.snapshot() as snapshot:
            sink = Kept()
            await snapshot.render(select, form, sink)
            return sink.data, await keeps_secrets(snapshot._connection)
    finally:
        await engine.close()


async def test_server_and_daemon_make_the_same_bytes(postgres_server, odd):
    select = _select()
    for form in Format:
        served, trusted = await _rendered(postgres_server, odd, form, select)
        streamed, _ = await _rendered(postgres_server, odd, form, Select(select.sql, select.outputs, select.into))
        assert trusted
        assert served == streamed
    assert served.count(b"\n") == 301


async def test_a_server_that_logs_statements_is_never_told_a_key(postgres_server, odd):
    run_sql(postgres_server, f"ALTER DATABASE {odd} SET log_statement = 'all';")
    data, trusted = await _rendered(postgres_server, odd, Format.SQL, _select())
    run_sql(postgres_server, f"ALTER DATABASE {odd} RESET log_statement;")
    told, _ = await _rendered(postgres_server, odd, Format.SQL, _select())
    assert not trusted
    assert data == told
    pads = [pad.hex() for pad in hmac_pads(derive_key(KEY, "hash"))]
    logs = [path.read_text(errors="replace") for path in postgres_server.directory.rglob("*log*") if path.is_file()]
    assert any("public.odd" in log for log in logs)
    assert [pad for pad in pads for log in logs if pad in log] == []


async def test_the_key_is_taken_out_of_the_session_again(postgres_server, odd):
    engine = open_engine(postgres_provider(postgres_server, odd))
    try:
        async with engine.snapshot() as snapshot:
            await snapshot.render(_select(), Format.CSV, Kept())
            left = text("SELECT current_setting('hfit.p1', true), current_setting('hfit.p2', true)")
            assert await snapshot.rows(Select(left, (Output("a"), Output("b"))), 1) == [("", "")]
    finally:
        await engine.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_encoding", "SQL_ASCII"), ("server_version_num", "100023"), ("log_statement", "all"),
        ("log_min_duration_statement", "0"), ("log_min_duration_sample", "100"),
        ("log_transaction_sample_rate", "0.5"), ("log_parameter_max_length_on_error", "-1"),
        ("debug_print_plan", "on"), ("auto_explain.log_min_duration", "0"), ("hfit.private", "off"),
        ("pgaudit.log", "none"), ("shared_preload_libraries", "pg_stat_statements, $libdir/pgaudit"),
        ("session_preload_libraries", "mystery"),
    ],
)  # fmt: skip
def test_a_server_that_may_write_values_down_is_not_trusted(name, value):
    assert not is_discreet({**QUIET, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auto_explain.log_min_duration", "-1"), ("pg_stat_statements.track", "all"), ("log_statement", "ddl"),
        ("shared_preload_libraries", "pg_stat_statements,auto_explain"), ("log_duration", "on"),
    ],
)  # fmt: skip
def test_a_server_that_writes_texts_or_times_alone_is_trusted(name, value):
    assert is_discreet({**QUIET, name: value})


@pytest.mark.parametrize("missing", ["log_statement", "hfit.private", "server_encoding", "server_version_num"])
def test_what_the_server_does_not_say_counts_against_it(missing):
    assert not is_discreet({name: value for name, value in QUIET.items() if name != missing})


def test_only_types_whose_text_is_their_value_are_served():
    twin = HashTwin(b"k" * 32, 32)
    odd_types = ("character(10)", "citext", "name", "xml", "public.email", "bytea", "text[]", "character varying(9)[]")
    for type_name in odd_types:
        assert spell_twin("c", Column("c", type_name, Kind.TEXT), twin, "") is None
    spelled = spell_twin("c", Column("c", "text", Kind.TEXT), twin, "")
    assert spelled is not None
    assert all(b"k" * 32 not in str(piece).encode() for piece in spelled.pieces)
    assert len(spelled.binds) == 2


async def test_a_server_in_another_encoding_computes_nothing(postgres_server):
    options = "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    run_sql(postgres_server, f"CREATE DATABASE masks_ascii {options};")
    script = "CREATE TABLE odd (n int, t text, v varchar(90), r text, q text, i bigint, s smallint);"
    run_sql(postgres_server, f"{script} INSERT INTO odd VALUES (1, 'é', 'é', 'éééééé', 'é', 5, 5);", "masks_ascii")
    data, trusted = await _rendered(postgres_server, "masks_ascii", Format.CSV, _select())
    assert not trusted
    assert "éé'ééé" in data.decode()
