"""Rows of MySQL's binary protocol as the same text cells that the text protocol gives.

Only results with a FLOAT column come this way: the text protocol prints FLOAT with six digits, so 16777216 arrives as
16777200, while the binary row holds its four bytes. Layout: a zero byte, the NULL bitmap (offset 2), then the values
by type; dates and times are length-prefixed fields that may be cut short (all zero: length 0).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from hfitd.engines.mysql_rows import Field, Parse, long_size
from hfitd.engines.mysql_types import FLOAT, UNSIGNED
from hfitd.engines.shape import RawRow

Value = tuple[bytes, int]  # the cell and where the next byte stands
Read = Callable[[bytes, int], Value]

_INTEGER_WIDTHS = {1: 1, 2: 2, 13: 2, 3: 4, 9: 4, 8: 8}
_DOUBLE, _TIME, _DATE = 5, 11, 10
_MOMENTS = (7, 12)
_LARGEST = (2 - 2**-23) * 2.0**127  # of single precision; the server refuses a double above it, however close


def needs_binary(fields: Sequence[Field]) -> bool:
    """Whether the text protocol would lose digits of this result."""
    return any(field.type_code == FLOAT for field in fields)


def binary_parser(fields: Sequence[Field]) -> Parse:
    """Cut rows of the binary protocol with these columns."""
    readers = [_reader(field) for field in fields]
    bitmap = (len(fields) + 9) // 8

    def parse(data: bytes, at: int, end: int) -> RawRow:
        nulls = int.from_bytes(data[at + 1 : at + 1 + bitmap], "little") >> 2
        at += 1 + bitmap
        cells: list[bytes | None] = []
        for read in readers:
            if nulls & 1:
                cells.append(None)
            else:
                cell, at = read(data, at)
                cells.append(cell)
            nulls >>= 1
        if at != end:
            raise ValueError("malformed row")
        return cells

    return parse


def _reader(field: Field) -> Read:
    code = field.type_code
    digits = field.decimals if field.decimals <= 6 else 0
    if code in _INTEGER_WIDTHS:
        return _integers(_INTEGER_WIDTHS[code], signed=not field.flags & UNSIGNED and code != 13)
    if code == FLOAT:
        return _float
    if code == _DOUBLE:
        return _double
    if code == _DATE:
        return _date
    if code in _MOMENTS:
        return lambda data, at: _moment(data, at, digits)
    if code == _TIME:
        return lambda data, at: _time(data, at, digits)
    return _string


def _integers(width: int, *, signed: bool) -> Read:
    def read(data: bytes, at: int) -> Value:
        number = int.from_bytes(data[at : at + width], "little", signed=signed)
        return b"%d" % number, at + width

    return read


def _string(data: bytes, at: int) -> Value:
    size = data[at]
    at += 1
    if size > 250:
        size, at = long_size(data, at, size)
    return data[at : at + size], at + size


def _double(data: bytes, at: int) -> Value:
    (number,) = struct.unpack_from("<d", data, at)
    return _plain(repr(number)), at + 8


def _float(data: bytes, at: int) -> Value:
    (number,) = struct.unpack_from("<f", data, at)
    return _plain(shortest_float(number)), at + 4


def shortest_float(number: float) -> str:
    """The fewest digits that, read as a double and rounded to single precision, are this number again."""
    for digits in range(6, 10):
        text = f"{number:.{digits}g}"
        if abs(float(text)) <= _LARGEST and _single(float(text)) == number:
            return text
    return repr(number)


def _single(number: float) -> float | None:
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return None
    return float(rounded)


def _plain(text: str) -> bytes:
    """As MySQL prints numbers: 1.5e300, not 1.5e+300; 5, not 5.0."""
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    return (f"{mantissa}e{int(exponent)}" if exponent else mantissa).encode("ascii")


def _date(data: bytes, at: int) -> Value:
    size = data[at]
    year, month, day = struct.unpack_from("<HBB", data, at + 1) if size else (0, 0, 0)
    return b"%04d-%02d-%02d" % (year, month, day), at + 1 + size


def _moment(data: bytes, at: int, digits: int) -> Value:
    size = data[at]
    raw = data[at + 1 : at + 1 + size].ljust(11, b"\0")
    year, month, day, hour, minute, second, micro = struct.unpack("<HBBBBBI", raw)
    text = b"%04d-%02d-%02d %02d:%02d:%02d" % (year, month, day, hour, minute, second)
    return text + _fraction(micro, digits), at + 1 + size


def _time(data: bytes, at: int, digits: int) -> Value:
    size = data[at]
    raw = data[at + 1 : at + 1 + size].ljust(12, b"\0")
    negative, days, hour, minute, second, micro = struct.unpack("<BIBBBI", raw)
    text = b"%s%02d:%02d:%02d" % (b"-" if negative else b"", days * 24 + hour, minute, second)
    return text + _fraction(micro, digits), at + 1 + size


def _fraction(micro: int, digits: int) -> bytes:
    return b"." + (b"%06d" % micro)[:digits] if digits else b""
