"""Columns inside expressions: found in the scope, spelt exactly, or refused.

Sub-selects are handed back to the resolver with the scope around them. Where SQL lets an expression name an output
(GROUP BY, HAVING, ORDER BY), the masked expression behind that output is meant, whatever the output shows in the end.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlglot import exp

from hfitd.errors import SqlRefused
from hfitd.export.query.projection import Outputs, Projection, exact, quoted
from hfitd.export.query.scopes import Field, Found, Scope, no_such_name
from hfitd.export.query.special import mark_special


class Blocks(Protocol):
    """What resolves a query inside an expression; ``origins`` collects the types of columns by node."""

    origins: dict[int, str]

    def block(self, node: exp.Expr, parent: Scope | None, ctes: Any) -> tuple[Field, ...]:
        """Resolve it; its outputs."""


def resolve_names(
    body: exp.Expr, scope: Scope, outputs: Outputs | None, blocks: Blocks, ctes: Any
) -> Found | None:
    """Give every column of an expression its meaning, in place. Returns it when the expression is just a column.

    Raises NotFound for a name that means nothing here, SqlRefused for an ambiguous one.
    """
    waiting = [body]
    direct: Found | None = None
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Select | exp.SetOperation):
            blocks.block(node, scope, ctes)
        elif isinstance(node, exp.Column):
            found = _resolve_column(node, scope, outputs, blocks)
            if node is body:
                direct = found
        elif isinstance(node, exp.Subquery):
            blocks.block(node, scope, ctes)
        else:
            if isinstance(node, exp.Window):
                _settle_window(node, scope)
            waiting.extend(node.iter_expressions())
    return direct


def resolve_order(
    node: exp.Expr, outputs: Outputs, scope: Scope | None, blocks: Blocks, ctes: Any = ()
) -> None:
    """ORDER BY, LIMIT and OFFSET of a query. ``scope`` None: only outputs can be named (set operations)."""
    for key in ("limit", "offset"):
        clause = node.args.get(key)
        if clause is not None:
            _check_count(clause.expression, blocks)
    order = node.args.get("order")
    for term in order.expressions if order is not None else ():
        if not isinstance(term, exp.Ordered):
            raise SqlRefused("This ORDER BY is not understood.")
        body = term.this
        if isinstance(body, exp.Literal):
            _order_by_position(term, outputs, scope)
        elif isinstance(body, exp.Column) and body.args.get("table") is None and scope is None:
            _name_output(body, outputs)
        elif scope is None:
            raise SqlRefused("A set operation can only be ordered by its columns.")
        elif not _order_by_name(term, outputs, scope):
            resolve_names(body, scope, outputs, blocks, ctes)


def _check_count(count: exp.Expr, blocks: Blocks) -> None:
    if isinstance(count, exp.Placeholder):
        blocks.origins[id(count)] = "bigint"
    elif not (isinstance(count, exp.Literal) and count.is_int):
        raise SqlRefused("LIMIT and OFFSET take a number or a variable.")


def _order_by_position(term: exp.Ordered, outputs: Outputs, scope: Scope | None) -> None:
    body = term.this
    if not body.is_int or not 1 <= int(body.name) <= len(outputs.items):
        raise SqlRefused("ORDER BY a position needs one of the select list.")
    item = outputs.items[int(body.name) - 1]
    if scope is not None and _may_show(item):
        term.set("this", item.body.copy())


def _order_by_name(term: exp.Ordered, outputs: Outputs, scope: Scope) -> bool:
    body = term.this
    if not isinstance(body, exp.Column) or body.args.get("table") is not None:
        return False
    item = outputs.meant(exact(body.this, scope.dialect))
    if item is None:
        return False
    if _may_show(item):
        term.set("this", item.body.copy())
    else:
        body.set("this", quoted(item.alias))
    return True


def _name_output(body: exp.Column, outputs: Outputs) -> None:
    word = str(body.this.this)
    matches = outputs.named(word)
    if len(matches) != 1:
        raise no_such_name(word)
    body.set("this", quoted(matches[0].alias))


def _may_show(item: Projection) -> bool:
    return item.found is not None and item.found.field.raw is not None


def _resolve_column(node: exp.Column, scope: Scope, outputs: Outputs | None, blocks: Blocks) -> Found | None:
    dialect = scope.dialect
    name = exact(node.this, dialect)
    table = exact(node.args["table"], dialect) if node.args.get("table") is not None else None
    schema = exact(node.args["db"], dialect) if node.args.get("db") is not None else None
    named = outputs.named(name) if outputs is not None else ()
    explicit = any(item.explicit for item in named)
    found = scope.find(name, table, schema)
    if found is None:
        if table is None and outputs is not None and named:
            _substitute(node, outputs.meant(name))
            return None
        raise no_such_name(name)
    node.set("db", None)
    node.set("this", quoted(found.field.name))
    if found.source is not None and (table is not None or (found.own and not explicit)):
        node.set("table", quoted(found.source.name))
    if found.field.origin is not None:
        blocks.origins[id(node)] = found.field.origin.type_name
    mark_special(node, found.field.special)
    return found


def _substitute(node: exp.Column, item: Projection | None) -> None:
    if item is None:
        raise no_such_name(str(node.name))
    if _may_show(item):
        node.replace(item.body.copy())
    else:
        node.set("this", quoted(item.alias))


def _settle_window(node: exp.Window, scope: Scope) -> None:
    alias = node.args.get("alias")
    if alias is not None:
        node.set("alias", quoted(exact(alias, scope.dialect)))
    if isinstance(node.this, exp.Identifier):
        node.set("this", quoted(exact(node.this, scope.dialect)))
