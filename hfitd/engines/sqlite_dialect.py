"""How SQLite spells things. Pure; the round trips with a database are in the tests."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import string
from collections.abc import Callable, Sequence

from hfitd.engines.interface import Match, Row, Wanted
from hfitd.engines.sqlite_values import kind_of_type, text_literal
from hfitd.errors import ParamInvalid
from hfitd.masks.interface import Twin
from hfitd.model import Column, Kind, Relation, Table
from hfitd.sql import Bind, Sql, bind, join, text

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TRUTHS = {"true": 1, "t": 1, "1": 1, "false": 0, "f": 0, "0": 0}

Value = None | int | float | str | bytes


class _Refused(Exception):
    """The value is not one of its type."""


class SqliteDialect:
    """The spelling of SQLite."""

    name = "sqlite"
    sqlglot_name = "sqlite"
    fence = " LIMIT -1 OFFSET 0"
    joins_values = True

    def identifier(self, name: str) -> str:
        """The name in double quotes; ValueError for an empty one, NUL or lone surrogates."""
        if not name or "\0" in name or any(0xD800 <= ord(letter) <= 0xDFFF for letter in name):
            raise ValueError("not a name that SQLite can have")
        return '"' + name.replace('"', '""') + '"'

    def qualified(self, schema: str, name: str) -> str:
        """``"main"."table"``."""
        return f"{self.identifier(schema)}.{self.identifier(name)}"

    def literal(self, value: str | None) -> str:
        """A text literal, or NULL."""
        return "NULL" if value is None else text_literal(value.encode()).decode()

    def typed_literal(self, value: str | None, column: Column) -> str:
        """A literal of the column's storage class. Bytes are base64. ParamInvalid when the type cannot take it."""
        stored = bound(Bind(value, column.type_name, column.name))
        if stored is None:
            return "NULL"
        if isinstance(stored, bytes):
            return f"X'{stored.hex()}'"
        return self.literal(stored) if isinstance(stored, str) else repr(stored)

    def twin(self, column: Column, twin: Twin) -> Sql | None:
        """Nothing: masks run in the row stream here."""
        return None

    def fold(self, word: str) -> str:
        """Names are kept as written; their comparison folds."""
        return word

    def same_name(self, left: str, right: str) -> bool:
        """SQLite compares names without the case of ASCII letters."""
        return left.translate(_LOWER) == right.translate(_LOWER)

    def comparison(self, column: Column, operator: str) -> str:
        """The operator as it is: types do not bring their own."""
        return operator

    def row_order(self, relation: Relation) -> Sql:
        """The visible row key, else every unmasked column as text and then as stored; binary order, NULLs first."""
        visible = {item.column.name: item.column for item in relation.columns}
        key = [name for name in relation.table.row_key if name in visible]
        if key and len(key) == len(relation.table.row_key):
            return join(", ", [text(f"{self.identifier(name)} COLLATE BINARY") for name in key])
        names = [self.identifier(item.column.name) for item in relation.columns if item.rule is None]
        terms = [f"CAST({name} AS TEXT) COLLATE BINARY" for name in names]
        return join(", ", [text(term) for term in (*terms, *(f"{name} COLLATE BINARY" for name in names))])

    def own_rows(self, table: Table) -> str:
        """The table; there is no inheritance."""
        return self.qualified(table.name.schema, table.name.name)

    def row_identity(self, table: Table, columns: Sequence[Column]) -> tuple[Wanted, ...]:
        """The row number, under the first of its names that no column takes; with its table, for a joined one has
        none and hides it."""
        taken = {column.name.translate(_LOWER) for column in table.columns}
        name = next((word for word in ("rowid", "_rowid_", "oid") if word not in taken), "rowid")
        target = text(f"{self.identifier(table.name.name)}.") + text(name)
        return (Wanted(target, "INTEGER", Kind.INTEGER),)

    def keys_compare(self, columns: Sequence[Column]) -> bool:
        """Not for columns without a type, which keep a number and its text apart, nor where a NULL may stand."""
        return all(column.type_name and not column.nullable for column in columns)

    def match_limit(self, width: int) -> int:
        """A statement has at most 32,766 values."""
        return 30_000 // width

    def match(self, wanted: Sequence[Wanted], rows: Sequence[Row], alias: str) -> Match:
        """A join with VALUES. Text has no affinity there, so the column's own affinity reads it."""
        listed = join(",", (_given(wanted, row, str(place)) for place, row in enumerate(rows)))
        equal = (
            _comparable(item) + text(f" = {alias}v.column{number}") for number, item in enumerate(wanted, start=2)
        )
        source = text(", (VALUES ") + listed + text(f") AS {alias}v")
        return Match(source, join(" AND ", equal), text(f"{alias}v.column1"), complete=True)

    def among_limit(self, width: int) -> int:
        """A statement has at most 32,766 values."""
        return 30_000 // width

    def among(self, wanted: Sequence[Wanted], rows: Sequence[Row]) -> Sql:
        """A semi-join with VALUES."""
        targets = join(", ", (_comparable(item) for item in wanted))
        listed = join(",", (_given(wanted, row) for row in rows))
        return text("(") + targets + text(") IN (VALUES ") + listed + text(")")

    def as_text(self, expression: Sql) -> Sql:
        """A cast, compared by bytes."""
        return text("(CAST(") + expression + text(" AS TEXT) COLLATE BINARY)")

    def json_text(self, column: str, path: Sequence[str | int]) -> Sql:
        """``json_extract``; what is not JSON is NULL."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in path)
        name = self.identifier(column)
        found = f"json_extract({name}, {self.literal('$' + steps)})"
        return text(f"(CASE WHEN json_valid({name}) THEN CAST({found} AS TEXT) END)")


def _given(wanted: Sequence[Wanted], row: Row, *before: str) -> Sql:
    types = ("BLOB" if item.kind is Kind.BYTES else "TEXT" for item in wanted)
    values = [bind(cell, type_name) for type_name, cell in zip(types, row, strict=True)]
    return text("(") + join(",", [*map(text, before), *values]) + text(")")


def _comparable(item: Wanted) -> Sql:
    """A column without a type has no affinity to read the text with."""
    return item.target if item.type_name else text("CAST(") + item.target + text(" AS TEXT)")


def composed(sql: Sql) -> tuple[str, list[Value]]:
    """The statement with a ``?`` for each value, and the values. Raises ParamInvalid naming the bind's label."""
    parts = ["?" if isinstance(piece, Bind) else piece.sql for piece in sql.pieces]
    return "".join(parts), [bound(bind) for bind in sql.binds]


def bound(bind: Bind) -> Value:
    """A bind as the value SQLite compares; one without a type is text. Bytes are base64. Raises ParamInvalid."""
    if bind.value is None:
        return None
    declared = bind.type_name or ""
    try:
        if not isinstance(bind.value, str):
            raise _Refused
        if not declared and "\0" in bind.value:
            raise _Refused  # a caller's: no text parameter holds NUL; the key of a row may
        bind.value.encode()
        return _BY_KIND.get(kind_of_type(declared), _text)(bind.value)
    except (_Refused, UnicodeEncodeError):
        what = f'The value of "{bind.label}"' if bind.label else "A value"
        kind = f" of type {declared}" if declared else ""
        raise ParamInvalid(f"{what} is not a valid value{kind}.", resource=bind.label or None) from None


def _text(value: str) -> Value:
    return value


def _integer(value: str) -> Value:
    if not _INTEGER.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
        raise _Refused
    return int(value)


def _number(value: str) -> Value:
    if _INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63:
        return int(value)
    if not _NUMBER.fullmatch(value) or abs(float(value)) == float("inf"):
        raise _Refused
    return float(value)


def _truth(value: str) -> Value:
    if value.lower() not in _TRUTHS:
        raise _Refused
    return _TRUTHS[value.lower()]


def _date(value: str) -> Value:
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        raise _Refused from None
    if not _DATE.fullmatch(value):
        raise _Refused
    return value


def _bytes(value: str) -> Value:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _Refused from None


_BY_KIND: dict[Kind, Callable[[str], Value]] = {
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _truth,
    Kind.DATE: _date,
    Kind.BYTES: _bytes,
}
