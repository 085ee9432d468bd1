"""Which variable is known where, and what may stand around it: the mistakes of a whole template (T08, T09)."""

from __future__ import annotations

from collections.abc import Iterator

from hfitd.config.mistakes import did_you_mean
from hfitd.errors import BadRequest, PathRefused
from hfitd.export.template.model import Template, VolumeStep
from hfitd.export.template.names import component_problem
from hfitd.export.template.positions import Place, places_of_export, places_of_step
from hfitd.export.template.sql_positions import check_positions
from hfitd.export.template.variables import NAME, VariableProblem, parse_replacement, uses_of
from hfitd.volumes.listing import parse_listing, parse_sort
from hfitd.volumes.paths import split_path

Pointer = tuple[str | int, ...]
Found = Iterator[tuple[Pointer, str]]


def find_variable_mistakes(template: Template) -> Found:
    """Every mistake with variables: where, and what."""
    declared = [spec.name for spec in template.parameters or ()]
    known = set(declared)
    setters = {step.variable: number for number, step in reversed(list(enumerate(template.prepare)))}
    for number, step in enumerate(template.prepare):
        here: Pointer = ("prepare", number)
        if step.variable in known:
            yield (*here, "setVar"), f"{step.variable} is already a parameter or set by an earlier step"
        later = {name for name, place in setters.items() if place > number} - known
        for place in places_of_step(number, step):
            yield from check_place(place, template, known, later, step.variable)
        if isinstance(step, VolumeStep):
            yield from check_volume_step(here, step)
        known.add(step.variable)
    name = Place(("packageName",), "name", template.package_name)
    yield from check_place(name, template, known, set(), "")
    for export in template.exports:
        for place in places_of_export(export):
            yield from check_place(place, template, known, set(), "")


def check_place(place: Place, template: Template, known: set[str], later: set[str], own: str) -> Found:
    """The form of one text and the names in it."""
    try:
        if place.kind == "sql":
            check_positions(place.text)
        names = [use.name for use in uses_of(place.text)]
    except VariableProblem as problem:
        yield place.pointer, str(problem)
        return
    if place.kind == "source":
        yield from check_source(place, template, known, later, own)
        return
    for name in dict.fromkeys(names):
        problem_text = name_problem(name, template, known, later, own)
        if problem_text:
            yield place.pointer, problem_text
    wrong = form_problem(place, blank_variables(place.text), with_variables=bool(names))
    if wrong:
        yield place.pointer, wrong


def form_problem(place: Place, text: str, *, with_variables: bool) -> str:
    """What is wrong with a text whatever the values of its variables are, or ''."""
    try:
        if place.kind == "name":
            return component_problem(text) or ("METADATA is the server's own" if text.lower() == "metadata" else "")
        if place.kind == "path":
            split_path(text)
        elif place.kind == "glob":
            parse_listing([f"name:{text}"], 0.0)
        elif place.kind == "filter":
            if with_variables and not text.startswith(("name:", "folder:")):
                return "a variable can stand in name: and folder: filters only"
            parse_listing([text], 0.0)
    except (BadRequest, PathRefused) as error:
        return error.message
    return ""


def check_source(place: Place, template: Template, known: set[str], later: set[str], own: str) -> Found:
    """``source`` of an input step: ``$n``, ``${name}`` or the bare name of a parameter."""
    bare = place.text.removeprefix("${").removesuffix("}") if place.text.startswith("${") else place.text
    name = bare.removeprefix("$")
    if not (NAME.match(name) and not bare.startswith("$")) and not (bare.startswith("$") and name.isdigit()):
        yield place.pointer, "must be $1, $2 … or the name of a parameter"
        return
    problem = name_problem(name, template, known, later, own)
    if problem:
        yield place.pointer, problem


def name_problem(name: str, template: Template, known: set[str], later: set[str], own: str) -> str:
    """Why the name means nothing here, or ''."""
    if name.isdigit():
        count = len(template.parameters) if template.parameters is not None else 999
        return "" if 1 <= int(name) <= count else f"${name} is beyond the {count} declared parameters"
    if name in known:
        return ""
    if name == own:
        return f"{name} refers to itself"
    if name in later:
        return f"{name} is set by a later step only"
    return f"{name} is no parameter and no variable{did_you_mean(name, known)}"


def check_volume_step(here: Pointer, step: VolumeStep) -> Found:
    """The parts of a volume step in which no variable stands."""
    try:
        parse_sort(step.sort, "|")
    except BadRequest as error:
        yield (*here, "hdata", "sort"), error.message
    try:
        if step.folder:
            split_path(step.folder.rstrip("/"))
    except PathRefused as error:
        yield (*here, "hdata", "folder"), error.message
    try:
        if step.regex_replace:
            parse_replacement(step.regex_replace)
    except VariableProblem as problem:
        yield (*here, "hdata", "regex_replace"), str(problem)


def blank_variables(text: str) -> str:
    """The text with a harmless letter for each variable."""
    found, position = "", 0
    for use in uses_of(text):
        found += text[position : use.start] + "x"
        position = use.end
    return found + text[position:]
