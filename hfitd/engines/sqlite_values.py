"""Values of SQLite as cells that know their storage class, for a column may hold any.

A cell is UTF-8 text or raw bytes like on every engine; its class says what SQLite stores. A masked cell is plain
``bytes``: what it is follows from the column.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Sequence

from hfitd.engines.interface import Output, Row
from hfitd.engines.rendering import Spell, csv_field, json_value, text_rows
from hfitd.engines.shape import RawRow, Shape, mask_rows
from hfitd.model import Kind

_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(rb"[^\x00\r]*")
_TRUTHS = (b"0", b"1")
_INFINITIES = {b"Infinity": b"9e999", b"-Infinity": b"-9e999"}
_POWER_OF_TWO = 62  # the largest whose digits SQLite reads exactly as an integer


class Text(bytes):
    """TEXT, as UTF-8; SQLite does not check that it is."""


class Blob(bytes):
    """BLOB."""


class Integer(bytes):
    """INTEGER, in digits."""


class Real(bytes):
    """REAL, in the fewest digits that are the same double again."""


def _real(value: float) -> Real:
    text = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, repr(value))
    return Real(text.encode("ascii"))


_CELLS: dict[type, Callable[..., bytes | None]] = {
    Text: lambda value: value,
    bytes: Blob,
    int: lambda value: Integer(b"%d" % value),
    float: _real,
    type(None): lambda value: None,
}


def cells_of(row: Sequence[object]) -> RawRow:
    """The cells of a row that came with ``Text`` as the connection's text factory."""
    return [_CELLS[type(value)](value) for value in row]


def kind_of_type(declared: str) -> Kind:
    """The kind of a column by its declared type: known names first, then SQLite's affinity rules."""
    word = declared.upper()
    for part, kind in _NAMED:
        if part in word:
            return kind
    return Kind.TEXT


_NAMED = (
    ("BOOL", Kind.BOOLEAN),
    ("DATETIME", Kind.TIMESTAMP),
    ("TIMESTAMP", Kind.TIMESTAMP),
    ("DATE", Kind.DATE),
    ("INT", Kind.INTEGER),
    ("CHAR", Kind.TEXT),
    ("CLOB", Kind.TEXT),
    ("TEXT", Kind.TEXT),
    ("BLOB", Kind.BYTES),
    ("REAL", Kind.NUMBER),
    ("FLOA", Kind.NUMBER),
    ("DOUB", Kind.NUMBER),
    ("DEC", Kind.NUMBER),
    ("NUM", Kind.NUMBER),
    ("TIME", Kind.TIME),
    ("UUID", Kind.UUID),
)


def kind_of_output(output: Output) -> Kind:
    """The kind of its column; expressions have no type in SQLite and count as text."""
    return output.column.kind if output.column is not None else Kind.TEXT


def texts(shape: Shape, rows: Sequence[RawRow]) -> list[Row]:
    """Rows masked and as text, blobs as base64, whatever the column says."""
    masked = mask_rows(shape, rows)
    return [
        text_rows(Shape(shape.names, tuple(map(_stored_kind, row, shape.kinds)), _no_masks(len(row))), [row])[0]
        for row in masked
    ]


def _no_masks(count: int) -> tuple[None, ...]:
    return (None,) * count


def _stored_kind(cell: bytes | None, kind: Kind) -> Kind:
    if type(cell) is Blob:
        return Kind.BYTES
    return Kind.TEXT if type(cell) is not bytes and kind is Kind.BYTES else kind


def json_values(shape: Shape) -> list[Spell]:
    """How NDJSON spells each column's cells, by what is stored."""
    return [_by_class(kind, json_value) for kind in shape.kinds]


def csv_fields(shape: Shape) -> list[Spell]:
    """How CSV spells each column's cells, by what is stored."""
    return [_by_class(kind, csv_field) for kind in shape.kinds]


def _by_class(kind: Kind, spell_of: Callable[[Kind], Spell]) -> Spell:
    as_text = spell_of(kind if kind in (Kind.DATE, Kind.TIME, Kind.TIMESTAMP) else Kind.TEXT)
    as_number, as_truth, as_bytes = spell_of(Kind.NUMBER), spell_of(Kind.BOOLEAN), spell_of(Kind.BYTES)
    spells = {Text: as_text, Integer: as_number, Real: as_number, Blob: as_bytes, bytes: spell_of(kind)}

    def spell(cell: bytes) -> str:
        if kind is Kind.BOOLEAN and cell in _TRUTHS:
            return as_truth(cell)
        return spells[type(cell)](cell)

    return spell


def literal_of(kind: Kind, reals: Reals) -> Callable[[bytes], bytes]:
    """How SQL spells a column's cells, by what is stored, so that loading stores the same."""

    def literal(cell: bytes) -> bytes:
        stored = type(cell)
        if stored is Integer:
            return cell
        if stored is Real:
            return reals.spell(cell)
        if stored is Blob or (stored is bytes and kind is Kind.BYTES):
            return b"X'" + cell.hex().encode("ascii") + b"'"
        if stored is bytes and kind in (Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN) and _NUMBER.fullmatch(cell):
            return cell
        return text_literal(cell)

    return literal


def text_literal(cell: bytes) -> bytes:
    """TEXT as SQL. NUL ends a statement and the shell drops CR before LF: such text, or what is no UTF-8, is cast."""
    try:
        cell.decode()
        plain = _PLAIN.fullmatch(cell) is not None
    except UnicodeDecodeError:
        plain = False
    if plain:
        return b"'" + cell.replace(b"'", b"''") + b"'"
    return b"CAST(X'" + cell.hex().encode("ascii") + b"' AS TEXT)"


class Reals:
    """Spells REAL so that every SQLite reads the same double. Holds a connection of its own; close it.

    SQLite does not round decimal digits correctly in all cases; where it would not read them back as the same double,
    the number is spelt as an exact quotient or product of integers.
    """

    def __init__(self) -> None:
        self._reader = sqlite3.connect(":memory:", check_same_thread=False)

    def __enter__(self) -> Reals:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def spell(self, cell: bytes) -> bytes:
        """The literal of a ``Real`` cell."""
        if cell in _INFINITIES:
            return _INFINITIES[cell]
        value, text = float(cell), cell.decode("ascii")
        (read,) = self._reader.execute("SELECT CAST(? AS REAL)", (text,)).fetchone()
        return bytes(cell) if read == value else _exact(value).encode("ascii")


def _exact(value: float) -> str:
    """Mantissa and powers of two, each an integer that a double holds exactly."""
    numerator, denominator = value.as_integer_ratio()
    spare = max(0, numerator.bit_length() - 53) if denominator == 1 else 0
    parts = [f"{numerator >> spare}.0" if numerator >= 0 else f"-{-numerator >> spare}.0"]
    for operator, bits in (("*", spare), ("/", denominator.bit_length() - 1)):
        steps = [_POWER_OF_TWO] * (bits // _POWER_OF_TWO) + [bits % _POWER_OF_TWO]
        parts += [f"{operator}{2**step}.0" for step in steps if step]
    return f"({''.join(parts)})"
