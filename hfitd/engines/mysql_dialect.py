"""How MySQL and MariaDB spell things. Pure; the round trips with a server are in the tests.

Everything quoted here reads the same under every sql_mode: identifiers stand in backticks (also under ANSI_QUOTES),
and a text literal never holds a backslash, which NO_BACKSLASH_ESCAPES would read differently.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Sequence

from hfitd.engines.interface import Match, Row, Wanted
from hfitd.engines.mysql_binds import spell, text_literal
from hfitd.masks.interface import Twin
from hfitd.model import Column, Kind, Relation, Table
from hfitd.sql import Bind, Sql, bind, join, text

MAX_SORTED_CHARACTERS = 255  # the server compares 1024 bytes (max_sort_length) of a sort key, 4 bytes a character
_PLAIN = re.compile(r"[^\x00-\x08\x0b-\x1f\\\x7f]*")


class MysqlDialect:
    """The spelling of MySQL and MariaDB."""

    name = "mysql"
    sqlglot_name = "mysql"
    fence = " LIMIT 18446744073709551615"
    joins_values = False

    def identifier(self, name: str) -> str:
        """The name in backticks; ValueError for an empty one, NUL, or characters MySQL has no names with.

        MySQL's names are of the Basic Multilingual Plane and do not end in a blank.
        """
        if not name or "\0" in name or name[-1] in string.whitespace or any(not _in_plane(letter) for letter in name):
            raise ValueError("not a name that MySQL can have")
        return "`" + name.replace("`", "``") + "`"

    def qualified(self, schema: str, name: str) -> str:
        """``database`.`table``."""
        return f"{self.identifier(schema)}.{self.identifier(name)}"

    def literal(self, value: str | None) -> str:
        """A text literal, or NULL. Text with a backslash or control characters is hexadecimal."""
        if value is None:
            return "NULL"
        if _PLAIN.fullmatch(value) and value.isascii():
            return "'" + value.replace("'", "''") + "'"
        return text_literal(value)

    def typed_literal(self, value: str | None, column: Column) -> str:
        """A literal of the column's type. Bytes are base64. Raises ParamInvalid when the type cannot take it."""
        bind = spell(Bind(value, column.type_name, column.name))
        cast = _cast(column)
        return f"CAST({bind} AS {cast})" if cast else bind

    def twin(self, column: Column, twin: Twin) -> Sql | None:
        """Nothing: masks run in the row stream here."""
        return None

    def fold(self, word: str) -> str:
        """Names are used as written."""
        return word

    def same_name(self, left: str, right: str) -> bool:
        """Exact names only: what the server would fold is resolved against the catalogue, which prints them."""
        return left == right

    def comparison(self, column: Column, operator: str) -> str:
        """The operator as it is: types do not bring their own."""
        return operator

    def row_order(self, relation: Relation) -> Sql:
        """ORDER BY terms over the table's raw columns, NULLs first as MySQL sorts them.

        Without a visible row key: all unmasked columns in table order; empty when there is none. The server
        compares only the first 1024 bytes of a sort key, so long columns also take part by their SHA-256; equal rows
        are equal in all bytes.
        """
        visible = {item.column.name: item.column for item in relation.columns}
        columns = [visible[name] for name in relation.table.row_key if name in visible]
        if not columns or len(columns) < len(relation.table.row_key):
            columns = [item.column for item in relation.columns if item.rule is None]
        terms = [self._binary(column) for column in columns]
        terms += [f"SHA2({self.identifier(column.name)}, 256)" for column in columns if _is_long(column)]
        return join(", ", [text(term) for term in terms])

    def own_rows(self, table: Table) -> str:
        """The table; there is no inheritance."""
        return self.qualified(table.name.schema, table.name.name)

    def row_identity(self, table: Table, columns: Sequence[Column]) -> tuple[Wanted, ...]:
        """A digest of all columns; the server shows no row numbers. Equal rows share it."""
        cells = ", ".join(f"IFNULL(SHA2({self._bytes(column)}, 256), '-')" for column in columns)
        return (Wanted(text(f"SHA2(CONCAT_WS(',', {cells}), 256)"), "char(64)", Kind.TEXT),)

    def keys_compare(self, columns: Sequence[Column]) -> bool:
        """Not for floats, which print rounded."""
        return all(not column.type_name.lower().startswith("float") for column in columns)

    def match_limit(self, width: int) -> int:
        """Small: the number is found by comparing one after the other."""
        return 250

    def match(self, wanted: Sequence[Wanted], rows: Sequence[Row], alias: str) -> Match:
        """Lists of literals, whose coercibility leaves the column's collation and index in charge."""
        parts: list[Sql] = [text("CASE")]
        for place, row in enumerate(rows):
            equal = (item.target + text(" = ") + _value(cell, item) for item, cell in zip(wanted, row, strict=True))
            parts.append(text(" WHEN ") + join(" AND ", equal) + text(f" THEN {place}"))
        number = join("", [*parts, text(" END")])
        return Match(Sql(), self.among(wanted, rows), number, complete=False)

    def among_limit(self, width: int) -> int:
        """So many that a statement stays far below ``max_allowed_packet`` and its ranges fit MySQL's memory."""
        return 20_000 // width

    def among(self, wanted: Sequence[Wanted], rows: Sequence[Row]) -> Sql:
        """One list of literals, which is ranges of an index."""
        targets = join(", ", (item.target for item in wanted))
        left = targets if len(wanted) == 1 else text("(") + targets + text(")")
        return left + text(" IN (") + join(",", (_row(wanted, row) for row in rows)) + text(")")

    def as_text(self, expression: Sql) -> Sql:
        """In the character set of every value, compared by bytes."""
        return text("(CONVERT(") + expression + text(" USING utf8mb4) COLLATE utf8mb4_bin)")

    def json_text(self, column: str, path: Sequence[str | int]) -> Sql:
        """``JSON_UNQUOTE(JSON_EXTRACT())``; a JSON null and a missing value are NULL."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{json.dumps(step)}" for step in path)
        found = f"JSON_EXTRACT({self.identifier(column)}, {self.literal('$' + steps)})"
        return text(f"(CASE WHEN JSON_TYPE({found}) <> 'NULL' THEN JSON_UNQUOTE({found}) END)")

    def _bytes(self, column: Column) -> str:
        name = self.identifier(column.name)
        return name if column.kind is Kind.BYTES else f"CAST({name} AS BINARY)"

    def _binary(self, column: Column) -> str:
        name = self.identifier(column.name)
        if column.kind in (Kind.TEXT, Kind.JSON, Kind.UUID, Kind.OTHER):
            return f"CAST({name} AS BINARY)"
        return name


def _value(cell: str | None, item: Wanted) -> Sql:
    return bind(cell, item.type_name)


def _row(wanted: Sequence[Wanted], row: Row) -> Sql:
    values = [_value(cell, item) for item, cell in zip(wanted, row, strict=True)]
    if len(wanted) == 1:
        return values[0]
    # Inside a row MariaDB does not convert a literal to the column's character set and finds nothing.
    return text("(") + join(",", map(_in_charset, values, wanted)) + text(")")


def _in_charset(value: Sql, item: Wanted) -> Sql:
    charset = item.collation.partition("_")[0]
    if item.kind is not Kind.TEXT or charset in ("", "utf8mb4", "binary", "uca1400") or not charset.isalnum():
        return value
    # A single row is compared like any expression, where the column's own collation has to be said.
    named = f" COLLATE {item.collation}" if item.collation.replace("_", "").isalnum() else ""
    return text("CONVERT(") + value + text(f" USING {charset}){named}")


def _in_plane(letter: str) -> bool:
    return ord(letter) <= 0xFFFF and not 0xD800 <= ord(letter) <= 0xDFFF


def _is_long(column: Column) -> bool:
    if column.kind in (Kind.TEXT, Kind.JSON, Kind.BYTES, Kind.OTHER):
        return column.max_length is None or column.max_length > MAX_SORTED_CHARACTERS
    return False


def _cast(column: Column) -> str:
    """What CAST calls the column's type; empty where a literal already has it or CAST cannot say it."""
    bare = re.split(r"[ (]", column.type_name.lower(), maxsplit=1)[0]
    if column.kind is Kind.INTEGER:
        return "UNSIGNED" if "unsigned" in column.type_name.lower() or bare in ("bit", "year") else "SIGNED"
    if bare in ("decimal", "numeric"):
        return column.type_name.split(")")[0] + ")" if "(" in column.type_name else "DECIMAL(65,30)"
    if bare in ("float", "double", "real"):
        return "DOUBLE"
    if column.kind is Kind.TIMESTAMP or bare == "time":
        digits = re.search(r"\(([0-6])\)", column.type_name)
        return ("TIME" if bare == "time" else "DATETIME") + (f"({digits[1]})" if digits else "")
    return {Kind.DATE: "DATE", Kind.BYTES: "BINARY", Kind.TEXT: "CHAR"}.get(column.kind, "")
