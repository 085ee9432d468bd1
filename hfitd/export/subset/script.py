"""The loadable file of a subset: every table once, parents first, in one transaction where the engine has them.

* PostgreSQL: one COPY per table between ``postgres_script.before_data`` and ``after_data``.
* MySQL and MariaDB: INSERTs with foreign keys unchecked, each table with the settings it needs around it.
* SQLite: one transaction with references checked at its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.engines.interface import Dialect, Format, Row, Select, Snapshot
from hfitd.errors import SchemaChanged
from hfitd.export.items.tables import mask_names
from hfitd.export.package.manifest import TableEntry
from hfitd.export.query.links import select_links
from hfitd.export.query.select import select_relation
from hfitd.export.subset.ask import FETCH_ROWS
from hfitd.export.subset.edges import root_of
from hfitd.export.subset.found import FoundRows, pack, unpack
from hfitd.export.subset.order import load_groups
from hfitd.export.subset.postgres_script import LoadedKey, after_data, before_data
from hfitd.export.subset.reach import Graph
from hfitd.export.subset.walk import Walk
from hfitd.masks.interface import BoundMask
from hfitd.model import Catalog, Sink, TableName

Masks = Mapping[TableName, Mapping[str, BoundMask]]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what a walk has found. ``into`` is how each table is spelt in the file."""

    graph: Graph
    walk: Walk
    catalog: Catalog
    dialect: Dialect
    snapshot: Snapshot
    masks: Masks
    into: Mapping[TableName, str]

    async def write(self, sink: Sink) -> tuple[TableEntry, ...]:
        """The whole file; the tables in it in load order."""
        groups = self._groups()
        tables = [table for group in groups for table in group]
        await sink.write(self._before(groups))
        entries = []
        for table in tables:
            rows = await self._write_table(table, sink)
            entries.append(TableEntry(str(table), rows, mask_names(self.graph.relations[table])))
        await sink.write(self._after(tables))
        return tuple(entries)

    def _groups(self) -> list[list[TableName]]:
        parents: dict[TableName, set[TableName]] = {}
        for edge in self.graph.edges:
            if edge.key is not None and not edge.cut:
                parents.setdefault(edge.child.table, set()).add(edge.parent.table)
        return load_groups([table for table, found in self.walk.tables.items() if len(found)], parents)

    async def _write_table(self, table: TableName, sink: Sink) -> int:
        found = self.walk.tables[table]
        width = len(self.graph.identities[table].wanted)
        limit = self.dialect.among_limit(width)
        rows = 0
        names = list(map(unpack, found.keys()))
        if len(names) > limit:  # so many are a good part of the table, so its order is read as a whole
            names = [row async for row in ordered_names(self.graph, table, found, self.dialect, self.snapshot)]
        for start in range(0, len(names), limit):
            select = self._select(table, names[start : start + limit])
            rows += (await self.snapshot.render(select, Format.SQL, sink)).rows
        if rows != found.rows:
            raise SchemaChanged(f"{table} has other rows than a moment ago, although it was read in one snapshot.")
        return rows

    def _select(self, table: TableName, names: Sequence[Row]) -> Select:
        relation = self.graph.relations[table]
        return select_relation(
            relation,
            self.dialect,
            self.masks[table],
            where=None,
            order=None,
            limit=None,
            into=self.into[table],
            leave_out=frozenset(item.column.name for item in relation.columns if item.column.generated),
            among=(self.graph.identities[table].wanted, names),
            hidden=True,
        )

    def _before(self, groups: Sequence[Sequence[TableName]]) -> bytes:
        if self.dialect.name == "sqlite":
            return b"BEGIN;\n"
        if self.dialect.name == "mysql":
            return b""
        tables = [table for group in groups for table in group]
        return before_data(tables, self._keys_in_the_way(groups), self.dialect.literal) if tables else b""

    def _keys_in_the_way(self, groups: Sequence[Sequence[TableName]]) -> list[LoadedKey]:
        circle = {table: number for number, group in enumerate(groups) for table in group}
        keys = {
            LoadedKey(upward.edge.key.table, upward.edge.key.name, circle=False)
            for upward in self.walk.upward
            if upward.edge.key is not None and upward.dangling and not upward.edge.key.validated
        }
        for key in self.catalog.foreign_keys:
            child, parent = root_of(self.catalog, key.table), root_of(self.catalog, key.target)
            if child in circle and circle[child] == circle.get(parent) and (child != parent or self._is_cut_up(child)):
                keys.add(LoadedKey(key.table, key.name, circle=True))
        return sorted(keys, key=lambda key: (key.table, key.name, key.circle))

    def _is_cut_up(self, table: TableName) -> bool:
        """Whether the table takes several statements, so that its references to itself have to wait."""
        width = len(self.graph.identities[table].wanted)
        return len(self.walk.tables[table]) > self.dialect.among_limit(width)

    def _after(self, tables: Sequence[TableName]) -> bytes:
        if self.dialect.name == "sqlite":
            return b"COMMIT;\n"
        if self.dialect.name == "mysql" or not tables:
            return b""
        counted = [
            (self.into[owner[0]], owner[1])
            for owner in sorted({item.owned_by for item in self.catalog.sequences if item.owned_by is not None})
            if owner[0] in tables and self.graph.relations[owner[0]].column(owner[1]) is not None
        ]
        return after_data(counted, self.dialect.literal)


async def ordered_names(
    graph: Graph, table: TableName, found: FoundRows, dialect: Dialect, snapshot: Snapshot
) -> AsyncIterator[Row]:
    """The names of the found rows in the order in which they are written; a name that rows share once."""
    last: Row = ()
    outputs = [item.target for item in graph.identities[table].wanted]
    select = select_links(graph.relations[table], dialect, outputs)
    async with snapshot.batches(select, FETCH_ROWS) as batches:
        async for rows in batches:
            for row in rows:
                values = [str(value) for value in row]
                if tuple(values) != last and found.find(pack(values)) is not None:
                    last = tuple(values)
                    yield last
