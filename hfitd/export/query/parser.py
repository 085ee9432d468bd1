"""The grammar of row filters and orders, by recursive descent with a counted depth.

    filter     := [WHERE] or
    or         := and (OR and)*          and := not (AND not)*         not := NOT not | "(" or ")" | predicate
    predicate  := operand [comparison operand | [NOT] IN "(" operand ("," operand)* ")" | [NOT] BETWEEN operand AND
                  operand | [NOT] LIKE operand | [NOT] ILIKE operand | IS [NOT] NULL]
    operand    := column | table "." column | number | string | DATE string | TIMESTAMP string | TRUE | FALSE | NULL
                  | ${name} | $n
    order      := [ORDER BY] column [ASC | DESC] ("," column [ASC | DESC])*

There are no functions, sub-selects, arithmetic or set operations (S04, S07 to S16): a word before "(" is an error.
"""

from __future__ import annotations

from hfitd.errors import SqlRefused, SqlTooComplex
from hfitd.export.query.lexer import Token, read_tokens
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

MAX_DEPTH = 40  # parentheses and NOTs
MAX_OPERANDS = 2000
MAX_ORDER_TERMS = 32
_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_RESERVED = frozenset({
    "ALL", "AND", "ANY", "ASC", "BETWEEN", "CASE", "CAST", "COLLATE", "DESC", "DISTINCT", "ELSE", "END", "EXCEPT",
    "EXISTS", "FROM", "GROUP", "HAVING", "ILIKE", "IN", "INTERSECT", "INTO", "IS", "LIKE", "LIMIT", "NOT", "NULL",
    "OFFSET", "OR", "ORDER", "SELECT", "SOME", "THEN", "TRUE", "FALSE", "UNION", "WHEN", "WHERE", "WITH", "XOR",
})  # fmt: skip


def read_condition(source: str) -> Condition:
    """The condition of a filter. Raises SqlRefused, SqlTooComplex."""
    parser = _Parser(read_tokens(source))
    parser.take_word("WHERE")
    condition = parser.either()
    parser.expect_end()
    return condition


def read_order(source: str) -> tuple[OrderTerm, ...]:
    """The terms of an order. Raises SqlRefused, SqlTooComplex."""
    parser = _Parser(read_tokens(source))
    if parser.take_word("ORDER") and not parser.take_word("BY"):
        raise parser.refused()
    terms = [parser.order_term()]
    while parser.take_sign(","):
        terms.append(parser.order_term())
    parser.expect_end()
    if len(terms) > MAX_ORDER_TERMS:
        raise SqlTooComplex(f"An order has at most {MAX_ORDER_TERMS} columns.")
    return tuple(terms)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        self._operands = 0

    @property
    def _now(self) -> Token:
        return self._tokens[self._position]

    def refused(self) -> SqlRefused:
        """The error for the token that stands here."""
        return SqlRefused(f"The filter or order is not understood at character {self._now.position + 1}.")

    def expect_end(self) -> None:
        """Refuse anything that follows."""
        if self._now.kind != "end":
            raise self.refused()

    def take_word(self, word: str) -> bool:
        """Step over the keyword if it stands here."""
        found = self._now.kind == "word" and self._now.text.upper() == word
        self._position += found
        return found

    def take_sign(self, sign: str) -> bool:
        """Step over the sign if it stands here."""
        found = self._now.kind == "sign" and self._now.text == sign
        self._position += found
        return found

    def order_term(self) -> OrderTerm:
        """``column [ASC | DESC]``."""
        column = self._column()
        descending = self.take_word("DESC")
        if not descending:
            self.take_word("ASC")
        return OrderTerm(column, descending)

    def either(self) -> Condition:
        """``and (OR and)*``."""
        found = [self._both()]
        while self.take_word("OR"):
            found.append(self._both())
        return found[0] if len(found) == 1 else Junction("OR", tuple(found))

    def _both(self) -> Condition:
        found = [self._negation()]
        while self.take_word("AND"):
            found.append(self._negation())
        return found[0] if len(found) == 1 else Junction("AND", tuple(found))

    def _negation(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise SqlTooComplex(f"A filter nests at most {MAX_DEPTH} deep.")
        if self.take_word("NOT"):
            found: Condition = Not(self._negation())
        elif self.take_sign("("):
            found = self.either()
            self._close()
        else:
            found = self._predicate()
        self._depth -= 1
        return found

    def _close(self) -> None:
        if not self.take_sign(")"):
            raise self.refused()

    def _predicate(self) -> Condition:
        operand = self._operand()
        if self._now.kind == "sign" and self._now.text in _COMPARISONS:
            operator = _COMPARISONS[self._now.text]
            self._position += 1
            return Comparison(operand, operator, self._operand())
        if self.take_word("IS"):
            negated = self.take_word("NOT")
            if not self.take_word("NULL"):
                raise self.refused()
            return NullTest(operand, negated)
        return self._word_predicate(operand, self.take_word("NOT"))

    def _word_predicate(self, operand: Operand, negated: bool) -> Condition:
        if self.take_word("IN"):
            return Membership(operand, self._items(), negated)
        if self.take_word("BETWEEN"):
            low = self._operand()
            if not self.take_word("AND"):
                raise self.refused()
            return Between(operand, low, self._operand(), negated)
        if self.take_word("LIKE"):
            return Like(operand, self._operand(), negated, fold_case=False)
        if self.take_word("ILIKE"):
            return Like(operand, self._operand(), negated, fold_case=True)
        if negated or (isinstance(operand, Literal) and operand.kind is not LiteralKind.BOOLEAN):
            raise self.refused()
        return Flag(operand)

    def _items(self) -> tuple[Operand, ...]:
        if not self.take_sign("("):
            raise self.refused()
        items = [self._operand()]
        while self.take_sign(","):
            items.append(self._operand())
        self._close()
        return tuple(items)

    def _operand(self) -> Operand:
        self._operands += 1
        if self._operands > MAX_OPERANDS:
            raise SqlTooComplex(f"A filter has at most {MAX_OPERANDS} operands.")
        token = self._now
        if token.kind == "variable":
            self._position += 1
            return Variable(token.text)
        if token.kind in {"string", "number"}:
            self._position += 1
            return Literal(token.text, LiteralKind.TEXT if token.kind == "string" else LiteralKind.NUMBER)
        if token.kind == "word":
            return self._keyword_value(token) or self._column()
        return self._column()

    def _keyword_value(self, token: Token) -> Literal | None:
        word, following = token.text.upper(), self._tokens[self._position + 1]
        if word in {"TRUE", "FALSE"}:
            self._position += 1
            return Literal(word.lower(), LiteralKind.BOOLEAN)
        if word == "NULL":
            self._position += 1
            return Literal(None, LiteralKind.NULL)
        if word in {"DATE", "TIMESTAMP"} and following.kind == "string":
            self._position += 2
            return Literal(following.text, LiteralKind.TEXT)
        return None

    def _column(self) -> ColumnRef:
        first = self._name()
        column = ColumnRef(self._name(), first) if self.take_sign(".") else ColumnRef(first)
        if self._now.kind == "sign" and self._now.text in {"(", "."}:
            raise self.refused()
        return column

    def _name(self) -> Name:
        token = self._now
        if token.kind == "quoted" or (token.kind == "word" and token.text.upper() not in _RESERVED):
            self._position += 1
            return Name(token.text, token.kind == "quoted")
        raise self.refused()
