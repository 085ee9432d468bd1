"""Members are cut into statements, once."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfit.errors import PackageInvalid
from hfit.load.interface import Passed
from hfit.load.plan import _passed
from hfit.load.script import READ_BYTES, Statement, read_again, read_script
from hfit.load.statements import Kind, insert_head, kind_of

HEAD = b"INSERT INTO `a;``b` (`x`, `VALUES\n(`) VALUES\n"
LITERALS = st.one_of(
    st.text("a;'\\\n(`\"#-é", max_size=9).map(lambda t: "'" + t.replace("\\", "\\\\").replace("'", "''") + "'"),
    st.sampled_from(["NULL", "-1.5e-30", "0", "X'0AfF'", "_utf8mb4 X''", "'-- '", "'/*'"]),
)
ROWS = st.lists(st.tuples(LITERALS, LITERALS).map(lambda row: f"({row[0]},{row[1]})".encode()), min_size=1, max_size=4)


def read(data: bytes) -> list[Statement]:
    found = list(read_script(io.BytesIO(data), "mysql", "m.sql"))
    assert all(isinstance(item, Statement) for item in found)
    return [item for item in found if isinstance(item, Statement)]


@given(st.lists(st.one_of(ROWS.map(lambda rows: HEAD + b",\n".join(rows)), st.just(b"SET @a=';'")), max_size=5))
def test_statements_come_out_as_they_went_in_and_rows_are_proved_literals(texts: list[bytes]) -> None:
    data = b"".join(b"-- a; comment\n" + text + b";\n" for text in texts)
    found = read(data)
    assert [item.text for item in found] == texts
    for item in found:
        assert data[item.offset : item.offset + len(item.text)] == item.text
        assert item.line == 1 + data[: item.offset].count(b"\n")
        if kind_of(item, "mysql", "m.sql") is Kind.INSERT:
            assert item.rows_at == insert_head(item.text, "mysql")[2] == len(HEAD)


@pytest.mark.parametrize(
    "rows",
    [
        b"('a\\'),(1)", b"(LOAD_FILE('x'))", b"((SELECT 1))", b"('a' 'b')", b"(1),", b"()",
        b"(1) ON DUPLICATE KEY UPDATE x=2", b"('\\\\\\')", b"(X'0g')", b"(_utf8mb4 'a')", b"(1);(2)",
    ],
)  # fmt: skip
def test_rows_that_are_no_literals_are_refused(rows: bytes) -> None:
    with pytest.raises(PackageInvalid):
        for item in read(HEAD + rows + b";\n"):
            kind_of(item, "mysql", "m.sql")


def test_what_was_looked_through_is_read_again_without_looking() -> None:
    text = HEAD + b",\n".join([b"(1,'" + b"x;" * 400 + b"')"] * (READ_BYTES // 500))
    data = b"SET NAMES utf8mb4;\n" + (text + b";\n") * 2
    first = read(data)
    again = list(read_again(io.BytesIO(data), [_passed(item) for item in first], "m.sql"))
    assert again == first
    assert [item.text for item in again] == [b"SET NAMES utf8mb4", text, text]


def test_a_member_that_changed_since_it_was_looked_through_is_refused() -> None:
    data = HEAD + b"(1,'a');\n"
    passed = [_passed(item) for item in read(data)]
    for other in (data.replace(b"'a'", b"@@x"), data[:-4]):
        with pytest.raises(PackageInvalid, match="has changed"):
            list(read_again(io.BytesIO(other), passed, "m.sql"))
    beyond: Passed = replace(passed[0], offset=1)
    with pytest.raises(PackageInvalid, match="has changed"):
        list(read_again(io.BytesIO(data), [beyond], "m.sql"))
