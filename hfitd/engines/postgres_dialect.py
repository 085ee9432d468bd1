"""How PostgreSQL spells things. Pure; the round trips are proved against servers."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from operator import itemgetter

from hfitd.engines.interface import Match, Row, Wanted
from hfitd.engines.postgres_twins import spell_twin
from hfitd.masks.interface import RedactTwin, Twin
from hfitd.model import Column, Kind, Relation, Table
from hfitd.sql import Sql, bind, join, text

_LOOKED_UP = 20_000
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

    def twin(self, column: Column, twin: Twin) -> Sql | None:
        """What the server can compute; see ``postgres_twins``."""
        mark = self.literal(twin.mark) if isinstance(twin, RedactTwin) else ""
        return spell_twin(self.identifier(column.name), column, twin, mark)

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
        """Not when a type has its equality outside ``pg_catalog`` and it is not known where."""
        return all(c.operators or c.kind is not Kind.OTHER or "." not in c.type_name for c in columns)

    def match_limit(self, width: int) -> int:
        """Bound arrays carry them."""
        return 200_000

    def match(self, wanted: Sequence[Wanted], rows: Sequence[Row], alias: str) -> Match:
        """A join with bound arrays, one for each target."""
        names = [f"{alias}{number}" for number in range(len(wanted))]
        source = text(", ") + _given(wanted, rows, f"{alias}v", [*names, f"{alias}n"], " WITH ORDINALITY")
        condition = _all_equal(wanted, f"{alias}v", names)
        return Match(source, condition, text(f"{alias}v.{alias}n - 1"), complete=True)

    def among_limit(self, width: int) -> int:
        """Bound arrays carry them."""
        return 1_000_000

    def among(self, wanted: Sequence[Wanted], rows: Sequence[Row]) -> Sql:
        """A semi-join with bound arrays. Not IN, which would take the operators of ``pg_catalog`` for every type.

        A moderate list of whole numbers that an index begins with is looked up in that index, in its order: a third
        of the time. Without an index, or where a bitmap of the rows grows too large to be exact, the list would be
        gone through for every row.
        """
        item = wanted[0]
        if len(wanted) == 1 and item.indexed and item.kind is Kind.INTEGER and len(rows) <= _LOOKED_UP:
            listed = _array(item, list(map(itemgetter(0), rows)))
            return item.target + text(f" {_equals(item)} ANY (") + listed + text(")")
        names = [f"hfit_g{number}" for number in range(len(wanted))]
        given, equal = _given(wanted, rows, "hfit_given", names), _all_equal(wanted, "hfit_given", names)
        return text("EXISTS (SELECT FROM ") + given + text(" WHERE ") + equal + text(")")

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
        return f"{self.identifier(column.name)}{collate}"  # a row key has no NULL, and an index no NULLS FIRST

    def _text_term(self, column: Column) -> str:
        return f'CAST({self.identifier(column.name)} AS pg_catalog.text) COLLATE pg_catalog."C" NULLS FIRST'


def _given(
    wanted: Sequence[Wanted], rows: Sequence[Row], table: str, names: Sequence[str], ordinality: str = ""
) -> Sql:
    """The rows as a table, a column for each target, read from their text as the types they come from.

    The planner looks into arrays and knows how many rows to expect, which it does not of JSON.
    """
    arrays = [_array(item, list(map(itemgetter(place), rows))) for place, item in enumerate(wanted)]
    listed = ", ".join(names)
    return text("ROWS FROM (pg_catalog.unnest(") + join("), pg_catalog.unnest(", arrays) + text(
        f")){ordinality} AS {table} ({listed})"
    )


def _array(item: Wanted, cells: Sequence[str | None]) -> Sql:
    if item.kind is Kind.BYTES:
        spelt = ",".join(_quote_item("\\x" + base64.b64decode(cell or "").hex()) for cell in cells)
    elif item.kind is Kind.INTEGER or item.kind is Kind.UUID:
        spelt = ",".join(cells)  # type: ignore[arg-type]  # there are no NULLs
    else:
        spelt = ",".join(_quote_item(cell or "") for cell in cells)
    element = "pg_catalog.text" if _travels_as_text(item) else item.type_name
    return text("CAST(") + bind("{" + spelt + "}", "text") + text(f" AS {element}[])")


def _travels_as_text(item: Wanted) -> bool:
    """An array of arrays is one array to the server, and one of rows comes apart into their columns."""
    own = item.kind is Kind.OTHER and "." in item.type_name and not item.type_name.startswith("pg_catalog.")
    return own or item.type_name.endswith("[]")


def _quote_item(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _all_equal(wanted: Sequence[Wanted], table: str, names: Sequence[str]) -> Sql:
    equal = []
    for item, name in zip(wanted, names, strict=True):
        value = f"CAST({table}.{name} AS {item.type_name})" if _travels_as_text(item) else f"{table}.{name}"
        equal.append(item.target + text(f" {_equals(item)} {value}"))
    return join(" AND ", equal)


def _equals(item: Wanted) -> str:
    schema = (item.operator or "pg_catalog").replace('"', '""')
    return f'OPERATOR("{schema}".=)'
