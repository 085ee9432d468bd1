"""One level of the walk along one edge: which rows of the target equal which of the given values.

Where the engine joins with given values, one statement says it all. Elsewhere (MySQL) rows are found by a list and
told apart by their text, which is the same on both sides but for collations and scales; what that leaves open is
asked again with every value numbered, in small batches, so that the engine's equality always decides.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from hfitd.engines.interface import Dialect, Row, Select, Snapshot
from hfitd.export.query.links import select_links
from hfitd.export.subset.edges import Edge, both
from hfitd.export.subset.found import Key, pack, unpack
from hfitd.export.subset.reach import Graph
from hfitd.model import TableName
from hfitd.sql import Sql

FETCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Pair:
    """A row that equals the value at ``place``; ``statement`` tells the statements of one question apart."""

    statement: int
    place: int
    row: Row


def take(row: Row, places: Sequence[int]) -> Key | None:
    """The values at these places as a key, or None when one is NULL."""
    values = [row[place] for place in places]
    given = [value for value in values if value is not None]
    return pack(given) if len(given) == len(values) else None


class Asker:
    """Asks along the edges of one graph, in one snapshot."""

    def __init__(self, graph: Graph, dialect: Dialect, snapshot: Snapshot) -> None:
        self._graph = graph
        self._dialect = dialect
        self._snapshot = snapshot

    def batches(self, values: list[Key], edge: Edge) -> list[list[Key]]:
        """The values in portions that one question takes."""
        width, dialect = len(edge.child.terms), self._dialect
        size = dialect.match_limit(width) if dialect.joins_values else dialect.among_limit(width)
        return [values[start : start + size] for start in range(0, len(values), size)]

    async def pairs(
        self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool
    ) -> AsyncGenerator[Pair, None]:
        """The outputs of every row that equals a value of the batch. Upwards a value without a row has none; where one
        row equals several values, upwards each of them has it, downwards the first."""
        if self._dialect.joins_values:
            async with aclosing(self._numbered(edge, outputs, batch, upwards=upwards)) as found:
                async for place, row in found:
                    yield Pair(0, place, row)
            return
        places = {values: place for place, values in enumerate(batch)}
        met: set[int] = set()
        odd = False
        target = edge.parent if upwards else edge.child
        tail = range(len(outputs), len(outputs) + len(target.terms))
        shown = [*outputs, *(term.sql for term in target.terms)]
        async with aclosing(self.rows(self._listed(edge, shown, batch, upwards=upwards))) as rows:
            async for row in rows:
                values = take(row, tail)
                known = None if values is None else places.get(values)
                odd = odd or known is None
                if known is not None:
                    met.add(known)
                    yield Pair(0, known, row)
        rest = range(len(batch)) if odd else [n for n in range(len(batch)) if upwards and n not in met]
        async with aclosing(self._left_open(edge, shown, batch, rest, upwards=upwards)) as pairs:
            async for pair in pairs:
                if upwards or take(pair.row, tail) not in places:
                    yield pair

    async def _left_open(
        self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], rest: Sequence[int], *, upwards: bool
    ) -> AsyncGenerator[Pair, None]:
        """What text alone does not tell. A statement names the first value that a row equals, so upwards the others
        are asked for again as long as that finds something."""
        statement, size = 0, self._dialect.match_limit(len(edge.child.terms))
        for start in range(0, len(rest), size):
            chunk = list(rest[start : start + size])
            while chunk:
                statement += 1
                found: set[int] = set()
                values = [batch[place] for place in chunk]
                async with aclosing(self._numbered(edge, outputs, values, upwards=upwards)) as numbered:
                    async for number, row in numbered:
                        found.add(chunk[number])
                        yield Pair(statement, chunk[number], row)
                chunk = [place for place in chunk if place not in found] if upwards and found else []

    def _listed(self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool) -> Select:
        source, target = (edge.child, edge.parent) if upwards else (edge.parent, edge.child)
        among = self._dialect.among(edge.wanted(source, target), [unpack(values) for values in batch])
        where = both([among, target.only])
        return select_links(self._graph.relations[target.table], self._dialect, outputs, where=where)

    async def _numbered(
        self, edge: Edge, outputs: Sequence[Sql], batch: Sequence[Key], *, upwards: bool
    ) -> AsyncGenerator[tuple[int, Row], None]:
        source, target = (edge.child, edge.parent) if upwards else (edge.parent, edge.child)
        given = [unpack(values) for values in batch]
        match = self._dialect.match(edge.wanted(source, target), given, _alias(self._graph, target.table))
        relation = self._graph.relations[target.table]
        select = select_links(relation, self._dialect, outputs, match=match, where=target.only)
        async with aclosing(self.rows(select)) as rows:
            async for row in rows:
                yield int(row[0] or 0), row[1:]

    async def rows(self, select: Select) -> AsyncGenerator[Row, None]:
        """All rows of a statement."""
        async with self._snapshot.batches(select, FETCH_ROWS) as batches:
            async for rows in batches:
                for row in rows:
                    yield row


def _alias(graph: Graph, table: TableName) -> str:
    """A prefix that begins no column's name."""
    names = [column.name.lower() for column in graph.relations[table].table.columns]
    alias = "hfit_"
    while any(name.startswith(alias) for name in names):
        alias += "_"
    return alias
