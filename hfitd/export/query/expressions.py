"""Expressions of a checked tree as SQL of our own, one method for each class of node.

Default is deny: a node without a method is refused. Operators are picked from the tables below, names are quoted by
the dialect, numbers pass a strict pattern, strings are the dialect's literals, variables are binds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from hfitd.engines.interface import Dialect
from hfitd.errors import ParamInvalid, SqlRefused
from hfitd.export.query.grammar import checked_unit
from hfitd.export.query.special import comparisons_of, is_compared_as_text, is_special, special_operand
from hfitd.export.query.types import type_sql
from hfitd.sql import Bind, Sql, Text

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_SEPARATOR = re.compile(r"[^'\\\x00-\x1f]{0,32}")
_COMMON: Mapping[type[exp.Expr], str] = {
    exp.And: "AND", exp.Or: "OR", exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.BitwiseAnd: "&", exp.BitwiseOr: "|",
    exp.BitwiseLeftShift: "<<", exp.BitwiseRightShift: ">>", exp.Like: "LIKE", exp.Is: "IS",
}  # fmt: skip
_OPERATORS: Mapping[str, Mapping[type[exp.Expr], str]] = {
    "postgres": {
        **_COMMON, exp.DPipe: "||", exp.ILike: "ILIKE", exp.RegexpLike: "~", exp.RegexpILike: "~*",
        exp.SimilarTo: "SIMILAR TO", exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
        exp.BitwiseXor: "#", exp.Pow: "^", exp.JSONExtract: "->", exp.JSONExtractScalar: "->>", exp.JSONBExtract: "#>",
        exp.JSONBExtractScalar: "#>>", exp.ArrayContainsAll: "@>", exp.ArrayContainedBy: "<@", exp.ArrayOverlaps: "&&",
    },
    "mysql": {
        **_COMMON, exp.IntDiv: "DIV", exp.Xor: "XOR", exp.NullSafeEQ: "<=>", exp.RegexpLike: "REGEXP",
        exp.BitwiseXor: "^",
    },
    "sqlite": {
        **_COMMON, exp.DPipe: "||", exp.NullSafeEQ: "IS", exp.NullSafeNEQ: "IS NOT", exp.Glob: "GLOB",
        exp.JSONExtract: "->", exp.JSONExtractScalar: "->>",
    },
}  # fmt: skip
_NEGATED = {
    "LIKE": "NOT LIKE", "ILIKE": "NOT ILIKE", "~": "!~", "~*": "!~*", "SIMILAR TO": "NOT SIMILAR TO", "IS": "IS NOT",
    "REGEXP": "NOT REGEXP", "GLOB": "NOT GLOB",
}  # fmt: skip
FRAME_KINDS = frozenset({"ROWS", "RANGE", "GROUPS"})
FRAME_SIDES = frozenset({"PRECEDING", "FOLLOWING"})
FRAME_ENDS = frozenset({"UNBOUNDED", "CURRENT ROW"})


@dataclass(frozen=True, slots=True)
class Values:
    """Variables of a query: ``names`` by placeholder, ``types`` by the identity of the placeholder's node."""

    names: Mapping[str, str]
    values: Mapping[str, str | None]
    types: Mapping[int, str] = field(default_factory=dict)


class ExpressionWriter:
    """Collects pieces of SQL; ``query`` (sub-selects) is for the class below it."""

    def __init__(self, dialect: Dialect, values: Values) -> None:
        self.dialect = dialect
        self._values = values
        self._operators = _OPERATORS[dialect.sqlglot_name]
        self._pieces: list[Text | Bind] = []

    def result(self) -> Sql:
        """What was written, neighbouring texts joined."""
        joined: list[Text | Bind] = []
        for piece in self._pieces:
            if isinstance(piece, Text) and joined and isinstance(joined[-1], Text):
                joined[-1] = Text(joined[-1].sql + piece.sql)
            else:
                joined.append(piece)
        return Sql(tuple(joined))

    def put(self, *words: str) -> None:
        """Our own words."""
        self._pieces.extend(Text(word) for word in words)

    def put_sql(self, sql: Sql) -> None:
        """Composed SQL as it is."""
        self._pieces.extend(sql.pieces)

    def query(self, node: exp.Expr) -> None:
        """A SELECT or set operation without parentheses."""
        raise SqlRefused(resource=type(node).__name__.lower())

    def listed(self, nodes: Iterable[exp.Expr], separator: str = ", ") -> None:
        """Several nodes with our separator."""
        for number, node in enumerate(nodes):
            if number:
                self.put(separator)
            self.write(node)

    def write(self, node: exp.Expr) -> None:
        """One node of an expression. Raises SqlRefused for a class without a spelling."""
        if self.write_special(node):
            return
        if type(node) in self._operators:
            self._binary(node)
            return
        if isinstance(node, exp.Select | exp.SetOperation):
            self.query(node)
            return
        method = getattr(self, f"_write_{type(node).__name__.lower()}", None)
        if method is None:
            raise SqlRefused("The query uses something outside the allowed language.")
        method(node)

    def write_special(self, node: exp.Expr) -> bool:
        """A comparison of values whose type brings its own operators, always in parentheses; False if it is none."""
        column = special_operand(node)
        if column is None:
            return False
        self.put("(")
        for number, (word, left, operator, right) in enumerate(comparisons_of(node)):
            sign = operator or self._operators[type(node)]
            sign = _NEGATED[sign] if node.args.get("negate") else sign
            self.put(f" {word} " if number else "")
            self._operand_of(left)
            self.put(f" {sign if is_compared_as_text(left, sign, right) else self.dialect.comparison(column, sign)} ")
            self._operand_of(right)
        self.put(")")
        return True

    def _operand_of(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Any | exp.All):
            self.write(node)
        else:
            self.put("(")
            self.write(node)
            self.put(")")

    def name(self, identifier: exp.Expr) -> str:
        """An identifier, which the resolver has made exact, quoted."""
        return self.dialect.identifier(str(identifier.name))

    def _binary(self, node: exp.Expr) -> None:
        chain = [node]
        while type(chain[-1].this) in self._operators and not is_special(chain[-1].this):
            chain.append(chain[-1].this)
        self.write(chain[-1].this)
        for link in reversed(chain):
            operator = self._operators[type(link)]
            self.put(f" {_NEGATED[operator] if link.args.get('negate') else operator} ")
            self.write(link.expression)

    def _write_not(self, node: exp.Not) -> None:
        inner = node.this
        operator = self._operators.get(type(inner), "")
        if is_special(inner):
            self.put("NOT ")
            self.write(inner)
        elif operator in _NEGATED and not inner.args.get("negate"):
            self.write(inner.this)
            self.put(f" {_NEGATED[operator]} ")
            self.write(inner.expression)
        elif isinstance(inner, exp.In):
            self._membership(inner, " NOT IN (")
        elif isinstance(inner, exp.Between):
            self._between(inner, " NOT BETWEEN ")
        else:
            self.put("NOT ")
            self.write(inner)

    def _write_in(self, node: exp.In) -> None:
        self._membership(node, " IN (")

    def _membership(self, node: exp.In, word: str) -> None:
        self.write(node.this)
        self.put(word)
        query = node.args.get("query")
        if query is not None:
            self.query(query.this if isinstance(query, exp.Subquery) else query)
        else:
            self.listed(node.expressions)
        self.put(")")

    def _write_between(self, node: exp.Between) -> None:
        self._between(node, " BETWEEN ")

    def _between(self, node: exp.Between, word: str) -> None:
        self.write(node.this)
        self.put(word)
        self.write(node.args["low"])
        self.put(" AND ")
        self.write(node.args["high"])

    def _write_escape(self, node: exp.Escape) -> None:
        self.write(node.this)
        self.put(" ESCAPE ")
        self.write(node.expression)

    def _write_paren(self, node: exp.Paren) -> None:
        self._enclosed("(", node.this)

    def _write_tuple(self, node: exp.Tuple) -> None:
        self.put("(")
        self.listed(node.expressions)
        self.put(")")

    def _write_neg(self, node: exp.Neg) -> None:
        self.put("- ")  # a blank, so that two of them are no comment
        self.write(node.this)

    def _write_bitwisenot(self, node: exp.BitwiseNot) -> None:
        self.put("~ ")
        self.write(node.this)

    def _write_null(self, _: exp.Null) -> None:
        self.put("NULL")

    def _write_boolean(self, node: exp.Boolean) -> None:
        self.put("TRUE" if node.this else "FALSE")

    def _write_literal(self, node: exp.Literal) -> None:
        if node.is_string:
            self.put(self.dialect.literal(str(node.this)))
            return
        if not _NUMBER.fullmatch(str(node.this)):
            raise SqlRefused("This number is not understood.")
        self.put(str(node.this))

    def _write_placeholder(self, node: exp.Placeholder) -> None:
        name = self._values.names[str(node.this)]
        if name not in self._values.values:
            raise ParamInvalid("A variable of the query has no value.", resource=name)
        self._pieces.append(Bind(self._values.values[name], self._values.types.get(id(node)), name))

    def _write_column(self, node: exp.Column) -> None:
        table = node.args.get("table")
        self.put(f"{self.name(table)}.{self.name(node.this)}" if table is not None else self.name(node.this))

    def _write_star(self, _: exp.Star) -> None:
        self.put("*")

    def _write_alias(self, node: exp.Alias) -> None:
        self.write(node.this)
        self.put(f" AS {self.name(node.args['alias'])}")

    def _write_subquery(self, node: exp.Subquery) -> None:
        self.put("(")
        self.query(node.this)
        self.put(")")

    def _write_exists(self, node: exp.Exists) -> None:
        self._enclosed("EXISTS (", node.this)

    def _write_any(self, node: exp.Any) -> None:
        self._enclosed("ANY (", node.this)

    def _write_all(self, node: exp.All) -> None:
        self._enclosed("ALL (", node.this)

    def _enclosed(self, opening: str, inner: exp.Expr) -> None:
        while isinstance(inner, exp.Subquery | exp.Paren):
            inner = inner.this
        self.put(opening)
        self.write(inner)
        self.put(")")

    def _write_case(self, node: exp.Case) -> None:
        self.put("CASE")
        if node.this is not None:
            self.put(" ")
            self.write(node.this)
        for branch in node.args["ifs"]:
            self.put(" WHEN ")
            self.write(branch.this)
            self.put(" THEN ")
            self.write(branch.args["true"])
        if node.args.get("default") is not None:
            self.put(" ELSE ")
            self.write(node.args["default"])
        self.put(" END")

    def _write_if(self, node: exp.If) -> None:
        if self.dialect.sqlglot_name != "mysql":
            raise SqlRefused("IF is a function of MySQL only.", suggestions=("Use CASE.",))
        self._call("IF", [node.this, node.args["true"], node.args["false"]])

    def _write_cast(self, node: exp.Cast) -> None:
        self.put("CAST(")
        self.write(node.this)
        self.put(f" AS {type_sql(node.args['to'], self.dialect.sqlglot_name)})")

    def _write_collate(self, node: exp.Collate) -> None:
        self.write(node.this)
        name = str(node.expression.name)
        self.put(f" COLLATE {self.dialect.identifier(name) if self.dialect.name == 'postgresql' else name}")

    def _write_var(self, node: exp.Var) -> None:
        self.put(checked_unit(node))

    def _write_interval(self, node: exp.Interval) -> None:
        unit = node.args.get("unit")
        if self.dialect.sqlglot_name == "mysql":
            self.put("INTERVAL ")
            digits = isinstance(node.this, exp.Literal) and _NUMBER.fullmatch(str(node.this.name))
            self.put(str(node.this.name)) if digits else self.write(node.this)
            self.put(f" {checked_unit(unit)}")
            return
        if not isinstance(node.this, exp.Literal):
            raise SqlRefused("An INTERVAL needs a literal.", suggestions=("Use CAST(${name} AS interval).",))
        words = str(node.this.name) + (f" {checked_unit(unit)}" if unit is not None else "")
        self.put(f"INTERVAL {self.dialect.literal(words)}")

    def _write_extract(self, node: exp.Extract) -> None:
        self.put(f"EXTRACT({checked_unit(node.this)} FROM ")
        self.write(node.expression)
        self.put(")")

    def _write_trim(self, node: exp.Trim) -> None:
        position = str(node.args.get("position") or "BOTH").upper()
        if position not in {"BOTH", "LEADING", "TRAILING"}:
            raise SqlRefused("This TRIM is not understood.")
        self.put(f"TRIM({position} ")
        if node.expression is not None:
            self.write(node.expression)
            self.put(" ")
        self.put("FROM ")
        self.write(node.this)
        self.put(")")

    def _write_substring(self, node: exp.Substring) -> None:
        if node.args.get("start") is None:
            raise SqlRefused("SUBSTRING needs a start.")
        self._call("SUBSTRING", [node.this, node.args["start"], node.args.get("length")])

    def _write_strposition(self, node: exp.StrPosition) -> None:
        self._enclosed("POSITION((", node.args["substr"])
        self._enclosed(" IN (", node.this)
        self.put(")")

    def _write_currentdate(self, _: exp.CurrentDate) -> None:
        self.put("CURRENT_DATE")

    def _write_currenttime(self, _: exp.CurrentTime) -> None:
        self.put("CURRENT_TIME")

    def _write_currenttimestamp(self, _: exp.CurrentTimestamp) -> None:
        self.put("CURRENT_TIMESTAMP")

    def _write_localtime(self, _: exp.Localtime) -> None:
        self.put("LOCALTIME")

    def _write_localtimestamp(self, _: exp.Localtimestamp) -> None:
        self.put("LOCALTIMESTAMP")

    def _write_attimezone(self, node: exp.AtTimeZone) -> None:
        self.write(node.this)
        self.put(" AT TIME ZONE ")
        self.write(node.args["zone"])

    def _write_array(self, node: exp.Array) -> None:
        self.put("ARRAY[")
        self.listed(node.expressions)
        self.put("]")

    def _write_bracket(self, node: exp.Bracket) -> None:
        (index,) = node.expressions if len(node.expressions) == 1 else (None,)
        if not (isinstance(index, exp.Literal) and index.is_int):
            raise SqlRefused("A subscript has to be one literal number.")
        self._enclosed("(", node.this)
        self.put(f"[{int(index.name) + 1}]")  # the parser counts from 0

    def _call(self, name: str, arguments: Iterable[exp.Expr | None]) -> None:
        self.put(f"{name}(")
        self.listed([argument for argument in arguments if argument is not None])
        self.put(")")

    def _write_anonymous(self, node: exp.Anonymous) -> None:
        self._call(str(node.this).upper(), node.expressions)

    def _write_jsonextract(self, node: exp.JSONExtract) -> None:
        self._call("JSON_EXTRACT", [node.this, node.expression])  # MariaDB has no arrows

    def _write_jsonextractscalar(self, node: exp.JSONExtractScalar) -> None:
        self.put("JSON_UNQUOTE(")
        self._call("JSON_EXTRACT", [node.this, node.expression])
        self.put(")")

    def _write_groupconcat(self, node: exp.GroupConcat) -> None:
        self.put("GROUP_CONCAT(")
        self.write(node.this)
        separator = node.args.get("separator")
        if separator is not None:
            words = str(separator.name)
            if not _SEPARATOR.fullmatch(words):
                raise SqlRefused("A SEPARATOR cannot hold quotes or back-slashes.")
            self.put(f" SEPARATOR '{words}'")  # the server's grammar takes no other literal here
        self.put(")")
