"""What a walk goes along: foreign keys, declared or virtual, between tables the actor may see.

An edge has a child side, which refers, and a parent side, which is referred to. Each side is a tuple of terms: a
column, or an expression over one, as the engine compares it. A partition counts under its root: a key that a leaf
alone has gets a condition that keeps it to the rows of that leaf. The two sides may lie in different databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect, Wanted
from hfitd.export.sources import SourceKey
from hfitd.export.subset.across import Across
from hfitd.model import Catalog, Column, ForeignKey, Kind, Relation, Table, TableName
from hfitd.sql import Sql, join, text

NUMERIC = frozenset((Kind.INTEGER, Kind.NUMBER))
SPELT_ONCE = frozenset((Kind.INTEGER, Kind.UUID, Kind.DATE))


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A table of one of the databases a walk goes through."""

    source: SourceKey
    table: TableName

    def __str__(self) -> str:
        return str(self.table)


@dataclass(frozen=True, slots=True)
class Term:
    """One of the values of a side: its SQL over the table, its type, and the schema of its equality operator."""

    sql: Sql
    type_name: str
    kind: Kind
    operator: str = ""
    collation: str = ""
    indexed: bool = False  # an index begins with it


@dataclass(frozen=True, slots=True)
class Side:
    """One end of an edge. ``columns`` are the columns it needs; ``only`` limits the rows it holds for."""

    node: Node
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
    ``across`` is how values of two databases are compared; inside one database the engine does it.
    """

    name: str
    child: Side
    parent: Side
    key: ForeignKey | None = None
    plain: bool = True
    whole: bool = False
    cut: bool = False
    across: Across | None = None

    @property
    def title(self) -> str:
        """The name as a message may hold it: without the values of ``when``."""
        return self.name.partition(" when ")[0]

    @property
    def spelt_once(self) -> bool:
        """Whether equal values of both sides are the same text, so that text alone tells which value a row has."""
        terms = (*self.child.terms, *self.parent.terms)
        kinds = ({term.kind for term in pair} for pair in zip(self.child.terms, self.parent.terms, strict=True))
        return (
            self.across is None
            and not self.whole
            and all(term.operator in ("", "pg_catalog") for term in terms)
            and all(len(kind) == 1 and kind <= SPELT_ONCE for kind in kinds)
        )

    @property
    def crosses(self) -> bool:
        """Whether its sides lie in different databases."""
        return self.child.node.source != self.parent.node.source

    def wanted(self, source: Side, target: Side) -> tuple[Wanted, ...]:
        """How values of the source side are looked up on the target side."""
        if self.whole:
            type_name, kind = ("bigint", Kind.INTEGER) if target is self.parent else ("text", Kind.TEXT)
            return tuple(Wanted(term.sql, type_name, kind) for term in target.terms)
        pairs = zip(source.terms, target.terms, strict=True)
        return tuple(
            Wanted(there.sql, here.type_name, here.kind, there.operator, there.collation, there.indexed)
            for here, there in pairs
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a row of a table in a walk: the columns of a key, or, without ``columns``, what the engine offers.

    ``exact`` is False where equal rows share a name. ``plain`` is True where a value has one spelling only, so that
    equal values are the same text.
    """

    wanted: tuple[Wanted, ...]
    columns: tuple[str, ...]
    exact: bool = True
    plain: bool = False


def identify(relation: Relation, dialect: Dialect) -> Identity:
    """The row's name: the first key that is whole, visible and can be compared; else the engine's."""
    visible = {item.column.name: item.column for item in relation.columns}
    for key in sorted(relation.table.keys, key=lambda key: not key.primary):
        columns = [visible[name] for name in key.columns if name in visible and visible[name].readable]
        if not key.nullable and len(columns) == len(key.columns) and dialect.keys_compare(columns):
            wanted = (
                Wanted(_name(dialect, c), c.type_name, c.kind, c.operators, c.collation or "", indexed=c is columns[0])
                for c in columns
            )
            return Identity(tuple(wanted), key.columns, plain=all(c.kind in SPELT_ONCE for c in columns))
    readable = [column for column in visible.values() if column.readable]
    wanted_row = dialect.row_identity(relation.table, readable)
    if relation.table.kind == "table" and dialect.name == "postgresql":
        wanted_row = wanted_row[1:]  # one table, so where the row lies is enough
    return Identity(wanted_row, (), exact=dialect.name != "mysql")


def declared_edges(source: SourceKey, catalog: Catalog, dialect: Dialect) -> list[Edge]:
    """The catalogue's foreign keys by table and name, those of partitions as their roots'."""
    found: dict[tuple[object, ...], Edge] = {}
    for key in sorted(catalog.foreign_keys, key=lambda key: (_is_of_leaf(catalog, key), key.table, key.name)):
        edge = _edge(key, source, catalog, dialect)
        if edge is None:
            continue
        place = (edge.child.node, edge.child.columns, edge.parent.node, edge.parent.columns)
        same = found.get(place)
        if same is None:
            found[place] = edge
        elif same.child.only is not None and edge.child.only is not None:  # another leaf has the same key
            both = text("(") + same.child.only + text(" OR ") + edge.child.only + text(")")
            found[place] = replace(same, child=replace(same.child, only=both))
    return sorted(found.values(), key=lambda edge: (edge.child.node, edge.name))


def _is_of_leaf(catalog: Catalog, key: ForeignKey) -> bool:
    return root_of(catalog, key.table) != key.table


def _edge(key: ForeignKey, source: SourceKey, catalog: Catalog, dialect: Dialect) -> Edge | None:
    operators = key.operators or ("",) * len(key.columns)
    child = _side(Node(source, key.table), key.columns, operators, catalog, dialect)
    parent = _side(Node(source, key.target), key.target_columns, operators, catalog, dialect)
    if child is None or parent is None or len(child.terms) != len(parent.terms) or not child.terms:
        return None
    return Edge(key.name, child, parent, key)


def _side(
    node: Node, columns: Sequence[str], operators: Sequence[str], catalog: Catalog, dialect: Dialect
) -> Side | None:
    name, root = node.table, root_of(catalog, node.table)
    table = catalog.tables.get(root)
    found = [table.column(column) for column in columns] if table else []
    if table is None or not all(found):
        return None
    leading = {key.columns[0] for key in table.keys}
    terms = [
        replace(column_term(dialect, column, operator), indexed=column.name in leading)
        for column, operator in zip(found, operators, strict=True)
        if column is not None
    ]
    return Side(Node(node.source, root), tuple(columns), tuple(terms), only_of(dialect, name) if root != name else None)


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
