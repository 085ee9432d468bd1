"""What the database role has to be able to read, so that every request that the policy grants can be served.

1. Each role of the configuration is asked alone: denials of others only take away, and what ``raw`` lifts for several
   roles together it lifts for one of them.
2. Needed is a column that some role sees with values: as it is, or under a mask that is made from the value. What is
   dropped, constant, NULL or refused is not read, so it is not granted: the strongest guard there is.
3. Needed are besides: the key that rows are ordered and named by, the columns that row filters are about, and the
   subjects of masks.
4. A table of which only the definition may be seen (``ddl``) is named without columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hfitd.access.policy import Policy
from hfitd.access.rowfilters import RowFilter
from hfitd.access.viewing import kin_paths
from hfitd.errors import NotFound
from hfitd.masks.constant import CONST, DROP, NULL
from hfitd.masks.table import rule_subjects
from hfitd.model import Action, Actor, Catalog, Table, TableName, TableNeed

_UNREAD = frozenset({DROP.name, NULL.name, CONST.name})


def needed_columns(policy: Policy, provider: str, catalog: Catalog) -> Mapping[TableName, TableNeed]:
    """The needs of every table that some role reads or may have the definition of, sorted by name."""
    needs: dict[TableName, TableNeed] = {}
    for name in sorted(catalog.tables):
        table = catalog.tables[name]
        wanted: set[str] = set()
        defined = False
        for role in policy.compiled.grants:
            actor = Actor("", (role,))
            wanted |= _seen(policy, actor, provider, catalog, name)
            defined = defined or policy.sees(actor, provider, catalog, name, Action.DDL)
        if wanted:
            wanted |= set(table.row_key) | _filtered(policy.compiled.row_filters, provider, catalog, table)  # 3
        if wanted or defined:
            columns = tuple(column.name for column in table.columns if column.name in wanted)
            needs[name] = TableNeed(table, columns, defined)
    return needs


def _seen(policy: Policy, actor: Actor, provider: str, catalog: Catalog, name: TableName) -> set[str]:
    """2: the columns whose values this actor's rows are made of."""
    try:
        views = policy.columns(actor, provider, catalog, name)
    except NotFound:
        return set()
    read = [
        view
        for view in views
        if not view.unclassified and (view.raw or view.rule is None or view.rule.mask not in _UNREAD)
    ]
    rules = (view.rule for view in read if view.rule is not None and not view.raw)
    return {view.column.name for view in read}.union(*map(rule_subjects, rules))  # 3


def _filtered(filters: Iterable[RowFilter], provider: str, catalog: Catalog, table: Table) -> set[str]:
    """3: the columns whose names stand in a row filter of the table."""
    paths = kin_paths(provider, catalog, table.name)
    texts = [item.where for item in filters if any(item.table.covers_path(path) for path in paths)]
    words = {word.lower() for text in texts for word in re.findall(r"\w+", text)}
    return {
        column.name
        for column in table.columns
        if column.name.lower() in words or any(column.name in text for text in texts)
    }
