"""The tables a query names, as its author wrote them, without those that are CTEs where they stand."""

from __future__ import annotations

from sqlglot import exp

from hfitd.errors import SqlRefused


def written_tables(root: exp.Expr, sqlglot_name: str) -> tuple[str, ...]:
    """Each once, in order of appearance; parts are quoted as they were. A name with three parts was refused before."""
    found: dict[str, None] = {}
    for table in root.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise SqlRefused("A table function is not allowed.")
        if table.args.get("db") is None and _is_cte(table, sqlglot_name):
            continue
        parts = [part for part in (table.args.get("db"), table.this) if part is not None]
        found[".".join(_spell(part, sqlglot_name) for part in parts)] = None
    return tuple(found)


def _spell(part: exp.Identifier, sqlglot_name: str) -> str:
    if not part.args.get("quoted"):
        return str(part.this)
    quote = "`" if sqlglot_name == "mysql" else '"'
    return quote + str(part.this).replace(quote, quote * 2) + quote


def _is_cte(table: exp.Table, sqlglot_name: str) -> bool:
    """Whether a CTE of that name may be in view. A doubtful case counts as a table too, which asks for more rights."""
    node: exp.Expr | None = table
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None and _in_view(table, with_, sqlglot_name):
            return True
        node = node.parent
    return False


def _in_view(table: exp.Table, with_: exp.With, sqlglot_name: str) -> bool:
    inside = _cte_around(table, with_)
    for cte in with_.expressions:
        itself = with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation)
        if cte is inside and not itself:
            return False
        if _same(cte.args["alias"].this, table.this, sqlglot_name):
            return True
        if cte is inside:
            return False
    return False


def _cte_around(table: exp.Table, with_: exp.Expr) -> exp.Expr | None:
    node: exp.Expr | None = table
    while node is not None and node.parent is not with_:
        node = node.parent
    return node


def _same(left: exp.Identifier, right: exp.Identifier, sqlglot_name: str) -> bool:
    one, other = str(left.this), str(right.this)
    if sqlglot_name != "postgres":
        return one.lower() == other.lower()
    return (one if left.args.get("quoted") else one.lower()) == (other if right.args.get("quoted") else other.lower())
