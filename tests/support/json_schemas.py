"""JSON Schemas (draft 2020-12) of what ``hfit --json`` prints, made from the classes of ``hfit.documents``."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from hfit.documents.outputs import OUTPUTS, Stream
from hfit.documents.session import Failure

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema_of(kind: Any, *, closed: bool = False) -> Schema:
    """The schema of a type. ``closed`` refuses keys that are not written down, as only tests do."""
    if isinstance(kind, Stream):
        kind = kind.line
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if is_typeddict(kind):
        return _object(kind, closed=closed)
    if origin is Annotated:
        return {**schema_of(arguments[0], closed=closed), "description": arguments[1]}
    if origin is NotRequired:
        return schema_of(arguments[0], closed=closed)
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], closed=closed)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], closed=closed)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(item, closed=closed) for item in arguments]}
    raise TypeError(f"no JSON Schema is known for {kind!r}")


def _object(kind: Any, *, closed: bool) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    doc = " ".join((kind.__doc__ or "").split())
    schema: Schema = {
        "type": "object",
        "properties": {name: schema_of(hint, closed=closed) for name, hint in hints.items()},
        "required": [name for name, hint in hints.items() if get_origin(hint) is not NotRequired],
    }
    if doc and not doc.startswith("dict("):
        schema["description"] = doc
    return schema | ({"additionalProperties": False} if closed else {})


def file_name(command: str) -> str:
    """``pkg-tmpl list`` lies in ``pkg-tmpl-list.json``."""
    return command.replace(" ", "-") + ".json"


def documents() -> dict[str, Schema]:
    """File name to schema, of every command and of errors."""
    found = {"error.json": {"$schema": DIALECT, "title": "an error", **schema_of(Failure)}}
    for command, kind in OUTPUTS.items():
        title = f"hfit {command} --json" + (", one line" if isinstance(kind, Stream) else "")
        found[file_name(command)] = {"$schema": DIALECT, "title": title, **schema_of(kind)}
    return found
