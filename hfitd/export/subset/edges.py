"""What a walk goes along: foreign keys, declared or virtual, between tables the actor may see.

An edge has a child side, which refers, and a parent side, which is referred to. Each side is a tuple of terms: a
column, or an expression over one, as the engine compares it. A partition counts under its root: a key that a leaf
alone has gets a condition that keeps it to the rows of that leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect, Wanted
from hfitd.model import Catalog, Column, ForeignKey, Kind, Relation, Table, TableName
from hfitd.sql import Sql, join, text

NUMERIC = frozenset((Kind.INTEGER, Kind.NUMBER))


@dataclass(frozen=True, slots=True)
class Term:
    """One of the values of a side: its SQL over the table, its type, and the schema of its equality operator."""

    sql: Sql
    type_name: str
    kind: Kind
    operator: str = ""
    collation: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One end of an edge. ``columns`` are the columns it needs; ``only`` limits the rows it holds for."""

    table: TableName
    columns: tuple[str, ...]
    terms: tuple[Term, ...]
    only: Sql | None = None

    def values(self) -> list[Sql]:
        """What to read of a row; the first is NULL where the edge does not hold for it."""
        if self.only is None:
            return [term.sql for term in self.terms]
        first = text("CASE WHEN ") + self.only + text(" THEN ") + self.terms[0].sql + text(" END")
        return [first, *(term.sql for term in self.terms[1:])]


@dataclass(frozen=True, slots=True)
class Edge:
    """A reference from ``child`` to ``parent``.

    ``plain`` says that the parent side is nothing but columns, which then may be the parent's row key. ``whole``
    says that the child's values are text and the parent's whole numbers: they are looked up as numbers.
    ``key`` is the declared foreign key. ``cut``: the parent is excluded, so the edge is only counted.
    """

    name: str
    child: Side
    parent: Side
    key: ForeignKey | None = None
    plain: bool = True
    whole: bool = False
    cut: bool = False

    def wanted(self, source: Side, target: Side) -> tuple[Wanted, ...]:
        """How values of the source side are looked up on the target side."""
        if self.whole:
            type_name, kind = ("bigint", Kind.INTEGER) if target is self.parent else ("text", Kind.TEXT)
            return tuple(Wanted(term.sql, type_name, kind) for term in target.terms)
        pairs = zip(source.terms, target.terms, strict=True)
        return tuple(
            Wanted(there.sql, here.type_name, here.kind, there.operator, there.collation) for here, there in pairs
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a row of a table in a walk: the columns of a key, or, without ``columns``, what the engine offers.

    ``exact`` is False where equal rows share a name.
    """

    wanted: tuple[Wanted, ...]
    columns: tuple[str, ...]
    exact: bool = True


def identify(relation: Relation, dialect: Dialect) -> Identity:
    """The row's name: the first key that is whole, visible and can be compared; else the engine's."""
    visible = {item.column.name: item.column for item in relation.columns}
    for key in sorted(relation.table.keys, key=lambda key: not key.primary):
        columns = [visible[name] for name in key.columns if name in visible]
        if not key.nullable and len(columns) == len(key.columns) and dialect.keys_compare(columns):
            wanted = (Wanted(_name(dialect, c), c.type_name, c.kind, collation=c.collation or "") for c in columns)
            return Identity(tuple(wanted), key.columns)
    wanted_row = dialect.row_identity(relation.table, list(visible.values()))
    if relation.table.kind == "table" and dialect.name == "postgresql":
        wanted_row = wanted_row[1:]  # one table, so where the row lies is enough
    return Identity(wanted_row, (), exact=dialect.name != "mysql")


def declared_edges(catalog: Catalog, dialect: Dialect) -> list[Edge]:
    """The catalogue's foreign keys by table and name, those of partitions as their roots'."""
    found: dict[tuple[object, ...], Edge] = {}
    for key in sorted(catalog.foreign_keys, key=lambda key: (_is_of_leaf(catalog, key), key.table, key.name)):
        edge = _edge(key, catalog, dialect)
        if edge is None:
            continue
        place = (edge.child.table, edge.child.columns, edge.parent.table, edge.parent.columns)
        same = found.get(place)
        if same is None:
            found[place] = edge
        elif same.child.only is not None and edge.child.only is not None:  # another leaf has the same key
            both = text("(") + same.child.only + text(" OR ") + edge.child.only + text(")")
            found[place] = replace(same, child=replace(same.child, only=both))
    return sorted(found.values(), key=lambda edge: (edge.child.table, edge.name))


def _is_of_leaf(catalog: Catalog, key: ForeignKey) -> bool:
    return root_of(catalog, key.table) != key.table


def _edge(key: ForeignKey, catalog: Catalog, dialect: Dialect) -> Edge | None:
    operators = key.operators or ("",) * len(key.columns)
    child = _side(catalog, dialect, key.table, key.columns, operators)
    parent = _side(catalog, dialect, key.target, key.target_columns, operators)
    if child is None or parent is None or len(child.terms) != len(parent.terms) or not child.terms:
        return None
    return Edge(key.name, child, parent, key)


def _side(
    catalog: Catalog, dialect: Dialect, name: TableName, columns: Sequence[str], operators: Sequence[str]
) -> Side | None:
    root = root_of(catalog, name)
    table = catalog.tables.get(root)
    found = [table.column(column) for column in columns] if table else []
    if table is None or not all(found):
        return None
    terms = [
        column_term(dialect, column, operator)
        for column, operator in zip(found, operators, strict=True)
        if column is not None
    ]
    return Side(root, tuple(columns), tuple(terms), only_of(dialect, name) if root != name else None)


def column_term(dialect: Dialect, column: Column, operator: str = "") -> Term:
    """A column as it is stored."""
    return Term(_name(dialect, column), column.type_name, column.kind, operator, column.collation or "")


def _name(dialect: Dialect, column: Column) -> Sql:
    return text(dialect.identifier(column.name))


def only_of(dialect: Dialect, leaf: TableName) -> Sql:
    """The condition that a row of a partitioned table lies in this partition of it (PostgreSQL)."""
    place = dialect.literal(dialect.qualified(leaf.schema, leaf.name))
    return text(f"tableoid OPERATOR(pg_catalog.=) CAST({place} AS pg_catalog.regclass)")


def root_of(catalog: Catalog, name: TableName) -> TableName:
    """The partitioned table a partition belongs to; any other table itself."""
    table = catalog.tables.get(name)
    while table is not None and table.kind == "partition" and table.parents:
        name = table.parents[0]
        table = catalog.tables.get(name)
    return name


def is_walkable(table: Table) -> bool:
    """Whether rows can be named and referred to; a view's cannot."""
    return table.kind in {"table", "partitioned", "partition"}


def both(conditions: Iterable[Sql | None]) -> Sql | None:
    """All of these conditions at once; None when there is none."""
    given = [text("(") + condition + text(")") for condition in conditions if condition is not None]
    return join(" AND ", given) if given else None


Edges = Sequence[Edge]
Relations = Mapping[TableName, Relation]
