"""Rows as INSERT statements that every MySQL or MariaDB client loads, whatever its session says.

The file sets the session up and puts it back: UTF-8, UTC, foreign keys unchecked (any shape and order loads), zero in
an AUTO_INCREMENT column kept, dates kept as they are. It is strict, so a value that does not fit fails loudly; only
ENUM columns need it lenient, for the error value '' of a row is no member of theirs.

A backslash in text is doubled, which the file's own sql_mode reads as one; quotes are doubled too, so that where a
literal ends does not depend on any mode. No literal holds NUL, a carriage return or another control character, for
the ``mysql`` client rewrites CR LF inside strings: such text, and all bytes, is hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hfitd.engines.interface import Select
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.mysql_types import ENUM, Typed
from hfitd.engines.rendering import InsertEncoder
from hfitd.engines.shape import RawRow, Shape
from hfitd.model import Kind

Literal = Callable[[bytes], bytes]

_OPENING = """SET NAMES utf8mb4;
SET @hfit_time_zone=@@time_zone, time_zone='+00:00';
SET @hfit_foreign_key_checks=@@foreign_key_checks, foreign_key_checks=0;
SET @hfit_sql_mode=@@sql_mode, sql_mode='{}';
"""
CLOSING = b"""SET sql_mode=@hfit_sql_mode;
SET foreign_key_checks=@hfit_foreign_key_checks;
SET time_zone=@hfit_time_zone;
"""
_LENIENT = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"

# Control characters but tab and line feed. ``translate`` finds them seven times as fast as a regex.
UNSAFE = bytes({*range(32), 0x7F} - {0x09, 0x0A})
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?")


def opening(*, strict: bool) -> bytes:
    """The statements that set a loading session up; ``CLOSING`` puts it back."""
    return _OPENING.format(f"{_LENIENT},STRICT_ALL_TABLES" if strict else _LENIENT).encode()


def written(select: Select) -> list[int]:
    """Positions of the outputs that a file may write: all but generated columns. The hidden ones stay for masks."""
    return [
        n
        for n, output in enumerate(select.outputs)
        if output.hidden or output.column is None or not output.column.generated
    ]


def project(rows: Sequence[RawRow], keep: Sequence[int], width: int) -> Sequence[RawRow]:
    """Only these cells of each row."""
    return rows if len(keep) == width else [[row[n] for n in keep] for row in rows]


def insert_encoder(select: Select, types: Sequence[Typed], shape: Shape, dialect: MysqlDialect) -> InsertEncoder:
    """The encoder of the written outputs; ``types`` and ``shape`` are of those."""
    columns = ", ".join(dialect.identifier(name) for name in shape.names)
    strict = not any(item.field.flags & ENUM for item in types)
    return InsertEncoder(
        f"INSERT INTO {select.into} ({columns}) VALUES".encode(),
        [literal_of(types[place], masked=shape.is_masked(place)) for place in range(len(shape.names))],
        before=opening(strict=strict),
        after=CLOSING,
    )


def literal_of(item: Typed, *, masked: bool) -> Literal:
    """How the cells of a column are spelt; a mask may make more than its type allows."""
    kind = item.type.kind
    if kind is Kind.BYTES:
        return _bytes
    if kind is Kind.INTEGER and not masked:
        return _verbatim
    if kind in (Kind.INTEGER, Kind.NUMBER):
        return _number
    return text_literal


def _verbatim(cell: bytes) -> bytes:
    return cell


def _number(cell: bytes) -> bytes:
    """Digits as they are; anything else, and minus zero (which as a number literal loses its sign), as text."""
    return cell if _NUMBER.fullmatch(cell) and cell != b"-0" else text_literal(cell)


def _bytes(cell: bytes) -> bytes:
    return b"X'" + hexadecimal(cell) + b"'"


def text_literal(cell: bytes) -> bytes:
    """UTF-8 text, quoted when that is safe everywhere."""
    if len(cell.translate(None, UNSAFE)) == len(cell):
        return b"'" + cell.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"
    return b"_utf8mb4 X'" + hexadecimal(cell) + b"'"


def hexadecimal(cell: bytes) -> bytes:
    """Digits as the server's HEX() gives them."""
    return cell.hex().upper().encode("ascii")
