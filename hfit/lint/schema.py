"""A value held against the JSON Schema of templates, in words for the author.

``template.schema.json`` is what ``hfitd schema template`` prints; ``make docs`` writes it and a test compares it. Only
the keywords that stand in it are known; another one is an error of ours and raises.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from hfit.lint.reading import Pointer, Value

Schema = Mapping[str, Any]
Mistake = tuple[Pointer, str]
"""Where, and what is wrong there."""

_NOTES = frozenset({"$schema", "title", "description"})
_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "object": (dict, "must be a mapping"),
    "array": (list, "must be a list"),
    "string": (str, "must be text; put it in quotes"),
    "integer": (int, "must be a whole number"),
    "number": ((int, float), "must be a number"),
    "boolean": (bool, "must be true or false"),
    "null": (type(None), "must be empty"),
}


def template_schema() -> Schema:
    """The schema that comes with this version of the client."""
    document = json.loads(files("hfit.lint").joinpath("template.schema.json").read_text("utf-8"))
    assert isinstance(document, dict)
    return document


def mistakes(value: Value, schema: Schema, pointer: Pointer = ()) -> Iterator[Mistake]:
    """Everything that is not as the schema says; of a value of another type nothing more."""
    kinds = schema.get("type")
    if kinds is not None and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        yield pointer, _TYPES[kinds if isinstance(kinds, str) else kinds[0]][1]
        return
    for keyword, wanted in schema.items():
        if keyword not in _NOTES and keyword != "type":
            yield from _CHECKS[keyword](value, wanted, schema, pointer)


def _is(value: Value, kind: str) -> bool:
    wanted = _TYPES[kind][0]
    return isinstance(value, wanted) and (kind == "boolean" or not isinstance(value, bool))


def _enum(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if value not in wanted:
        shown = " or ".join(dict.fromkeys(json.dumps(item) for item in wanted))
        yield pointer, f"must be {shown}{_meant(value, wanted)}"


def _const(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if value != wanted:
        yield pointer, f"must be {json.dumps(wanted)}"


def _required(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, dict):
        yield from ((pointer, f"{name} is missing") for name in wanted if name not in value)


def _properties(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in wanted:
                yield from mistakes(inner, wanted[name], (*pointer, name))


def _additional(value: Value, wanted: Any, schema: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    for name, inner in value.items():
        if name in known:
            continue
        if wanted is False:
            yield (*pointer, name), "is not a key here" + _meant(name, list(known))
        else:
            yield from mistakes(inner, wanted, (*pointer, name))


def _items(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from mistakes(inner, wanted, (*pointer, number))


def _pattern(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, str) and not re.search(wanted, value):
        yield pointer, "is not written as it has to be"


def _least(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, str | list | dict) and len(value) < wanted:
        yield pointer, "must not be empty"


def _minimum(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, int) and value < wanted:
        yield pointer, f"must be at least {wanted}"


def _maximum(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    if isinstance(value, int) and wanted is not None and value > wanted:
        yield pointer, f"must be at most {wanted}"


def _all_of(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    for part in wanted:
        yield from mistakes(value, part, pointer)


def _any_of(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    """The branch that comes nearest speaks for all."""
    found = [list(mistakes(value, part, pointer)) for part in wanted]
    if all(found):
        yield from min(found, key=lambda branch: (len(branch), -max(len(place) for place, _ in branch)))


def _one_of(value: Value, wanted: Any, _: Schema, pointer: Pointer) -> Iterator[Mistake]:
    fitting = sum(not list(mistakes(value, part, pointer)) for part in wanted)
    if fitting != 1:
        names = " or ".join(name for part in wanted for name in part.get("required", ()))
        yield pointer, f"{names} is missing" if not fitting else f"{names}: give one of them"


def _condition(value: Value, wanted: Any, schema: Schema, pointer: Pointer) -> Iterator[Mistake]:
    holds = not list(mistakes(value, wanted, pointer))
    yield from mistakes(value, schema.get("then" if holds else "else", {}), pointer)


def _nothing(*_: object) -> Iterator[Mistake]:
    return iter(())


def _meant(given: object, known: Sequence[object]) -> str:
    near = difflib.get_close_matches(str(given), [str(item) for item in known], n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


_CHECKS: Mapping[str, Callable[[Value, Any, Schema, Pointer], Iterator[Mistake]]] = {
    "enum": _enum,
    "const": _const,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "pattern": _pattern,
    "minLength": _least,
    "minItems": _least,
    "minProperties": _least,
    "minimum": _minimum,
    "maximum": _maximum,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "if": _condition,
    "then": _nothing,
    "else": _nothing,
}
