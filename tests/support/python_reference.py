"""The reference of the client as a library, made from its signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Annotated, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from hfit.client import Client
from hfit.gateway import Gateway
from hfit.governance import Governance

LINE = 100


def client_block() -> str:
    """The arguments of ``Client``."""
    said = inspect.getdoc(Gateway) or ""
    return f"```python\n{signature('Client', Client.__init__)}\n```\n\n{plain_markdown(' '.join(said.split()))}\n"


def methods_block() -> str:
    """Every public method of ``Client``, with what it says of itself."""
    parts = []
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_"):
            words = plain_markdown(re.sub(r"\n(?!\n)", " ", inspect.getdoc(method) or "").replace("\n ", "\n\n"))
            parts.append(f"### {name}\n\n```python\n{signature(name, method)}\n```\n\n{words}\n")
    return "\n".join(parts)


def documents_block() -> str:
    """The mappings that methods give back: every TypedDict of theirs, with its keys."""
    parts = []
    for kind in returned_documents():
        module = kind.__module__
        rows = [f"| `{key}` | `{spelt(hint)}` | {said_of(hint)} |" for key, hint in hints_of(kind).items()]
        words = plain_markdown(" ".join((inspect.getdoc(kind) or "").split()))
        head = f"### {kind.__name__}\n\n`from {module} import {kind.__name__}`. {words}"
        parts.append("\n".join([head, "", "| key | type | |", "| --- | --- | --- |", *rows, ""]))
    return "\n".join(parts)


def returned_documents() -> list[type]:
    """Of all methods that ask the gateway, and what these consist of."""
    methods = [*inspect.getmembers(Gateway, inspect.isfunction), *inspect.getmembers(Governance, inspect.isfunction)]
    waiting = [get_type_hints(method).get("return") for name, method in methods if not name.startswith("_")]
    found: dict[type, None] = {}
    while waiting:
        kind = waiting.pop(0)
        if is_typeddict(kind):
            assert isinstance(kind, type)
            if kind not in found:
                found[kind] = None
                waiting[:0] = hints_of(kind).values()
        else:
            waiting[:0] = [item for item in get_args(kind) if not isinstance(item, str)]
    return sorted(found, key=lambda kind: kind.__name__)


def hints_of(kind: type) -> dict[str, object]:
    """The keys of a document."""
    return get_type_hints(kind, include_extras=True)


def spelt(hint: object) -> str:
    """A type as one writes it; a key that may be absent says so."""
    if get_origin(hint) is NotRequired:
        return f"NotRequired[{spelt(get_args(hint)[0])}]"
    if get_origin(hint) is Annotated:
        return spelt(get_args(hint)[0])
    if get_origin(hint) in (list, dict):
        return f"{get_origin(hint).__name__}[{', '.join(map(spelt, get_args(hint)))}]"  # type: ignore[union-attr]
    if get_args(hint):
        return " \\| ".join(map(spelt, get_args(hint)))
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))


def said_of(hint: object) -> str:
    """What stands beside a key."""
    if get_origin(hint) is NotRequired:
        return said_of(get_args(hint)[0])
    return str(get_args(hint)[1]) if get_origin(hint) is Annotated else ""


def signature(name: str, function: Callable[..., object]) -> str:
    """As one would type it, an argument a line where it is long."""
    found = inspect.signature(function)
    kept = [item for item in found.parameters.values() if item.name != "self"]
    plain = found.replace(parameters=kept)
    line = f"{name}({', '.join(split_arguments(plain))}){arrow(plain)}"
    if len(line) <= LINE:
        return line
    return f"{name}(\n    " + ",\n    ".join(split_arguments(plain)) + f",\n){arrow(plain)}"


def split_arguments(found: inspect.Signature) -> Iterator[str]:
    """Each argument, with the star before those that need their name."""
    starred = False
    for item in found.parameters.values():
        if item.kind is item.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield re.sub(r"<function (\w+) at \w+>", r"\1", str(item)).replace("'", "")


def arrow(found: inspect.Signature) -> str:
    """What is given back; a constructor says nothing."""
    return "" if found.return_annotation in ("None", inspect.Signature.empty) else f" -> {found.return_annotation}"


def plain_markdown(docstring: str) -> str:
    """Double backticks are single ones here."""
    return re.sub(r"``(.+?)``", r"`\1`", docstring)
