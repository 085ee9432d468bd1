"""Columns of free queries whose type brings its own operators (``citext``, ``hstore``, ``ltree``, ``geometry``).

Sessions have an empty search_path, so a bare ``=`` would compare ``citext`` as text: an answer without an error, and a
wrong one. Therefore:

1. Every place a column's value flows through unchanged (sub-selects, CTEs, set operations) carries its column.
2. A comparison of such values is written with ``OPERATOR(schema.sign)`` and parentheses of its own. ``citext``
   with an expression of type ``text`` is a comparison of text, as PostgreSQL documents and does itself.
3. Where the server would compare by itself with the built-in operator (``CASE x WHEN``, ``NULLIF``, ``USING``,
   ``IS DISTINCT FROM``, ``MIN`` ...) or give another value of the type, the query is refused and told to CAST.
   Grouping, ordering and DISTINCT are right by themselves: they go by the type, not by a name.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from hfitd.errors import SqlRefused
from hfitd.model import Column

_MARK = "hfit_special"
_COMPARED = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike,
    exp.JSONExtract, exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps,
)  # fmt: skip
# Where a value may stand without being compared by a name.
_HARMLESS = (
    exp.Alias, exp.Cast, exp.Is, exp.Ordered, exp.Group, exp.Distinct, exp.Rollup, exp.Cube, exp.GroupingSets,
    exp.Window, exp.Exists, exp.From, exp.Join, exp.Lateral, exp.CTE, exp.SetOperation, exp.Select,
)  # fmt: skip
# Functions of text that give plain values, with the type's own operators in view or not.
_CALLS = frozenset(
    {"COUNT", "LOWER", "UPPER", "LENGTH", "CHAR_LENGTH", "CONCAT", "CONCAT_WS", "MD5", "LEFT", "RIGHT", "STRING_AGG"}
)
_ORDERS = frozenset({"=", "<>", "<", "<=", ">", ">="})
Comparison = tuple[str, exp.Expr, str, exp.Expr]  # the word before it, left, sign ("" is the node's own), right


def mark_special(node: exp.Expr, column: Column | None) -> None:
    """Note at a column of a query what it is; copies of the node keep it."""
    if column is not None:
        node.meta[_MARK] = column


def special_of(node: exp.Expr | None) -> Column | None:
    """A column of the type that the value has, when that type brings its own operators (1)."""
    while isinstance(node, exp.Paren | exp.Any | exp.All | exp.Subquery | exp.Alias):
        node = node.this
    if isinstance(node, exp.Column):
        found = node.meta.get(_MARK)
        return found if isinstance(found, Column) else None
    if isinstance(node, exp.SetOperation):
        return special_of(node.this) or special_of(node.expression)
    if isinstance(node, exp.Select) and len(node.expressions) == 1:
        return special_of(node.expressions[0])
    return None


def special_operand(node: exp.Expr) -> Column | None:
    """What decides the operator of a comparison; None when it is none or all its values are of built-in types."""
    if isinstance(node, _COMPARED):
        operands: Sequence[exp.Expr | None] = (node.this, node.expression)
    elif isinstance(node, exp.In):
        operands = (node.this, node.args.get("query"), *node.expressions)
    elif isinstance(node, exp.Between):
        operands = (node.this, node.args["low"], node.args["high"])
    else:
        return None
    return next((column for operand in operands if (column := special_of(operand)) is not None), None)


def is_special(node: exp.Expr) -> bool:
    """Whether ``write_special`` writes it."""
    return special_operand(node) is not None


def comparisons_of(node: exp.Expr) -> list[Comparison]:
    """The single comparisons that a comparison, IN or BETWEEN stands for, joined by their words (2)."""
    if isinstance(node, exp.In):
        query = node.args.get("query")
        items = [exp.Any(this=query)] if query is not None else node.expressions
        return [("OR", node.this, "=", item) for item in items]
    if isinstance(node, exp.Between):
        return [("", node.this, ">=", node.args["low"]), ("AND", node.this, "<=", node.args["high"])]
    return [("", node.this, "", node.expression)]


def is_compared_as_text(left: exp.Expr, sign: str, right: exp.Expr) -> bool:
    """Whether one side has another type already, so that the other is taken for text (2)."""
    return sign in _ORDERS and not all(special_of(side) or _is_untyped(side) for side in (left, right))


def _is_untyped(node: exp.Expr | None) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    return isinstance(node, exp.Null | exp.Placeholder) or (isinstance(node, exp.Literal) and node.is_string)


def check_special(root: exp.Expr) -> None:
    """3: refuse every other use. Raises SqlRefused naming the column."""
    for node in root.find_all(exp.Column, exp.Subquery):
        column = special_of(node)
        if column is not None and not _is_allowed(node):
            raise SqlRefused(
                "A column of this type can be shown, compared, grouped and ordered, and nothing else.",
                resource=column.name,
                suggestions=("CAST it to text first.",),
            )


def _is_allowed(node: exp.Expr) -> bool:
    around = node.parent
    while isinstance(around, exp.Paren | exp.Subquery | exp.Any | exp.All | exp.Tuple):
        if isinstance(around, exp.Tuple) and not isinstance(around.parent, _HARMLESS):
            return False
        around = around.parent
    if isinstance(around, exp.Escape):
        return False
    if isinstance(around, exp.Anonymous):
        return str(around.this).upper() in _CALLS
    return around is None or isinstance(around, (*_HARMLESS, *_COMPARED, exp.In, exp.Between))
