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
6. A key that the template itself names is not left out without a word: where 4 or 5 would do so, it refuses the
   export, as 1 does for 4, and by its name for 5, since the masks of columns one may see are no secret.
7. Between databases a masked key can only be followed where equal values are printed alike on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hfitd.engines.interface import Dialect
from hfitd.errors import ExportRefused, TemplateInvalid
from hfitd.export.linked import is_clear, may_link, tells_itself
from hfitd.export.sources import SourceKey
from hfitd.export.subset.edges import Edge, Identity, Node, identify
from hfitd.model import Relation


@dataclass(frozen=True, slots=True)
class Graph:
    """The tables in the order they are reached, and the edges between them. An edge is named by its position."""

    relations: Mapping[Node, Relation]
    identities: Mapping[Node, Identity]
    paths: Mapping[Node, tuple[str, ...]]
    steps: Mapping[Node, tuple[int, bool] | None]  # how a table was first reached: edge, whether downwards
    edges: tuple[Edge, ...]
    down: frozenset[int]  # edges that are followed to children

    def sources(self) -> list[SourceKey]:
        """The databases that it goes through, that of the first root first."""
        return list(dict.fromkeys(node.source for node in self.relations))

    def upward(self, table: Node) -> list[int]:
        """Edges on which rows of the table are children."""
        return [number for number, edge in enumerate(self.edges) if edge.child.node == table]

    def downward(self, table: Node) -> list[int]:
        """Edges along which children of its rows are followed."""
        return [number for number in sorted(self.down) if self.edges[number].parent.node == table]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the template asks for, resolved. ``children`` None follows every child table."""

    roots: tuple[Node, ...]
    children: frozenset[Node] | None
    excluded: frozenset[Node]
    export: str


@dataclass(slots=True)
class _Search:
    wish: Wish
    look: Callable[[Node], Relation | None]
    relations: dict[Node, Relation] = field(default_factory=dict)
    paths: dict[Node, tuple[str, ...]] = field(default_factory=dict)
    steps: dict[Node, tuple[int, bool] | None] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    down: set[int] = field(default_factory=set)

    def enter(self, table: Node, relation: Relation, edge: Edge | None, step: tuple[int, bool] | None) -> None:
        """Note a table that is reached for the first time."""
        self.relations[table] = relation
        self.steps[table] = step
        before: tuple[str, ...] = ()
        label = str(table) if table.source == self.wish.roots[0].source else f"{table.source.provider}:{table}"
        if edge is not None and step is not None:
            before = self.paths[edge.parent.node if step[1] else edge.child.node]
            label += f" ({edge.name})"
        self.paths[table] = (*before, label)

    def follow_down(self, number: int, edge: Edge) -> bool:
        """Go to the child table of an edge; whether it is new."""
        child, wanted = edge.child.node, self.wish.children
        if child in self.wish.excluded or (wanted is not None and child not in wanted):
            return False
        relation = self.relations.get(child) or self.look(child)
        if relation is None:
            if wanted is not None:  # 1
                raise ExportRefused(resource=self.wish.export)
            return False  # 2
        if not self.may_follow(edge, relation, self.relations[edge.parent.node]):
            return False  # 4, 5
        self.down.add(number)
        self.used.add(number)
        if child in self.relations:
            return False
        self.enter(child, relation, edge, (number, True))
        return True

    def follow_up(self, number: int, edge: Edge) -> bool:
        """Go to the parent table of an edge; whether it is new."""
        child = self.relations[edge.child.node]
        if not (tells_itself if _is_plain(edge) else is_clear)(child, edge.child.columns):
            self.refuse_named(edge, child, edge.child.columns)
            return False  # 4, 5
        parent = edge.parent.node
        if parent in self.wish.excluded and parent not in self.relations:
            self.cut.add(number)
            return False
        relation = self.relations.get(parent) or self.look(parent)
        if relation is None:
            raise ExportRefused(resource=self.wish.export)  # 3
        if not self.may_follow(edge, child, relation):
            return False  # 4, 5
        self.used.add(number)
        if parent in self.relations:
            return False
        self.enter(parent, relation, edge, (number, False))
        return True

    def may_follow(self, edge: Edge, child: Relation, parent: Relation) -> bool:
        """4, 5 and 7; a key that the template names refuses."""
        if _is_plain(edge):
            linked = may_link(child, edge.child.columns, parent, edge.parent.columns)
        else:
            linked = is_clear(child, edge.child.columns) and is_clear(parent, edge.parent.columns)
        if edge.across is not None and not edge.across.prints_alike:  # 7
            linked = linked and is_clear(child, edge.child.columns)
        if not linked:
            self.refuse_named(edge, child, edge.child.columns)
            self.refuse_named(edge, parent, edge.parent.columns)
        return linked

    def refuse_named(self, edge: Edge, relation: Relation, columns: Sequence[str]) -> None:
        """6: whether a side of a virtual key is not granted or masked."""
        if edge.key is not None:
            return
        if any(relation.column(name) is None for name in columns):
            raise ExportRefused(resource=self.wish.export)
        masked = [name for name in columns if (item := relation.column(name)) is not None and item.rule is not None]
        if masked:
            raise TemplateInvalid(
                f"The virtual key {edge.title} cannot be followed: masks hide {relation.table.name}.{masked[0]} or show"
                " it otherwise than the other side.",
                resource=self.wish.export,
                suggestions=("Give both columns the same keyed mask, such as hash, or leave the key out.",),
            )


def _is_plain(edge: Edge) -> bool:
    """Whether columns are compared with one another alone; a virtual key's ``when`` holds them against given values."""
    return edge.key is not None or (edge.plain and edge.child.only is None)


def reach(
    wish: Wish,
    edges: Sequence[Edge],
    look: Callable[[Node], Relation | None],
    dialects: Mapping[SourceKey, Dialect],
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
            if edge.parent.node == table and search.follow_down(number, edge):
                waiting.append(edge.child.node)
    for table in (waiting := list(search.relations)):
        for number, edge in enumerate(edges):
            if edge.child.node == table and search.follow_up(number, edge):
                waiting.append(edge.parent.node)
    return _graph(search, edges, dialects)


def _graph(search: _Search, edges: Sequence[Edge], dialects: Mapping[SourceKey, Dialect]) -> Graph:
    kept = sorted(search.used | search.cut)
    place = {number: position for position, number in enumerate(kept)}
    return Graph(
        search.relations,
        {node: identify(relation, dialects[node.source]) for node, relation in search.relations.items()},
        search.paths,
        {table: (place[step[0]], step[1]) if step else None for table, step in search.steps.items()},
        tuple(replace(edges[number], cut=number in search.cut) for number in kept),
        frozenset(place[number] for number in search.down),
    )


def expected_rows(graph: Graph, roots: Mapping[Node, int | None]) -> dict[Node, int | None]:
    """How many rows of each table the statistics expect, along the path by which it was first reached."""
    expected: dict[Node, int | None] = {}
    for table, step in graph.steps.items():
        total = graph.relations[table].table.estimated_rows
        if step is None:
            expected[table] = roots.get(table)
            continue
        edge = graph.edges[step[0]]
        before = edge.parent.node if step[1] else edge.child.node
        base = expected[before]
        of_all = graph.relations[before].table.estimated_rows
        if base is None or total is None:
            expected[table] = total
        elif step[1]:
            expected[table] = min(total, round(base * total / of_all) if of_all else total)
        else:
            expected[table] = min(total, base)
    return expected
