"""COPY text is taken apart and put together without a loss."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hfitd.engines.postgres_copy import Lines, escape, mask_lines, parse_lines, unescape
from hfitd.engines.shape import Shape
from hfitd.model import Kind


@given(st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_a_cell_escapes_and_unescapes(raw: bytes) -> None:
    cell = escape(raw)
    assert unescape(cell) == raw
    assert b"\t" not in cell
    assert b"\n" not in cell


@given(st.binary(max_size=60), st.integers(1, 7))
def test_lines_are_whole_whatever_the_chunks(data: bytes, size: int) -> None:
    lines = Lines()
    text = data + b"\n"
    found = [line for start in range(0, len(text), size) for line in lines.cut(text[start : start + size])]
    assert found == text.split(b"\n")[:-1]


def test_null_is_not_the_text_backslash_n() -> None:
    shape = Shape(("a", "b"), (Kind.TEXT, Kind.BYTES), (None, None))
    assert parse_lines([rb"\N" + b"\t" + rb"\\x00ff", rb"\\N" + b"\t" + rb"\N"], shape) == [
        [None, b"\x00\xff"],
        [rb"\N", None],
    ]


def test_only_masked_cells_change_and_null_stays() -> None:
    shape = Shape(("a", "b"), (Kind.TEXT, Kind.TEXT), (None, lambda cell: cell + b"\t\\"))
    assert mask_lines([rb"x\ty" + b"\t" + rb"a\nb", rb"\N" + b"\t" + rb"\N"], shape) == (
        rb"x\ty" + b"\t" + rb"a\nb\t\\" + b"\n" + rb"\N" + b"\t" + rb"\N" + b"\n"
    )


def test_a_row_without_columns_is_a_row() -> None:
    assert parse_lines([b"", b""], Shape((), (), ())) == [(), ()]
