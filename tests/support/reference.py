"""The reference parts of the pages in ``docs/``, made from the program itself.

``python -m tests.support.reference`` (``make docs``) writes them between the marks ``<!-- NAME: generated -->`` and
``<!-- end -->``; ``tests/test_docs.py`` fails when a page does not hold what would be written.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import get_origin

import click
from marshmallow import Schema, fields, validate

import hfitd.errors
from hfit.commands.root import root as hfit_root
from hfit.documents.outputs import OUTPUTS, Stream
from hfit.documents.session import Failure
from hfit.errors import HfitClientError
from hfit.lint.advice import RULES
from hfit.settings import DEFAULTS, KEYS, environment_name
from hfitd.cli import main as hfitd_main
from hfitd.config import model
from hfitd.config.schema import NAMED, SECTIONS
from hfitd.editor_schemas import template_document
from hfitd.export.query import functions
from hfitd.export.template import schema as template_schema
from hfitd.export.template.exports import TYPES
from hfitd.masks.table import MASKS, bind_mask
from hfitd.model import Action, Column, Json, Kind, MaskRule
from hfitd.web.console.routes import CONSOLE_ROUTES
from hfitd.web.routes import ROUTES
from hfitd.web.table import Route
from tests.support import python_reference, scaling_tables
from tests.support.json_schemas import documents, file_name
from tests.support.observed import events_block, metrics_block
from tests.support.source import ROOT, SHELVES, Module, modules

DOCS = ROOT / "docs"
LINT_SCHEMA = ROOT / "hfit" / "lint" / "template.schema.json"
MARK = re.compile(r"(<!-- ([a-z-]+): generated -->\n).*?(<!-- end -->)", re.S)
ENGINE_WORDS = {"postgres": "PostgreSQL", "mysql": "MySQL and MariaDB", "sqlite": "SQLite"}
WIDTH = 78  # what click uses when its output is no terminal
TEMPLATE_PARTS: Mapping[str, type[Schema]] = {
    "The file": template_schema.TopSchema,
    "`parameters.NAME`": template_schema.ParameterSchema,
    "`prepare[]` with `from: input`": template_schema.InputSchema,
    "`prepare[]` with `from: hot-data`": template_schema.HotDataSchema,
    "`hdata` with `type: dbquery`": template_schema.QueryStepSchema,
    "`hdata` with `type: volume`": template_schema.VolumeStepSchema,
    **{f"`exports.KEY` with `type: {kind}`": schema for kind, (schema, _) in TYPES.items()},
    "`roots[]`": template_schema.RootSchema,
    "`limits`": template_schema.LimitsSchema,
    "`virtual_keys[]`": template_schema.VirtualKeySchema,
    "`files_from`": template_schema.FilesFromSchema,
}
EXAMPLE_KEY = b"the key of the examples in docs/masks.md"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown; what looks like a tag stays text."""
    lines = [head, ("---",) * len(head), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups before their members."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from commands(found, f"{path} {name}")


def help_text(command: click.Command, path: str) -> str:
    """What ``path --help`` prints where there is no terminal."""
    parent: click.Context | None = None
    for word in path.split()[:-1]:
        settings = {"help_option_names": ["-h", "--help"]}
        parent = click.Context(click.Group(word), parent=parent, info_name=word, **settings)  # type: ignore[arg-type]
    with command.make_context(path.rsplit(maxsplit=1)[-1], [], parent=parent, resilient_parsing=True) as context:
        context.terminal_width = WIDTH
        return command.get_help(context)


def cli_block(command: click.Command, name: str) -> str:
    """The help of a program and of all its commands."""
    parts = []
    for path, found in commands(command, name):
        level = "##" if path == name else "###"
        parts.append(f"{level} {path}\n\n```text\n{help_text(found, path).rstrip()}\n```\n")
    return "\n".join(parts)


def routes_block() -> str:
    """Every row of the route table."""
    rows = []
    for route in ROUTES:
        query = ", ".join(f"`{name}`" for name in route.query)
        rows.append((
            f"`{route.method}`", f"`{route.path}`", route.guard.value, body_of(route), query, answer_of(route),
            route.summary,
        ))  # fmt: skip
    return table(("method", "path", "who", "body", "query", "answer", ""), rows)


def pages_block() -> str:
    """Every page of the console, with what of the API it is on record as."""
    rows = []
    for route in CONSOLE_ROUTES:
        action = "" if route.guard.value == "public" else f"`{route.action or route.operation_id}`"
        rows.append((f"`{route.method}`", f"`{route.path}`", action, route.summary))
    return table(("method", "path", "on record as", ""), rows)


def body_of(route: Route) -> str:
    """What a route takes."""
    if route.request is None:
        return ""
    if isinstance(route.request, str):
        return route.request
    wanted = [f"`{key}`" + ("" if field.required else "?") for key, field in route.request().fields.items()]
    return "JSON: " + ", ".join(wanted)


def answer_of(route: Route) -> str:
    """What a route gives."""
    if route.method == "HEAD" or route.status == 204:
        return str(route.status)
    return f"{route.status} {route.response}"


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    """All classes below, in the order of the file."""
    for child in kind.__subclasses__():
        if child.__module__ == kind.__module__:
            yield child
            yield from subclasses(child)


def first_line(thing: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


def errors_block() -> str:
    """Every error code that an answer can have."""
    rows = []
    for kind in subclasses(hfitd.errors.HfitError):
        if issubclass(kind, hfitd.errors.HfitError) and "__init__" not in kind.__dict__:
            rows.append((f"`{kind().code}`", kind.category, str(kind.status), first_line(kind)))
    return table(("code", "category", "status", "meaning"), rows)


def exits_block() -> str:
    """What ``hfit`` raises by itself."""
    rows = []
    for kind in subclasses(HfitClientError):
        if issubclass(kind, HfitClientError):
            code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).upper()
            rows.append((f"`{code}`", str(kind.exit_code), first_line(kind)))
    return table(("code", "exit code", "meaning"), rows)


SAMPLES: Mapping[str, tuple[tuple[Kind, str, Mapping[str, Json]], ...]] = {
    "drop": (),
    "null": (),
    "const": ((Kind.TEXT, "9 Sample Road", {"value": "1 Sample Street"}),),
    "hash": ((Kind.TEXT, "ann.lee@shop.test", {"length": 16}),),
    "redact": ((Kind.TEXT, "4111111111111111", {"last": 4}),),
    "email": ((Kind.TEXT, "ann.lee@shop.test", {}), (Kind.TEXT, "Ann.Lee@SHOP.test", {"short": True})),
    "phone": ((Kind.TEXT, "+33 5 56 96 96 96", {}),),
    "person_name": ((Kind.TEXT, "Ann Lee", {}), (Kind.TEXT, "Ann", {"part": "first"})),
    "street": ((Kind.TEXT, "9 Sample Road", {}), (Kind.TEXT, "Musterstraße 12a", {})),
    "city": ((Kind.TEXT, "Amsterdam", {}),),
    "iban": ((Kind.TEXT, "NL91 ABNA 0417 1643 00", {}),),
    "card": ((Kind.TEXT, "4111-1111-1111-1111", {}), (Kind.TEXT, "4111111111111111", {"first": 6})),
    "digits": ((Kind.TEXT, "AB-1234-XY", {}),),
    "uuid": ((Kind.UUID, "8d5a1c9e-0000-4000-8000-0123456789ab", {}),),
    "integer": ((Kind.INTEGER, "4711", {}),),
    "date_shift": (
        (Kind.TIMESTAMP, "2024-01-31 08:15:00", {"subject": "customer_id"}),
        (Kind.TIMESTAMP, "2024-02-02 12:00:00", {"subject": "customer_id"}),
        (Kind.DATE, "1984-05-17", {"days": 30}),
    ),
    "bucket": ((Kind.NUMBER, "1234.56", {"step": 100}), (Kind.DATE, "1984-05-17", {"unit": "year"})),
    "noise": ((Kind.NUMBER, "1234.56", {"percent": 10}), (Kind.INTEGER, "40", {"amount": 5})),
    "text": ((Kind.TEXT, "Dear Ms. Lee, call 0151-234!", {}),),
    "ip": ((Kind.TEXT, "192.0.2.17", {}), (Kind.TEXT, "192.0.2.0/24", {}), (Kind.TEXT, "2001:db8::1", {})),
    "json": (
        (Kind.JSON, '{"user": {"email": "ann.lee@shop.test"}, "n": 1.50}', {"paths": {"$.user.email": "email"}}),
        (Kind.JSON, '{"tags": [{"phone": "030 123"}]}', {"paths": {"$.tags[*].phone": {"mask": "redact", "last": 2}}}),
    ),
    "delimited": (
        (Kind.TEXT, "ann.lee@shop.test; bob@shop.test", {"separator": ";", "parts": {"mask": "email", "short": True}}),
        (Kind.TEXT, "17,Ann Lee,NL", {"parts": ["", "person_name", ""]}),
    ),
}


def masks_block() -> str:
    """Every mask with its promise and an example. The subject of the examples is customer 42."""
    rows = []
    for name, mask in MASKS.items():
        shown = []
        for kind, value, options in SAMPLES.get(name, ()):
            bound = bind_mask(MaskRule(name, options), Column("sample", "", kind, nullable=True), EXAMPLE_KEY)
            made = (bound.cover(value.encode(), b"42") or b"").decode()
            given = ", ".join(f"{key} = {_toml(option)}" for key, option in options.items())
            shown.append(f"`{value}` becomes `{made}`" + (f" (`{given}`)" if given else ""))
        rows.append((
            f"`{name}`", mask.promise, ", ".join(f"`{option}`" for option in sorted(mask.options)),
            "yes" if mask.keyed else "", "yes" if mask.injective else "", "; ".join(shown),
        ))  # fmt: skip
    return table(("mask", "what a row shows", "options", "keyed", "fits unique columns", "example"), rows)


def _toml(value: Json) -> str:
    """An option as a configuration file spells it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def config_meanings() -> Mapping[str, str]:
    """The remark beside every key of ``config.example.toml``: ``section.key`` to text."""
    found: dict[str, str] = {}
    section = ""
    for line in (ROOT / "config.example.toml").read_text("utf-8").splitlines():
        head = re.fullmatch(r"\[+([a-z_.]+)\]+.*", line)
        if head:
            section = re.sub(r"^(providers|volumes|roles)\.\w+", r"\1.NAME", head[1])
            continue
        entry = re.fullmatch(r"(?:# )?([a-z_]+) = .*?(?:\s# (.*))?", line)
        if entry and entry[2]:
            found.setdefault(f"{section}.{entry[1]}", entry[2].strip())
    return found


def config_keys() -> Iterator[tuple[str, str, object]]:
    """Every key a file may have: section, key, default."""
    kinds: list[tuple[str, type[Schema], type | None]] = [
        (name, schema, type(getattr(model.Config(), name))) for name, schema in SECTIONS.items()
    ]
    entries = {"providers": model.ProviderConfig, "volumes": model.VolumeConfig, "roles": model.RoleConfig}
    kinds += [(f"{name}.NAME", schema, entries[name]) for name, schema in NAMED.items()]
    for section, schema, kind in kinds:
        yield from schema_keys(section, schema(), kind)


def schema_keys(section: str, schema: Schema, kind: type | None) -> Iterator[tuple[str, str, object]]:
    """The keys of one section, then those of the tables in it."""
    nested: list[tuple[str, Schema]] = []
    for key, field in schema.fields.items():
        if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
            nested.append((key, field.inner.schema))
            continue
        yield section, key, default_of(kind, field.attribute or key) if kind else None
    for key, inner in nested:
        yield from schema_keys(f"{section}.{key}", inner, None)


def default_of(kind: type, name: str) -> object:
    """The default of a field, or None."""
    for field in dataclasses.fields(kind):
        if field.name == name:
            return None if field.default is dataclasses.MISSING else field.default
    return None


def spell_default(key: str, section: str, value: object) -> str:
    """A default as it would be written in the file."""
    if value is None or value in ("", (), frozenset()) or (key == "port" and not value):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        unit = next((name for size, name in ((86400, "d"), (3600, "h"), (60, "m")) if value % size == 0), "s")
        size = {"d": 86400, "h": 3600, "m": 60, "s": 1}[unit]
        return f'`"{value / size:g}{unit}"`'
    if isinstance(value, int) and key.endswith("bytes"):
        return f'`"{value // 1024**3}GB"`'
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return f"`{value}`" if isinstance(value, int) else f'`"{value}"`'


def config_block() -> str:
    """Every key of the configuration, section by section."""
    meanings = config_meanings()
    parts: dict[str, list[tuple[str, ...]]] = {}
    for section, key, default in config_keys():
        meaning = meanings.get(f"{section}.{key}", "")
        parts.setdefault(section, []).append((f"`{key}`", spell_default(key, section, default), meaning))
    text = []
    for section, rows in parts.items():
        array = section.count(".") > section.count(".NAME")
        text.append(f"### `[[{section}]]`\n" if array else f"### `[{section}]`\n")
        text.append(table(("key", "default", ""), rows))
    return "\n".join(text)


def environment_block() -> str:
    """Settings of the client."""
    rows = [(f"`{key}`", f"`{environment_name(key)}`", DEFAULTS.get(key, ""), words) for key, words in KEYS.items()]
    return table(("key", "environment", "default", ""), rows)


def functions_block() -> str:
    """Functions that a free query may call."""
    lines = []
    for name in dict.fromkeys(functions.FUNCTIONS):
        allowed = " ".join(sorted(functions.FUNCTIONS[name]))
        lines.append(f"{ENGINE_WORDS[name]}:\n\n```text\n{textwrap.fill(allowed, 110)}\n```\n")
    return "\n".join(lines)


def arguments_block() -> str:
    """Where a security promise is argued in numbered steps: the module and what it is about."""
    rows = []
    for module in (*modules("hfitd"), *modules("hfit")):
        text = ast.get_docstring(module.tree) or ""
        steps = re.findall(r"^[1-9]\d*\. ", text, re.M)
        if steps and not module.name.startswith("hfitd.demo"):
            rows.append((f"`{module.path.relative_to(ROOT)}`", str(len(steps)), said(module)))
    return table(("argued in", "steps", "about"), rows)


def markdown(docstring: str) -> str:
    """A line of a docstring as Markdown: double backticks are single ones here."""
    return re.sub(r"``(.+?)``", r"`\1`", docstring)


def rooms_block() -> str:
    """Every room of the daemon and the client with what it is for."""
    rows = []
    for shelf, names in SHELVES.items():
        for name in names:
            found = [item for item in modules("hfitd") if item.name == f"hfitd.{name}" and not name.startswith("__")]
            rows += [(str(shelf), f"`{folder(module)}`", said(module)) for module in found]
    client = [item for item in modules("hfit") if item.name.count(".") == 1 and not item.name.endswith("__")]
    rows += [("client", f"`{folder(item)}`", said(item)) for item in client]
    return table(("shelf", "room", "what for"), rows)


def folder(module: Module) -> str:
    """The file, or the folder of a package."""
    path = module.path.relative_to(ROOT)
    return f"{path.parent}/" if module.is_package else str(path)


def said(module: Module) -> str:
    """The first line of a module's docstring."""
    return markdown((ast.get_docstring(module.tree) or "").split("\n", 1)[0])


def actions_block() -> str:
    """The actions of grants."""
    return ", ".join(f"`{action.value}`" for action in Action) + "\n"


def outputs_block() -> str:
    """What each command prints with ``--json``."""
    rows = [("any, when it fails", f"[{first_line(Failure) or 'error'}](schemas/error.json)", "on standard error")]
    for command, kind in OUTPUTS.items():
        shown = "lines" if isinstance(kind, Stream) else "an array" if get_origin(kind) is list else "a document"
        rows.append((f"`hfit {command}`", f"[schema](schemas/{file_name(command)})", shown))
    return table(("command", "shape", ""), rows)


def template_keys_block() -> str:
    """Every key of a template, thing by thing."""
    parts = []
    for title, schema in TEMPLATE_PARTS.items():
        rows = []
        for key, field in schema().fields.items():
            known = "`dbms` or `provider`" if key == "dbms" else f"`{field.data_key or key}`"
            rows.append((known, "yes" if field.required else "", value_words(field)))
        parts.append(f"### {title}\n\n{table(('key', 'required', 'value'), rows)}")
    return "\n".join(parts)


VALUES: Mapping[str, str] = {
    "PlainText": "text, variables where its kind allows them",
    "Fixed": "text without variables",
    "FixedList": "a list of texts without variables",
    "TextList": "a list of texts",
    "Name": "a name of letters, digits and `_`",
    "Whole": "a whole number",
    "Switch": "`true` or `false`",
    "Duration": 'a duration such as `"7d"`',
    "Children": "`all`, `none` or a list of tables",
    "Version": "`1`",
    "OneOrMore": "one, or a list",
    "List": "a list",
    "Dict": "a mapping",
    "Nested": "a mapping",
    "Raw": "any value",
}


def value_words(field: fields.Field[object]) -> str:
    """What a key takes; the choices where there are some."""
    choices = [item.choices for item in field.validators if isinstance(item, validate.OneOf)]
    return ", ".join(f"`{choice}`" for choice in choices[0]) if choices else VALUES[type(field).__name__]


def lint_schema() -> str:
    """The schema that the client looks templates over with."""
    return json.dumps(template_document(), indent=1, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """The shapes of ``--json`` as files, without those of commands that are gone."""
    folder.mkdir(exist_ok=True)
    wanted = {name: json.dumps(schema, indent=2) + "\n" for name, schema in documents().items()}
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, "utf-8")


def rules_block() -> str:
    """Advice that ``hfit pkg-tmpl lint`` gives."""
    return table(("rule", "what it finds"), [(f"`{name}`", words) for name, (words, _) in RULES.items()])


BLOCKS: Mapping[str, Callable[[], str]] = {
    "hfit": lambda: cli_block(hfit_root, "hfit"),
    "hfitd": lambda: cli_block(hfitd_main, "hfitd"),
    "routes": routes_block,
    "pages": pages_block,
    "errors": errors_block,
    "exits": exits_block,
    "masks": masks_block,
    "configuration": config_block,
    "settings": environment_block,
    "functions": functions_block,
    "arguments": arguments_block,
    "rooms": rooms_block,
    "actions": actions_block,
    "rules": rules_block,
    "metrics": lambda: metrics_block(table),
    "events": lambda: events_block(table),
    "capacity": lambda: scaling_tables.capacity_block(table),
    "scaling-load": lambda: scaling_tables.load_block(table),
    "scaling-store": lambda: scaling_tables.store_block(table),
    "scaling-crowd": lambda: scaling_tables.crowd_block(table),
    "outputs": outputs_block,
    "client": python_reference.client_block,
    "methods": python_reference.methods_block,
    "returned": python_reference.documents_block,
    "template-keys": template_keys_block,
}


def renew(text: str) -> str:
    """A page with every generated part as it has to be."""
    return MARK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Write the pages, and the schema of the client."""
    LINT_SCHEMA.write_text(lint_schema(), "utf-8")
    write_schemas(DOCS / "schemas")
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text("utf-8")
        fresh = renew(text)
        if fresh != text:
            path.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
