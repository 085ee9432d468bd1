"""Which rows an actor may see: ``[[policy.row_filter]]`` turned into one condition per relation.

Each role that grants a column lets through the rows of its own filters (all of them must hold; none: every row). A
column shows the rows of any role that grants it. A relation shows the rows that *every* visible column may show, so
no cell appears that no single role grants. Filters of a table hold for its partitions too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hfitd.access.globs import Glob, compile_glob
from hfitd.config.model import RowFilterPolicy
from hfitd.config.rules import row_filter_problem
from hfitd.sql import Sql, join, text

# alternatives of conditions that hold together; an empty alternative lets every row through
Rows = frozenset[frozenset[str]]
_EVERY_ROLE = "*"
EVERY_ROW: Rows = frozenset({frozenset()})


@dataclass(frozen=True, slots=True)
class RowFilter:
    """One compiled filter. No roles: it holds for every role."""

    table: Glob
    roles: frozenset[str]
    where: str


def compile_row_filters(
    filters: Iterable[RowFilterPolicy], roles: Collection[str], mistakes: list[str]
) -> tuple[RowFilter, ...]:
    """The filters ready to match; what cannot be read is added to ``mistakes``."""
    compiled = []
    for policy in filters:
        try:
            glob = compile_glob(policy.table, fold=True)
        except ValueError as mistake:
            mistakes.append(f"policy.row_filter: {mistake}")
            continue
        known = {*roles, _EVERY_ROLE}
        mistakes.extend(f"policy.row_filter: there is no role {role!r}" for role in policy.roles if role not in known)
        problem = row_filter_problem(policy.where) if policy.where.strip() else "is empty"
        if problem:
            mistakes.append(f"policy.row_filter: the condition of {policy.table} {problem}")
        named = frozenset() if _EVERY_ROLE in policy.roles else frozenset(policy.roles)
        compiled.append(RowFilter(glob, named, policy.where.strip()))
    return tuple(compiled)


def rows_of_roles(filters: Sequence[RowFilter], paths: Collection[str], roles: Iterable[str]) -> Rows:
    """The rows that any of these roles sees of a table known by these paths (its own and its partition roots')."""
    matching = [item for item in filters if any(item.table.covers_path(path) for path in paths)]
    rows = frozenset(
        frozenset(item.where for item in matching if not item.roles or role in item.roles) for role in roles
    )
    return EVERY_ROW if frozenset() in rows else rows


def within(inner: Rows, outer: Rows) -> bool:
    """Whether every row of ``inner`` is surely one of ``outer``, judged by the texts alone."""
    return all(any(alternative >= wider for wider in outer) for alternative in inner)


def row_condition(per_column: Iterable[Rows]) -> Sql | None:
    """The condition under which all of these columns may be shown; None when every row may."""
    parts = []
    for rows in sorted({rows for rows in per_column if rows != EVERY_ROW}, key=_words):
        alternatives = [
            join(" AND ", [text(f"({where})") for where in sorted(one)]) for one in sorted(rows, key=sorted)
        ]
        parts.append(text("(") + join(" OR ", alternatives) + text(")"))
    return join(" AND ", parts) if parts else None


def _words(rows: Rows) -> list[list[str]]:
    return sorted(sorted(one) for one in rows)
