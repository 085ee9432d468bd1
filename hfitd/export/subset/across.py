"""Values that are compared across databases: one spelling for both sides, and how the target is asked for it.

Two servers share no equality, so a value is what it means by the kinds of the two columns. No collation of either
side decides, so that the same rows belong together whichever way a walk comes:

* whole numbers, also as text on one side: by value, but as text only in the usual spelling, 7 and not 007;
* numbers: by value, ``1.0`` is ``1``;
* UUIDs, also as text or as sixteen bytes on one side: by value;
* dates, also as ISO text on one side, and bytes: by value;
* everything else: by its text, letter for letter; the blanks that pad a ``char(n)`` do not count.

A value that the other side's type cannot hold refers to nothing.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
import enum
import uuid
from dataclasses import dataclass

from hfitd.engines.interface import Dialect, Wanted
from hfitd.model import Column, Kind
from hfitd.sql import Sql

_TEXT_TYPES = frozenset(("text", "character varying", "character", "name"))
_MAX_DIGITS = 60
_ISO_DATE = len("2024-01-01")


class Form(enum.Enum):
    """What the values of a link between databases are."""

    WHOLE = "whole"
    NUMBER = "number"
    UUID = "uuid"
    DATE = "date"
    BYTES = "bytes"
    TEXT = "text"


_KINDS = {
    Form.WHOLE: frozenset((Kind.INTEGER, Kind.TEXT)),
    Form.NUMBER: frozenset((Kind.INTEGER, Kind.NUMBER)),
    Form.UUID: frozenset((Kind.UUID, Kind.TEXT, Kind.BYTES)),
    Form.DATE: frozenset((Kind.DATE, Kind.TEXT)),
    Form.BYTES: frozenset((Kind.BYTES,)),
}
_MARKS = {Form.WHOLE: Kind.INTEGER, Form.NUMBER: Kind.NUMBER, Form.UUID: Kind.UUID, Form.DATE: Kind.DATE,
          Form.BYTES: Kind.BYTES}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Across:
    """How the values of two columns of different databases are compared. What a JSON path gives is a text column."""

    child: Column
    parent: Column

    @property
    def form(self) -> Form:
        """What the values are."""
        kinds = {self.child.kind, self.parent.kind}
        return next((form for form, mark in _MARKS.items() if mark in kinds and kinds <= _KINDS[form]), Form.TEXT)

    @property
    def prints_alike(self) -> bool:
        """Whether equal values are printed alike on both sides, so that the same mask gives the same pseudonym."""
        alike = self.child.kind is self.parent.kind
        return alike and self.form is not Form.NUMBER and not any(map(_is_padded, (self.child, self.parent)))

    def spell(self, value: str, *, child: bool) -> str | None:
        """A printed value of one side as both sides spell it; None when it is none of the form."""
        column = self.child if child else self.parent
        try:
            return _SPELLINGS[self.form](value, column)
        except (ValueError, decimal.InvalidOperation, binascii.Error):
            return None

    def asks(self, value: str, *, child: bool) -> tuple[str, ...]:
        """How one side is asked for a value in its one spelling; nothing when its type cannot hold it."""
        column = self.child if child else self.parent
        if self.form is Form.UUID and column.kind is not Kind.UUID:
            if column.kind is Kind.BYTES:
                return (base64.b64encode(uuid.UUID(value).bytes).decode("ascii"),)
            return value, value.upper()
        if column.kind is not Kind.INTEGER or self.form not in (Form.WHOLE, Form.NUMBER):
            return (value,)
        low, high = (0, 2**64) if "unsigned" in column.type_name.lower() else (-(2**63), 2**63)
        number = decimal.Decimal(value)
        return (value,) if number == number.to_integral_value() and low <= number < high else ()

    def wanted(self, target: Sql, dialect: Dialect, *, child: bool) -> Wanted:
        """How one side is compared in its database. It may find too much; ``spell`` has the last word."""
        column, postgres = self.child if child else self.parent, dialect.name == "postgresql"
        if column.kind is Kind.TEXT and column.type_name != "" and (not postgres or _takes_any_text(column)):
            type_name = column.type_name if column.operators else "text"
            type_name = "bpchar" if postgres and _is_padded(column) else type_name
            return Wanted(target, type_name, Kind.TEXT, column.operators, column.collation or "")
        if column.kind is Kind.TEXT or self.form is Form.TEXT:
            return Wanted(dialect.as_text(target), "text", Kind.TEXT)
        if column.kind is Kind.INTEGER:
            unsigned = "unsigned" in column.type_name.lower()
            return Wanted(target, "bigint unsigned" if unsigned else "bigint", Kind.INTEGER)
        type_name = "numeric" if postgres and column.kind is Kind.NUMBER else column.type_name
        return Wanted(target, type_name, column.kind, column.operators)


def _takes_any_text(column: Column) -> bool:
    """Whether a cast of any text succeeds; an enum's does not."""
    return bool(column.operators) or column.type_name.partition("(")[0] in _TEXT_TYPES


def _is_padded(column: Column) -> bool:
    return column.type_name.lower().partition("(")[0] in ("character", "char")


def _whole(value: str, column: Column) -> str | None:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _MAX_DIGITS:
        return None
    number = str(int(value))
    return number if column.kind is Kind.INTEGER or number == value else None


def _number(value: str, column: Column) -> str | None:
    number = decimal.Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS or len(value) > _MAX_DIGITS:
        return None
    plain = format(number, "f")
    short = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if short in ("-0", "") else short


def _uuid(value: str, column: Column) -> str | None:
    if column.kind is Kind.BYTES:
        return str(uuid.UUID(bytes=base64.b64decode(value, validate=True)))
    return str(uuid.UUID(value))


def _date(value: str, column: Column) -> str | None:
    return dt.date.fromisoformat(value).isoformat() if len(value) == _ISO_DATE else None


def _as_it_is(value: str, column: Column) -> str | None:
    return value


def _text(value: str, column: Column) -> str | None:
    if "\0" in value:
        return None
    return value.rstrip(" ") if _is_padded(column) else value


_SPELLINGS = {
    Form.WHOLE: _whole,
    Form.NUMBER: _number,
    Form.UUID: _uuid,
    Form.DATE: _date,
    Form.BYTES: _as_it_is,
    Form.TEXT: _text,
}
