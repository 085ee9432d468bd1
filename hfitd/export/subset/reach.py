"""Which tables a subset can reach, by which keys, before any row is read.

First downwards from the roots, where children are followed; then upwards from everything, always. What the actor may
not see decides as follows:

1. A root, or a child table that the template names, that is missing or not granted refuses the export.
2. A child table that is not granted is not followed: the subset is smaller.
3. A parent that is not granted refuses the export, for its rows would be missing; unless it is in ``exclude``. Then
   the key is cut: nothing is read there and the rows that refer to it are counted.
4. A key with a column that is not granted, on either side, does not exist for this actor.
5. Nor does one whose masks hide what following it would show (``linked``): which row a hidden reference means, or
   whether a masked value is a given one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hfitd.engines.interface import Dialect
from hfitd.errors import ExportRefused
from hfitd.export.linked import is_clear, may_link, tells_itself
from hfitd.export.subset.edges import Edge, Identity, identify
from hfitd.model import Relation, TableName


@dataclass(frozen=True, slots=True)
class Graph:
    """The tables in the order they are reached, and the edges between them. An edge is named by its position."""

    relations: Mapping[TableName, Relation]
    identities: Mapping[TableName, Identity]
    paths: Mapping[TableName, tuple[str, ...]]
    steps: Mapping[TableName, tuple[int, bool] | None]  # how a table was first reached: edge, whether downwards
    edges: tuple[Edge, ...]
    down: frozenset[int]  # edges that are followed to children

    def upward(self, table: TableName) -> list[int]:
        """Edges on which rows of the table are children."""
        return [number for number, edge in enumerate(self.edges) if edge.child.table == table]

    def downward(self, table: TableName) -> list[int]:
        """Edges along which children of its rows are followed."""
        return [number for number in sorted(self.down) if self.edges[number].parent.table == table]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the template asks for, resolved. ``children`` None follows every child table."""

    roots: tuple[TableName, ...]
    children: frozenset[TableName] | None
    excluded: frozenset[TableName]
    export: str


@dataclass(slots=True)
class _Search:
    wish: Wish
    look: Callable[[TableName], Relation | None]
    relations: dict[TableName, Relation] = field(default_factory=dict)
    paths: dict[TableName, tuple[str, ...]] = field(default_factory=dict)
    steps: dict[TableName, tuple[int, bool] | None] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    down: set[int] = field(default_factory=set)

    def enter(self, table: TableName, relation: Relation, edge: Edge | None, step: tuple[int, bool] | None) -> None:
        """Note a table that is reached for the first time."""
        self.relations[table] = relation
        self.steps[table] = step
        before: tuple[str, ...] = ()
        label = str(table)
        if edge is not None and step is not None:
            before = self.paths[edge.parent.table if step[1] else edge.child.table]
            label += f" ({edge.name})"
        self.paths[table] = (*before, label)

    def follow_down(self, number: int, edge: Edge) -> bool:
        """Go to the child table of an edge; whether it is new."""
        child, wanted = edge.child.table, self.wish.children
        if child in self.wish.excluded or (wanted is not None and child not in wanted):
            return False
        relation = self.relations.get(child) or self.look(child)
        if relation is None:
            if wanted is not None:  # 1
                raise ExportRefused(resource=self.wish.export)
            return False  # 2
        if not _may_follow(edge, relation, self.relations[edge.parent.table]):
            return False  # 4, 5
        self.down.add(number)
        self.used.add(number)
        if child in self.relations:
            return False
        self.enter(child, relation, edge, (number, True))
        return True

    def follow_up(self, number: int, edge: Edge) -> bool:
        """Go to the parent table of an edge; whether it is new."""
        child = self.relations[edge.child.table]
        if not (tells_itself if _is_plain(edge) else is_clear)(child, edge.child.columns):
            return False  # 4, 5
        parent = edge.parent.table
        if parent in self.wish.excluded and parent not in self.relations:
            self.cut.add(number)
            return False
        relation = self.relations.get(parent) or self.look(parent)
        if relation is None:
            raise ExportRefused(resource=self.wish.export)  # 3
        if not _may_follow(edge, child, relation):
            return False  # 4, 5
        self.used.add(number)
        if parent in self.relations:
            return False
        self.enter(parent, relation, edge, (number, False))
        return True


def _may_follow(edge: Edge, child: Relation, parent: Relation) -> bool:
    """4 and 5."""
    if _is_plain(edge):
        return may_link(child, edge.child.columns, parent, edge.parent.columns)
    return is_clear(child, edge.child.columns) and is_clear(parent, edge.parent.columns)


def _is_plain(edge: Edge) -> bool:
    """Whether columns are compared as they are; more columns of a virtual key are conditions with given values."""
    return edge.key is not None or (edge.plain and len(edge.child.columns) == 1)


def reach(
    wish: Wish, edges: Sequence[Edge], look: Callable[[TableName], Relation | None], dialect: Dialect
) -> Graph:
    """Search the tables. ``look`` gives a table as the actor may see it, or None."""
    search = _Search(wish, look)
    for root in wish.roots:
        relation = look(root)
        if relation is None:
            raise ExportRefused(resource=wish.export)  # 1
        if root not in search.relations:
            search.enter(root, relation, None, None)
    for table in (waiting := list(search.relations)):
        for number, edge in enumerate(edges):
            if edge.parent.table == table and search.follow_down(number, edge):
                waiting.append(edge.child.table)
    for table in (waiting := list(search.relations)):
        for number, edge in enumerate(edges):
            if edge.child.table == table and search.follow_up(number, edge):
                waiting.append(edge.parent.table)
    return _graph(search, edges, dialect)


def _graph(search: _Search, edges: Sequence[Edge], dialect: Dialect) -> Graph:
    kept = sorted(search.used | search.cut)
    place = {number: position for position, number in enumerate(kept)}
    return Graph(
        search.relations,
        {table: identify(relation, dialect) for table, relation in search.relations.items()},
        search.paths,
        {table: (place[step[0]], step[1]) if step else None for table, step in search.steps.items()},
        tuple(replace(edges[number], cut=number in search.cut) for number in kept),
        frozenset(place[number] for number in search.down),
    )


def expected_rows(graph: Graph, roots: Mapping[TableName, int | None]) -> dict[TableName, int | None]:
    """How many rows of each table the statistics expect, along the path by which it was first reached."""
    expected: dict[TableName, int | None] = {}
    for table, step in graph.steps.items():
        total = graph.relations[table].table.estimated_rows
        if step is None:
            expected[table] = roots.get(table)
            continue
        edge = graph.edges[step[0]]
        before = edge.parent.table if step[1] else edge.child.table
        base = expected[before]
        of_all = graph.relations[before].table.estimated_rows
        if base is None or total is None:
            expected[table] = total
        elif step[1]:
            expected[table] = min(total, round(base * total / of_all) if of_all else total)
        else:
            expected[table] = min(total, base)
    return expected
