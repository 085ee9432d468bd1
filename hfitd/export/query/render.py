"""Queries of a resolved tree as SQL of our own: clauses, joins, derived tables, windows.

Tables are not written by name: the resolver says for each what stands in its place.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from hfitd.engines.interface import Dialect
from hfitd.errors import SqlRefused
from hfitd.export.query.expressions import FRAME_ENDS, FRAME_KINDS, FRAME_SIDES, ExpressionWriter, Values
from hfitd.sql import Sql

_SET_WORDS: Mapping[type[exp.Expr], str] = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
_JOIN_SIDES = frozenset({"", "LEFT", "RIGHT", "FULL"})
_JOIN_KINDS = frozenset({"", "INNER", "OUTER", "CROSS", "STRAIGHT_JOIN", "STRAIGHT"})


class QueryWriter(ExpressionWriter):
    """Writes a whole query. ``tables`` maps the identity of a table's node to the derived table in its place."""

    def __init__(self, dialect: Dialect, values: Values, tables: Mapping[int, Sql]) -> None:
        super().__init__(dialect, values)
        self._tables = tables

    def query(self, node: exp.Expr) -> None:
        """A SELECT or set operation without parentheses."""
        if isinstance(node, exp.Subquery):
            self._operand(node)
            return
        with_ = node.args.get("with_")
        if with_ is not None:
            self._with(with_)
        if isinstance(node, exp.SetOperation):
            self._set_operation(node)
        elif isinstance(node, exp.Select):
            self._select(node)
        else:
            raise SqlRefused(resource=type(node).__name__.lower())
        self._tail(node)

    def _with(self, node: exp.Expr) -> None:
        self.put("WITH RECURSIVE " if node.args.get("recursive") else "WITH ")
        for number, cte in enumerate(node.expressions):
            if number:
                self.put(", ")
            materialized = cte.args.get("materialized")
            word = "" if materialized is None else " MATERIALIZED" if materialized else " NOT MATERIALIZED"
            if word and self.dialect.sqlglot_name == "mysql":
                raise SqlRefused("MATERIALIZED is not for this engine.")
            self.put(self._alias(cte.args["alias"]), f" AS{word} (")
            self.query(cte.this)
            self.put(") ")
        self.put(" ")

    def _alias(self, alias: exp.Expr) -> str:
        columns = alias.args.get("columns") or []
        listed = f" ({', '.join(self.name(column) for column in columns)})" if columns else ""
        return self.name(alias.this) + listed

    def _set_operation(self, node: exp.SetOperation) -> None:
        chain: list[exp.SetOperation] = [node]
        while isinstance(chain[-1].this, exp.SetOperation) and not self._has_tail(chain[-1].this):
            chain.append(chain[-1].this)
        self._operand(chain[-1].this)
        for link in reversed(chain):
            self.put(f" {_SET_WORDS[type(link)]}{'' if link.args.get('distinct') else ' ALL'} ")
            self._operand(link.expression)

    def _has_tail(self, node: exp.Expr) -> bool:
        return any(node.args.get(key) for key in ("with_", "order", "limit", "offset"))

    def _operand(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Subquery) and not self._has_tail(node) and self.dialect.sqlglot_name == "sqlite":
            inner = node.this
            if self._has_tail(inner) or (isinstance(inner, exp.SetOperation) and node.arg_key != "this"):
                raise SqlRefused("SQLite has no parentheses around parts of a set operation.")
            self.query(inner)  # it works from left to right, as the tree does
        elif isinstance(node, exp.Subquery):
            self.put("(")
            self.query(node.this)
            self.put(")")
            self._tail(node)
        else:
            self.query(node)

    def _select(self, node: exp.Select) -> None:
        self.put("SELECT ")
        distinct = node.args.get("distinct")
        if distinct is not None:
            self.put("DISTINCT ")
            if distinct.args.get("on") is not None:
                self._enclosed_list("ON (", distinct.args["on"])
                self.put(" ")
        self.listed(node.expressions)
        source = node.args.get("from_")
        if source is not None:
            self.put(" FROM ")
            self._source(source.this)
        for join in node.args.get("joins") or []:
            self._join(join)
        for key, word in (("where", " WHERE "), ("group", " GROUP BY "), ("having", " HAVING ")):
            clause = node.args.get(key)
            if clause is not None:
                self.put(word)
                self._group(clause) if key == "group" else self.write(clause.this)
        windows = node.args.get("windows") or []
        for number, window in enumerate(windows):
            self.put(", " if number else " WINDOW ", f"{self.name(window.this)} AS ")
            self._window_body(window)

    def _enclosed_list(self, opening: str, node: exp.Expr) -> None:
        self.put(opening)
        self.listed(node.expressions if isinstance(node, exp.Tuple) else [node.unnest()])
        self.put(")")

    def _group(self, node: exp.Expr) -> None:
        self.listed(node.expressions)
        if node.args.get("rollup"):
            self.put(" WITH ROLLUP")

    def _write_rollup(self, node: exp.Rollup) -> None:
        self._call("ROLLUP", node.expressions)

    def _write_cube(self, node: exp.Cube) -> None:
        self._call("CUBE", node.expressions)

    def _write_groupingsets(self, node: exp.GroupingSets) -> None:
        self._call("GROUPING SETS ", node.expressions)

    def _source(self, node: exp.Expr) -> None:
        alias = node.args.get("alias")
        if isinstance(node, exp.Table):
            replaced = self._tables.get(id(node))
            if replaced is None:
                raise SqlRefused("A table of the query was not resolved.")
            self.put_sql(replaced)
        elif isinstance(node, exp.Subquery) and alias is not None:
            self._write_subquery(node)
        elif isinstance(node, exp.Lateral) and alias is not None:
            self.put("LATERAL ")
            self._write_subquery(node.this)
        else:
            raise SqlRefused("A part of FROM has to be a table or a sub-select with a name.")
        if alias is not None:
            self.put(f" AS {self._alias(alias)}")

    def _join(self, node: exp.Join) -> None:
        side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "").upper()
        if side not in _JOIN_SIDES or kind not in _JOIN_KINDS:
            raise SqlRefused("This join is not allowed.")
        on, using = node.args.get("on"), node.args.get("using")
        if not (side or kind or on or using):
            self.put(", ")
        elif kind.startswith("STRAIGHT"):
            self.put(" STRAIGHT_JOIN ")
        else:
            self.put(f" {side} JOIN " if side else " CROSS JOIN " if kind == "CROSS" else " JOIN ")
        self._source(node.this)
        if on is not None:
            self.put(" ON ")
            self.write(on)
        elif using:
            self.put(f" USING ({', '.join(self.name(column) for column in using)})")

    def _tail(self, node: exp.Expr) -> None:
        order = node.args.get("order")
        if order is not None:
            self.put(" ORDER BY ")
            self.listed(order.expressions)
        for key, word in (("limit", " LIMIT "), ("offset", " OFFSET ")):
            clause = node.args.get(key)
            if clause is not None:
                if key == "offset" and node.args.get("limit") is None and self.dialect.name != "postgresql":
                    raise SqlRefused("OFFSET needs a LIMIT on this engine.")
                self.put(word)
                self.write(clause.expression)

    def _write_ordered(self, node: exp.Ordered) -> None:
        self.write(node.this)
        descending, first = bool(node.args.get("desc")), bool(node.args.get("nulls_first"))
        self.put(" DESC" if descending else "")
        usual = descending if self.dialect.name == "postgresql" else not descending
        if first is not usual:
            if self.dialect.sqlglot_name == "mysql":
                raise SqlRefused("NULLS FIRST and NULLS LAST are not for this engine.")
            self.put(" NULLS FIRST" if first else " NULLS LAST")

    def _write_order(self, node: exp.Order) -> None:
        if node.this is not None:
            self.write(node.this)
            self.put(" ")
        self.put("ORDER BY ")
        self.listed(node.expressions)

    def _write_distinct(self, node: exp.Distinct) -> None:
        self.put("DISTINCT ")
        self.listed(node.expressions)

    def _write_filter(self, node: exp.Filter) -> None:
        self.write(node.this)
        self.put(" FILTER (WHERE ")
        self.write(node.expression.this)
        self.put(")")

    def _write_withingroup(self, node: exp.WithinGroup) -> None:
        self.write(node.this)
        self.put(" WITHIN GROUP (")
        self.write(node.expression)
        self.put(")")

    def _write_window(self, node: exp.Window) -> None:
        self.write(node.this)
        self.put(" OVER ")
        alias, rest = node.args.get("alias"), [node.args.get(key) for key in ("partition_by", "order", "spec")]
        if alias is not None and not any(rest):
            self.put(self.name(alias))
            return
        self._window_body(node)

    def _window_body(self, node: exp.Expr) -> None:
        self.put("(")
        alias, partition, order = node.args.get("alias"), node.args.get("partition_by"), node.args.get("order")
        if alias is not None:
            self.put(self.name(alias), " ")
        if partition:
            self.put("PARTITION BY ")
            self.listed(partition)
            self.put(" ")
        if order is not None:
            self.write(order)
        spec = node.args.get("spec")
        if spec is not None:
            self._frame(spec)
        self.put(")")

    def _frame(self, spec: exp.Expr) -> None:
        kind = str(spec.args.get("kind") or "").upper()
        if kind not in FRAME_KINDS:
            raise SqlRefused("This window frame is not allowed.")
        self.put(f" {kind} ")
        if spec.args.get("end") is not None:
            self.put("BETWEEN ")
        for edge in ("start", "end"):
            if spec.args.get(edge) is not None:
                self.put(" AND " if edge == "end" else "")
                self._frame_edge(spec.args[edge], str(spec.args.get(f"{edge}_side") or "").upper())

    def _frame_edge(self, edge: exp.Expr | str, side: str) -> None:
        word = edge.upper() if isinstance(edge, str) else ""
        if (side and side not in FRAME_SIDES) or (isinstance(edge, str) and word not in FRAME_ENDS):
            raise SqlRefused("This window frame is not allowed.")
        if isinstance(edge, str):
            self.put(word)
        else:
            self.write(edge)
        self.put(f" {side}" if side else "")
