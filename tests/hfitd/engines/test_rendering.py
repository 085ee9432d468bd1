"""Cells become CSV, NDJSON and INSERT statements exactly."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfitd.engines.interface import Format, Output, OutputType
from hfitd.engines.rendering import (
    CsvEncoder,
    InsertEncoder,
    NdjsonEncoder,
    Renderer,
    render_batches,
    text_encoder,
    text_rows,
)
from hfitd.engines.shape import RawRow, Shape
from hfitd.errors import Internal, SchemaChanged
from hfitd.model import Kind

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


class Bytes:
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.writes.append(data)


def shape(*kinds: Kind) -> Shape:
    return Shape(tuple(f"c{number}" for number in range(len(kinds))), kinds, (None,) * len(kinds))


def ndjson(kind: Kind, cell: bytes | None) -> str:
    return NdjsonEncoder(shape(kind)).encode([[cell]]).decode()


@given(st.lists(st.lists(TEXTS | st.none(), min_size=2, max_size=2), max_size=5))
def test_csv_reads_back(rows: list[list[str | None]]) -> None:
    encoder = CsvEncoder(shape(Kind.TEXT, Kind.TEXT))
    cells = [[None if cell is None else cell.encode() for cell in row] for row in rows]
    data = encoder.head() + encoder.encode(cells) + encoder.tail()
    read = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert read == [["c0", "c1"], *([cell or "" for cell in row] for row in rows)]


@given(st.lists(st.lists(TEXTS | st.none(), min_size=2, max_size=2), max_size=5))
def test_ndjson_reads_back_line_by_line(rows: list[list[str | None]]) -> None:
    cells = [[None if cell is None else cell.encode() for cell in row] for row in rows]
    data = NdjsonEncoder(shape(Kind.TEXT, Kind.TEXT)).encode(cells)
    read = [list(json.loads(line).values()) for line in data.split(b"\n")[:-1]]
    assert read == rows


def test_csv_tells_null_from_the_empty_string() -> None:
    assert CsvEncoder(shape(Kind.TEXT, Kind.TEXT)).encode([[None, b""]]) == b',""\r\n'


@pytest.mark.parametrize(
    ("kind", "cell", "written"),
    [
        (Kind.INTEGER, b"18446744073709551615", "18446744073709551615"),
        (Kind.INTEGER, b"00042", '"00042"'),
        (Kind.NUMBER, b"1.10", "1.10"),
        (Kind.NUMBER, b"-1e-300", "-1e-300"),
        (Kind.NUMBER, b"-0", "-0"),
        (Kind.NUMBER, b"NaN", '"NaN"'),
        (Kind.NUMBER, b"-Infinity", '"-Infinity"'),
        (Kind.BOOLEAN, b"t", "true"),
        (Kind.BOOLEAN, b"0", "false"),
        (Kind.BYTES, b"\x00\xff", '"AP8="'),
        (Kind.TIMESTAMP, b"2024-02-29 23:59:59.123+00", '"2024-02-29T23:59:59.123+00:00"'),
        (Kind.TIMESTAMP, b"0044-03-15 12:00:00+00 BC", '"0044-03-15T12:00:00+00:00 BC"'),
        (Kind.TIMESTAMP, b"infinity", '"infinity"'),
        (Kind.TIMESTAMP, b"0000-00-00 00:00:00", '"0000-00-00T00:00:00"'),
        (Kind.TIME, b"24:00:00-03", '"24:00:00-03:00"'),
        (Kind.TIME, b"-838:59:59", '"-838:59:59"'),
        (Kind.DATE, b"4713-01-01 BC", '"4713-01-01 BC"'),
        (Kind.JSON, b'{"a":\n1e400,\r\n"a": "x"}', '{"a": 1e400,  "a": "x"}'),
        (Kind.OTHER, b"{1,NULL}", '"{1,NULL}"'),
        (Kind.TEXT, b"tab\t\"q\"\x01", '"tab\\t\\"q\\"\\u0001"'),
    ],
)  # fmt: skip
def test_ndjson_writes_each_kind(kind: Kind, cell: bytes, written: str) -> None:
    assert ndjson(kind, cell) == f'{{"c0":{written}}}\n'


def test_names_with_quotes_and_percent_signs_are_keys() -> None:
    odd = Shape(('a"b', "100%s", "ü"), (Kind.INTEGER,) * 3, (None,) * 3)
    assert json.loads(NdjsonEncoder(odd).encode([[b"1", b"2", b"3"]])) == {'a"b': 1, "100%s": 2, "ü": 3}


def test_a_masked_document_that_is_no_json_is_a_string() -> None:
    masked = Shape(("doc",), (Kind.JSON,), (lambda cell: b"abc",))
    assert NdjsonEncoder(masked).encode([[b"abc"], [b"[1]"]]) == b'{"doc":"abc"}\n{"doc":[1]}\n'


def test_text_that_is_not_utf8_is_an_error_without_the_value() -> None:
    with pytest.raises(Internal) as caught:
        CsvEncoder(shape(Kind.TEXT)).encode([[b"secret\xff"]])
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_shape_needs_as_many_types_as_outputs() -> None:
    with pytest.raises(SchemaChanged):
        Shape.of([Output("a"), Output("b")], [OutputType("text", Kind.TEXT)])


def test_rows_as_text_are_masked_and_null_stays_null() -> None:
    masked = Shape(("a", "b"), (Kind.TEXT, Kind.BYTES), (bytes.upper, None))
    assert text_rows(masked, [[b"x", b"\xff"], [None, None]]) == [
        ("X", base64.b64encode(b"\xff").decode()),
        (None, None),
    ]


def test_inserts_hold_many_rows_and_do_not_depend_on_batches() -> None:
    rows: list[RawRow] = [[str(number).encode(), None] for number in range(5)]

    def written(*batches: Sequence[RawRow]) -> bytes:
        encoder = InsertEncoder(b"INSERT INTO t (a,b) VALUES", [bytes, bytes], statement_rows=2, after=b"-- end\n")
        return encoder.head() + b"".join(encoder.encode(batch) for batch in batches) + encoder.tail()

    assert written(rows) == written(rows[:1], rows[1:4], rows[4:])
    assert written(rows) == (
        b"INSERT INTO t (a,b) VALUES\n(0,NULL),\n(1,NULL);\nINSERT INTO t (a,b) VALUES\n(2,NULL),\n(3,NULL);\n"
        b"INSERT INTO t (a,b) VALUES\n(4,NULL);\n-- end\n"
    )


async def test_the_sink_sees_few_large_writes_and_masked_rows_only() -> None:
    masked = Shape(("a",), (Kind.TEXT,), (lambda cell: b"*" * len(cell),))

    async def batches() -> AsyncIterator[list[RawRow]]:
        for _ in range(100):
            yield [[b"x" * 4000]]

    sink = Bytes()
    receipt = await render_batches(batches(), Renderer(masked, text_encoder(Format.CSV, masked), sink))
    assert (receipt.rows, receipt.size) == (100, sum(map(len, sink.writes)))
    assert all(len(write) >= 64 * 1024 for write in sink.writes[:-1])
    assert b"x" not in b"".join(sink.writes)
