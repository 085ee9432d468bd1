"""CREATE statements for the tables of an export from an SQLite file. Runs in the connection's thread.

A table whose columns are all granted and clear, and whose foreign keys stay inside the export, is created by its own
words without comments, with its indexes. Any other is put together from the catalogue: granted columns, keys, foreign
keys inside the export; checks and generation expressions, which may hold values of what is hidden, are left out, and
so are defaults of masked columns. AUTOINCREMENT counters are kept.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from hfitd.engines.interface import DdlOptions, LeftOut, Outlook, Requirement
from hfitd.engines.sqlite_catalog import definition
from hfitd.engines.sqlite_dialect import SqliteDialect
from hfitd.model import Catalog, Column, ForeignKey, MaskedColumn, Relation, TableName

_DIALECT = SqliteDialect()
_TOKEN = re.compile(
    r""" "(?:[^"]|"")*" | '(?:[^']|'')*' | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]*(?:\n|$) | /\*.*?(?:\*/|$) | .""",
    re.VERBOSE | re.DOTALL,
)
_CREATE_TABLE = re.compile(r"CREATE\s+TABLE\s+", re.IGNORECASE)
_CREATE_INDEX = re.compile(r"CREATE\s+(UNIQUE\s+)?INDEX\s+", re.IGNORECASE)
_COUNTERS = "SELECT seq FROM sqlite_sequence WHERE name = ?"
_HAS_COUNTERS = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'"
_TRIGGERS = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? ORDER BY name"
_INDEXES = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name"

Granted = Mapping[TableName, frozenset[str]]


def write_ddl(
    connection: sqlite3.Connection, catalog: Catalog, relations: Sequence[Relation], options: DdlOptions
) -> bytes:
    """The whole file. Views are left out: an export turns what they show into data."""
    tables = sorted((item for item in relations if item.table.kind == "table"), key=lambda item: item.table.name)
    granted = {item.table.name: frozenset(column.column.name for column in item.columns) for item in tables}
    statements = ["PRAGMA foreign_keys=OFF"]
    if options.option == "dropcreate":
        statements += [f"DROP TABLE IF EXISTS {_DIALECT.identifier(name.name)}" for name in granted]
    for relation in tables:
        keys = [key for key in catalog.foreign_keys if key.table == relation.table.name]
        statements += _create(connection, relation, keys, granted, exists=options.option == "ifnotexists")
        statements += _counter(connection, relation)
    return "".join(f"{statement};\n" for statement in statements).encode()


def foresee_ddl(connection: sqlite3.Connection, catalog: Catalog, relations: Sequence[Relation]) -> Outlook:
    """What ``write_ddl`` leaves out, and which releases of SQLite take its statements (its release notes: generated
    columns since 3.31, STRICT since 3.37)."""
    granted = {item.table.name: frozenset(column.column.name for column in item.columns) for item in relations}
    needed: list[Requirement] = []
    for relation in (item for item in relations if item.table.kind == "table"):
        name = relation.table.name
        if "STRICT" in _ending(definition(connection, name.name)):
            needed.append(Requirement("strict table", name.name, str(name), (("sqlite", "3.37"),)))
        keys = [key for key in catalog.foreign_keys if key.table == name]
        if _is_plain(connection, relation, keys, granted):
            needed += [
                Requirement("generated column", item.column.name, str(name), (("sqlite", "3.31"),))
                for item in relation.columns
                if item.column.generated
            ]
    return Outlook(_find_left_out(connection, catalog, relations), requires=tuple(needed))


def _find_left_out(
    connection: sqlite3.Connection, catalog: Catalog, relations: Sequence[Relation]
) -> tuple[LeftOut, ...]:
    """Triggers and views, and the words of tables that are put together from the catalogue."""
    granted = {item.table.name: frozenset(column.column.name for column in item.columns) for item in relations}
    found = []
    for relation in relations:
        name = relation.table.name
        if relation.table.kind == "view":
            found.append(LeftOut("view", name.name, str(name), "Its query is not shown; export its rows."))
            continue
        rows = connection.execute(_TRIGGERS, (name.name,)).fetchall()
        why = "It would fire on loaded rows; what it did is in the data."
        found += [LeftOut("trigger", trigger.decode(), str(name), why) for (trigger,) in rows]
        keys = [key for key in catalog.foreign_keys if key.table == name]
        if not _is_plain(connection, relation, keys, granted) and len(relation.columns) == len(relation.table.columns):
            masked = any(item.rule is not None for item in relation.columns)
            why = "Its checks, generation expressions and indexes are not carried: " + (
                "they may hold values of masked columns." if masked else "a reference of it leads out of the export."
            )
            found.append(LeftOut("words", name.name, str(name), why))
    return tuple(found)


def _is_plain(
    connection: sqlite3.Connection, relation: Relation, keys: Sequence[ForeignKey], granted: Granted
) -> bool:
    """Whether the table can be created by its own words."""
    name = relation.table.name
    whole = len(relation.columns) == len(relation.table.columns) and all(item.rule is None for item in relation.columns)
    inside = len(keys) == _references(connection, name.name) and all(_stays(key, granted) for key in keys)
    return whole and inside and _CREATE_TABLE.match(definition(connection, name.name)) is not None


def _create(
    connection: sqlite3.Connection, relation: Relation, keys: Sequence[ForeignKey], granted: Granted, *, exists: bool
) -> Iterable[str]:
    name = relation.table.name
    written = definition(connection, name.name)
    guard = "IF NOT EXISTS " if exists else ""
    if not _is_plain(connection, relation, keys, granted):
        yield _from_catalog(relation, [key for key in keys if _stays(key, granted)], guard, _ending(written))
        return
    yield _CREATE_TABLE.sub(lambda _: f"CREATE TABLE {guard}", _without_comments(written), count=1)
    for (index,) in connection.execute(_INDEXES, (name.name,)).fetchall():
        text = _without_comments(index.decode())
        yield _CREATE_INDEX.sub(lambda found: f"CREATE {found[1] or ''}INDEX {guard}", text, count=1)


def _references(connection: sqlite3.Connection, table: str) -> int:
    ((count,),) = connection.execute("SELECT count(DISTINCT id) FROM pragma_foreign_key_list(?)", (table,)).fetchall()
    return int(count)


def _stays(key: ForeignKey, granted: Granted) -> bool:
    return granted[key.table].issuperset(key.columns) and granted.get(key.target, frozenset()).issuperset(
        key.target_columns
    )


def _without_comments(text: str) -> str:
    tokens = (" " if token.startswith(("--", "/*")) else token for token in _TOKEN.findall(text))
    return "".join(tokens).strip().rstrip(";")


def _ending(written: str) -> str:
    """STRICT and WITHOUT ROWID, which stand after the last parenthesis."""
    tail = _without_comments(written).rpartition(")")[2].upper()
    return ", ".join(word for word in ("STRICT", "WITHOUT ROWID") if word in " ".join(tail.split()))


def _from_catalog(relation: Relation, keys: Sequence[ForeignKey], guard: str, ending: str) -> str:
    seen = {item.column.name for item in relation.columns}
    counted = next((item.column.name for item in relation.columns if item.column.identity), "")
    elements = [_column(item, counted=item.column.name == counted) for item in relation.columns]
    for key in relation.table.keys:
        if seen.issuperset(key.columns) and not (key.primary and counted):
            elements.append(f"{'PRIMARY KEY' if key.primary else 'UNIQUE'} ({_list(key.columns)})")
    for reference in keys:
        elements.append(
            f"FOREIGN KEY ({_list(reference.columns)}) REFERENCES {_DIALECT.identifier(reference.target.name)}"
            f" ({_list(reference.target_columns)})"
        )
    if not set(relation.table.primary_key) <= seen:
        ending = ending.replace(", WITHOUT ROWID", "").replace("WITHOUT ROWID", "")
    body = ",\n  ".join(elements)
    name = _DIALECT.identifier(relation.table.name.name)
    return f"CREATE TABLE {guard}{name} (\n  {body}\n){' ' + ending if ending else ''}"


def _list(columns: Sequence[str]) -> str:
    return ", ".join(map(_DIALECT.identifier, columns))


def _column(item: MaskedColumn, *, counted: bool) -> str:
    column: Column = item.column
    parts = [_DIALECT.identifier(column.name), column.type_name]
    if counted:
        parts.append("PRIMARY KEY AUTOINCREMENT")
    elif not column.nullable:
        parts.append("NOT NULL")
    if item.rule is None and column.default is not None and not column.generated:
        parts.append(f"DEFAULT ({column.default})")
    return " ".join(part for part in parts if part)


def _counter(connection: sqlite3.Connection, relation: Relation) -> Iterable[str]:
    """Where AUTOINCREMENT stands, so that loading and going on gives no number twice."""
    if not any(item.column.identity for item in relation.columns):
        return
    ((kept,),) = connection.execute(_HAS_COUNTERS).fetchall()
    name = relation.table.name.name
    for (number,) in connection.execute(_COUNTERS, (name,)).fetchall() if kept else ():
        literal = _DIALECT.literal(name)
        yield f"DELETE FROM sqlite_sequence WHERE name = {literal}"  # noqa: S608 - a literal
        yield f"INSERT INTO sqlite_sequence (name, seq) VALUES ({literal}, {int(number)})"  # noqa: S608 - a literal
