"""What a free query may be made of: parsed without knowledge of functions, then checked node by node.

1. Functions are parsed as plain calls, so the name that is checked is the name that is rendered; only calls with
   words between their arguments have a shape of their own.
2. Every node must be of a class listed here, and every filled slot of it must be listed too: locks, INTO, hints,
   samples, table functions, DML in a CTE, SHOW, SET, commands and whatever a later parser invents are not (S04 to S16).
3. A call must be on the list of ``functions``, unquoted and unqualified (S08 to S13).
4. ``*`` stands in a projection or as ``COUNT(*)``, so a whole row is never an argument (S21).
5. Size and depth are limited (S30).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from hfitd.errors import SqlRefused, SqlTooComplex
from hfitd.export.query.functions import FUNCTIONS, MAX_PADDING, PADDING, UNIT_FIRST, UNITS

MAX_TREE_DEPTH = 250
MAX_SET_OPERATIONS = 50
MAX_JOINS = 40

_BINARY = ("this", "expression")
_IGNORED = frozenset(
    {"nulls_first", "big_int", "coalesce", "safe", "typed", "value_constructor", "only_json_types", "scalar_only"}
    | {"nested", "view", "offset", "apply_index_offset"}
)
_COMMON: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.Select: (
        "with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "windows", "order", "limit",
        "offset",
    ),
    exp.Union: ("this", "expression", "distinct", "with_", "order", "limit", "offset"),
    exp.Except: ("this", "expression", "distinct", "with_", "order", "limit", "offset"),
    exp.Intersect: ("this", "expression", "distinct", "with_", "order", "limit", "offset"),
    exp.Subquery: ("this", "alias", "order", "limit", "offset"),
    exp.With: ("expressions", "recursive"),
    exp.CTE: ("this", "alias", "materialized"),
    exp.From: ("this",),
    exp.Join: ("this", "side", "kind", "on", "using"),
    exp.Table: ("this", "db", "alias"),
    exp.TableAlias: ("this", "columns"),
    exp.Where: ("this",),
    exp.Having: ("this",),
    exp.Group: ("expressions",),
    exp.Order: ("this", "expressions"),
    exp.Ordered: ("this", "desc"),
    exp.Limit: ("expression",),
    exp.Offset: ("expression",),
    exp.Distinct: ("expressions",),
    exp.Window: ("this", "partition_by", "order", "spec", "alias", "over"),
    exp.WindowSpec: ("kind", "start", "start_side", "end", "end_side"),
    exp.Alias: ("this", "alias"),
    exp.Column: ("this", "table", "db"),
    exp.Identifier: ("this", "quoted"),
    exp.Star: (),
    exp.Literal: ("this", "is_string"),
    exp.Null: (),
    exp.Boolean: ("this",),
    exp.Placeholder: ("this",),
    exp.Paren: ("this",),
    exp.Tuple: ("expressions",),
    exp.Not: ("this",),
    exp.Neg: ("this",),
    exp.BitwiseNot: ("this",),
    exp.In: ("this", "expressions", "query"),
    exp.Between: ("this", "low", "high"),
    exp.Is: ("this", "expression", "negate"),
    exp.Like: ("this", "expression", "negate"),
    exp.Escape: _BINARY,
    exp.Exists: ("this",),
    exp.Case: ("this", "ifs", "default"),
    exp.If: ("this", "true", "false"),
    exp.Cast: ("this", "to"),
    exp.DataType: ("this", "expressions"),
    exp.DataTypeParam: ("this",),
    exp.Collate: _BINARY,
    exp.Anonymous: ("this", "expressions"),
    exp.Var: ("this",),
    exp.CurrentDate: (),
    exp.CurrentTime: (),
    exp.CurrentTimestamp: (),
    **dict.fromkeys(
        (
            exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Add, exp.Sub, exp.Mul, exp.Div,
            exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.NullSafeEQ,
            exp.JSONExtract, exp.JSONExtractScalar, exp.RegexpLike,
        ),
        (*_BINARY, "negate"),
    ),
}  # fmt: skip
_CALLS: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.Any: ("this",),
    exp.All: ("this",),
    exp.Interval: ("this", "unit"),
    exp.Extract: _BINARY,
    exp.Trim: ("this", "expression", "position"),
    exp.Substring: ("this", "start", "length"),
    exp.StrPosition: ("this", "substr"),
    exp.Localtime: (),
    exp.Localtimestamp: (),
}
_POSTGRES: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.Lateral: ("this", "alias"),
    exp.Distinct: ("expressions", "on"),
    exp.Filter: _BINARY,
    exp.WithinGroup: _BINARY,
    exp.AtTimeZone: ("this", "zone"),
    exp.Array: ("expressions",),
    exp.Bracket: ("this", "expressions"),
    exp.Rollup: ("expressions",),
    exp.Cube: ("expressions",),
    exp.GroupingSets: ("expressions",),
    **dict.fromkeys(
        (
            exp.DPipe, exp.ILike, exp.RegexpILike, exp.SimilarTo, exp.NullSafeNEQ, exp.BitwiseXor, exp.Pow,
            exp.JSONBExtract, exp.JSONBExtractScalar, exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps,
        ),
        (*_BINARY, "negate"),
    ),
}  # fmt: skip
_MYSQL: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.Group: ("expressions", "rollup"),
    exp.Rollup: (),
    exp.GroupConcat: ("this", "separator"),
    exp.IntDiv: _BINARY,
    exp.Xor: _BINARY,
    exp.BitwiseXor: _BINARY,
}
_SQLITE: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.Filter: _BINARY,
    exp.DPipe: _BINARY,
    exp.NullSafeNEQ: _BINARY,
    exp.Glob: (*_BINARY, "negate"),
}
GRAMMAR: Mapping[str, Mapping[type[exp.Expr], tuple[str, ...]]] = {
    "postgres": {**_COMMON, **_CALLS, **_POSTGRES},
    "mysql": {**_COMMON, **_CALLS, **_MYSQL},
    "sqlite": {**_COMMON, **_SQLITE},
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}", re.ASCII)


def check_tree(root: exp.Expr, sqlglot_name: str, placeholders: Mapping[str, str]) -> None:
    """Refuse everything that is not listed; ``placeholders`` are the only ones that may stand. Raises SqlRefused."""
    if not isinstance(root, exp.Select | exp.SetOperation):
        raise SqlRefused("A query has to be one SELECT.")
    _check_size(root)
    slots = GRAMMAR[sqlglot_name]
    seen: set[str] = set()
    for node in root.walk():
        allowed = slots.get(type(node))
        filled = {key for key, value in node.args.items() if value not in (None, False, [], "")}
        if allowed is None or not filled <= _IGNORED.union(allowed):  # 2
            raise SqlRefused(
                "The query uses something outside the allowed language.", resource=type(node).__name__.lower()
            )
        if isinstance(node, exp.Anonymous):
            _check_call(node, FUNCTIONS[sqlglot_name])
        elif isinstance(node, exp.Star):
            _check_star(node)
        elif isinstance(node, exp.Placeholder):
            _check_place(node)
            seen.add(str(node.this))
        elif isinstance(node, exp.Select) and not node.expressions:
            raise SqlRefused("A SELECT needs a select list.")
    if seen != set(placeholders):
        raise SqlRefused("A variable stands where no value can stand.")


def settle_words(root: exp.Expr) -> None:
    """Make words that parse as columns but are none (units, collations) what they are, in place."""
    for node in list(root.find_all(exp.Anonymous)):
        arguments = node.expressions
        if str(node.this).upper() in UNIT_FIRST and arguments and isinstance(arguments[0], exp.Column):
            arguments[0].replace(exp.Var(this=str(arguments[0].name)))
    for collate in list(root.find_all(exp.Collate)):
        name = str(collate.expression.name)
        if not _WORD.fullmatch(name):
            raise SqlRefused("This collation is not allowed.")
        collate.set("expression", exp.Var(this=name))


def checked_unit(node: exp.Expr | None) -> str:
    """A unit of time, in upper case. Raises SqlRefused for another word."""
    word = str(node.name).upper() if node is not None else ""
    if word not in UNITS:
        raise SqlRefused("This is not a unit of time.")
    return word


def _check_size(root: exp.Expr) -> None:
    """5, without recursion; a chain of equal operators counts once."""
    waiting: list[tuple[exp.Expr, int]] = [(root, 0)]
    sets = joins = 0
    while waiting:
        node, depth = waiting.pop()
        sets += isinstance(node, exp.SetOperation)
        joins += isinstance(node, exp.Join)
        if depth > MAX_TREE_DEPTH or sets > MAX_SET_OPERATIONS or joins > MAX_JOINS:
            raise SqlTooComplex("The query is too deeply nested or joins too much.")
        chain = isinstance(node, exp.Binary) and not isinstance(node, exp.SetOperation)
        for child in node.iter_expressions():
            waiting.append((child, depth + (not (chain and child.arg_key == "this"))))


def _check_call(node: exp.Anonymous, names: frozenset[str]) -> None:
    name = node.this.upper() if isinstance(node.this, str) else ""
    dotted = isinstance(node.parent, exp.Dot)
    if name not in names or dotted:  # 3
        raise SqlRefused(
            "The query calls a function that is not allowed.",
            resource=str(node.name)[:64].lower(),
            suggestions=("Only pure functions of values are allowed, unquoted and unqualified.",),
        )
    if name in PADDING:
        length = node.expressions[1] if len(node.expressions) > 1 else None
        if not (isinstance(length, exp.Literal) and length.is_int and int(length.name) <= MAX_PADDING):
            raise SqlRefused(f"LPAD and RPAD need a literal length of at most {MAX_PADDING}.")
    if any(isinstance(argument, exp.Alias) for argument in node.expressions):
        raise SqlRefused("An argument of a function cannot have a name.")


def _check_place(node: exp.Placeholder) -> None:
    around = node.parent
    while isinstance(around, exp.Paren):
        around = around.parent
    if isinstance(around, exp.Ordered | exp.Group | exp.Distinct | exp.Var | exp.DataType):
        raise SqlRefused("A variable stands where no value can stand.")  # a name is never a value (T09)


def _check_star(node: exp.Star) -> None:
    top: exp.Expr = node.parent if isinstance(node.parent, exp.Column) else node
    parent = top.parent
    projected = isinstance(parent, exp.Select) and top.arg_key == "expressions"
    counted = isinstance(parent, exp.Anonymous) and str(parent.this).upper() == "COUNT" and len(parent.expressions) == 1
    if not projected and not (counted and top is node):
        raise SqlRefused("A star can only stand in a select list or in COUNT(*).")  # 4
