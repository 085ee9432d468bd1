"""How PostgreSQL spells things. Pure; the round trips are proved against servers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from hfitd.engines.interface import Match, Row, Wanted
from hfitd.model import Column, Kind, Relation, Table
from hfitd.sql import Sql, bind, join, text

_UPPER = re.compile("[A-Z]")
# What the words are called as operators; gram.y turns one into the other.
_SYMBOLS = {"LIKE": "~~", "NOT LIKE": "!~~", "ILIKE": "~~*", "NOT ILIKE": "!~~*"}


class PostgresDialect:
    """Spelling for servers from 10 on. Sessions of ours have an empty search_path, so every name is qualified."""

    name = "postgresql"
    sqlglot_name = "postgres"
    fence = "OFFSET 0"
    joins_values = True

    def identifier(self, name: str) -> str:
        """The name in double quotes; ValueError for NUL or an empty name, which no server accepts."""
        if not name or "\0" in name:
            raise ValueError("an identifier is empty or holds NUL")
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value: str | None) -> str:
        """A text literal or NULL, the same under either standard_conforming_strings."""
        if value is None:
            return "NULL"
        if "\0" in value:
            raise ValueError("a literal holds NUL")
        quoted = "'" + value.replace("'", "''").replace("\\", "\\\\") + "'"
        # A blank before E, so that it can never join the word before it.
        return f" E{quoted}" if "\\" in value else quoted

    def typed_literal(self, value: str | None, column: Column) -> str:
        """A literal cast to the column's type; text for a BYTES column becomes its UTF-8 bytes."""
        if value is not None and column.kind is Kind.BYTES:
            return f"CAST(pg_catalog.decode('{value.encode().hex()}', 'hex') AS {column.type_name})"
        return f"CAST({self.literal(value)} AS {column.type_name})"

    def fold(self, word: str) -> str:
        """Lower case of A to Z only, as a UTF-8 server folds."""
        return _UPPER.sub(lambda match: match[0].lower(), word)

    def same_name(self, left: str, right: str) -> bool:
        """Exact names are compared exactly."""
        return left == right

    def qualified(self, schema: str, name: str) -> str:
        """``"schema"."name"``."""
        return f"{self.identifier(schema)}.{self.identifier(name)}"

    def comparison(self, column: Column, operator: str) -> str:
        """``OPERATOR("schema".=)`` for a type of an extension, else the operator as it is.

        Sessions have an empty search_path, where ``=`` finds only the built-in operators and ``citext`` turns into
        text without a word. The schema is named here and not put on the search_path: ``public``, where extensions
        often live, may be open to everybody, and whoever creates ``public.lower(varchar)`` there would have it called
        instead of the built-in one, for an exact match wins wherever it stands. An operator named with its schema can
        be replaced by nobody but the owner of the type.
        """
        if not column.operators:
            return operator
        return f"OPERATOR({self.identifier(column.operators)}.{_SYMBOLS.get(operator, operator)})"

    def row_order(self, relation: Relation) -> Sql:
        """The visible row key, else every unmasked column as text; binary order, NULLs first.

        Empty when nothing can order the rows without showing a masked value.
        """
        visible = {item.column.name: item for item in relation.columns}
        key = [visible[name].column for name in relation.table.row_key if name in visible]
        if key and len(key) == len(relation.table.row_key):
            return join(", ", (text(self._key_term(column)) for column in key))
        clear = (item.column for item in relation.columns if item.rule is None)
        return join(", ", (text(self._text_term(column)) for column in clear))

    def own_rows(self, table: Table) -> str:
        """``ONLY`` for a plain table, whose heirs are tables of their own; a partitioned one is its partitions."""
        name = self.qualified(table.name.schema, table.name.name)
        return f"ONLY {name}" if table.kind == "table" else name

    def row_identity(self, table: Table, columns: Sequence[Column]) -> tuple[Wanted, ...]:
        """Where the row lies; reading the table holds a lock that keeps it there for the rest of the snapshot."""
        return (
            Wanted(text("tableoid"), "pg_catalog.oid", Kind.INTEGER),
            Wanted(text("ctid"), "pg_catalog.tid", Kind.OTHER),
        )

    def keys_compare(self, columns: Sequence[Column]) -> bool:
        """Not when a type of an extension has its equality outside ``pg_catalog``."""
        return all(column.kind is not Kind.OTHER or "." not in column.type_name for column in columns)

    def match_limit(self, width: int) -> int:
        """One bound JSON document carries them."""
        return 200_000

    def match(self, wanted: Sequence[Wanted], rows: Sequence[Row], alias: str) -> Match:
        """A join with the rows of one bound JSON array, each value cast from text to its type."""
        values = (f"{_read_item(number, item)} AS {alias}{number}" for number, item in enumerate(wanted))
        source = text(f", (SELECT given.place - 1 AS {alias}n, {', '.join(values)} FROM ") + _json_rows(rows)  # noqa: S608 - numbers and types
        equal = (
            item.target + text(f" {_equals(item)} {alias}v.{alias}{number}") for number, item in enumerate(wanted)
        )
        return Match(source + text(f") AS {alias}v"), join(" AND ", equal), text(f"{alias}v.{alias}n"), complete=True)

    def among_limit(self, width: int) -> int:
        """One bound JSON document carries them."""
        return 1_000_000

    def among(self, wanted: Sequence[Wanted], rows: Sequence[Row]) -> Sql:
        """A semi-join with the rows of one bound JSON array."""
        targets = join(", ", (item.target for item in wanted))
        values = ", ".join(_read_item(number, item) for number, item in enumerate(wanted))
        return text("(") + targets + text(f") IN (SELECT {values} FROM ") + _json_rows(rows) + text(")")  # noqa: S608 - numbers and types

    def as_text(self, expression: Sql) -> Sql:
        """A cast, compared by bytes."""
        return text("(CAST(") + expression + text(' AS pg_catalog.text) COLLATE pg_catalog."C")')

    def json_text(self, column: str, path: Sequence[str | int]) -> Sql:
        """``#>>`` with the path as an array of literals; the column may be json, jsonb or text."""
        steps = ", ".join(self.literal(str(step)) for step in path)
        return text(
            f"(CAST({self.identifier(column)} AS pg_catalog.jsonb) #>> CAST(ARRAY[{steps}] AS pg_catalog.text[]))"
        )

    def _key_term(self, column: Column) -> str:
        collate = ' COLLATE pg_catalog."C"' if column.collation else ""
        return f"{self.identifier(column.name)}{collate} NULLS FIRST"

    def _text_term(self, column: Column) -> str:
        return f'CAST({self.identifier(column.name)} AS pg_catalog.text) COLLATE pg_catalog."C" NULLS FIRST'


def _json_rows(rows: Sequence[Row]) -> Sql:
    packed = bind(json.dumps(rows, ensure_ascii=False, separators=(",", ":")), "json")
    return text("pg_catalog.json_array_elements(") + packed + text(") WITH ORDINALITY AS given (item, place)")


def _read_item(number: int, item: Wanted) -> str:
    value = f"given.item ->> {number}"
    if item.kind is Kind.BYTES:
        value = f"pg_catalog.decode({value}, 'base64')"
    return f"CAST({value} AS {item.type_name})"


def _equals(item: Wanted) -> str:
    schema = (item.operator or "pg_catalog").replace('"', '""')
    return f'OPERATOR("{schema}".=)'
