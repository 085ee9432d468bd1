"""What MySQL's types are to us: the kind of a column by its declared type, of an output by its protocol type.

Type codes and flags are those of the client/server protocol (``enum_field_types``, column definition flags).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfitd.engines.interface import Output, OutputType
from hfitd.engines.mysql_rows import Field
from hfitd.model import Kind

FLOAT = 4
BINARY_CHARSET = 63
NOT_NULL, UNSIGNED, ZEROFILL, ENUM = 1, 32, 64, 256

_INTEGERS = {1: "tinyint", 2: "smallint", 3: "int", 8: "bigint", 9: "mediumint"}
_YEAR, _BIT, _JSON, _GEOMETRY, _NULL, _VECTOR = 13, 16, 245, 255, 6, 242
_OTHER_TYPES = {
    0: ("decimal", Kind.NUMBER),
    246: ("decimal", Kind.NUMBER),
    FLOAT: ("float", Kind.NUMBER),
    5: ("double", Kind.NUMBER),
    7: ("timestamp", Kind.TIMESTAMP),
    12: ("datetime", Kind.TIMESTAMP),
    10: ("date", Kind.DATE),
    14: ("date", Kind.DATE),
    11: ("time", Kind.TIME),
    _YEAR: ("year", Kind.INTEGER),
    _BIT: ("bit", Kind.INTEGER),
    _JSON: ("json", Kind.JSON),
    _GEOMETRY: ("geometry", Kind.BYTES),
    _VECTOR: ("vector", Kind.BYTES),
    _NULL: ("null", Kind.TEXT),
}
_DECLARED = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year", "bit"), Kind.INTEGER),
    **dict.fromkeys(("decimal", "numeric", "float", "double", "real"), Kind.NUMBER),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"), Kind.BYTES),
    **dict.fromkeys(
        (
            "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
            "geometrycollection", "geomcollection",
        ),
        Kind.BYTES,
    ),
    "date": Kind.DATE,
    "time": Kind.TIME,
    "datetime": Kind.TIMESTAMP,
    "timestamp": Kind.TIMESTAMP,
    "json": Kind.JSON,
    "uuid": Kind.UUID,
}  # fmt: skip


def kind_of_type(data_type: str) -> Kind:
    """The kind of a column by its bare declared type; unknown ones are text."""
    return _DECLARED.get(data_type.lower(), Kind.TEXT)


Convert = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Typed:
    """An output joined with what the server says: its type, and how its raw cell becomes the cell of its kind."""

    type: OutputType
    field: Field
    convert: Convert | None = None


def typed(field: Field, output: Output | None = None) -> Typed:
    """The type of one output. Where MySQL keeps JSON or uuid as text the origin column tells the kind."""
    kind, name, convert = _of_protocol(field)
    origin = output.column if output is not None else None
    if kind is Kind.TEXT and origin is not None and origin.kind in (Kind.JSON, Kind.UUID):
        kind, name = origin.kind, origin.type_name
    return Typed(OutputType(name, kind), field, convert)


def _of_protocol(field: Field) -> tuple[Kind, str, Convert | None]:
    code = field.type_code
    if code in _INTEGERS:
        name = _INTEGERS[code] + (" unsigned" if field.flags & UNSIGNED else "")
        return Kind.INTEGER, name, _without_zeros if field.flags & ZEROFILL else None
    if code in _OTHER_TYPES:
        name, kind = _OTHER_TYPES[code]
        convert = {_YEAR: _without_zeros, _BIT: _bits}.get(code)
        if convert is None and field.flags & ZEROFILL:
            convert = _without_zeros
        return kind, name, convert
    if field.charset == BINARY_CHARSET:
        return Kind.BYTES, "varbinary", None
    return Kind.TEXT, "enum" if field.flags & ENUM else "varchar", None


def _without_zeros(cell: bytes) -> bytes:
    """Zero filling is display: ``00042`` is 42, ``007.50`` is 7.50."""
    stripped = cell.lstrip(b"0")
    return b"0" + stripped if not stripped or not stripped[:1].isdigit() else stripped


def _bits(cell: bytes) -> bytes:
    """BIT(n) comes as its bytes, most significant first; its text is the number."""
    return b"%d" % int.from_bytes(cell, "big")
