"""The reference of the client as a library, made from its signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

from hfit.client import Client
from hfit.gateway import Gateway

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
