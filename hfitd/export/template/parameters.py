"""Values for a template's parameters: text or JSON in, canonical text out, or ParamInvalid naming the parameter.

1. Every type has one canonical form and nothing is guessed: ASCII digits only, no exponents, real dates (T07).
2. JSON numbers, texts and booleans are accepted where they can mean the type; objects, NaN and infinities never (S32).
3. No message repeats a value.
4. Values are bounded before they are examined: 10,000 characters, 1,000 items.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hfitd.errors import ParamInvalid
from hfitd.export.template.model import ParameterSpec, Template
from hfitd.export.template.positions import count_positions
from hfitd.model import Json
from hfitd.regex.program import RegexProblem
from hfitd.regex.search import MAX_TEXT, compile_regex

MAX_LENGTH = 10_000
MAX_ITEMS = 1_000
LIMIT = 2**63
TYPES = ("text", "integer", "bigint", "number", "boolean", "date", "timestamp", "uuid", "enum", "list")

Given = Mapping[str, Json] | Sequence[Json]


class ValueProblem(Exception):
    """What a value would have to be, in words that do not repeat it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter with its value: ``value`` is canonical text, None is NULL. ``type`` '' is an undeclared positional
    one, whose type the database infers. The canonical text of a list is a JSON array of texts."""

    name: str  # as declared, or "1", "2" ...
    type: str
    value: str | None


def bind_parameters(template: Template, given: Given) -> tuple[Parameter, ...]:
    """Every parameter of the template in order, bound to what was given by name or by position.

    ParamInvalid for too few, too many, unknown ones and for a value that is not of its type.
    """
    if template.parameters is None:
        return bind_positions(count_positions(template), given)
    values = by_name(template.parameters, given)
    found = []
    for spec in template.parameters:
        value = values.get(spec.name)
        if value is None and spec.required:
            raise ParamInvalid(
                f"The parameter {spec.name} is missing.", resource=spec.name, suggestions=(describe(spec),)
            )
        found.append(Parameter(spec.name, spec.type, spec.default if value is None else bind_value(spec, value)))
    return tuple(found)


def by_name(specs: Sequence[ParameterSpec], given: Given) -> Mapping[str, Json]:
    """What was given under declared names; positions count in the order of declaration."""
    if isinstance(given, Mapping):
        names = {spec.name for spec in specs}
        unknown = sorted(str(name) for name in given if name not in names)
        if unknown:
            raise ParamInvalid(
                f"This template has no parameter {shown(unknown[0])}.",
                resource=shown(unknown[0]),
                suggestions=(f"Its parameters are {', '.join(sorted(names)) or 'none'}.",),
            )
        return given
    if len(given) > len(specs):
        raise ParamInvalid(f"This template takes {len(specs)} parameters; {len(given)} were given.")
    return {spec.name: value for spec, value in zip(specs, given, strict=False)}


def bind_positions(count: int, given: Given) -> tuple[Parameter, ...]:
    """``$1 … $n`` of a template that declares nothing: exactly as many texts."""
    if isinstance(given, Mapping):
        names = [str(number) for number in range(1, len(given) + 1)]
        if any(name not in given for name in names):
            raise ParamInvalid("This template takes positional parameters: give values without names.")
        given = [given[name] for name in names]
    if len(given) != count:
        raise ParamInvalid(f"This template takes {count} positional parameters; {len(given)} were given.")
    return tuple(
        Parameter(str(number), "", bind_value(ParameterSpec(str(number)), value))
        for number, value in enumerate(given, start=1)
    )


def shown(name: str) -> str:
    """A name as a message may repeat it."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", name) else "of that name"


def describe(spec: ParameterSpec) -> str:
    """How to give the parameter."""
    return f"Give {spec.name}=VALUE ({spec.type})" + (f": {spec.description}" if spec.description else ".")


def bind_value(spec: ParameterSpec, value: Json) -> str:
    """The canonical text of a value; ParamInvalid names the parameter and the type."""
    try:
        return canonical(spec, value)
    except ValueProblem as problem:
        raise ParamInvalid(f"The parameter {spec.name} must be {problem}.", resource=spec.name) from problem  # 3


def canonical(spec: ParameterSpec, value: Json) -> str:
    """The canonical text of a value, or ValueProblem."""
    if spec.type == "list":
        return canonical_list(spec, value)
    return check_text(spec, plain_text(value, spec.type))


def plain_text(value: Json, type_name: str) -> str:
    """JSON's scalars as the text a person would type (2)."""
    if isinstance(value, bool):
        if type_name == "boolean":
            return "true" if value else "false"
    elif isinstance(value, int):
        if type_name in ("text", "integer", "bigint", "number", "enum") and -(LIMIT**4) < value < LIMIT**4:
            return str(value)
    elif isinstance(value, float):
        if type_name == "number" and math.isfinite(value):
            return format(Decimal(repr(value)), "f").removesuffix(".0")
    elif isinstance(value, str):
        if len(value) > MAX_LENGTH:  # 4
            raise ValueProblem(f"at most {MAX_LENGTH} characters long")
        if "\0" in value or any(0xD800 <= ord(char) < 0xE000 for char in value):
            raise ValueProblem("text without NUL and half characters")
        return value
    raise ValueProblem(EXPECTED[type_name])


def check_text(spec: ParameterSpec, text: str) -> str:
    """The canonical form of a text under its type (1)."""
    if spec.type == "enum":
        if text not in spec.values:
            raise ValueProblem(f"one of {', '.join(spec.values)}")
        return text
    if spec.type != "text":
        found = READERS[spec.type](text)
        if found is None:
            raise ValueProblem(EXPECTED[spec.type])
        return found
    if spec.max_length is not None and len(text) > spec.max_length:
        raise ValueProblem(f"at most {spec.max_length} characters long")
    if spec.pattern:
        check_pattern(spec.pattern, text)
    return text


def check_pattern(pattern: str, text: str) -> None:
    """ValueProblem unless the pattern describes the whole text."""
    try:
        fits = len(text) <= MAX_TEXT and compile_regex(pattern).matches(text)
    except RegexProblem as problem:
        raise ValueProblem("text of the form that the template asks for, and shorter") from problem
    if not fits:
        raise ValueProblem("text of the form that the template asks for")


def canonical_list(spec: ParameterSpec, value: Json) -> str:
    """A JSON array of canonical texts. Text is a JSON array or words with commas."""
    items: Json = value
    if isinstance(value, str):
        text = plain_text(value, "text")
        try:
            items = json.loads(text) if text.startswith("[") else [word.strip() for word in text.split(",")]
        except (ValueError, RecursionError) as error:
            raise ValueProblem("a list") from error
    if not isinstance(items, list | tuple):
        raise ValueProblem("a list")
    if len(items) > (spec.max_length or MAX_ITEMS):  # 4
        raise ValueProblem(f"a list of at most {spec.max_length or MAX_ITEMS} items")
    inner = ParameterSpec(spec.name, spec.item_type or "text", values=spec.values, pattern=spec.pattern)
    return json.dumps([canonical(inner, item) for item in items], ensure_ascii=False, separators=(",", ":"))


def read_integer(text: str) -> str | None:
    """A whole number of 64 bits without sign of plus, leading zeros or minus zero."""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) or not -LIMIT <= int(text) < LIMIT:
        return None
    return text


def read_number(text: str) -> str | None:
    """A decimal number; its digits are kept as they are."""
    fits = re.fullmatch(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,100})?", text) and not re.fullmatch(r"-0(\.0+)?", text)
    return text if fits else None


def read_boolean(text: str) -> str | None:
    """true or false."""
    return text if text in ("true", "false") else None


def read_date(text: str) -> str | None:
    """A day of the calendar, ``YYYY-MM-DD``."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def read_timestamp(text: str) -> str | None:
    """A moment, ``YYYY-MM-DD HH:MM[:SS[.ffffff]]`` with ``T`` or a space and an optional ``Z`` or ``+HH:MM``."""
    shape = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
    if not re.fullmatch(shape, text):
        return None
    try:
        return dt.datetime.fromisoformat(text).isoformat(" ")
    except ValueError:
        return None


def read_uuid(text: str) -> str | None:
    """A UUID in its usual form; letters become small."""
    shape = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    return text.lower() if re.fullmatch(shape, text) else None


READERS: Mapping[str, Callable[[str], str | None]] = {
    "integer": read_integer,
    "bigint": read_integer,
    "number": read_number,
    "boolean": read_boolean,
    "date": read_date,
    "timestamp": read_timestamp,
    "uuid": read_uuid,
}

EXPECTED: Mapping[str, str] = {
    "text": "text",
    "enum": "one of the words that the template lists",
    "integer": "a whole number from -9223372036854775808 to 9223372036854775807",
    "bigint": "a whole number from -9223372036854775808 to 9223372036854775807",
    "number": "a decimal number such as 12.50",
    "boolean": "true or false",
    "date": "a date such as 2024-02-29",
    "timestamp": "a moment such as 2024-02-29T13:45:00Z",
    "uuid": "a UUID",
}
