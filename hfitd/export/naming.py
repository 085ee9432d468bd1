"""Names of tables as people write them, resolved against a catalogue.

Plain words are folded as the engine folds them; a quoted part stands exactly; a dot separates parts (contract,
section 7). Nothing is guessed: a name that does not match one table exactly is None. Where several databases meet (a
``subset``), ``provider:name`` and ``provider/database:name`` say whose name it is.
"""

from __future__ import annotations

import re

from hfitd.engines.interface import Dialect
from hfitd.errors import BadRequest
from hfitd.model import Catalog, TableName

QUOTES = {'"': '"', "`": "`"}
MAX_NAME_LENGTH = 512
_PREFIX = re.compile(r"([A-Za-z0-9_-]+)(?:/([^:/]+))?:(?!:)")


def split_prefix(written: str) -> tuple[str, str | None, str]:
    """Provider, database and the rest of a name; the provider is empty where none is named."""
    found = _PREFIX.match(written)
    return (found[1], found[2], written[found.end() :]) if found else ("", None, written)


def split_name(name: str, dialect: Dialect) -> tuple[str, ...]:
    """The parts of a dotted name, folded or unquoted. BadRequest when it is not a name."""
    if len(name) > MAX_NAME_LENGTH or "\0" in name:
        raise BadRequest("This is not a table name.")
    parts: list[str] = []
    rest = name.strip()
    while True:
        part, rest = _take_part(rest, dialect)
        parts.append(part)
        if not rest:
            return tuple(parts)
        if not rest.startswith("."):
            raise BadRequest("This is not a table name: quote parts that are not plain words.")
        rest = rest[1:]


def _take_part(rest: str, dialect: Dialect) -> tuple[str, str]:
    closing = QUOTES.get(rest[:1])
    if closing is None:
        part, dot, tail = rest.partition(".")
        if not part:
            raise BadRequest("This is not a table name: a part is empty.")
        return dialect.fold(part), dot + tail
    text: list[str] = []
    position = 1
    while position < len(rest):
        if rest[position] == closing:
            if rest[position + 1 : position + 2] != closing:
                return "".join(text), rest[position + 1 :]
            position += 1
        text.append(rest[position])
        position += 1
    raise BadRequest("This is not a table name: a quote is not closed.")


def find_table(name: str, dialect: Dialect, catalog: Catalog) -> TableName | None:
    """The table of that name, or None. One part means the default schema; a full name may hold odd characters.

    A listing prints ``schema.table`` with the parts as they are, so that spelling is tried first.
    """
    listed = next((table for table in catalog.tables if str(table) == name), None)
    if listed is not None:
        return listed
    parts = split_name(name, dialect)
    if len(parts) == 1:
        parts = (catalog.default_schema, *parts)
    if len(parts) != 2:
        return None
    schema, table = parts
    exact = TableName(schema, table)
    if exact in catalog.tables:
        return exact
    matches = [t for t in catalog.tables if dialect.same_name(t.schema, schema) and dialect.same_name(t.name, table)]
    return matches[0] if len(matches) == 1 else None


def find_schema(name: str, dialect: Dialect, catalog: Catalog) -> str | None:
    """The schema of that name that has tables, or None."""
    schemas = {table.schema for table in catalog.tables}
    if name in schemas:
        return name
    parts = split_name(name, dialect)
    return parts[0] if len(parts) == 1 and parts[0] in schemas else None


def find_column(name: str, dialect: Dialect, catalog: Catalog) -> tuple[TableName, str] | None:
    """The table and column of ``[schema.]table.column``, or None."""
    for table, shape in catalog.tables.items():
        if name.startswith(f"{table}.") and shape.column(name[len(str(table)) + 1 :]) is not None:
            return table, name[len(str(table)) + 1 :]
    parts = split_name(name, dialect)
    if len(parts) not in (2, 3):
        return None
    schema, table_name, column = parts if len(parts) == 3 else (catalog.default_schema, *parts)
    tables = [t for t in catalog.tables if t == TableName(schema, table_name)] or [
        t for t in catalog.tables if dialect.same_name(t.schema, schema) and dialect.same_name(t.name, table_name)
    ]
    if len(tables) != 1:
        return None
    columns = [c.name for c in catalog.tables[tables[0]].columns]
    same = [c for c in columns if c == column] or [c for c in columns if dialect.same_name(c, column)]
    return (tables[0], same[0]) if len(same) == 1 else None
