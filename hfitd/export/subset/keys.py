"""Virtual keys: references that a template knows of and the database does not.

``{from: "schema.table.column", to: "schema.table.column"}``; ``from`` and ``to`` may go on with a JSON path
(``->'a'->>'b'``, ``->>0``, ``#>>'{a,b}'``) and begin with ``provider:`` or ``provider/database:``. ``when: {column:
value}`` limits it to rows of the table in ``from`` whose columns have these values, as text: one key per target of a
polymorphic reference. Columns of one sort are compared as the engine compares them, everything else by its text;
between databases ``across`` says how.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from hfitd.engines.interface import Dialect
from hfitd.errors import ExportRefused
from hfitd.export.naming import split_prefix
from hfitd.export.subset.across import Across
from hfitd.export.subset.edges import NUMERIC, Edge, Node, Side, Term, column_term
from hfitd.export.subset.realm import Realm
from hfitd.model import Column, Json, Kind
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


def virtual_edge(entry: Mapping[str, Json], realm: Realm) -> Edge:
    """The edge of one entry of ``virtual_keys``; ExportRefused when a name in it means nothing here."""
    source, target = (read_place(split_prefix(str(entry[end]))[2]) for end in ("from", "to"))
    here, child = _find(str(entry["from"]), source, realm)
    there, parent = _find(str(entry["to"]), target, realm)
    dialect = realm.dialects[here.source]
    given = entry.get("when")
    when = {_own(str(name), here, realm): str(value) for name, value in given.items()} if _is_map(given) else {}
    limits = [_equals(column, value, dialect) for column, value in when.items()]
    needed = tuple(dict.fromkeys((child.name, *(column.name for column in when))))
    only = join(" AND ", limits) if limits else None
    if here.source != there.source:
        across = Across(_shown(source, child), _shown(target, parent))
        one, other = _across_term(source, child, dialect), _across_term(target, parent, realm.dialects[there.source])
        sides = Side(here, needed, (one,), only), Side(there, (parent.name,), (other,))
        return Edge(_spell(entry), *sides, plain=not source.path and not target.path, across=across)
    native = not source.path and not target.path and _comparable(child, parent, dialect)
    one = _term(source, child, dialect, native=native)
    other = _term(target, parent, dialect, native=native)
    whole = not native and not target.path and parent.kind is Kind.INTEGER
    if whole:
        other = column_term(dialect, parent)
    sides = Side(here, needed, (one,), only), Side(there, (parent.name,), (other,))
    return Edge(_spell(entry), *sides, plain=not target.path and native, whole=whole)


def _is_map(given: Json) -> TypeGuard[Mapping[str, Json]]:
    return isinstance(given, Mapping)


def _spell(entry: Mapping[str, Json]) -> str:
    when = entry.get("when")
    given = ", ".join(f"{name} = {value}" for name, value in when.items()) if _is_map(when) else ""
    return f"{entry['from']} -> {entry['to']}" + (f" when {given}" if given else "")


def _find(written: str, place: Place, realm: Realm) -> tuple[Node, Column]:
    prefix = written[: len(written) - len(split_prefix(written)[2])]
    found = realm.column(prefix + place.column)
    if found is None:
        raise ExportRefused(resource=realm.export)
    return found


def _own(written: str, node: Node, realm: Realm) -> Column:
    """A column of ``when``: a bare name of the table in ``from``."""
    columns, dialect = realm.catalogs[node.source].tables[node.table].columns, realm.dialects[node.source]
    exact = [column for column in columns if column.name == written]
    same = exact or [column for column in columns if column.name == dialect.fold(written)]
    if not same or same[0].name not in realm.granted_columns(node):
        raise ExportRefused(resource=realm.export)
    return same[0]


def _shown(place: Place, column: Column) -> Column:
    return Column(column.name, "", Kind.TEXT) if place.path else column


def _across_term(place: Place, column: Column, dialect: Dialect) -> Term:
    if not place.path:
        return column_term(dialect, column, column.operators)
    return Term(dialect.as_text(dialect.json_text(column.name, place.path)), _TEXT, Kind.TEXT)


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


def _equals(column: Column, value: str, dialect: Dialect) -> Sql:
    return dialect.as_text(text(dialect.identifier(column.name))) + text(" = ") + bind(value, _TEXT, column.name)
