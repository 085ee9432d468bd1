"""Paths into a JSON document, the part of JSONPath (RFC 9535) that names places: ``$.user.email``, ``$.tags[*].phone``,
``$['a key']``, ``$.list[0]``, ``$.*``, ``$..email`` (at any depth). A wildcard takes every member of an object and
every element of an array. Names are compared without case, outer blanks and in NFC, in columns as in files: whoever
wrote the document may have spelled them in another way, and a rule errs on the side of hiding.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import fold_person

_STEP = re.compile(
    r"(?P<deep>\.\.)?(?:(?<=\.\.)|\.)?(?:(?P<name>[^\s.\[\]'\"*]+)|(?P<any>\*)|\[(?:(?P<index>\d{1,9})|(?P<all>\*)"
    r"|'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\")\])"
)
_ESCAPE = re.compile(r"\\(.)")


class Wild(enum.Enum):
    """Steps that are no name and no number."""

    ANY = "*"
    DEEP = ".."  # any number of steps, then the next one


Step = str | int | Wild
Path = tuple[Step, ...]
State = tuple[int, int]  # the number of a path, and how many of its steps have been taken


def read_path(text: str) -> Path:
    """The path that the text spells, its names folded; MaskDoesNotFit says where it cannot be read."""
    if not text.startswith("$"):
        raise MaskDoesNotFit(f"the path {text!r} has to begin with $, as $.user.email")
    steps: list[Step] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        starts = text[at] in ".["
        if found is None or not starts:
            raise MaskDoesNotFit(f"the path {text!r} cannot be read from its character {at + 1} on")
        if found["deep"]:
            steps.append(Wild.DEEP)
        steps.append(_step(found))
        at = found.end()
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["any"] or found["all"]:
        return Wild.ANY
    if found["index"] is not None:
        return int(found["index"])
    quoted = found["single"] if found["single"] is not None else found["double"]
    return fold_key((found["name"] if quoted is None else _ESCAPE.sub(r"\1", quoted)).encode())


def fold_key(name: bytes) -> str:
    """How names of members are compared; ``name`` is what the string says, in UTF-8."""
    return fold_person(name).decode("utf-8", "surrogateescape")


def starts(paths: Sequence[Path]) -> frozenset[State]:
    """Where every path stands at the document itself."""
    return frozenset((number, 0) for number in range(len(paths)))


def advance(paths: Sequence[Path], states: Iterable[State], key: str | int) -> frozenset[State]:
    """Where the paths stand one step further down, at a member's folded name or an element's number."""
    found = set()
    for number, taken in states:
        path = paths[number]
        if taken == len(path):
            continue
        deep = path[taken] is Wild.DEEP
        if deep:
            found.add((number, taken))
        step = path[taken + deep]
        if step is Wild.ANY or step == key:
            found.add((number, taken + deep + 1))
    return frozenset(found)


def reached(paths: Sequence[Path], states: Iterable[State]) -> int | None:
    """The first path that ends here, or None."""
    return min((number for number, taken in states if taken == len(paths[number])), default=None)
