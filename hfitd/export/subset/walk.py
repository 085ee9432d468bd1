"""The walk: from the roots to every row that belongs to them, level by level, each database inside one snapshot.

1. Down: the children of the rows found so far, of all edges that are followed, until there are no new ones.
2. Up: the parents of everything found, until there are no new ones. Children of these parents are not looked for.

Each level asks one statement per edge, with all keys of the level at once where the engine takes them (PostgreSQL:
bound arrays; elsewhere in large batches), so statements grow with tables and depth and not with rows. A row is
visited once, so circles end, also those that go through several databases. A NULL in any column of a key is no
reference. A reference is looked up once; those that are the row key of a row already found need no statement at all,
and where a parent's key is all the walk has to know of it, the parents are only counted.

Rows come in key order and edges in a fixed order, so the same data give the same walk. What is remembered of a row is
its key (``found``); pages of rows are worked through column by column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import repeat

from hfitd.engines.interface import Columns
from hfitd.export.query.links import select_links
from hfitd.export.sources import SourceKey
from hfitd.export.subset.ask import Asker, Page, Place, take_keys
from hfitd.export.subset.edges import Edge, Node
from hfitd.export.subset.found import NO_STEP, FoundRows, Key, KeyStore, KeyTable, unpack, unpack_all
from hfitd.export.subset.limits import Limits, Meter
from hfitd.export.subset.reach import Graph
from hfitd.export.subset.upward import Upward, arrange, key_order
from hfitd.model import Json
from hfitd.sql import Sql

COUNT_FROM = 100  # fewer parents are as cheap to read as to count


class Readout:
    """What to select of a table: each expression once, and where the values of an edge stand in a row."""

    def __init__(self, graph: Graph, node: Node, *, downwards: bool) -> None:
        identity = graph.identities[node]
        self._places: dict[Sql, int] = {}
        self.identity = self._add([item.target for item in identity.wanted])
        self.exact = identity.exact
        self.up = [(number, self._add(graph.edges[number].child.values())) for number in graph.upward(node)]
        down = [number for number in graph.downward(node) if downwards and not is_of_key(graph.edges[number], graph)]
        self.down = [(number, self._add(graph.edges[number].parent.values())) for number in down]
        self.is_key = identity.plain and len(self._places) == len(self.identity)

    @property
    def outputs(self) -> list[Sql]:
        """The expressions in order."""
        return list(self._places)

    def _add(self, expressions: Sequence[Sql]) -> tuple[int, ...]:
        return tuple(self._places.setdefault(sql, len(self._places)) for sql in expressions)


def is_of_key(edge: Edge, graph: Graph) -> bool:
    """Whether the parent's side of an edge is its row key, so that the rows found say all there is to ask."""
    return key_order(edge, graph) is not None


@dataclass(frozen=True, slots=True)
class RootRows:
    """Rows to start from: a table and the condition, compiled."""

    node: Node
    where: Sql | None


class Downward:
    """The rows whose children along one edge are still to be looked for."""

    def __init__(self, edge: Edge, graph: Graph, parents: FoundRows, store: KeyStore) -> None:
        self._order = key_order(edge, graph)
        self._edge = edge
        self._parents = parents
        self._asked = 0
        self._store = store
        self._values = store.table()

    def add(self, values: Sequence[Key], rows: Sequence[int]) -> None:
        """Values that are not the row key, and their rows; a value counts once."""
        across = self._edge.across
        spelt = values if across is None else [across.spell(str(value), child=False) for value in values]
        pairs = [(value, row) for value, row in zip(spelt, rows, strict=True) if value is not None]
        keys = [value for value, _ in pairs]
        places = self._values.unknown(keys)
        self._values.add([keys[n] for n in places], [pairs[n][1] for n in places], list(repeat(0, len(places))))

    def asked(self) -> Sequence[Key] | None:
        """Every value that was asked for; None when they are not the parents' row keys and so are not kept."""
        return None if self._order is None else self._sources(0).portion(0, self._asked)[0]

    def take(self) -> Sources | None:
        """What is new since the last time; None when nothing is."""
        if self._order is not None:
            start, self._asked = self._asked, len(self._parents)
            return self._sources(start) if self._asked > start else None
        if not len(self._values):
            return None
        taken, self._values = self._values, self._store.table()
        return Sources(taken, 0, len(taken), None)

    def _sources(self, start: int) -> Sources:
        return Sources(self._parents.keys, start, self._asked, self._order)


@dataclass(frozen=True, slots=True)
class Sources:
    """Rows from ``start`` to before ``stop``; with an ``order`` their keys are the values, else the table has them."""

    table: KeyTable
    start: int
    stop: int
    order: tuple[int, ...] | None

    def portion(self, start: int, size: int) -> tuple[Sequence[Key], Sequence[int]]:
        """Values and the numbers of their rows."""
        stop = min(start + size, self.stop)
        keys, rows, _ = self.table.portion(start, stop)
        if self.order is None:
            return keys, rows
        given = [0] * len(self.order)
        for place, column in enumerate(self.order):
            given[column] = place
        return arrange(keys, tuple(given)), range(start, stop)


class Walk:
    """One walk; ``tables`` holds what it found."""

    def __init__(
        self, graph: Graph, places: Mapping[SourceKey, Place], limits: Limits, export: str, store: KeyStore
    ) -> None:
        self.tables: dict[Node, FoundRows] = {node: FoundRows(store) for node in graph.relations}
        self.upward = [Upward(edge, graph, self.tables.get(edge.parent.node), store) for edge in graph.edges]
        self.meter = Meter(limits, export)
        self.store = store
        self._graph = graph
        self._places = places
        self._asker = Asker(graph, places)
        self._downward = {
            number: Downward(edge := graph.edges[number], graph, self.tables[edge.parent.node], store)
            for number in sorted(graph.down)
        }
        self._readouts = {
            (node, downwards): Readout(graph, node, downwards=downwards)
            for node in graph.relations
            for downwards in (False, True)
        }

    async def run(self, roots: Sequence[RootRows]) -> None:
        """Find everything. LimitExceeded names the table that passes a limit."""
        for root in roots:
            await self._start(root)
        while True:
            level = [(number, sources) for number, down in self._downward.items() if (sources := down.take())]
            if not level:
                break
            for number, sources in level:
                await self._go_down(number, sources)
        while True:
            above = [(number, taken) for number, up in enumerate(self.upward) if (taken := up.take_pending())]
            if not above:
                break
            for number, taken in above:
                await self._go_up(number, taken)

    def owners(self, node: Node) -> tuple[Edge, Sequence[Key]] | None:
        """The edge down which every row of a table came, none left out, with the values that were asked for along it:
        the rows that have one of them are the table's. None where that is not so."""
        steps = self.tables[node].keys.steps()
        step = min(steps, default=NO_STEP)
        if len(steps) != 1 or step == NO_STEP or step % 2 or self.meter.has_left_out(node):
            return None
        edge = self._graph.edges[step // 2]
        asked = self._downward[step // 2].asked()
        if asked is None or edge.child.only is not None or not self._asker.text_tells(edge, edge.child):
            return None
        return edge, asked

    def dangling(self, source: SourceKey) -> list[Json]:
        """References of one database without a row, for the manifest. A ``virtual`` one breaks no constraint, one
        ``in_source`` is as broken there: nothing was cut off that it could refer to."""
        found: list[Json] = []
        cut_off = bool(self.meter.report(source))
        for upward in self.upward:
            edge = upward.edge
            if upward.dangling and edge.child.node.source == source:
                entry: dict[str, Json] = {"table": str(edge.child.node), "foreign_key": edge.name}
                entry["rows"] = upward.dangling
                if edge.key is None:
                    entry["virtual"] = True
                elif not edge.cut and not cut_off and self._graph.relations[edge.parent.node].row_filter is None:
                    entry["in_source"] = True
                if edge.crosses:
                    entry |= {"to_provider": edge.parent.node.source.provider, "to_table": str(edge.parent.node)}
                found.append(entry)
        return found

    async def _start(self, root: RootRows) -> None:
        readout, fresh = self._readouts[root.node, True], set[int]()
        dialect = self._places[root.node.source].dialect
        select = select_links(self._graph.relations[root.node], dialect, readout.outputs, where=root.where)
        async with aclosing(self._asker.columns(root.node, select)) as pages:
            async for columns in pages:
                self._visit(root.node, readout, columns, fresh, step=NO_STEP, origins=[0] * len(columns[0]))

    async def _go_down(self, number: int, sources: Sources) -> None:
        edge = self._graph.edges[number]
        readout, size = self._readouts[edge.child.node, True], self._asker.size(edge, upwards=False)
        for start in range(sources.start, sources.stop, size):
            values, rows = sources.portion(start, size)
            counts: dict[int, int] = {}
            fresh: dict[int, set[int]] = {}
            async with aclosing(self._asker.pages(edge, readout.outputs, values, upwards=False)) as pages:
                async for whole in pages:
                    page = self._within(whole, edge, counts)
                    origins = [rows[place] for place in page.places]
                    new = fresh.setdefault(page.statement, set())
                    self._visit(edge.child.node, readout, page.columns, new, step=2 * number, origins=origins)

    def _within(self, page: Page, edge: Edge, counts: dict[int, int]) -> Page:
        """The page without children beyond ``max_children_per_row``."""
        if self.meter.max_children is None:
            return page
        kept: list[int] = []
        for position, place in enumerate(page.places):
            counts[place] = counts.get(place, 0) + 1
            if self.meter.take_child(edge.child.node, counts[place], edge.title):
                kept.append(position)
        columns = [[column[position] for position in kept] for column in page.columns]
        return Page(page.statement, [page.places[position] for position in kept], columns)

    async def _go_up(self, number: int, taken: KeyTable) -> None:
        upward, size = self.upward[number], self._asker.size(self._graph.edges[number], upwards=True)
        for start in range(0, len(taken), size):
            keys, rows, counts = taken.portion(start, start + size)
            open_ones = upward.sift(keys, counts)
            if upward.edge.whole:
                odd = [is_open and not _is_whole(key) for is_open, key in zip(open_ones, keys, strict=True)]
                lost = [place for place, is_odd in enumerate(odd) if is_odd]
                upward.settle([keys[n] for n in lost], [counts[n] for n in lost], found=[False] * len(lost))
                open_ones = [is_open and not is_odd for is_open, is_odd in zip(open_ones, odd, strict=True)]
            places = [place for place, is_open in enumerate(open_ones) if is_open]
            if places:
                asked = [keys[n] for n in places], [rows[n] for n in places], [counts[n] for n in places]
                await self._ask_up(number, *asked)
        taken.drop()

    async def _ask_up(self, number: int, keys: Sequence[Key], rows: Sequence[int], counts: Sequence[int]) -> None:
        upward = self.upward[number]
        edge, node = upward.edge, upward.edge.parent.node
        readout, step = self._readouts[node, False], 2 * number + 1
        if await self._are_there(upward, readout, keys):
            assert upward.order is not None
            named = arrange(keys, upward.order)
            columns: Columns = list(zip(*unpack_all(named), strict=True))
            self._visit(node, readout, columns, set(), step=step, origins=rows)
            return
        met: set[int] = set()
        fresh: dict[int, set[int]] = {}
        async with aclosing(self._asker.pages(edge, readout.outputs, keys, upwards=True)) as pages:
            async for page in pages:
                met.update(page.places)
                origins = [rows[place] for place in page.places]
                new = fresh.setdefault(page.statement, set())
                self._visit(node, readout, page.columns, new, step=step, origins=origins)
        upward.settle(keys, counts, found=[place in met for place in range(len(keys))])

    async def _are_there(self, upward: Upward, readout: Readout, keys: Sequence[Key]) -> bool:
        """Whether the keys are known to be those of parents, of which the walk needs nothing else."""
        edge = upward.edge
        if upward.order is None or not readout.is_key or len(keys) < COUNT_FROM:
            return False
        sides = zip(edge.child.terms, edge.parent.terms, strict=True)
        if any(here.type_name != there.type_name for here, there in sides):
            return False
        return await self._asker.count(edge, keys) == len(keys)

    def _visit(
        self, node: Node, readout: Readout, columns: Columns, fresh: set[int], *, step: int, origins: Sequence[int]
    ) -> None:
        """Take rows in, unless they are there, and note where they lead. ``fresh`` are those new in this statement."""
        keys = take_keys(columns, readout.identity)
        assert None not in keys
        named: Sequence[Key] = keys  # type: ignore[assignment]  # no None is in it
        found = self.tables[node]
        chosen = self._choose(node, found, readout, named, fresh, parent=step > 0 and step % 2 == 1)
        if not chosen:
            return
        start, whole = len(found), len(chosen) == len(named)
        if not whole:
            columns = [[column[n] for n in chosen] for column in columns]
            named, origins = [named[n] for n in chosen], [origins[n] for n in chosen]
        found.keys.add(named, list(repeat(step, len(named))), origins)
        numbers = range(start, start + len(named))
        if not readout.exact:
            fresh.update(numbers)
        for edge, places in readout.up:
            if step != 2 * edge or self.upward[edge].order is None:  # else each refers to the row it was reached from
                self.upward[edge].refer(*_given(take_keys(columns, places), numbers))
        for edge, places in readout.down:
            self._downward[edge].add(*_given(take_keys(columns, places), numbers))

    def _choose(
        self, node: Node, found: FoundRows, readout: Readout, keys: Sequence[Key], fresh: set[int], *, parent: bool
    ) -> Sequence[int]:
        """Where the new rows stand that may come."""
        places = found.keys.unknown(keys)
        chosen = places[: self.meter.take(node, len(places), parent=parent)]
        if not readout.exact:
            self._count_copies(node, found, keys, chosen, fresh, parent=parent)
        return chosen

    def _count_copies(
        self,
        node: Node,
        found: FoundRows,
        keys: Sequence[Key],
        chosen: Sequence[int],
        fresh: set[int],
        *,
        parent: bool,
    ) -> None:
        """Equal rows share a name: those of one statement are rows of their own, those of another are the same."""
        first = set(chosen)
        coming = {keys[place]: len(found) + number for number, place in enumerate(chosen)}
        for place, number in enumerate(found.keys.find(keys)):
            there = coming.get(keys[place]) if number is None else number if number in fresh else None
            if there is not None and place not in first and self.meter.take(node, 1, parent=parent):
                found.repeat(there)


def _given(values: Sequence[Key | None], rows: Sequence[int]) -> tuple[Sequence[Key], Sequence[int]]:
    """The values that are there, with their rows."""
    if None not in values:
        return values, rows  # type: ignore[return-value]  # no None is in it
    pairs = [(value, row) for value, row in zip(values, rows, strict=True) if value is not None]
    return [value for value, _ in pairs], [row for _, row in pairs]


def _is_whole(values: Key) -> bool:
    """Whether a text is a whole number as every engine prints it, and fits 64 bits."""
    text = str(unpack(values)[0])
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18 and str(int(text)) == text
