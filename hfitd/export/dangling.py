"""References that a package of filtered tables leaves without their row (contract, ruling 4).

A ``subset`` follows its keys; single ``table-data`` exports do not. For every foreign key whose table is exported as
SQL and whose target the package also creates or fills, the rows are counted that refer to nothing in the package:

1. target exported: rows whose key is not among the target's filtered rows;
2. target only created, not filled: every row with a whole key;
3. but not where the masks of the columns hide what the count would tell (``linked``);
4. where a mask shows one made-up value in every row, every row whose other columns of the key are not NULL.

The counts stand in the manifest; ``hfit load`` refuses such a package unless it is told to go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfitd.engines.interface import Dialect, Output, Select
from hfitd.export.items.interface import RunScope, Step
from hfitd.export.items.rows import RowsStep
from hfitd.export.items.schema import SchemaStep
from hfitd.export.linked import is_read, may_link, shows_constant, tells_itself
from hfitd.export.query.select import from_relation, select_keys
from hfitd.export.sources import SourceKey
from hfitd.model import ForeignKey, Json, Relation, TableName
from hfitd.sql import Sql, join, text

Place = tuple[SourceKey, TableName]


@dataclass(frozen=True, slots=True)
class Dangling:
    """Rows of an export that refer to nothing in the package."""

    table: str
    foreign_key: str
    rows: int
    in_source: bool = False  # the whole target is in the package, so they refer to nothing in the source either

    def document(self) -> Json:
        """As the manifest has it."""
        document: dict[str, Json] = {"table": self.table, "foreign_key": self.foreign_key, "rows": self.rows}
        return document | {"in_source": True} if self.in_source else document


async def find_dangling(steps: Sequence[Step], scope: RunScope) -> Mapping[str, tuple[Dangling, ...]]:
    """What dangles, by export key; counts in the database, inside the package's own snapshot."""
    filled = {(s.source, s.relation.table.name): s for s in steps if isinstance(s, RowsStep) and s.into_sql}
    created = {(s.source, r.table.name) for s in steps if isinstance(s, SchemaStep) for r in s.relations}
    found: dict[str, tuple[Dangling, ...]] = {}
    for (source, name), step in filled.items():
        keys = [key for key in scope.opened[source].catalog.foreign_keys if key.table == name]
        counted = [
            Dangling(str(name), key.name, rows, _is_complete(filled.get((source, key.target))))
            for key in keys
            if (rows := await _count(step, key, filled.get((source, key.target)), created, scope))
        ]
        if counted:
            found[step.export.key] = tuple(counted)
    return found


async def _count(
    step: RowsStep, key: ForeignKey, target: RowsStep | None, created: set[Place], scope: RunScope
) -> int:
    place = (step.source, key.target)
    if shows_constant(step.relation, key.columns) and (target is not None or place in created):
        return await _count_rows(step, key, scope)  # 4
    if not tells_itself(step.relation, key.columns) or (target is None and place not in created):
        return 0  # 3
    if target is not None and (_is_whole(target, key) or not _links(step, key, target)):
        return 0  # 3
    dialect = scope.sources.dialect(step.source.provider)
    fenced = any(item.relation.row_filter is not None for item in (step, target) if item is not None)
    counted = Select(_query(step, key, target, dialect, scope), (Output("rows"),), untold=fenced)
    rows = await scope.opened[step.source].snapshot.rows(counted, 1)
    return int(rows[0][0] or 0)


async def _count_rows(step: RowsStep, key: ForeignKey, scope: RunScope) -> int:
    """4: counted by what the actor sees: a constant column is not read."""
    dialect = scope.sources.dialect(step.source.provider)
    read = [name for name in key.columns if is_read(step.relation, name)]
    conditions = [text(f"{dialect.identifier(name)} IS NOT NULL") for name in read]
    if (where := step.where(dialect, scope)) is not None:
        conditions.append(text("(") + where + text(")"))
    sql = text("SELECT count(*) FROM ") + from_relation(step.relation, dialect)
    if conditions:
        sql += text(" WHERE ") + join(" AND ", conditions)
    counted = Select(sql, (Output("rows"),), untold=step.relation.row_filter is not None)
    rows = await scope.opened[step.source].snapshot.rows(counted, 1)
    return int(rows[0][0] or 0)


def _is_whole(target: RowsStep, key: ForeignKey) -> bool:
    """Whether every row of the target is exported, so that a validated key cannot dangle."""
    return _is_complete(target) and key.validated


def _is_complete(target: RowsStep | None) -> bool:
    if target is None or target.limit is not None:
        return False
    return target.condition is None and target.relation.row_filter is None


def _links(step: RowsStep, key: ForeignKey, target: RowsStep) -> bool:
    return may_link(step.relation, key.columns, target.relation, key.target_columns)


def _query(step: RowsStep, key: ForeignKey, target: RowsStep | None, dialect: Dialect, scope: RunScope) -> Sql:
    here = [f"c.{dialect.identifier(column)}" for column in key.columns]
    whole = " AND ".join(f"{column} IS NOT NULL" for column in here)
    sql = text("SELECT count(*) FROM (") + _rows_of(step, key.columns, dialect, scope) + text(f") AS c WHERE {whole}")
    if target is None:
        return sql
    there = [f"p.{dialect.identifier(column)}" for column in key.target_columns]
    signs = [_equals(target.relation, column, dialect) for column in key.target_columns]
    equal = " AND ".join(f"{left} {sign} {right}" for left, sign, right in zip(there, signs, here, strict=True))
    inner = _rows_of(target, key.target_columns, dialect, scope)
    return sql + text(" AND NOT EXISTS (SELECT 1 FROM (") + inner + text(f") AS p WHERE {equal})")


def _equals(relation: Relation, column: str, dialect: Dialect) -> str:
    item = relation.column(column)
    return "=" if item is None else dialect.comparison(item.column, "=")


def _rows_of(step: RowsStep, columns: Sequence[str], dialect: Dialect, scope: RunScope) -> Sql:
    return select_keys(step.relation, dialect, columns, where=step.where(dialect, scope))
