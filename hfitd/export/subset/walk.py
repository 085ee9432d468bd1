"""The walk: from the roots to every row that belongs to them, level by level, inside one snapshot.

1. Down: the children of the rows found so far, of all edges that are followed, until there are no new ones.
2. Up: the parents of everything found, until there are no new ones. Children of these parents are not looked for.

Each level asks one statement per edge, with all keys of the level at once where the engine takes them (PostgreSQL:
one bound document; elsewhere in large batches), so statements grow with tables and depth and not with rows. A row is
visited once, so cycles end. A NULL in any column of a key is no reference. A reference is looked up once; those that
are the row key of a row already found need no statement at all.

Rows come in key order and edges in a fixed order, so the same data give the same walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from hfitd.engines.interface import Dialect, Row, Snapshot
from hfitd.export.query.links import select_links
from hfitd.export.subset.ask import Asker, take
from hfitd.export.subset.edges import Edge
from hfitd.export.subset.found import NO_STEP, FoundRows, Key, pack, unpack
from hfitd.export.subset.limits import Limits, Meter
from hfitd.export.subset.reach import Graph
from hfitd.model import Json, TableName
from hfitd.sql import Sql


class Readout:
    """What to select of a table: each expression once, and where the values of an edge stand in a row."""

    def __init__(self, graph: Graph, table: TableName, *, downwards: bool) -> None:
        identity = graph.identities[table]
        self._places: dict[Sql, int] = {}
        self.identity = self._add([item.target for item in identity.wanted])
        self.exact = identity.exact
        up = [(number, graph.edges[number].child) for number in graph.upward(table)]
        down = [(number, graph.edges[number].parent) for number in graph.downward(table)] if downwards else []
        self.up = [(number, self._add(side.values())) for number, side in up]
        self.down = [(number, self._add(side.values())) for number, side in down]

    @property
    def outputs(self) -> list[Sql]:
        """The expressions in order."""
        return list(self._places)

    def _add(self, expressions: Sequence[Sql]) -> tuple[int, ...]:
        return tuple(self._places.setdefault(sql, len(self._places)) for sql in expressions)


class Upward:
    """References along one edge: those to ask about, those answered, and how many rows refer to nothing."""

    def __init__(self, edge: Edge, graph: Graph) -> None:
        self.edge = edge
        self.pending: dict[Key, int] = {}  # values -> the first row that has them
        self.dangling = 0
        self._repeats: dict[Key, int] = {}  # while pending: rows beyond the first
        self._answers: dict[Key, bool] = {}  # whether the parent is there
        self._order = self._key_order(graph)

    def _key_order(self, graph: Graph) -> tuple[int, ...] | None:
        """Where the parent's row key stands in the values; None when they are something else."""
        identity = None if self.edge.cut else graph.identities[self.edge.parent.table]
        if identity is None or not self.edge.plain or not identity.columns or self.edge.parent.only is not None:
            return None
        if sorted(identity.columns) != sorted(self.edge.parent.columns):
            return None
        return tuple(self.edge.parent.columns.index(column) for column in identity.columns)

    def refer(self, values: Key, row: int) -> None:
        """A row refers to these values."""
        if self.edge.cut:
            self.dangling += 1
            return
        answer = self._answers.get(values)
        if answer is not None:
            self.dangling += not answer
        elif values in self.pending:
            self._repeats[values] = self._repeats.get(values, 0) + 1
        else:
            self.pending[values] = row

    def settle(self, values: Key, *, found: bool) -> None:
        """The parent of these values is there, or is not."""
        self._answers[values] = found
        rows = 1 + self._repeats.pop(values, 0)
        self.dangling += 0 if found else rows

    def known(self, values: Key, parents: FoundRows) -> bool:
        """Whether the values are the row key of a row found before."""
        if self._order is None:
            return False
        given = unpack(values)
        return parents.find(pack([str(given[place]) for place in self._order])) is not None


@dataclass(frozen=True, slots=True)
class RootRows:
    """Rows to start from: a table and the condition, compiled."""

    table: TableName
    where: Sql | None


class Walk:
    """One walk; ``tables`` holds what it found."""

    def __init__(self, graph: Graph, dialect: Dialect, snapshot: Snapshot, limits: Limits, export: str) -> None:
        self.tables: dict[TableName, FoundRows] = {table: FoundRows() for table in graph.relations}
        self.upward = [Upward(edge, graph) for edge in graph.edges]
        self.meter = Meter(limits, export)
        self._graph = graph
        self._dialect = dialect
        self._asker = Asker(graph, dialect, snapshot)
        self._downward: dict[int, dict[Key, int]] = {number: {} for number in graph.down}
        self._asked: dict[int, set[Key]] = {number: set() for number in graph.down}
        self._readouts = {
            (table, downwards): Readout(graph, table, downwards=downwards)
            for table in graph.relations
            for downwards in (False, True)
        }

    async def run(self, roots: Sequence[RootRows]) -> None:
        """Find everything. LimitExceeded names the table that passes a limit."""
        for root in roots:
            await self._start(root)
        while any(self._downward.values()):
            level, self._downward = self._downward, {number: {} for number in self._graph.down}
            for number, sources in level.items():
                await self._go_down(number, sources)
        while pending := [(number, upward.pending) for number, upward in enumerate(self.upward) if upward.pending]:
            for number, _ in pending:
                self.upward[number].pending = {}
            for number, sources in pending:
                await self._go_up(number, sources)

    def dangling(self) -> list[Json]:
        """References without a row, for the manifest."""
        return [
            {"table": str(upward.edge.child.table), "foreign_key": upward.edge.name, "rows": upward.dangling}
            for upward in self.upward
            if upward.dangling
        ]

    async def _start(self, root: RootRows) -> None:
        readout, fresh = self._readouts[root.table, True], set[int]()
        relation = self._graph.relations[root.table]
        select = select_links(relation, self._dialect, readout.outputs, where=root.where)
        async with aclosing(self._asker.rows(select)) as rows:
            async for row in rows:
                self._visit(root.table, readout, row, fresh, via=(NO_STEP, 0))

    async def _go_down(self, number: int, sources: dict[Key, int]) -> None:
        edge = self._graph.edges[number]
        table = edge.child.table
        readout = self._readouts[table, True]
        for batch in self._asker.batches(list(sources), edge):
            counts: dict[int, int] = {}
            fresh: dict[int, set[int]] = {}
            async with aclosing(self._asker.pairs(edge, readout.outputs, batch, upwards=False)) as pairs:
                async for pair in pairs:
                    counts[pair.place] = counts.get(pair.place, 0) + 1
                    if self.meter.takes_child(table, counts[pair.place], edge.name):
                        new = fresh.setdefault(pair.statement, set())
                        self._visit(table, readout, pair.row, new, via=(2 * number, sources[batch[pair.place]]))

    async def _go_up(self, number: int, sources: dict[Key, int]) -> None:
        upward = self.upward[number]
        edge, table = upward.edge, upward.edge.parent.table
        readout = self._readouts[table, False]
        unknown: list[Key] = []
        for values in sources:
            if upward.known(values, self.tables[table]):
                upward.settle(values, found=True)
            elif edge.whole and not _is_whole(values):
                upward.settle(values, found=False)
            else:
                unknown.append(values)
        for batch in self._asker.batches(unknown, edge):
            met: set[int] = set()
            fresh: dict[int, set[int]] = {}
            async with aclosing(self._asker.pairs(edge, readout.outputs, batch, upwards=True)) as pairs:
                async for pair in pairs:
                    met.add(pair.place)
                    new = fresh.setdefault(pair.statement, set())
                    self._visit(table, readout, pair.row, new, via=(2 * number + 1, sources[batch[pair.place]]))
            for place, values in enumerate(batch):
                upward.settle(values, found=place in met)

    def _visit(
        self, table: TableName, readout: Readout, row: Row, fresh: set[int], *, via: tuple[int, int]
    ) -> None:
        """Take a row in, unless it is there, and note where it leads. ``fresh`` are the rows new in this statement."""
        step, origin = via
        key = take(row, readout.identity)
        assert key is not None
        found = self.tables[table]
        number = found.find(key)
        if number is not None and (readout.exact or number not in fresh):
            return
        if not self.meter.takes(table, parent=bool(step > 0 and step % 2)):
            return
        if number is None:
            number = found.add(key, step, origin)
            fresh.add(number)
        else:
            found.repeat(number)
        for edge, places in readout.up:
            values = take(row, places)
            if values is not None:
                self.upward[edge].refer(values, number)
        for edge, places in readout.down:
            values = take(row, places)
            if values is not None and values not in self._asked[edge]:
                self._asked[edge].add(values)
                self._downward[edge][values] = number


def _is_whole(values: Key) -> bool:
    """Whether a text is a whole number as every engine prints it, and fits 64 bits."""
    text = str(unpack(values)[0])
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18 and str(int(text)) == text
