"""Values in MySQL statements: spelt by us, so that no byte of them can be read as SQL.

The driver has no server-side parameters, so every value is checked against its type and then spelt with characters
that mean the same under every sql_mode and character set:

1. Text is ``_utf8mb4 X'...'``: hexadecimal digits only. As a literal it is coercible, so the column's collation still
   decides and its index is still used.
2. Numbers are the digits that a strict pattern let through, in the range of the type.
3. Dates and times are digits and separators that a strict pattern let through.
4. Bytes (base64 in ``Bind.value``) are ``X'...'``.

MySQL infers no types: a bind without ``type_name`` is text.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import struct
from collections.abc import Callable

from hfitd.engines.mysql_types import kind_of_type
from hfitd.errors import ParamInvalid
from hfitd.model import Kind
from hfitd.sql import Bind, Sql

_INTEGER_BITS = {
    "tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64, "int2": 16, "int4": 32,
    "int8": 64,
}  # fmt: skip
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_FLOATING = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-(?:0[0-9]|1[0-2])-(?:[0-2][0-9]|3[01])", re.ASCII)
_MOMENT = re.compile(
    rf"({_DATE.pattern})"
    r"(?:[ T]((?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?)(?:Z|\+00(?::?00)?)?)?",
    re.ASCII,
)
_TIME = re.compile(r"-?[0-8]?[0-9]{2}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)
_BOOLEANS = {"true": "1", "t": "1", "1": "1", "false": "0", "f": "0", "0": "0"}
_MAX_DECIMAL_DIGITS = 65


class _Refused(Exception):
    """The value is not one of its type."""


def compose(sql: Sql) -> str:
    """The statement with its values spelt in. Raises ParamInvalid naming the bind's label."""
    return "".join(spell(piece) if isinstance(piece, Bind) else piece.sql for piece in sql.pieces)


def spell(bind: Bind) -> str:
    """One value as SQL. Raises ParamInvalid."""
    if bind.value is None:
        return "NULL"
    if not isinstance(bind.value, str):
        raise _invalid(bind)
    bare = re.split(r"[ (]", (bind.type_name or "").lower(), maxsplit=1)[0]
    unsigned = "unsigned" in (bind.type_name or "").lower()
    try:
        if not bare and "\0" in bind.value:
            raise _Refused  # a caller's: no text parameter holds NUL; the key of a row may
        if bare in _INTEGER_BITS:
            return _integer(bind.value, _INTEGER_BITS[bare], unsigned=unsigned)
        if bare in _BY_ROW and not bind.label:  # a value of a row: such a column may hold 31 February
            return _BY_ROW[bare](bind.value)
        return _BY_TYPE.get(bare, _by_kind(bare))(bind.value)
    except _Refused:
        raise _invalid(bind) from None


def text_literal(value: str) -> str:
    """1: text as hexadecimal digits. Raises ParamInvalid for lone surrogates."""
    try:
        return _text(value)
    except _Refused:
        raise _invalid(Bind(None)) from None


def _invalid(bind: Bind) -> ParamInvalid:
    what = f'The value of "{bind.label}"' if bind.label else "A value"
    kind = f" of type {bind.type_name}" if bind.type_name else ""
    return ParamInvalid(f"{what} is not a valid value{kind}.", resource=bind.label or None)


def _text(value: str) -> str:  # 1
    try:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    except UnicodeEncodeError:
        raise _Refused from None


def _integer(value: str, bits: int, *, unsigned: bool) -> str:  # 2
    if not _INTEGER.fullmatch(value):
        raise _Refused
    number = int(value)
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= number <= high:
        raise _Refused
    return str(number)


def _year_or_bits(value: str) -> str:  # 2
    return _integer(value, 64, unsigned=True)


def _decimal(value: str) -> str:  # 2
    if not _DECIMAL.fullmatch(value) or sum(letter.isdigit() for letter in value) > _MAX_DECIMAL_DIGITS:
        raise _Refused
    return value


def _double(value: str) -> str:  # 2
    if not _FLOATING.fullmatch(value) or abs(float(value)) == float("inf"):
        raise _Refused
    return value if "e" in value.lower() else f"{value}e0"


def _float(value: str) -> str:
    """A FLOAT column is compared as a double, so the value becomes the double of its single precision."""
    if not _FLOATING.fullmatch(value):
        raise _Refused
    try:
        (single,) = struct.unpack("<f", struct.pack("<f", float(value)))
    except OverflowError:
        raise _Refused from None
    return _double(repr(single))


def _boolean(value: str) -> str:
    if value.lower() not in _BOOLEANS:
        raise _Refused
    return _BOOLEANS[value.lower()]


def _date(value: str) -> str:  # 3
    if not _DATE.fullmatch(value) or not _is_day(value):
        raise _Refused
    return f"'{value}'"


def _any_date(value: str) -> str:  # 3
    if not _DATE.fullmatch(value):
        raise _Refused
    return f"'{value}'"


def _is_day(value: str) -> bool:
    """A day of the calendar, or one that MySQL stores with its month or day unknown (zero)."""
    year, month, day = (int(part) for part in value.split("-"))
    if 0 in (month, day):
        return month <= 12
    return day <= calendar.monthrange(year or 4, month)[1]


def _moment(value: str) -> str:
    """3: a date, or a date and a time of day in UTC, the session's zone; other offsets are refused."""
    match = _MOMENT.fullmatch(value)
    if not match or not _is_day(match[1]):
        raise _Refused
    return _any_moment(value)


def _any_moment(value: str) -> str:  # 3
    match = _MOMENT.fullmatch(value)
    if not match:
        raise _Refused
    return f"'{match[1]} {match[2]}'" if match[2] else f"'{match[1]}'"


def _time(value: str) -> str:  # 3
    if not _TIME.fullmatch(value):
        raise _Refused
    return f"'{value}'"


def _bytes(value: str) -> str:  # 4
    try:
        return f"X'{base64.b64decode(value, validate=True).hex()}'"
    except (binascii.Error, ValueError):
        raise _Refused from None


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise _Refused
    return _text(value)


_BY_TYPE: dict[str, Callable[[str], str]] = {
    "year": _year_or_bits,
    "bit": _year_or_bits,
    "decimal": _decimal,
    "numeric": _decimal,
    "number": _double,
    "float": _float,
    "double": _double,
    "real": _double,
    "bool": _boolean,
    "boolean": _boolean,
    "date": _date,
    "datetime": _moment,
    "timestamp": _moment,
    "timestamptz": _moment,
    "time": _time,
    "uuid": _uuid,
}

_BY_ROW: dict[str, Callable[[str], str]] = {"date": _any_date, "datetime": _any_moment, "timestamp": _any_moment}


def _by_kind(bare: str) -> Callable[[str], str]:
    return _bytes if kind_of_type(bare) is Kind.BYTES else _text
