"""What parameters an approval allows, in the one language that reviewers write.

``customer_id=1..1000`` is a range (whole numbers, decimal numbers, dates; either end may be left out),
``country=DE|FR`` a list of values, ``stem~[a-z]+`` a pattern for the whole text. A parameter that is not named is free.
Every item of a list has to fit; NULL and a value of another kind fit nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from hfitd.errors import BadRequest
from hfitd.export.template.model import Template
from hfitd.export.template.parameters import Parameter, ValueProblem, check_pattern
from hfitd.export.template.positions import count_positions
from hfitd.regex.program import RegexProblem
from hfitd.regex.search import compile_regex

_SHAPE = re.compile(r"([A-Za-z_0-9]{1,63})(=|~)(.+)", re.S)
_NUMBERS = ("integer", "bigint", "number", "")
MAX_CONSTRAINTS = 100
MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Constraint:
    """One parameter and the values it may have."""

    name: str
    pattern: str = ""
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""

    def allows(self, kind: str, value: str | None) -> bool:
        """Whether a bound value of that type fits."""
        if value is None:
            return False
        if kind == "list":
            return all(self._fits(item) for item in json.loads(value))
        return self._fits(value)

    def _fits(self, value: str) -> bool:
        if self.values:
            return value in self.values
        if self.pattern:
            try:
                check_pattern(self.pattern, value)
            except ValueProblem:
                return False
            return True
        return _between(value, self.low, self.high)


def parse_constraints(texts: Sequence[str], template: Template) -> tuple[Constraint, ...]:
    """The constraints as values; BadRequest for one that names no parameter of the template or cannot be read."""
    if len(texts) > MAX_CONSTRAINTS or any(len(text) > MAX_LENGTH for text in texts):
        raise BadRequest("An approval has at most 100 constraints of 2000 characters.")
    kinds = _kinds(template)
    found = [_parse(text, kinds) for text in texts]
    if len({item.name for item in found}) < len(found):
        raise BadRequest("A parameter is constrained twice.")
    return tuple(found)


def outside(constraints: Sequence[Constraint], parameters: Sequence[Parameter]) -> str:
    """The name of a parameter whose value is not allowed, or ''."""
    bound = {parameter.name: parameter for parameter in parameters}
    for item in constraints:
        parameter = bound.get(item.name)
        if parameter is None or not item.allows(parameter.type, parameter.value):
            return item.name
    return ""


def _kinds(template: Template) -> dict[str, str]:
    if template.parameters is None:
        return {str(number): "" for number in range(1, count_positions(template) + 1)}
    return {spec.name: spec.item_type or "text" if spec.type == "list" else spec.type for spec in template.parameters}


def _parse(text: str, kinds: dict[str, str]) -> Constraint:
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadRequest("A constraint is NAME=LOW..HIGH, NAME=VALUE|VALUE or NAME~PATTERN.", resource=text[:80])
    name, sign, rest = match[1], match[2], match[3]
    if name not in kinds:
        known = ", ".join(sorted(kinds)) or "none"
        raise BadRequest("The template has no such parameter.", resource=name, suggestions=(f"It has: {known}",))
    if sign == "~":
        try:
            compile_regex(rest)
        except RegexProblem as problem:
            raise BadRequest(f"The pattern cannot be used: {problem}.", resource=name) from problem
        return Constraint(name, pattern=rest)
    if ".." in rest and kinds[name] in (*_NUMBERS, "date"):
        return _range(name, rest)
    return Constraint(name, values=tuple(rest.split("|")))


def _range(name: str, text: str) -> Constraint:
    low, _, high = text.partition("..")
    if not (low or high) or any(end and _ordered(end) is None for end in (low, high)):
        raise BadRequest("A range is LOW..HIGH, with numbers or dates.", resource=name)
    if low and high and type(_ordered(low)) is not type(_ordered(high)):
        raise BadRequest("Both ends of a range are numbers, or both are dates.", resource=name)
    return Constraint(name, low=low, high=high)


def _between(value: str, low: str, high: str) -> bool:
    wanted = _ordered(value)
    for end, below in ((low, True), (high, False)):
        limit = _ordered(end) if end else wanted
        first, second = (limit, wanted) if below else (wanted, limit)
        if isinstance(first, Decimal) and isinstance(second, Decimal) and first <= second:
            continue
        if isinstance(first, str) and isinstance(second, str) and first <= second:
            continue
        return False
    return True


def _ordered(text: str) -> Decimal | str | None:
    """The value as something with an order: a number, or a day in ISO form; None for anything else."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return text
    if not re.fullmatch(r"-?[0-9]{1,100}(\.[0-9]{1,100})?", text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
