"""The texts of a template in which variables may stand, each with its place and what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hfitd.export.template.model import (
    Export,
    FreeQuery,
    InputStep,
    PrepareStep,
    QueryStep,
    Subset,
    TableData,
    Template,
    VolumeFile,
    VolumeFiles,
    VolumeStep,
)
from hfitd.export.template.variables import find_variables


@dataclass(frozen=True, slots=True)
class Place:
    """A text with variables: ``kind`` is "sql", "name", "glob", "filter", "path" or "source"."""

    pointer: tuple[str | int, ...]
    kind: str
    text: str


def places_of_step(number: int, step: PrepareStep) -> Iterator[Place]:
    """The texts of one prepare step."""
    here = ("prepare", number)
    if isinstance(step, InputStep):
        yield Place((*here, "source"), "source", step.source)
    elif isinstance(step, QueryStep):
        yield Place((*here, "hdata", "query"), "sql", step.query)
    elif isinstance(step, VolumeStep):
        yield Place((*here, "hdata", "glob"), "glob", step.glob)


def places_of_export(export: Export) -> Iterator[Place]:
    """The texts of one export. Pointers are those of the nested spelling; lines fall back to the export itself."""
    here = ("exports", export.key, "data")
    data = export.data
    if isinstance(data, FreeQuery):
        yield Place((*here, "query"), "sql", data.query)
    elif isinstance(data, TableData):
        yield Place((*here, "filter"), "sql", data.filter)
    elif isinstance(data, Subset):
        for number, root in enumerate(data.roots):
            yield Place((*here, "roots", number, "where"), "sql", root.where)
    elif isinstance(data, VolumeFiles):
        for number, text in enumerate(data.filters):
            yield Place((*here, "filters", number), "filter", text)
    elif isinstance(data, VolumeFile):
        yield Place((*here, "path"), "path", data.path)


def places_of(template: Template) -> Iterator[Place]:
    """All of them."""
    yield Place(("packageName",), "name", template.package_name)
    for number, step in enumerate(template.prepare):
        yield from places_of_step(number, step)
    for export in template.exports:
        yield from places_of_export(export)


def count_positions(template: Template) -> int:
    """How many positional parameters a template without declarations takes: the highest ``$n``."""
    names = (name for place in places_of(template) for name in find_variables(place.text))
    return max((int(name) for name in names if name.isdigit()), default=0)
