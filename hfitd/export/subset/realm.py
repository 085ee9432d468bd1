"""The databases that one subset goes through, and what a name in its template means in them.

A name belongs to the database of the export. ``provider:name`` is one of another provider's database, and
``provider/database:name`` says which of its databases. Only the ends of virtual keys bring databases in; elsewhere
(``children``, ``exclude``, ``limits``, ``files_from``) such a name means something only if a key has.

1. What is not granted is as if it were not there, whether a walk would ever reach it or not, so that names cannot be
   tried out. Only ``exclude`` may name it, and takes a name that means nothing as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hfitd.engines.interface import Dialect
from hfitd.export.naming import find_column, find_table, split_prefix
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.subset.edges import Node, root_of
from hfitd.export.template.model import Subset
from hfitd.model import Catalog, Column, Relation


def sources_of(data: Subset, sources: Sources, export: str) -> tuple[SourceKey, ...]:
    """The databases of a subset, that of the roots first; ExportRefused for a provider that is not there."""
    found = [sources.key(data.dbms, data.database, export)]
    for entry in data.virtual_keys:
        for end in ("from", "to"):
            provider, database, _ = split_prefix(str(entry[end]))
            if provider:
                found.append(sources.key(provider, database, export))
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Realm:
    """``home`` is the database of the roots. A catalogue and a dialect for each database.

    ``look`` gives a table as the actor may see it, or None.
    """

    home: SourceKey
    catalogs: Mapping[SourceKey, Catalog]
    dialects: Mapping[SourceKey, Dialect]
    sources: Sources
    export: str
    look: Callable[[Node], Relation | None]

    def place(self, written: str) -> tuple[SourceKey, str] | None:
        """The database a name belongs to, and the name in it."""
        provider, database, name = split_prefix(written)
        if not provider:
            return self.home, written
        if provider not in self.sources.engines:
            return None
        source = self.sources.key(provider, database, self.export)
        return (source, name) if source in self.catalogs else None

    def table(self, written: str) -> Node | None:
        """The table of that name, a partition's root for a partition; None when there is none."""
        place = self.place(written)
        if place is None:
            return None
        source, name = place
        found = find_table(name, self.dialects[source], self.catalogs[source])
        return Node(source, root_of(self.catalogs[source], found)) if found is not None else None

    def granted_table(self, written: str) -> Node | None:
        """The same, of those that the actor may see (1)."""
        node = self.table(written)
        return node if node is not None and self.look(node) is not None else None

    def granted_columns(self, node: Node) -> frozenset[str]:
        """The columns of a table that the actor may see (1)."""
        relation = self.look(node)
        return frozenset(item.column.name for item in relation.columns) if relation is not None else frozenset()

    def column(self, written: str) -> tuple[Node, Column] | None:
        """The column of ``[schema.]table.column``, of the root for a partition; None when there is none (1)."""
        place = self.place(written)
        if place is None:
            return None
        source, name = place
        catalog = self.catalogs[source]
        found = find_column(name, self.dialects[source], catalog)
        if found is None:
            return None
        root = root_of(catalog, found[0])
        node = Node(source, root)
        column = catalog.tables[root].column(found[1]) if root in catalog.tables else None
        return (node, column) if column is not None and column.name in self.granted_columns(node) else None
