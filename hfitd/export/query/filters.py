"""Row filters and orders that people write, compiled into SQL of our own.

Nothing a caller wrote becomes text. The argument:

1. The language (``lexer``, ``parser``) has columns, values and twenty words; everything else is SqlRefused.
2. A column becomes text only as the catalogue's name of a visible column of the relation, quoted by the dialect;
   what is not granted answers like what does not exist.
3. A value, from the text or from a variable, becomes a ``Bind`` of its column's type; the engine converts it
   strictly. A comparison without a column has no type and is refused.
4. A masked column is FilterOnMasked wherever it stands, unless its rule says ``filterable = "equality"``. Then a
   constant mask is compared as the constant it shows. A keyed mask is compared with given values by ``=`` and ``IN``,
   never under NOT, never with a column, and with at most ``MAX_GUESSES`` values in a filter: the caller's guess is held
   against the raw value, by their owner's word, and the audit names the column (``guessed_columns``).
5. Operators and keywords are picked from our own tables, and spelt by the dialect for the type of the column.

A variable without a value is SQL's NULL: ``col = ${x}`` then holds for no row and ``col <> ${x}`` neither.
``${x} IS NULL`` asks whether the variable has no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hfitd.engines.interface import Dialect
from hfitd.errors import BadRequest, FilterOnMasked, ParamInvalid, SqlRefused
from hfitd.export.query.nodes import (
    Between,
    ColumnRef,
    Comparison,
    Condition,
    Flag,
    Junction,
    Like,
    Literal,
    LiteralKind,
    Membership,
    Name,
    Not,
    NullTest,
    Operand,
    OrderTerm,
    Variable,
)
from hfitd.export.query.parser import read_condition, read_order
from hfitd.export.query.spelling import same_column
from hfitd.masks.interface import BoundMask
from hfitd.masks.table import MASKS
from hfitd.model import Column, Kind, MaskedColumn, Relation
from hfitd.sql import Sql, bind, join, text

_TRUE, _FALSE = text("1 = 1"), text("1 = 0")
MAX_GUESSES = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter. ``variables`` are names without ``$`` (``"1"`` for ``$1``); ``columns`` as written."""

    condition: Condition
    variables: frozenset[str]
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Order:
    """A parsed order."""

    terms: tuple[OrderTerm, ...]


def parse_filter(source: str) -> Filter:
    """Read a filter; a leading WHERE is allowed. Raises SqlRefused, SqlTooComplex. Takes below 50 ms for any text."""
    condition = read_condition(source)
    operands = _operands(condition)
    return Filter(
        condition,
        frozenset(item.name for item in operands if isinstance(item, Variable)),
        frozenset(item.name.text for item in operands if isinstance(item, ColumnRef)),
    )


def parse_order(source: str) -> Order:
    """Read ``column [asc|desc], ...``; a leading ORDER BY is allowed. Raises SqlRefused, SqlTooComplex."""
    return Order(read_order(source))


def compile_filter(
    parsed: Filter,
    relation: Relation,
    dialect: Dialect,
    values: Mapping[str, str | None],
    *,
    masks: Mapping[str, BoundMask] | None = None,
) -> Sql:
    """The condition over the relation's raw columns, unqualified.

    ``values`` holds every variable; ``masks`` are needed only to compare constant masks (4). Raises BadRequest for a
    column that is not there, FilterOnMasked, ParamInvalid for a variable without an entry.
    """
    return _Compiler(relation, dialect, values, masks or {}).condition(parsed.condition)


def compile_order(parsed: Order, relation: Relation, dialect: Dialect) -> Sql:
    """ORDER BY terms. Raises BadRequest for a column that is not there, FilterOnMasked."""
    compiler = _Compiler(relation, dialect, {}, {})
    return join(", ", (compiler.order_term(term) for term in parsed.terms))


def guessed_columns(parsed: Filter, relation: Relation, dialect: Dialect) -> tuple[str, ...]:
    """The masked columns whose raw values the filter asks about (4), sorted; for the audit."""
    compiler = _Compiler(relation, dialect, {}, {})
    refs = [operand for operand in _operands(parsed.condition) if isinstance(operand, ColumnRef)]
    return tuple(sorted({column.column.name for column in map(compiler.find, refs) if is_guessable(column)}))


def is_guessable(column: MaskedColumn) -> bool:
    """Whether its owner lets given values be compared with the raw ones."""
    rule = column.rule
    return rule is not None and rule.filterable == "equality" and rule.mask in MASKS and MASKS[rule.mask].keyed


def _operands(condition: Condition) -> list[Operand]:
    waiting: list[Condition] = [condition]
    found: list[Operand] = []
    while waiting:
        match waiting.pop():
            case Junction(_, conditions):
                waiting.extend(conditions)
            case Not(inner):
                waiting.append(inner)
            case Comparison(left, _, right) | Like(left, right):
                found += [left, right]
            case Membership(operand, items):
                found += [operand, *items]
            case Between(operand, low, high):
                found += [operand, low, high]
            case NullTest(operand) | Flag(operand):
                found.append(operand)
    return found


class _Compiler:
    def __init__(
        self, relation: Relation, dialect: Dialect, values: Mapping[str, str | None], masks: Mapping[str, BoundMask]
    ) -> None:
        self._relation = relation
        self._dialect = dialect
        self._values = values
        self._masks = masks
        self._negations = 0
        self._guesses = 0

    def condition(self, condition: Condition) -> Sql:
        """One condition; the depth was limited when it was parsed."""
        match condition:
            case Junction(operator, conditions):
                parts = [text("(") + self.condition(part) + text(")") for part in conditions]
                return join(" OR " if operator == "OR" else " AND ", parts)  # 5
            case Not(inner):
                self._negations += 1
                negated = text("NOT (") + self.condition(inner) + text(")")
                self._negations -= 1
                return negated
            case Comparison():
                return self._comparison(condition)
            case Membership():
                return self._membership(condition)
            case Between():
                return self._between(condition)
            case Like():
                return self._like(condition)
            case NullTest(operand, negated):
                return self._null_test(operand, negated)
            case Flag(operand):
                return self._flag(operand)

    def order_term(self, term: OrderTerm) -> Sql:
        """One term of an order."""
        column = self._clear(term.column)
        return text(self._dialect.identifier(column.name) + (" DESC" if term.descending else " ASC"))

    def _comparison(self, comparison: Comparison) -> Sql:
        match comparison:
            case Comparison(Literal(left, LiteralKind.NUMBER), operator, Literal(right, LiteralKind.NUMBER)):
                return _TRUE if _compare(left, operator, right) else _FALSE
        operands, operator = (comparison.left, comparison.right), comparison.operator
        guess = operator == "=" and self._is_guess(operands)  # 4
        left_sql, right_sql = self._typed(operands, equality=operator in {"=", "<>"}, guess=guess)
        sign = self._sign((comparison.left, comparison.right), comparison.operator)
        return left_sql + text(f" {sign} ") + right_sql  # 5: one of six operators

    def _membership(self, condition: Membership) -> Sql:
        operands = (condition.operand, *condition.items)
        guess = not condition.negated and self._is_guess(operands)  # 4
        first, *others = self._typed(operands, equality=True, guess=guess)
        sign = self._sign(operands, "=")
        if sign == "=":
            word = " NOT IN (" if condition.negated else " IN ("
            return first + text(word) + join(", ", others) + text(")")
        equal = join(" OR ", (first + text(f" {sign} ") + other for other in others))  # IN takes no other operator
        return text("NOT (" if condition.negated else "(") + equal + text(")")

    def _between(self, condition: Between) -> Sql:
        operands = (condition.operand, condition.low, condition.high)
        middle, least, most = self._typed(operands)
        low, high = self._sign(operands, ">="), self._sign(operands, "<=")
        if low == ">=":
            word = " NOT BETWEEN " if condition.negated else " BETWEEN "
            return middle + text(word) + least + text(" AND ") + most
        inside = middle + text(f" {low} ") + least + text(" AND ") + middle + text(f" {high} ") + most
        return text("NOT (" if condition.negated else "(") + inside + text(")")

    def _sign(self, operands: Sequence[Operand], operator: str) -> str:
        """The operator as the type of these operands needs it. ``citext`` with ``text`` is compared as text, as
        PostgreSQL itself does."""
        columns = [self.find(operand).column for operand in operands if isinstance(operand, ColumnRef)]
        return self._dialect.comparison(columns[0], operator) if all(c.operators for c in columns) else operator

    def _like(self, condition: Like) -> Sql:
        if condition.fold_case and self._dialect.name != "postgresql":
            raise SqlRefused("ILIKE exists on PostgreSQL only.", suggestions=("Use LIKE.",))
        if not isinstance(condition.operand, ColumnRef):
            raise BadRequest("LIKE needs a column on its left.")
        column = self._clear(condition.operand)
        if self._dialect.name == "postgresql" and column.kind is not Kind.TEXT:
            raise BadRequest("LIKE needs a text column.", resource=column.name)
        word = ("NOT " if condition.negated else "") + ("ILIKE" if condition.fold_case else "LIKE")
        escape = text("") if self._dialect.name != "sqlite" else text(" ESCAPE '\\'")
        pattern = self._operand(condition.pattern, "text", column)
        return (
            text(f"{self._dialect.identifier(column.name)} {self._dialect.comparison(column, word)} ")
            + pattern
            + escape
        )

    def _null_test(self, operand: Operand, negated: bool) -> Sql:
        if isinstance(operand, ColumnRef):
            name = self._dialect.identifier(self._clear(operand).name)
            return text(f"{name} IS {'NOT ' if negated else ''}NULL")
        value = operand.value if isinstance(operand, Literal) else self._value(operand)
        return _TRUE if (value is None) is not negated else _FALSE

    def _flag(self, operand: Operand) -> Sql:
        if isinstance(operand, Literal):
            return _TRUE if operand.value == "true" else _FALSE
        if isinstance(operand, Variable):
            raise BadRequest("A variable is not a condition: compare a column with it.", resource=operand.name)
        column = self._clear(operand)
        number = self._dialect.name != "postgresql" and column.kind is Kind.INTEGER
        if column.kind is not Kind.BOOLEAN and not number:
            raise BadRequest("Only a boolean column is a condition by itself.", resource=column.name)
        return text(self._dialect.identifier(column.name))

    def _is_guess(self, operands: Sequence[Operand]) -> bool:
        """4: whether given values may be held against the raw values of the one column among these."""
        columns = [operand for operand in operands if isinstance(operand, ColumnRef)]
        if len(columns) != 1 or self._negations or not is_guessable(self.find(columns[0])):
            return False
        self._guesses += len(operands) - 1
        if self._guesses > MAX_GUESSES:
            raise SqlRefused(f"A filter compares a masked column with at most {MAX_GUESSES} values.")
        return True

    def _typed(self, operands: Sequence[Operand], *, equality: bool = False, guess: bool = False) -> list[Sql]:
        """Operands that are compared with one another; the first column gives the values their type (3)."""
        found = next((self.find(operand) for operand in operands if isinstance(operand, ColumnRef)), None)
        if found is None:
            raise BadRequest("A comparison needs a column.")
        column = found.column
        parts: list[Sql] = []
        for operand in operands:
            if isinstance(operand, ColumnRef):
                raw = text(self._dialect.identifier(column.name))
                parts.append(raw if guess else self._compared(operand, equality))
            else:
                parts.append(self._operand(operand, column.type_name, column))
        return parts

    def _compared(self, ref: ColumnRef, equality: bool) -> Sql:
        found = self.find(ref)
        mask = self._masks.get(found.column.name)
        if found.rule is not None and found.rule.filterable == "equality" and equality and mask and mask.constant:
            return text(self._dialect.typed_literal(mask.literal, found.column))  # 4
        return text(self._dialect.identifier(self._clear(ref).name))  # 2

    def _operand(self, operand: Operand, type_name: str, column: Column) -> Sql:
        match operand:
            case ColumnRef():
                return text(self._dialect.identifier(self._clear(operand).name))  # 2
            case Literal(value, LiteralKind.BOOLEAN) if self._dialect.name != "postgresql":
                return bind("1" if value == "true" else "0", type_name, column.name)
            case Literal(value):
                return bind(value, type_name, column.name)  # 3
            case Variable(name):
                return bind(self._value(operand), type_name, name)  # 3

    def _value(self, variable: Variable) -> str | None:
        if variable.name not in self._values:
            raise ParamInvalid("A variable of the filter has no value.", resource=variable.name)
        return self._values[variable.name]

    def _clear(self, ref: ColumnRef) -> Column:
        found = self.find(ref)
        if found.rule is not None:  # 4
            raise FilterOnMasked(resource=found.column.name)
        return found.column

    def find(self, ref: ColumnRef) -> MaskedColumn:
        """The visible column that is meant; BadRequest."""
        table = self._relation.table.name.name
        if ref.table is not None and not self._dialect.same_name(self._exact(ref.table), table):
            raise BadRequest("A column can only be qualified by the name of its own table.", resource=ref.table.text)
        name = self._exact(ref.name)
        exact = self._relation.column(name)
        same = [item for item in self._relation.columns if same_column(self._dialect, item.column.name, name)]
        found = exact or (same[0] if len(same) == 1 else None)
        if found is None or found.column.invisible:  # 2
            raise BadRequest("There is no such column.", resource=ref.name.text)
        return found

    def _exact(self, name: Name) -> str:
        return name.text if name.quoted else self._dialect.fold(name.text)


def _compare(left: str | None, operator: str, right: str | None) -> bool:
    one, other = Decimal(left or "0"), Decimal(right or "0")
    outcomes = {"=": one == other, "<>": one != other, "<": one < other}
    outcomes |= {">": one > other, "<=": one <= other, ">=": one >= other}
    return outcomes[operator]
