"""What an SQLite file says about its tables. Runs in the connection's thread.

Virtual tables, their shadow tables and SQLite's own tables are left out.
"""

from __future__ import annotations

import re
import sqlite3
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hfitd.engines.sqlite_values import kind_of_type
from hfitd.engines.view_reads import with_reads
from hfitd.model import Catalog, Column, ForeignKey, Key, Kind, Table, TableName

MAIN = "main"
_TABLES = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view')"
_VIEWS = "SELECT name, sql FROM sqlite_schema WHERE type = 'view'"
_COLUMNS = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
_INDEXES = 'SELECT name, origin FROM pragma_index_list(?) WHERE "unique" AND NOT partial ORDER BY name'
_INDEX = "SELECT cid, name FROM pragma_index_info(?) ORDER BY seqno"
_COLLATIONS = "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key"
_REFERENCES = """SELECT id, "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(?)
ORDER BY id, seq"""
_LENGTH = re.compile(r"\(\s*([0-9]+)\s*\)")
_GENERATED = {2: "virtual", 3: "stored"}
_AUTOINCREMENT = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)
_ROW_NUMBERS = ("rowid", "_rowid_", "oid")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def read_catalog(connection: sqlite3.Connection) -> Catalog:
    """The shape of the file as the open transaction sees it."""
    tables = {}
    for name, kind, without_rowid in _rows(connection, _TABLES):
        if str(name).lower().startswith("sqlite_"):
            continue
        table = _table(connection, str(name), str(kind), bool(without_rowid))
        tables[table.name] = table
    views = {TableName(MAIN, str(name)): str(sql) for name, sql in _rows(connection, _VIEWS)}
    return Catalog(
        engine="sqlite",
        version=sqlite3.sqlite_version,
        database=MAIN,
        default_schema=MAIN,
        tables=with_reads(dict(sorted(tables.items())), views),
        foreign_keys=tuple(_foreign_keys(connection, tables)),
    )


def _rows(connection: sqlite3.Connection, sql: str, *values: str) -> list[tuple[object, ...]]:
    rows = connection.execute(sql, values).fetchall()
    return [tuple(cell.decode() if isinstance(cell, bytes) else cell for cell in row) for row in rows]


def definition(connection: sqlite3.Connection, name: str) -> str:
    """The CREATE statement of a table as it was written."""
    rows = _rows(connection, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", name)
    return str(rows[0][0]) if rows and rows[0][0] else ""


def _table(connection: sqlite3.Connection, name: str, kind: str, without_rowid: bool) -> Table:
    described = _rows(connection, _COLUMNS, name)
    key = [str(row[0]) for row in sorted(described, key=lambda row: _whole(row[4])) if row[4]]
    alias = _row_number_alias(described, key, without_rowid)
    counts = bool(alias) and _AUTOINCREMENT.search(definition(connection, name)) is not None
    collations = _collations(connection, name)
    columns = tuple(
        replace(column, collation=collations.get(column.name))
        for row in described
        if row[5] in (0, 2, 3)
        for column in (_column(row, alias=alias, counts=counts, in_key=without_rowid and str(row[0]) in key),)
    )
    keys = list(_keys(connection, name, columns, key))
    return Table(
        name=TableName(MAIN, name),
        kind=kind,
        columns=columns,
        keys=tuple(keys),
        estimated_rows=None if kind == "view" or without_rowid else _estimate(connection, name, columns),
    )


def _collations(connection: sqlite3.Connection, table: str) -> Mapping[str, str]:
    """How columns of unique keys compare where that is not byte by byte; of others SQLite does not say."""
    return {
        str(column): str(collation)
        for index, _ in _rows(connection, _INDEXES, table)
        for column, collation in _rows(connection, _COLLATIONS, str(index))
        if column is not None and str(collation).upper() != "BINARY"
    }


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _row_number_alias(described: Sequence[tuple[object, ...]], key: Sequence[str], without_rowid: bool) -> str:
    """The column that is the row number: a primary key of one column declared exactly INTEGER."""
    if len(key) != 1 or without_rowid:
        return ""
    declared = next(str(row[1]) for row in described if row[0] == key[0])
    return key[0] if declared.upper() == "INTEGER" else ""


def _column(row: tuple[object, ...], *, alias: str, counts: bool, in_key: bool) -> Column:
    name, declared, not_null, default, _, hidden = row
    type_name = str(declared or "")
    kind = kind_of_type(type_name)
    length = _LENGTH.search(type_name) if kind is Kind.TEXT else None
    return Column(
        name=str(name),
        type_name=type_name,
        kind=kind,
        nullable=not (not_null or name == alias or in_key),
        default=None if default is None else str(default),
        generated=_GENERATED.get(_whole(hidden), ""),
        identity="auto_increment" if counts and name == alias else "",
        max_length=int(length[1]) if length else None,
    )


def _keys(connection: sqlite3.Connection, table: str, columns: Sequence[Column], key: Sequence[str]) -> Iterable[Key]:
    nullable = {column.name: column.nullable for column in columns}
    if key:
        yield Key("PRIMARY", tuple(key), primary=True, nullable=any(nullable.get(name, True) for name in key))
    for name, origin in _rows(connection, _INDEXES, table):
        parts = _rows(connection, _INDEX, str(name))
        names = tuple(str(part) for _, part in parts)
        if origin == "pk" or any(part is None for _, part in parts):
            continue  # the primary key stands above; an expression is no column
        yield Key(str(name), names, primary=False, nullable=any(nullable.get(part, True) for part in names))


def _estimate(connection: sqlite3.Connection, table: str, columns: Sequence[Column]) -> int | None:
    """The largest row number: one look into the B-tree, exact unless rows were deleted."""
    taken = {column.name.lower() for column in columns}
    free = next((name for name in _ROW_NUMBERS if name not in taken), None)
    if free is None:
        return None
    quoted = table.replace('"', '""')
    ((largest,),) = _rows(connection, f'SELECT max({free}) FROM "{quoted}"')  # noqa: S608 - quoted
    return max(0, _whole(largest))


def _foreign_keys(connection: sqlite3.Connection, tables: dict[TableName, Table]) -> Iterable[ForeignKey]:
    by_name = {name.name.translate(_LOWER): table for name, table in tables.items()}
    for name in sorted(tables):
        parts: dict[int, list[tuple[object, ...]]] = {}
        for row in _rows(connection, _REFERENCES, name.name):
            parts.setdefault(_whole(row[0]), []).append(row)
        for number, rows in sorted(parts.items()):
            target = by_name.get(str(rows[0][1]).translate(_LOWER))
            if target is not None:
                yield _foreign_key(tables[name], number, rows, target)


def _foreign_key(table: Table, number: int, rows: Sequence[tuple[object, ...]], target: Table) -> ForeignKey:
    """A reference without columns means the target's primary key."""
    named = tuple(_exact(target, str(row[3])) for row in rows if row[3] is not None)
    return ForeignKey(
        name=f"{table.name.name}_fk_{number}",
        table=table.name,
        columns=tuple(_exact(table, str(row[2])) for row in rows),
        target=target.name,
        target_columns=named or target.primary_key,
        on_update=_rule(rows[0][4]),
        on_delete=_rule(rows[0][5]),
    )


def _exact(table: Table, name: str) -> str:
    """The column as it is declared; references may differ in case."""
    folded = name.translate(_LOWER)
    return next((column.name for column in table.columns if column.name.translate(_LOWER) == folded), name)


def _rule(rule: object) -> str:
    return "" if rule in ("NO ACTION", "RESTRICT", None) else str(rule).lower()
