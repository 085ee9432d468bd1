"""SELECTs of the foreign-key walk: which rows are connected, asked for with raw values.

The walk has to compare what the database stores, also where the actor sees a mask. So these statements read raw
columns, and this is what keeps that harmless:

1. Only columns the actor may see of relations from the policy, and only rows inside the row filter.
2. The values are compared, counted and given back to the same database. They are written nowhere: what leaves the
   process is rendered by ``select_relation``, and keys in ``METADATA/graph.json`` pass their column's mask.
"""

from __future__ import annotations

from collections.abc import Sequence

from hfitd.engines.interface import Dialect, Match, Output, Select
from hfitd.export.query.select import from_relation
from hfitd.model import Relation
from hfitd.sql import Sql, join, text


def select_links(
    relation: Relation,
    dialect: Dialect,
    outputs: Sequence[Sql],
    *,
    match: Match | None = None,
    where: Sql | None = None,
    ordered: bool = True,
) -> Select:
    """The outputs, raw, of rows that match and for which ``where`` holds, in row order.

    With a ``match`` the first output is the number of the given row that was met.
    """
    listed = [*([match.number] if match else []), *outputs]
    sql = text("SELECT ") + join(", ", listed) + text(" FROM ") + from_relation(relation, dialect, outputs)
    conditions = [where] if where is not None else []
    if match is not None:
        sql += match.source
        conditions.append(match.where)
    if conditions:
        sql += text(" WHERE ") + join(" AND ", (text("(") + condition + text(")") for condition in conditions))
    order = dialect.row_order(relation)
    if ordered and order.pieces:
        sql += text(" ORDER BY ") + order
    shown = tuple(Output(f"c{number}") for number in range(len(listed)))
    return Select(sql, shown, untold=relation.row_filter is not None)
