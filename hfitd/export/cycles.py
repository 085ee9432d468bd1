"""Foreign keys that no order of single files can satisfy.

Where tables refer to each other in a circle and each is exported to its own file, whichever is loaded first refers to
rows that are not there yet. PostgreSQL checks at once, and each file is its own session; so those keys, and only
those, leave the DDL member for a ``<name>-constraints.sql`` that is loaded after the data. (MySQL files switch the
checks off for their session; a ``subset`` is one file and needs none of this.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hfitd.export.items.interface import Step
from hfitd.export.items.rows import RowsStep
from hfitd.export.sources import OpenSource, SourceKey
from hfitd.export.subset.edges import root_of
from hfitd.export.subset.order import load_groups
from hfitd.model import Catalog, TableName

KeyName = tuple[TableName, str]


def find_postponed(
    steps: Sequence[Step], opened: Mapping[SourceKey, OpenSource]
) -> Mapping[SourceKey, frozenset[KeyName]]:
    """The keys to add after the data, by source; sources without any are left out."""
    found: dict[SourceKey, frozenset[KeyName]] = {}
    for source, place in opened.items():
        if place.catalog.engine != "postgresql":
            continue
        filled = {
            step.relation.table.name
            for step in steps
            if isinstance(step, RowsStep) and step.into_sql and step.source == source
        }
        if keys := keys_in_circles(filled, place.catalog):
            found[source] = keys
    return found


def keys_in_circles(filled: Collection[TableName], catalog: Catalog) -> frozenset[KeyName]:
    """The keys, also those of single partitions, whose rows lie in the file of their root."""
    pairs = [(key, root_of(catalog, key.table), root_of(catalog, key.target)) for key in catalog.foreign_keys]
    parents: dict[TableName, list[TableName]] = {}
    for _, child, parent in pairs:
        parents.setdefault(child, []).append(parent)
    circles = [set(group) for group in load_groups(filled, parents) if len(group) > 1]
    return frozenset(
        (key.table, key.name)
        for key, child, parent in pairs
        for circle in circles
        if child in circle and parent in circle and child != parent
    )
