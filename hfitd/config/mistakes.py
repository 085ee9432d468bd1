"""From marshmallow's nested messages to mistakes a person can act on; also used where templates are read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from marshmallow import Schema

Path = tuple[str | int, ...]

UNKNOWN = "Unknown field."

# marshmallow's sentences on the left, ours on the right
WORDS: Mapping[str, str] = {
    "Missing data for required field.": "is missing",
    "Field may not be null.": "must not be empty",
    "Not a valid string.": "must be text",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Not a valid boolean.": "must be true or false",
    "Not a valid list.": "must be a list",
    "Not a valid mapping type.": "must be a table of keys and values",
    "Invalid input type.": "must be a table of keys and values",
    "Invalid type.": "must be a table of keys and values",
}


def flatten_messages(messages: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every message with the path of keys and indexes that leads to it."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from flatten_messages(inner, path if key == "_schema" else (*path, key))
    elif isinstance(messages, list | tuple):
        for message in messages:
            yield from flatten_messages(message, path)
    else:
        yield path, WORDS.get(str(messages), str(messages))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def describe_unknown(path: Path, message: str, schema: Schema) -> str:
    """The message, or for an unknown key which one was meant."""
    if message != UNKNOWN:
        return message
    keys = known_keys(schema, path[:-1])
    return f"is not a key here{did_you_mean(str(path[-1]), keys)}"


def known_keys(schema: Schema, path: Path) -> list[str]:
    """The keys that the (possibly nested) schema at the path knows."""
    for step in path:
        if isinstance(step, int):
            continue
        field = next((f for name, f in schema.fields.items() if (f.data_key or name) == step), None)
        inner = getattr(field, "inner", field)
        nested = getattr(inner, "schema", None)
        if not isinstance(nested, Schema):
            return []
        schema = nested
    return [field.data_key or name for name, field in schema.fields.items()]


def dotted(path: Path) -> str:
    """``policy.mask[0].columns``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
