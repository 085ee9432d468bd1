"""The databases that one subset goes through, and what a name in its template means in them.

A name belongs to the database of the export. ``provider:name`` is one of another provider's database, and
``provider/database:name`` says which of its databases. Only the ends of virtual keys bring databases in; elsewhere
(``children``, ``exclude``, ``limits``, ``files_from``) such a name means something only if a key has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hfitd.engines.interface import Dialect
from hfitd.export.naming import find_column, find_table, split_prefix
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.subset.edges import Node, root_of
from hfitd.export.template.model import Subset
from hfitd.model import Catalog, Column


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
    """``home`` is the database of the roots. A catalogue and a dialect for each database."""

    home: SourceKey
    catalogs: Mapping[SourceKey, Catalog]
    dialects: Mapping[SourceKey, Dialect]
    sources: Sources
    export: str

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

    def column(self, written: str) -> tuple[Node, Column] | None:
        """The column of ``[schema.]table.column``, of the root for a partition; None when there is none."""
        place = self.place(written)
        if place is None:
            return None
        source, name = place
        catalog = self.catalogs[source]
        found = find_column(name, self.dialects[source], catalog)
        if found is None:
            return None
        root = root_of(catalog, found[0])
        column = catalog.tables[root].column(found[1]) if root in catalog.tables else None
        return (Node(source, root), column) if column is not None else None
