"""Rows that a view would show around the fence of the tables it reads.

A view runs with its owner's rights and knows nothing of our policy. Its masked columns are taken care of by
``masking`` (7); this is about rows, and about columns that are denied:

1. A view reads the tables that its definition names, and those that the views among them read, at any depth.
2. When a row filter fences one of these tables for a role, or a denial covers something that the view reads, that
   role's grant of the view counts only if the owner meant this very view: the grant names it without wildcards, or,
   for row filters, a row filter of the view's own fences it for the role as well.
3. Tables that are merely not granted do not matter: to grant views instead of their tables is what views are for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from hfitd.access.globs import escape, split_column, table_object
from hfitd.access.grants import Grant
from hfitd.access.rowfilters import EVERY_ROW, RowFilter, rows_of_roles
from hfitd.model import Action, Catalog, Table, TableName

Sources = Mapping[TableName, frozenset[str]]  # what a view reads: columns by table


def view_sources(catalog: Catalog) -> Mapping[TableName, Sources]:
    """What each view reads in the end (1)."""
    found: dict[TableName, Sources] = {}
    for view in catalog.tables.values():
        if not view.reads:
            continue
        columns: dict[TableName, set[str]] = {}
        waiting, seen = [view], {view.name}
        while waiting:
            for name, column in waiting.pop().reads:
                columns.setdefault(name, set()).add(column)
                table = catalog.tables.get(name)
                if table is not None and table.reads and name not in seen:
                    seen.add(name)
                    waiting.append(table)
        found[view.name] = {name: frozenset(names) for name, names in columns.items()}
    return found


def kin_paths(provider: str, catalog: Catalog, table: TableName, below: Iterable[TableName] = ()) -> tuple[str, ...]:
    """The objects whose rules a table has part in: itself, its partition roots at any depth, and ``below``."""
    names, known = [table], catalog.tables.get(table)
    waiting = list(known.parents) if known else []
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.append(name)
            waiting.extend(catalog.tables[name].parents if name in catalog.tables else ())
    return tuple(table_object(provider, name) for name in (*names, *below))


def roles_that_mean_it(
    roles: Collection[str],
    view: Table,
    grants: Iterable[Grant],
    filters: Sequence[RowFilter],
    *,
    sources: Sources,
    paths_of: Mapping[TableName, tuple[str, ...]],
) -> set[str]:
    """Those of the roles that grant this view's rows whose grant counts (2). ``paths_of`` names kin of every table."""
    lines = [grant for grant in grants if grant.action is Action.ROWS]
    own = paths_of[view.name]
    denied = any(
        grant.deny and grant.glob.covers(path, escape(column))
        for grant in lines
        for table, columns in sources.items()
        for path in paths_of[table]
        for column in columns
    )
    kept = set()
    for role in roles:
        exact = any(not line.deny and line.role == role and _names_exactly(line, own[0]) for line in lines)
        fenced = any(rows_of_roles(filters, paths_of[table], (role,)) != EVERY_ROW for table in sources)
        own_fence = rows_of_roles(filters, own, (role,)) != EVERY_ROW
        if exact or (not denied and (own_fence or not fenced)):
            kept.add(role)
    return kept


def _names_exactly(grant: Grant, path: str) -> bool:
    """Whether the line names the view itself: no wildcard in schema and name."""
    written = split_column(grant.glob.text)[0].split("/")
    exact = len(written) == 3 and not any(set(part) & set("*?") for part in written[1:])
    return exact and grant.glob.covers_path(path)
