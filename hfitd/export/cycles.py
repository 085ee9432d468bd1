"""Foreign keys that no order of single files can satisfy.

Where tables refer to each other in a circle and each is exported to its own file, whichever is loaded first refers to
rows that are not there yet. PostgreSQL checks at once, and each file is its own session; so those keys, and only
those, leave the DDL member for a ``<name>-constraints.sql`` that is loaded after the data. (MySQL files switch the
checks off for their session; a ``subset`` is one file and needs none of this.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfitd.export.items.interface import Step
from hfitd.export.items.rows import RowsStep
from hfitd.export.sources import OpenSource, SourceKey
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
        if keys := _keys_in_circles(filled, place.catalog):
            found[source] = keys
    return found


def _keys_in_circles(filled: set[TableName], catalog: Catalog) -> frozenset[KeyName]:
    parents: dict[TableName, list[TableName]] = {}
    for key in catalog.foreign_keys:
        parents.setdefault(key.table, []).append(key.target)
    circles = [set(group) for group in load_groups(filled, parents) if len(group) > 1]
    return frozenset(
        (key.table, key.name)
        for key in catalog.foreign_keys
        for circle in circles
        if key.table in circle and key.target in circle and key.table != key.target
    )
