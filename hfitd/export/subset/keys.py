"""Virtual keys: references that a template knows of and the database does not.

``{from: "schema.table.column", to: "schema.table.column"}``; ``from`` and ``to`` may go on with a JSON path
(``->'a'->>'b'``, ``->>0``, ``#>>'{a,b}'``). ``when: {column: value}`` limits it to rows of the table in ``from`` whose
columns have these values, as text: one key per target of a polymorphic reference. Columns of one sort are compared
as the engine compares them; everything else by its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hfitd.engines.interface import Dialect
from hfitd.errors import ExportRefused
from hfitd.export.naming import find_column
from hfitd.export.subset.edges import NUMERIC, Edge, Side, Term, column_term, root_of
from hfitd.model import Catalog, Column, Json, Kind, TableName
from hfitd.sql import Sql, bind, join, text

_ARROW = re.compile(r"(?:->>?|#>>?)")
_STEP = re.compile(r"\s*(->>?)\s*(?:'((?:[^']|'')+)'|([0-9]{1,6}))\s*")
_PATH = re.compile(r"\s*#>>?\s*'\{([^{}'\"]+)\}'\s*\Z")
_TEXT = "text"


@dataclass(frozen=True, slots=True)
class Place:
    """A column as written, and the JSON path in it."""

    column: str
    path: tuple[str | int, ...]


def read_place(written: str) -> Place:
    """The parts of ``schema.table.column->>'path'``. ValueError says what is wrong with it."""
    start = _first_arrow(written)
    column, rest = written[:start].strip(), written[start:]
    if not column:
        raise ValueError("names no column")
    whole = _PATH.match(rest)
    if whole:
        return Place(column, tuple(_number(step) for step in whole[1].split(",")))
    path: list[str | int] = []
    while rest.strip():
        step = _STEP.match(rest)
        if step is None:
            raise ValueError("has a JSON path that is not written ->'name', ->>'name' or #>>'{name,name}'")
        path.append(step[2].replace("''", "'") if step[2] is not None else int(step[3]))
        rest = rest[step.end() :]
    if any(isinstance(step, str) and ('"' in step or "\0" in step) for step in path):
        raise ValueError("has a quote in its JSON path")
    return Place(column, tuple(path))


def crosses_providers(written: str) -> bool:
    """Whether it begins with ``provider:``; such a key cannot be followed."""
    return re.match(r"[A-Za-z0-9_-]+:(?!:)", written) is not None


def _number(step: str) -> str | int:
    return int(step) if step.isascii() and step.isdigit() else step


def _first_arrow(written: str) -> int:
    quote = ""
    for position, letter in enumerate(written):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"`":
            quote = letter
        elif _ARROW.match(written, position):
            return position
    return len(written)


def virtual_edge(entry: Mapping[str, Json], catalog: Catalog, dialect: Dialect, export: str) -> Edge:
    """The edge of one entry of ``virtual_keys``; ExportRefused when a name in it means nothing here."""
    source, target = read_place(str(entry["from"])), read_place(str(entry["to"]))
    child_table, child = _find(source, catalog, dialect, export)
    parent_table, parent = _find(target, catalog, dialect, export)
    native = not source.path and not target.path and _comparable(child, parent, dialect)
    one = _term(source, child, dialect, native=native)
    other = _term(target, parent, dialect, native=native)
    whole = not native and not target.path and parent.kind is Kind.INTEGER
    if whole:
        other = column_term(dialect, parent)
    given = entry.get("when")
    when = {str(name): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}
    table = catalog.tables[child_table]
    limits = [_equals(table.column(_own(name, child_table, catalog, dialect, export)), value, dialect)
              for name, value in when.items()]  # fmt: skip
    needed = tuple(dict.fromkeys((child.name, *(_own(name, child_table, catalog, dialect, export) for name in when))))
    return Edge(
        _spell(entry),
        Side(child_table, needed, (one,), join(" AND ", limits) if limits else None),
        Side(parent_table, (parent.name,), (other,)),
        plain=not target.path and native,
        whole=whole,
    )


def _spell(entry: Mapping[str, Json]) -> str:
    when = entry.get("when")
    given = ", ".join(f"{name} = {value}" for name, value in when.items()) if isinstance(when, Mapping) else ""
    return f"{entry['from']} -> {entry['to']}" + (f" when {given}" if given else "")


def _find(place: Place, catalog: Catalog, dialect: Dialect, export: str) -> tuple[TableName, Column]:
    found = find_column(place.column, dialect, catalog)
    if found is None:
        raise ExportRefused(resource=export)
    name, column_name = found
    root = root_of(catalog, name)
    column = catalog.tables[root].column(column_name) if root in catalog.tables else None
    if column is None:
        raise ExportRefused(resource=export)
    return root, column


def _own(written: str, table: TableName, catalog: Catalog, dialect: Dialect, export: str) -> str:
    """A column of ``when``: a bare name of the table in ``from``."""
    columns = catalog.tables[table].columns
    exact = [column.name for column in columns if column.name == written]
    same = exact or [column.name for column in columns if column.name == dialect.fold(written)]
    if not same:
        raise ExportRefused(resource=export)
    return same[0]


def _comparable(child: Column, parent: Column, dialect: Dialect) -> bool:
    if child.kind in NUMERIC and parent.kind in NUMERIC:
        return True
    if dialect.name == "postgresql" and ("." in child.type_name or "." in parent.type_name):
        return child.type_name == parent.type_name
    return child.kind is parent.kind and child.kind is not Kind.JSON


def _term(place: Place, column: Column, dialect: Dialect, *, native: bool) -> Term:
    if native:
        return column_term(dialect, column)
    expression = dialect.json_text(column.name, place.path) if place.path else text(dialect.identifier(column.name))
    return Term(dialect.as_text(expression), _TEXT, Kind.TEXT)


def _equals(column: Column | None, value: str, dialect: Dialect) -> Sql:
    assert column is not None
    return dialect.as_text(text(dialect.identifier(column.name))) + text(" = ") + bind(value, _TEXT, column.name)


