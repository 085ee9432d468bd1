"""The loadable file of one database of a subset: every table once, parents first, in one transaction if there are any.

* PostgreSQL: one COPY per table between ``postgres_script.before_data`` and ``after_data``.
* MySQL and MariaDB: INSERTs with foreign keys unchecked, each table with the settings it needs around it.
* SQLite: one transaction with references checked at its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.engines.interface import Format, Row, Select, Wanted
from hfitd.errors import SchemaChanged
from hfitd.export.items.tables import mask_names
from hfitd.export.package.manifest import TableEntry
from hfitd.export.query.links import select_links
from hfitd.export.query.select import select_relation
from hfitd.export.sources import SourceKey
from hfitd.export.subset.ask import Place
from hfitd.export.subset.edges import Node, root_of
from hfitd.export.subset.found import FoundRows, Key, pack, unpack_all
from hfitd.export.subset.order import load_groups
from hfitd.export.subset.postgres_script import LoadedKey, after_data, before_data
from hfitd.export.subset.reach import Graph
from hfitd.export.subset.walk import Walk
from hfitd.masks.interface import BoundMask
from hfitd.model import Catalog, Kind, Receipt, Sink, TableName

Masks = Mapping[Node, Mapping[str, BoundMask]]
Among = tuple[Sequence[Wanted], Sequence[Row]]
WRITE_KEYS = 250_000  # at most so many in one statement, however many the engine takes
SORT_KEYS = 1_000_000  # beyond, their order is read from the table rather than made here
READ_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what a walk has found in one database. ``into`` is how each table is spelt in the file."""

    source: SourceKey
    graph: Graph
    walk: Walk
    catalog: Catalog
    place: Place
    masks: Masks
    into: Mapping[TableName, str]

    async def write(self, sink: Sink) -> tuple[TableEntry, ...]:
        """The whole file; the tables in it in load order."""
        groups = self._groups()
        tables = [table for group in groups for table in group]
        await sink.write(self._before(groups))
        entries = []
        for table in tables:
            receipt = await self._write_table(table, sink)
            relation = self.graph.relations[Node(self.source, table)]
            entries.append(TableEntry(str(table), receipt.rows, mask_names(relation), receipt.size))
        await sink.write(self._after(tables))
        return tuple(entries)

    def _groups(self) -> list[list[TableName]]:
        parents: dict[TableName, set[TableName]] = {}
        for edge in self.graph.edges:
            if edge.key is not None and not edge.cut and edge.child.node.source == self.source:
                parents.setdefault(edge.child.node.table, set()).add(edge.parent.node.table)
        found = self.walk.tables.items()
        return load_groups([n.table for n, rows in found if n.source == self.source and len(rows)], parents)

    async def _write_table(self, table: TableName, sink: Sink) -> Receipt:
        node = Node(self.source, table)
        found, receipts = self.walk.tables[node], list[Receipt]()
        async for among in self._asked(node, found):
            receipts.append(await self.place.snapshot.render(self._select(node, among), Format.SQL, sink))
        rows = sum(receipt.rows for receipt in receipts)
        if rows != found.rows:
            raise SchemaChanged(f"{table} has other rows than a moment ago, although it was read in one snapshot.")
        return Receipt(rows, sum(receipt.size for receipt in receipts))

    async def _asked(self, node: Node, found: FoundRows) -> AsyncIterator[Among]:
        """What to ask for, in one statement each: the rows by their parents where that is cheaper, else by name."""
        wanted, owners = self.graph.identities[node].wanted, None
        if len(wanted) > 1 and len(found) <= self._limit(node):  # several values of a row have to be joined with
            owners = self.walk.owners(node)
        if owners is not None and (edge := owners[0]).child.terms[0].indexed and len(edge.child.terms) == 1:
            yield edge.wanted(edge.parent, edge.child), unpack_all(owners[1])
            return
        async for names in self._names(node, found):
            yield wanted, names

    async def _names(self, node: Node, found: FoundRows) -> AsyncIterator[Sequence[Row]]:
        """The names of the rows, as many as a statement takes at a time; if it takes several, in the file's order."""
        limit = self._limit(node)
        kinds = {item.kind for item in self.graph.identities[node].wanted}
        if len(found) <= limit or (len(found) <= SORT_KEYS and kinds == {Kind.INTEGER}):
            whole = unpack_all(found.keys.portion(0, len(found))[0])
            if len(whole) > limit:
                whole.sort(key=_as_numbers)
            for start in range(0, len(whole), limit):
                yield whole[start : start + limit]
            return
        ordered = self.walk.store.table()  # to the end first, for a snapshot does one thing at a time
        async for keys in ordered_names(self.graph, node, found, self.place):
            ordered.add(keys, [0] * len(keys), [0] * len(keys))
        for names, _, _ in ordered.portions(limit):
            yield unpack_all(names)
        ordered.drop()

    def _limit(self, node: Node) -> int:
        return min(self.place.dialect.among_limit(len(self.graph.identities[node].wanted)), WRITE_KEYS)

    def _select(self, node: Node, among: Among) -> Select:
        relation = self.graph.relations[node]
        return select_relation(
            relation,
            self.place.dialect,
            self.masks[node],
            where=None,
            order=None,
            limit=None,
            into=self.into[node.table],
            leave_out=frozenset(item.column.name for item in relation.columns if item.column.generated),
            among=among,
            hidden=True,
        )

    def _before(self, groups: Sequence[Sequence[TableName]]) -> bytes:
        if self.place.dialect.name == "sqlite":
            return b"BEGIN;\n"
        if self.place.dialect.name == "mysql":
            return b""
        tables = [table for group in groups for table in group]
        return before_data(tables, self._keys_in_the_way(groups), self.place.dialect.literal) if tables else b""

    def _keys_in_the_way(self, groups: Sequence[Sequence[TableName]]) -> list[LoadedKey]:
        circle = {table: number for number, group in enumerate(groups) for table in group}
        keys = {
            LoadedKey(upward.edge.key.table, upward.edge.key.name, circle=False)
            for upward in self.walk.upward
            if upward.edge.key is not None and upward.dangling and not upward.edge.key.validated
            if upward.edge.child.node.source == self.source
        }
        for key in self.catalog.foreign_keys:
            child, parent = root_of(self.catalog, key.table), root_of(self.catalog, key.target)
            if child in circle and circle[child] == circle.get(parent) and (child != parent or self._is_cut_up(child)):
                keys.add(LoadedKey(key.table, key.name, circle=True))
        return sorted(keys, key=lambda key: (key.table, key.name, key.circle))

    def _is_cut_up(self, table: TableName) -> bool:
        """Whether the table takes several statements, so that its references to itself have to wait."""
        node = Node(self.source, table)
        return len(self.walk.tables[node]) > self._limit(node)

    def _after(self, tables: Sequence[TableName]) -> bytes:
        if self.place.dialect.name == "sqlite":
            return b"COMMIT;\n"
        if self.place.dialect.name == "mysql" or not tables:
            return b""
        counted = [
            (self.into[owner[0]], owner[1])
            for owner in sorted({item.owned_by for item in self.catalog.sequences if item.owned_by is not None})
            if owner[0] in tables and self.graph.relations[Node(self.source, owner[0])].column(owner[1]) is not None
        ]
        return after_data(counted, self.place.dialect.literal)


async def ordered_names(graph: Graph, node: Node, found: FoundRows, place: Place) -> AsyncIterator[list[Key]]:
    """The names of the found rows in the order of the file, a page at a time; one that rows share once."""
    last: Key = ()
    outputs = [item.target for item in graph.identities[node].wanted]
    select = select_links(graph.relations[node], place.dialect, outputs)
    async with place.snapshot.batches(select, READ_ROWS) as pages:
        async for rows in pages:
            page: list[Key] = []
            keys = [pack([str(value) for value in row]) for row in rows]
            for key, number in zip(keys, found.keys.find(keys), strict=True):
                if number is not None and key != last:
                    last = key
                    page.append(key)
            yield page


def _as_numbers(name: Row) -> tuple[int, ...]:
    return tuple(int(value or 0) for value in name)
