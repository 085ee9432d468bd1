"""How PostgreSQL spells things. Pure; the round trips are proved against servers."""

from __future__ import annotations

import re

from hfitd.model import Column, Kind, Relation
from hfitd.sql import Sql, join, text

_UPPER = re.compile("[A-Z]")


class PostgresDialect:
    """Spelling for servers from 10 on. Sessions of ours have an empty search_path, so every name is qualified."""

    name = "postgresql"
    sqlglot_name = "postgres"
    fence = "OFFSET 0"

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

    def _key_term(self, column: Column) -> str:
        collate = ' COLLATE pg_catalog."C"' if column.collation else ""
        return f"{self.identifier(column.name)}{collate} NULLS FIRST"

    def _text_term(self, column: Column) -> str:
        return f'CAST({self.identifier(column.name)} AS pg_catalog.text) COLLATE pg_catalog."C" NULLS FIRST'
