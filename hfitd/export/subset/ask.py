"""One level of the walk along one edge: which rows of the target equal which of the given values.

Where the engine joins with given values, one statement says it all. Elsewhere (MySQL; PostgreSQL for values that have
one spelling) rows are found by a list and told apart by their text, which is the same on both sides but for collations
and scales; what that leaves open is asked again with every value numbered, in small batches, so that the engine's
equality always decides. Between databases no engine can decide: rows are found by a list and told apart by ``across``.

Answers come as columns, a page of rows at a time, for what is done with them is the same for every row.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import compress

from hfitd.engines.interface import Columns, Dialect, Row, Select, Snapshot
from hfitd.export.query.links import select_links
from hfitd.export.sources import SourceKey
from hfitd.export.subset.across import Across
from hfitd.export.subset.edges import Edge, Node, Side, both
from hfitd.export.subset.found import Key, unpack_all
from hfitd.export.subset.reach import Graph
from hfitd.sql import Sql, text

FETCH_ROWS = 4000
ASK_KEYS = 100_000  # at most so many at once, however many the engine takes
COUNT = text("count(*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of the databases is read."""

    dialect: Dialect
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that equal given values: the place of each row's value, and the outputs as columns. ``statement`` tells the
    statements of one question apart."""

    statement: int
    places: Sequence[int]
    columns: Columns


def take_keys(columns: Columns, places: Sequence[int]) -> Sequence[Key | None]:
    """The values at these places of every row as keys, or None when one is NULL."""
    if len(places) == 1:
        return columns[places[0]]
    chosen = [columns[place] for place in places]
    rows = list(zip(*chosen, strict=True))
    if not any(None in column for column in chosen):
        return rows
    return [None if None in row else row for row in rows]


class Asker:
    """Asks along the edges of one graph, in one snapshot of each database."""

    def __init__(self, graph: Graph, places: Mapping[SourceKey, Place]) -> None:
        self._graph = graph
        self._places = places

    def size(self, edge: Edge, *, upwards: bool) -> int:
        """How many values one question takes."""
        target = edge.parent if upwards else edge.child
        dialect, width = self._places[target.node.source].dialect, len(edge.child.terms)
        limit = dialect.match_limit(width) if self._joins(edge, target) else dialect.among_limit(width)
        return min(limit // (2 if edge.across else 1), ASK_KEYS)

    async def pages(
        self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool
    ) -> AsyncGenerator[Page, None]:
        """The outputs of every row that equals a value of the batch. Upwards a value without a row has none; where one
        row equals several values, upwards each of them has it, downwards the first."""
        target = edge.parent if upwards else edge.child
        if edge.across is not None:
            pages = self._across(edge.across, edge, outputs, batch, upwards=upwards)
        elif self._joins(edge, target):
            pages = self._numbered(0, edge, outputs, batch, upwards=upwards)
        else:
            pages = self._told_apart(edge, outputs, batch, upwards=upwards)
        async with aclosing(pages) as given:
            async for page in given:
                yield page

    async def count(self, edge: Edge, batch: Sequence[Key]) -> int:
        """How many parents equal a value of the batch."""
        found = 0
        async with aclosing(self.columns(edge.parent.node, self._listed(edge, [COUNT], batch))) as pages:
            async for columns in pages:  # to the end, for leaving early costs the connection
                found += int(columns[0][0] or 0)
        return found

    async def columns(self, node: Node, select: Select) -> AsyncGenerator[Columns, None]:
        """All rows of a statement as columns, a page at a time; no page is empty."""
        async with self._places[node.source].snapshot.columns(select) as pages:
            async for columns in pages:
                yield columns

    def _joins(self, edge: Edge, target: Side) -> bool:
        joins = self._places[target.node.source].dialect.joins_values
        return joins and edge.across is None and not self.text_tells(edge, target)

    def text_tells(self, edge: Edge, target: Side) -> bool:
        """Whether the text of a row's value says which value it equals. It does on PostgreSQL, which prints whole
        numbers in one way; a list of values costs it less than a join with them."""
        return edge.spelt_once and self._places[target.node.source].dialect.name == "postgresql"

    async def _told_apart(
        self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool
    ) -> AsyncGenerator[Page, None]:
        known = {values: place for place, values in enumerate(batch)}
        met: set[int] = set()
        odd = False
        target = edge.parent if upwards else edge.child
        tail = range(len(outputs), len(outputs) + len(target.terms))
        shown = [*outputs, *(term.sql for term in target.terms)]
        select = self._listed(edge, shown, batch, upwards=upwards)
        async with aclosing(self.columns(target.node, select)) as found:
            async for columns in found:
                places = [known.get(key) for key in take_keys(columns, tail)]  # type: ignore[arg-type]  # or None
                if None not in places:
                    met.update(places)  # type: ignore[arg-type]  # no None is in it
                    yield Page(0, places, columns)  # type: ignore[arg-type]
                    continue
                odd = True
                met.update(place for place in places if place is not None)
                if (page := _page(0, places, columns)) is not None:
                    yield page
        if self.text_tells(edge, target):
            return
        rest = range(len(batch)) if odd else [n for n in range(len(batch)) if upwards and n not in met]
        async with aclosing(self._left_open(edge, shown, batch, rest, upwards=upwards)) as pages:
            async for page in pages:
                if upwards:
                    yield page
                    continue
                keys = take_keys(page.columns, tail)
                new = [place if key not in known else None for place, key in zip(page.places, keys, strict=True)]
                if (fresh := _page(page.statement, new, page.columns)) is not None:
                    yield fresh

    async def _left_open(
        self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], rest: Sequence[int], *, upwards: bool
    ) -> AsyncGenerator[Page, None]:
        """What text alone does not tell. A statement names the first value that a row equals, so upwards the others
        are asked for again as long as that finds something."""
        target = edge.parent if upwards else edge.child
        statement, size = 0, self._places[target.node.source].dialect.match_limit(len(edge.child.terms))
        for start in range(0, len(rest), size):
            chunk = list(rest[start : start + size])
            while chunk:
                statement += 1
                found: set[int] = set()
                values = [batch[place] for place in chunk]
                async with aclosing(self._numbered(statement, edge, outputs, values, upwards=upwards)) as pages:
                    async for page in pages:
                        places = [chunk[number] for number in page.places]
                        found.update(places)
                        yield Page(statement, places, page.columns)
                chunk = [place for place in chunk if place not in found] if upwards and found else []

    async def _across(
        self, across: Across, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool
    ) -> AsyncGenerator[Page, None]:
        """The batch holds values in their one spelling. Both sides are single values."""
        known = {values: place for place, values in enumerate(batch)}
        target = edge.parent if upwards else edge.child
        place = self._places[target.node.source]
        asked = [(spelt,) for key in batch for spelt in across.asks(str(key), child=not upwards)]
        if not asked:
            return
        wanted = across.wanted(target.terms[0].sql, place.dialect, child=not upwards)
        where = both([place.dialect.among([wanted], asked), target.only])
        relation, shown = self._graph.relations[target.node], [*outputs, target.terms[0].sql]
        select = select_links(relation, place.dialect, shown, where=where)
        async with aclosing(self.columns(target.node, select)) as found:
            async for columns in found:
                spelt_rows = (across.spell(str(value), child=not upwards) for value in columns[-1])
                page = _page(0, [None if spelt is None else known.get(spelt) for spelt in spelt_rows], columns)
                if page is not None:
                    yield page

    def _listed(self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool = True) -> Select:
        source, target = (edge.child, edge.parent) if upwards else (edge.parent, edge.child)
        dialect = self._places[target.node.source].dialect
        among = dialect.among(edge.wanted(source, target), unpack_all(batch))
        where, counts = both([among, target.only]), outputs == [COUNT]
        return select_links(self._graph.relations[target.node], dialect, outputs, where=where, ordered=not counts)

    async def _numbered(
        self, statement: int, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool
    ) -> AsyncGenerator[Page, None]:
        source, target = (edge.child, edge.parent) if upwards else (edge.parent, edge.child)
        dialect, relation = self._places[target.node.source].dialect, self._graph.relations[target.node]
        given = unpack_all(batch)
        match = dialect.match(edge.wanted(source, target), given, _alias(self._graph, target))
        select = select_links(relation, dialect, outputs, match=match, where=target.only)
        async with aclosing(self.columns(target.node, select)) as pages:
            async for numbers, *columns in pages:
                yield Page(statement, [int(number or 0) for number in numbers], columns)


async def read_rows(place: Place, select: Select) -> AsyncIterator[Row]:
    """All rows of a statement, one by one."""
    async with place.snapshot.batches(select, FETCH_ROWS) as pages:
        async for rows in pages:
            for row in rows:
                yield row


def _page(statement: int, places: Sequence[int | None], columns: Columns) -> Page | None:
    """The rows that have a place; None when none has."""
    has = [place is not None for place in places]
    kept = [place for place in places if place is not None]
    return Page(statement, kept, [list(compress(column, has)) for column in columns]) if kept else None


def _alias(graph: Graph, target: Side) -> str:
    """A prefix that begins no column's name."""
    names = [column.name.lower() for column in graph.relations[target.node].table.columns]
    alias = "hfit_"
    while any(name.startswith(alias) for name in names):
        alias += "_"
    return alias
