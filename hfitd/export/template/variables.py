"""``${name}`` and ``$n`` in the texts of a template.

1. A text is taken apart once and put together once: what a value holds is never looked at again (T08).
2. In SQL a variable is a value that the query rooms bind; the positions where it could only be text are refused when
   the template is saved (T09).
3. In a path a value is one component or a part of one: no separator, nothing that climbs, no control character (T10).
4. In a glob its ``*``, ``?`` and ``[`` stand for themselves (T10).
5. A package name that came out of values passes the same rules as one that was written (T11).
6. Every variable is known, and set by an earlier step, when the template is saved (T08).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hfitd.errors import ParamInvalid, PathRefused, TemplateInvalid
from hfitd.export.template.names import component_problem
from hfitd.regex.program import RegexProblem
from hfitd.regex.search import compile_regex

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
VARIABLE = re.compile(r"\$\{([^{}]{0,80})\}|\$\{|\$([1-9][0-9]{0,2})(?![0-9])")
MAX_VALUE = 255
MAX_REPLACEMENT = 256

Values = Mapping[str, str | None]


class VariableProblem(Exception):
    """What is wrong with a variable in a text; becomes a line of TemplateInvalid."""


@dataclass(frozen=True, slots=True)
class Use:
    """A variable where it stands: ``name`` is the name or the digits of ``$n``."""

    name: str
    start: int
    end: int


def uses_of(text: str) -> Iterator[Use]:
    """Every variable in order. VariableProblem for ``${`` that begins no proper one; any other ``$`` is text."""
    for match in VARIABLE.finditer(text):
        name = match[1] if match[2] is None else match[2]
        if name is None or (match[2] is None and not NAME.match(name)):
            raise VariableProblem("a variable is written ${name} with letters, digits and _")
        yield Use(name, match.start(), match.end())


def find_variables(text: str) -> frozenset[str]:
    """The names of the variables in a text of a checked template; ``$1`` is ``1``."""
    try:
        return frozenset(use.name for use in uses_of(text))
    except VariableProblem as problem:
        raise TemplateInvalid(f"A text of the template is not valid: {problem}.") from problem


def expand_component(text: str, values: Values) -> str:
    """A path with each value as one component or a part of one. PathRefused for a value that is more than that."""
    found = "/".join(expand(part, values, path_value) for part in text.split("/"))
    for part in found.split("/"):
        if part in ("", ".", "..") or len(part.encode()) > MAX_VALUE:  # 3
            raise PathRefused("A path of the template has a part that is empty, climbs or is too long.")
    return found


def expand_glob(text: str, values: Values) -> str:
    """A glob in which the values stand for themselves."""
    return expand(text, values, glob_value)


def expand_filter(text: str, values: Values) -> str:
    """A listing filter: a value is part of a glob after ``name:``, of a path after ``folder:``."""
    kind, colon, rest = text.partition(":")
    return kind + colon + (expand_component if kind == "folder" else expand_glob)(rest, values)


def expand_package_name(text: str, values: Values) -> str:
    """The name of the package's folder. ParamInvalid when the values do not make a name."""
    found = expand(text, values, lambda name, value: value)
    problem = component_problem(found) or ("it is reserved" if found.lower() == "metadata" else "")
    if problem:  # 5
        raise ParamInvalid(f"The values given do not make a package name: {problem}.")
    return found


def expand(text: str, values: Values, convert: Callable[[str, str], str]) -> str:
    """The text with each variable replaced by its converted value, in one pass (1)."""
    found: list[str] = []
    position = 0
    for use in uses_of(text):
        value = values.get(use.name)
        if value is None:
            raise PathRefused(f"The variable {use.name} has no value, so no path or name can be made with it.")
        found += (text[position : use.start], convert(use.name, value))
        position = use.end
    return "".join((*found, text[position:]))


def path_value(name: str, value: str) -> str:
    """The value, if it is one component (3)."""
    shaped = 0 < len(value) <= MAX_VALUE and value not in (".", "..") and "/" not in value and "\\" not in value
    if not shaped or any(ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise PathRefused(f"The value of {name} is not one component of a path.")
    return value


def glob_value(name: str, value: str) -> str:
    """The value with its special characters as classes of one (4)."""
    if "\0" in value or len(value) > MAX_VALUE:
        raise PathRefused(f"The value of {name} cannot be part of a file name.")
    return re.sub(r"([*?\[])", r"[\1]", value)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A checked ``/pattern/replacement/``."""

    pattern: str
    pieces: tuple[str | int, ...]  # an int is a group


def parse_replacement(text: str) -> Replacement:
    """``/pattern/replacement/``; ``\\/`` is a slash, ``$n`` in the replacement a group. VariableProblem says what is
    wrong (T12)."""
    match = re.fullmatch(r"/((?:[^/\\]|\\.)+)/((?:[^/\\]|\\/)*)/", text)
    if match is None or len(text) > 2 * MAX_REPLACEMENT:
        raise VariableProblem("regex_replace is written /pattern/replacement/, a slash in either as \\/")
    pattern, replacement = match[1].replace("\\/", "/"), match[2].replace("\\/", "/")
    try:
        groups = compile_regex(pattern).groups
    except RegexProblem as problem:
        raise VariableProblem(f"regex_replace: {problem}") from problem
    pieces: list[str | int] = []
    for piece in re.split(r"(\$[0-9]+)", replacement):
        if re.fullmatch(r"\$[0-9]+", piece):
            if len(piece) > 3 or int(piece[1:]) > groups:
                raise VariableProblem(f"regex_replace: there is no group {piece[:8]}")
            pieces.append(int(piece[1:]))
        elif "$" in piece:
            raise VariableProblem("regex_replace: $ in the replacement is followed by the number of a group")
        elif piece:
            pieces.append(piece)
    return Replacement(pattern, tuple(pieces))


def replace_by_regex(text: str, name: str) -> str:
    """The name with the first place that the pattern finds replaced; the name itself when it finds none.

    The text is a template's checked ``regex_replace``. TemplateInvalid when it is not, or is too slow for the name.
    """
    try:
        replacement = parse_replacement(text)
        found = compile_regex(replacement.pattern).search(name)
    except (VariableProblem, RegexProblem) as problem:
        raise TemplateInvalid(f"The regex_replace of the template cannot be used: {problem}.") from problem
    if found is None:
        return name
    middle = "".join(found.group(piece) if isinstance(piece, int) else piece for piece in replacement.pieces)
    start, end = found.spans[0]
    return name[:start] + middle + name[end:]
