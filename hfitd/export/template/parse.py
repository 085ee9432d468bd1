"""YAML text to a frozen, checked Template. Every mistake is in one TemplateInvalid, with its line and JSON pointer.

Contract section 5 has the format; ``docs/templates.md`` explains it. Nothing here asks a source: whether tables,
providers and volumes exist is decided when a template is planned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from hfitd.config.mistakes import describe_unknown, did_you_mean, flatten_messages
from hfitd.errors import TemplateInvalid
from hfitd.export.template.exports import TYPES, make_export
from hfitd.export.template.model import (
    Export,
    InputStep,
    ParameterSpec,
    PrepareStep,
    QueryStep,
    Subset,
    Template,
    VolumeStep,
)
from hfitd.export.template.names import find_clashes, key_problem
from hfitd.export.template.parameters import ValueProblem, canonical
from hfitd.export.template.schema import (
    HotDataSchema,
    InputSchema,
    ParameterSchema,
    QueryStepSchema,
    TopSchema,
    VolumeStepSchema,
)
from hfitd.export.template.scope import find_variable_mistakes
from hfitd.export.template.subsets import subset_problems
from hfitd.export.template.yaml_text import Document, Pointer, read_yaml
from hfitd.regex.program import RegexProblem
from hfitd.regex.search import compile_regex

MAX_REPORTED = 50


def parse_template(text: bytes | str) -> Template:
    """The template of a YAML text. TooLarge beyond 64 KiB; TemplateInvalid lists everything that is wrong."""
    document, source = read_yaml(text)
    reader = Reader(document)
    template = reader.template(source)
    if template is None or reader.mistakes:
        raise reader.report()
    for pointer, message in find_variable_mistakes(template):
        reader.add(pointer, message)
    if reader.mistakes:
        raise reader.report()
    return template


class Reader:
    """One reading of one document: collects mistakes instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.mistakes: list[tuple[int, str, str]] = []

    def add(self, pointer: Pointer, message: str) -> None:
        """One mistake."""
        line = self.document.line(pointer)
        if pointer[2:3] == ("data",) and pointer[:3] not in self.document.lines:
            flat = (*pointer[:2], *pointer[3:])  # the flat spelling has no `data`
            pointer, line = flat, self.document.line(flat)
        self.mistakes.append((line, spell(pointer), message))

    def report(self) -> TemplateInvalid:
        """The error that lists them in the order of the text."""
        found = sorted(dict.fromkeys(self.mistakes), key=lambda mistake: mistake[0])
        lines = [f"line {line}, {pointer or '/'}: {message}" for line, pointer, message in found[:MAX_REPORTED]]
        if len(found) > MAX_REPORTED:
            lines.append(f"and {len(found) - MAX_REPORTED} more")
        return TemplateInvalid("The template is not valid:\n" + "\n".join(lines))

    def load(self, schema: Schema, value: object, pointer: Pointer) -> dict[str, Any] | None:
        """The values of one mapping; None, with its mistakes noted, when something in it is wrong."""
        try:
            found: dict[str, Any] = schema.load(value)  # type: ignore[arg-type]
        except ValidationError as error:
            for path, message in flatten_messages(error.messages):
                inner = tuple(step for step in path if step not in ("key", "value") or len(path) == 1)
                self.add((*pointer, *inner), describe_unknown(path, message, schema) if path else message)
            return None
        return found

    def template(self, source: str) -> Template | None:
        """The whole; None when its outline is wrong."""
        value = self.document.value
        top = self.load(TopSchema(), value, ())
        sections: Mapping[str, Any] = value if isinstance(value, dict) else {}
        parameters = self.parameters(sections.get("parameters"))
        prepare = self.prepare(sections.get("prepare"))
        exports = self.exports(sections.get("exports"))
        if top is None:
            return None
        return Template(
            name=top["name"],
            package_name=top.get("package_name", top["name"]),
            exports=exports,
            text=source,
            digest=hashlib.sha256(source.encode()).hexdigest(),
            description=top.get("description", ""),
            project=top.get("project", ""),
            parameters=parameters if "parameters" in sections else None,
            prepare=prepare,
            lifetime_seconds=top.get("expires"),
        )

    def parameters(self, section: object) -> tuple[ParameterSpec, ...]:
        """``parameters``; the outline has been checked already."""
        if not isinstance(section, dict):
            return ()
        specs = []
        for name, entry in section.items():
            here: Pointer = ("parameters", name)
            values = self.load(ParameterSchema(), {} if entry is None else entry, here)
            if values is not None:
                specs.append(self.parameter(name, values, here))
        return tuple(specs)

    def parameter(self, name: str, values: dict[str, Any], here: Pointer) -> ParameterSpec:
        """One declaration, its default in canonical form."""
        given = values.pop("default", None)
        required = values.pop("required", given is None)
        spec = ParameterSpec(name=name, required=required, **values)
        if required and given is not None:
            self.add((*here, "default"), "a required parameter has no default")
        if (spec.type == "enum" or spec.item_type == "enum") != bool(spec.values):
            self.add((*here, "values"), "an enum, and nothing else, lists its values")
        if spec.item_type and spec.type != "list":
            self.add((*here, "item_type"), "belongs to lists only")
        try:
            if spec.pattern:
                compile_regex(spec.pattern)
        except RegexProblem as problem:
            self.add((*here, "pattern"), str(problem))
            return spec
        if given is None:
            return spec
        try:
            default = canonical(spec, given)
        except ValueProblem as problem:
            self.add((*here, "default"), f"must be {problem}")
            return spec
        return ParameterSpec(name=name, required=required, default=default, **values)

    def prepare(self, section: object) -> tuple[PrepareStep, ...]:
        """``prepare`` in order."""
        entries = section if isinstance(section, list) else ()
        steps = [self.step(entry, ("prepare", number)) for number, entry in enumerate(entries)]
        return tuple(step for step in steps if step is not None)

    def step(self, entry: object, here: Pointer) -> PrepareStep | None:
        """One step."""
        origin = entry.get("from") if isinstance(entry, dict) else None
        if origin == "input":
            values = self.load(InputSchema(), entry, here)
            return None if values is None else InputStep(values["variable"], values["source"])
        if origin != "hot-data":
            self.add((*here, "from"), "must be input or hot-data")
            return None
        values = self.load(HotDataSchema(), entry, here)
        if values is None:
            return None
        hdata, inner = dict(values["hdata"]), (*here, "hdata")
        kind = hdata.pop("type", None)
        if kind not in ("dbquery", "volume"):
            self.add((*inner, "type"), "must be dbquery or volume")
            return None
        found = self.load(QueryStepSchema() if kind == "dbquery" else VolumeStepSchema(), hdata, inner)
        if found is None:
            return None
        return (QueryStep if kind == "dbquery" else VolumeStep)(variable=values["variable"], **found)

    def exports(self, section: object) -> tuple[Export, ...]:
        """``exports``, in the order of the text."""
        if not isinstance(section, dict):
            return ()
        found = []
        for key, entry in section.items():
            problem = "a key holds no variables" if "${" in key else key_problem(key)
            if problem:
                self.add(("exports", key), problem)
            export = self.export(key, entry)
            if export is not None:
                found.append(export)
        for one, other in find_clashes(section):
            self.add(("exports", other), f"cannot stand beside {one!r} in one folder")
        return tuple(found)

    def export(self, key: str, entry: object) -> Export | None:
        """One export in either spelling."""
        here: Pointer = ("exports", key)
        if not isinstance(entry, dict):
            self.add(here, "must be a mapping with a type")
            return None
        rest = {name: value for name, value in entry.items() if name != "type"}
        kind = entry.get("type")
        if not isinstance(kind, str) or kind not in TYPES:
            word = "type is missing" if "type" not in entry else "is no type of export"
            self.add((*here, "type"), f"{word}{did_you_mean(str(kind), TYPES)}; types are {', '.join(TYPES)}")
            return None
        if "data" in rest:
            for name in rest.keys() - {"data"}:
                self.add((*here, name), "stands beside data; put it inside")
            rest, here = rest["data"], (*here, "data")
        schema, _ = TYPES[kind]
        values = self.load(schema(), rest, here)
        if values is None:
            return None
        export = make_export(key, kind, values)
        if isinstance(export.data, Subset):
            for inner, problem in subset_problems(key, export.data):
                self.add((*here, *inner) if inner else ("exports", key), problem)
        return export


def spell(pointer: Pointer) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in pointer)
