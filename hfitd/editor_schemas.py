"""JSON Schemas (draft 2020-12) of templates and of config.toml, so that editors complete and check them.

They are derived from the marshmallow schemas that the daemon itself reads with, so they cannot say something else.
They accept everything the daemon accepts; what only the daemon can know (globs, variables, names of providers) they
leave to ``hfit pkg-tmpl validate`` and ``hfitd check``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, fields, validate

from hfitd.config import fields as config_fields
from hfitd.config.schema import NAMED, SECTIONS
from hfitd.export.template import schema as template_schema
from hfitd.export.template.exports import TYPES

Document = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DURATION = {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h|d)$"}
_SIZE = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]{1,15}([KMGT]?[Bb]|)$"}]}
_TEXT: Document = {"type": "string"}
_TEXTS: Document = {"type": "array", "items": {"type": "string", "minLength": 1}}
_ONE_LINE = {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f]*$"}
_MASKS: Document = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [_TEXT, {"type": "object", "properties": {"mask": _TEXT}, "required": ["mask"]}],
    },
}
_INSECURE: Document = {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"enum": [*config_fields.INSECURE]}}]}
_CHILDREN: Document = {"anyOf": [{"enum": ["all", "none"]}, _TEXTS]}

# A field class and what it looks like; the first that fits counts, so the special ones stand first.
_SIMPLE: tuple[tuple[type[fields.Field[Any]], Callable[[Any], Document]], ...] = (
    (template_schema.Version, lambda _: {"enum": [1, 1.0, "1", "1.0"]}),
    (template_schema.Children, lambda _: _CHILDREN),
    (template_schema.Name, lambda _: {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
    (template_schema.Fixed, lambda _: {"type": "string", "minLength": 1}),
    (template_schema.PlainText, lambda _: dict(_TEXT)),
    (config_fields.Duration, lambda _: dict(_DURATION)),
    (config_fields.Size, lambda _: dict(_SIZE)),
    (config_fields.Whole, lambda _: {"type": "integer"}),
    (config_fields.Positive, lambda _: {"type": "number", "exclusiveMinimum": 0}),
    (config_fields.Switch, lambda _: {"type": "boolean"}),
    (config_fields.TextList, lambda field: {"anyOf": [_TEXTS, _TEXT]} if field.single else dict(_TEXTS)),
    (config_fields.FilePath, lambda _: {"type": "string", "minLength": 1}),
    (config_fields.Insecure, lambda _: _INSECURE),
    (config_fields.MaskTable, lambda _: _MASKS),
    (config_fields.Words, lambda _: dict(_ONE_LINE)),
    (fields.String, lambda _: dict(_TEXT)),
    (fields.Raw, lambda _: {}),
)


def template_document() -> Document:
    """The schema of a template, ``hfit pkg-tmpl create FILE``."""
    top = _table(template_schema.TopSchema())
    properties = top["properties"]
    properties["parameters"] = {"type": "object", "additionalProperties": _table(template_schema.ParameterSchema())}
    properties["prepare"] = {"type": "array", "items": {"anyOf": [_input_step(), *_hot_data_steps()]}}
    exports = [_export(kind, schema()) for kind, (schema, _) in TYPES.items()]
    properties["exports"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "properties": {"type": {"enum": list(TYPES)}},
            "required": ["type"],
            "allOf": exports,
        },
    }
    return {"$schema": DIALECT, "title": "Hot Fixture Tool template", **top}


def config_document() -> Document:
    """The schema of config.toml, ``hfitd serve --config FILE``."""
    named = {
        title: {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "additionalProperties": _table(schema()),
        }
        for title, schema in NAMED.items()
    }
    return {
        "$schema": DIALECT,
        "title": "hfitd configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _table(schema()) for name, schema in SECTIONS.items()} | named,
    }


DOCUMENTS: Mapping[str, Callable[[], Document]] = {"template": template_document, "config": config_document}


def _table(schema: Schema) -> Document:
    """The object that a schema reads."""
    properties = {field.data_key or name: _field(field) for name, field in schema.fields.items()}
    required = [field.data_key or name for name, field in schema.fields.items() if field.required]
    document: Document = {"type": "object", "properties": properties}
    if schema.unknown != INCLUDE:
        document["additionalProperties"] = False
    if isinstance(schema, template_schema.WithProvider):
        properties["provider"] = properties["dbms"]
        required.remove("dbms")
        document["oneOf"] = [{"required": ["dbms"]}, {"required": ["provider"]}]
    return document | ({"required": required} if required else {})


def _field(field: fields.Field[Any]) -> Document:
    document = _shape(field)
    if field.allow_none:
        document = {"anyOf": [document, {"type": "null"}]}
    for check in field.validators:
        if isinstance(check, validate.OneOf):
            document = {"enum": [*check.choices]}
        elif isinstance(check, validate.Range):
            document |= {"minimum": check.min, "maximum": check.max}
        elif isinstance(check, validate.Length) and check.min and document.get("type") == "array":
            document["minItems"] = check.min
    doc = (type(field).__doc__ or "").split("\n", 1)[0]
    return document | ({"description": doc} if type(field).__module__.startswith("hfitd") else {})


def _shape(field: fields.Field[Any]) -> Document:
    if isinstance(field, template_schema.OneOrMore):
        inner = _field(field.inner)
        return {"anyOf": [{"type": "array", "items": inner}, inner]}
    if isinstance(field, fields.List):
        return {"type": "array", "items": _field(field.inner)}
    if isinstance(field, fields.Nested):
        return _table(field.schema)
    if isinstance(field, fields.Dict):
        values = field.value_field
        return {"type": "object"} | ({"additionalProperties": _field(values)} if values is not None else {})
    for kind, shape in _SIMPLE:
        if isinstance(field, kind):
            return shape(field)
    raise TypeError(f"no JSON Schema is known for {type(field).__name__}")


def _input_step() -> Document:
    step = _table(template_schema.InputSchema())
    step["properties"]["from"] = {"const": "input"}
    step["properties"]["source"] = {"type": ["string", "integer"]}
    return step


def _hot_data_steps() -> list[Document]:
    kinds = {"dbquery": template_schema.QueryStepSchema, "volume": template_schema.VolumeStepSchema}
    steps = []
    for word, schema in kinds.items():
        data = _table(schema())
        data["properties"] = {"type": {"const": word}, **data["properties"]}
        data["required"] = ["type", *data.get("required", ())]
        step = _table(template_schema.HotDataSchema())
        step["properties"] |= {"from": {"const": "hot-data"}, "hdata": data}
        steps.append(step)
    return steps


def _export(kind: str, schema: Schema) -> Document:
    """Both spellings of one export type: ``{type, data: {…}}`` and the flat one."""
    nested = _table(schema)
    flat = _table(schema)
    flat["properties"] = {"type": {"const": kind}, **flat["properties"]}
    wrapped = {
        "type": "object",
        "properties": {"type": {"const": kind}, "data": nested},
        "required": ["type", "data"],
        "additionalProperties": False,
    }
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {"if": {"required": ["data"]}, "then": wrapped, "else": flat},
    }
