"""The tree of a row filter: everything the language can say, and nothing else."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class LiteralKind(enum.StrEnum):
    """How a value was written."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Name:
    """A word as written: ``quoted`` ones stand exactly, the others are folded as the engine folds."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column, perhaps qualified by the table's own name."""

    name: Name
    table: Name | None = None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in the text. ``DATE`` and ``TIMESTAMP`` prefixes are dropped: the column decides the type."""

    value: str | None
    kind: LiteralKind


@dataclass(frozen=True, slots=True)
class Variable:
    """``${name}`` or ``$1``: a value that comes later."""

    name: str


Operand = ColumnRef | Literal | Variable


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left operator right``; the operator is one of = <> < > <= >=."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Membership:
    """``operand [NOT] IN (items)``."""

    operand: Operand
    items: tuple[Operand, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Between:
    """``operand [NOT] BETWEEN low AND high``."""

    operand: Operand
    low: Operand
    high: Operand
    negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    """``operand [NOT] LIKE pattern``; ``fold_case`` is ILIKE."""

    operand: Operand
    pattern: Operand
    negated: bool
    fold_case: bool


@dataclass(frozen=True, slots=True)
class NullTest:
    """``operand IS [NOT] NULL``."""

    operand: Operand
    negated: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """An operand that is a condition by itself: a boolean column, TRUE, FALSE."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Not:
    """``NOT condition``."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by one of AND, OR; at least two."""

    operator: str
    conditions: tuple[Condition, ...]


Condition = Comparison | Membership | Between | Like | NullTest | Flag | Not | Junction


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One column of an order."""

    column: ColumnRef
    descending: bool
