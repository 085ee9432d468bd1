"""The only SELECT over one relation: explicit columns, masks in place, the row filter below everything else.

1. Columns are the relation's visible ones by the catalogue's names; there is no star at the top.
2. Masks stand in their places (``columns``).
3. The row filter stands alone in a fenced derived table, so that no condition, not even one that fails on some
   values, is evaluated on a row outside it (S27). What the planner expects of such a statement rests on statistics of
   the rows outside as well, so nobody is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hfitd.engines.interface import Dialect, Further, Row, Select, Served, Wanted
from hfitd.export.query.columns import list_columns
from hfitd.masks.interface import BoundMask
from hfitd.model import Relation
from hfitd.sql import Sql, Text, join, text


def select_relation(
    relation: Relation,
    dialect: Dialect,
    masks: Mapping[str, BoundMask],
    *,
    where: Sql | None,
    order: Sql | None,
    ordered: bool = True,
    limit: int | None,
    into: str = "",
    leave_out: Collection[str] = (),
    among: tuple[Sequence[Wanted], Sequence[Row]] | None = None,
    hidden: bool = False,
) -> Select:
    """Rows of the relation as its actor may see them.

    ``where`` and ``order`` come from ``compile_filter`` and ``compile_order``. ``order`` None is the dialect's row
    order, which also breaks the ties of a given order; ``ordered`` False takes rows as they come. ``leave_out`` names
    columns a rendering cannot write, such as generated ones. ``among`` keeps only the rows whose identity is listed.
    ``hidden`` takes invisible columns too: a file that a database loads would lose them, a reader does not expect them.
    """
    kept = [item for item in relation.columns if item.column.name not in leave_out]
    shown = [item for item in kept if hidden or not item.column.invisible]
    columns = list_columns(shown, relation, dialect, masks)
    sql = text(" FROM ")
    sql += from_relation(relation, dialect, [item.target for item in among[0]] if among else (), columns.subjects)
    conditions = [where] if where is not None else []
    if among is not None:
        conditions.append(dialect.among(*among))
    if conditions:
        sql += text(" WHERE ") + join(" AND ", (text("(") + condition + text(")") for condition in conditions))
    if ordered:
        terms = [part for part in (order, dialect.row_order(relation)) if part is not None and part.pieces]
        if terms:
            sql += text(" ORDER BY ") + join(", ", terms)
    if limit is not None:
        sql += text(f" LIMIT {int(limit)}")
    plain = relation.table.kind == "table" and relation.row_filter is None
    further = Further(relation.table.name, " AND " if conditions else " WHERE ")
    listed = columns.served
    served = Served(text("SELECT ") + listed.sql + sql, listed.outputs, listed.secret) if listed is not None else None
    shown_as = columns.streamed  # 1
    return Select(
        text("SELECT ") + shown_as.sql + sql,
        shown_as.outputs,
        into,
        served=served,
        untold=relation.row_filter is not None,  # 3
        columns=shown_as.columns,
        tail=sql,
        further=further if plain and not ordered and limit is None else None,
    )


def select_keys(relation: Relation, dialect: Dialect, columns: Sequence[str], *, where: Sql | None) -> Sql:
    """Raw values of visible columns, for counting and walking inside the database.

    What this selects is compared there or kept in the process; it is never rendered, so no mask applies.
    """
    listed = ", ".join(dialect.identifier(column) for column in columns)
    sql = text(f"SELECT {listed} FROM ") + from_relation(relation, dialect)  # noqa: S608 - names of the catalogue
    return sql if where is None else sql + text(" WHERE (") + where + text(")")


def from_relation(
    relation: Relation, dialect: Dialect, names: Sequence[Sql] = (), subjects: Sequence[str] = ()
) -> Sql:
    """What stands in FROM: the table itself, or its rows inside the row filter (3).

    ``names`` are what names a row; a system column among them has to be handed out of the fence. So have ``subjects``,
    columns that the masks of visible ones look at.
    """
    name = relation.table.name
    table = dialect.own_rows(relation.table)
    if relation.row_filter is None:
        return text(table)
    visible = [item.column.name for item in relation.columns if item.column.readable]
    needed = dict.fromkeys([*visible, *relation.table.row_key, *subjects])  # the row order may need an ungranted key
    listed = [dialect.identifier(column) for column in needed]
    system = ("tableoid", "ctid", "rowid", "_rowid_", "oid")
    handed = [piece.sql for sql in names for piece in sql.pieces if isinstance(piece, Text) and piece.sql in system]
    if relation.table.kind == "partitioned":
        handed.append("tableoid")  # says which partition a row lies in
    listed += dict.fromkeys(handed)
    fenced = text(f"(SELECT {', '.join(listed)} FROM {table} WHERE (") + relation.row_filter  # noqa: S608 - 3
    return fenced + text(f") {dialect.fence}) AS {dialect.identifier(name.name)}")
