"""What a reviewer would ask about a template that is valid as such. Each rule has a name, to allow it on its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hfit.lint.reading import Pointer, Value

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([1-9][0-9]{0,2})(?![0-9])")
_LIMITED = re.compile(r"\b(?:where|limit|having)\b", re.I)
_DATA_TYPES = frozenset({"table-data", "subset"})
_DDL_TYPES = frozenset({"dbcreate", "table-create"})

Said = tuple[str, Pointer, str]
"""Rule, where, and what to think of."""


@dataclass(frozen=True, slots=True)
class Export:
    """One export of a template, whichever of its two spellings it has."""

    key: str
    kind: str
    data: Mapping[str, Value]
    place: Pointer


@dataclass(slots=True)
class Outline:
    """The parts of a template that the rules look at."""

    top: Mapping[str, Value]
    exports: list[Export] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    variables: dict[str, Pointer] = field(default_factory=dict)
    uses: dict[str, Pointer] = field(default_factory=dict)


def outline(value: Value) -> Outline:
    """Read what is there; what has the wrong shape is left out, for that is a mistake already."""
    found = Outline(value if isinstance(value, dict) else {})
    parameters, exports, steps = (found.top.get(name) for name in ("parameters", "exports", "prepare"))
    if isinstance(parameters, dict):
        found.parameters = list(parameters)
    for number, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, dict):
            _add_step(found, number, step)
    for key, export in exports.items() if isinstance(exports, dict) else ():
        if isinstance(export, dict):
            _add_export(found, key, export)
    for name, place in _uses(found.top, ()):
        known = found.parameters[int(name) - 1] if name.isdigit() and 0 < int(name) <= len(found.parameters) else name
        found.uses.setdefault(known, place)
    return found


def _add_step(look: Outline, number: int, step: Mapping[str, Value]) -> None:
    look.variables[str(step.get("setVar"))] = ("prepare", number)
    source = step.get("source")
    if step.get("from") == "input" and isinstance(source, str) and "$" not in source:
        look.uses.setdefault(source, ("prepare", number, "source"))


def _add_export(look: Outline, key: str, export: Mapping[str, Value]) -> None:
    data, kind = export.get("data"), str(export.get("type"))
    if isinstance(data, dict):
        look.exports.append(Export(key, kind, data, ("exports", key, "data")))
    else:
        look.exports.append(Export(key, kind, export, ("exports", key)))


def _uses(value: Value | Mapping[str, Value], pointer: Pointer) -> Iterator[tuple[str, Pointer]]:
    if isinstance(value, str):
        yield from ((match[1] or match[2], pointer) for match in VARIABLE.finditer(value))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _uses(inner, (*pointer, number))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in ("parameters", "regex_replace"):  # there `$1` is a group
                yield from _uses(inner, (*pointer, name))


def _unbounded(look: Outline) -> Iterator[Said]:
    for export in look.exports:
        if export.kind == "table-data" and not export.data.get("filter"):
            yield "unbounded", export.place, "the whole table is exported; add a filter, or allow it for a small table"
        if export.kind == "database" and not _LIMITED.search(str(export.data.get("query"))):
            yield "unbounded", (*export.place, "query"), "the query has neither WHERE nor LIMIT"
        if export.kind == "files" and not export.data.get("filters"):
            yield "unbounded", export.place, "every file of the volume is exported; add filters"
        roots = export.data.get("roots")
        for number, root in enumerate(roots if export.kind == "subset" and isinstance(roots, list) else []):
            if isinstance(root, dict) and not root.get("where"):
                yield "unbounded", (*export.place, "roots", number), "every row of the table is a root; add a where"


def _no_limits(look: Outline) -> Iterator[Said]:
    for export in look.exports:
        limits = export.data.get("limits")
        if export.kind == "subset" and not (isinstance(limits, dict) and limits.get("max_rows")):
            words = "the subset has no limits.max_rows; a limit turns a surprise into an error"
            yield "no-limits", export.place, words


def _truncates(look: Outline) -> Iterator[Said]:
    for export in look.exports:
        limits = export.data.get("limits")
        if isinstance(limits, dict) and limits.get("on_excess") == "truncate":
            words = "on_excess: truncate leaves rows out, so a test may miss the ones it is about"
            yield "truncates", (*export.place, "limits", "on_excess"), words


def _unused_parameters(look: Outline) -> Iterator[Said]:
    for name in look.parameters:
        if name not in look.uses:
            yield "unused-parameter", ("parameters", name), f"the parameter {name} is not used"


def _unused_variables(look: Outline) -> Iterator[Said]:
    for name, place in look.variables.items():
        if name not in look.uses:
            yield "unused-variable", place, f"the variable {name} is not used"


def _same_name(look: Outline) -> Iterator[Said]:
    package = look.top.get("packageName")
    if look.parameters and isinstance(package, str) and not VARIABLE.search(package):
        words = "packages of different parameters get the same folder; put a parameter into packageName"
        yield "same-name", ("packageName",), words


def _no_ddl(look: Outline) -> Iterator[Said]:
    kinds = {export.kind for export in look.exports}
    if kinds & _DATA_TYPES and not kinds & _DDL_TYPES:
        words = "rows without table-create or dbcreate load only where the tables stand already"
        yield "no-ddl", ("exports",), words


def _no_description(look: Outline) -> Iterator[Said]:
    if not look.top.get("description"):
        yield "no-description", (), "a description tells others what the template is for"
    parameters = look.top.get("parameters")
    for name, spec in parameters.items() if isinstance(parameters, dict) else ():
        if not isinstance(spec, dict) or not spec.get("description"):
            yield "no-description", ("parameters", name), f"the parameter {name} has no description"


RULES: Mapping[str, tuple[str, Callable[[Outline], Iterator[Said]]]] = {
    "unbounded": ("A whole table, query or volume, or a subset of every row.", _unbounded),
    "no-limits": ("A subset without `limits.max_rows`.", _no_limits),
    "truncates": ("A subset that leaves rows out instead of stopping.", _truncates),
    "unused-parameter": ("A parameter that nothing uses.", _unused_parameters),
    "unused-variable": ("A prepare step that nothing uses.", _unused_variables),
    "same-name": ("Parameters, but one `packageName` for all of them.", _same_name),
    "no-ddl": ("Rows without the tables they go into.", _no_ddl),
    "no-description": ("A template or a parameter that says nothing about itself.", _no_description),
}


def advice(look: Outline) -> Iterator[Said]:
    """What every rule has to say."""
    for _, rule in RULES.values():
        yield from rule(look)


def unknown_variables(look: Outline) -> Iterator[tuple[Pointer, str]]:
    """Variables that nothing declares: the server refuses them when the template is saved."""
    declared = {*look.parameters, *look.variables}
    for name, place in look.uses.items():
        if name not in declared and not (name.isdigit() and "parameters" not in look.top):
            yield place, f"the variable {name} is not declared: neither a parameter nor set by prepare"
