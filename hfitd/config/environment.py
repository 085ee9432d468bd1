"""``HFITD_<SECTION>__<KEY>``: one key of config.toml from the environment.

Names are matched without regard to case, ``-`` counts as ``_``; a provider, volume or role stands between section and
key (``HFITD_PROVIDERS__SHOP_PG__PASSWORD``) and has to be in the file. A list is TOML (``["a", "b"]``) or words with
commas; a secret may be given as it is, it is not in a file then. Refused, as a mistake: a name that fits no key.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from hfitd.config.fields import Insecure, MaskTable, Positive, SecretText, Switch, TextList, Whole
from hfitd.config.mistakes import did_you_mean
from hfitd.config.schema import NAMED, SECTIONS
from hfitd.config.secrets import PREFIXES
from hfitd.errors import Mistake

PREFIX = "HFITD_"


def apply_environment(raw: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Mistake]]:
    """The file's tables with the environment's values in them, and a mistake for each name that fits nothing."""
    merged: dict[str, Any] = copy.deepcopy(dict(raw))
    mistakes: list[Mistake] = []
    for variable, text in sorted(environ.items()):
        name = fold(variable)
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        section, _, rest = name.removeprefix(PREFIX).partition("__")
        problem = place(merged, section, rest, variable, text)
        if problem:
            mistakes.append(Mistake(variable, problem))
    return merged, mistakes


def fold(name: str) -> str:
    """The form in which names are compared."""
    return name.upper().replace("-", "_")


def place(merged: dict[str, Any], section: str, rest: str, variable: str, text: str) -> str:
    """Put one value where it belongs; a sentence when it belongs nowhere."""
    sections = {fold(name): (name, schema) for name, schema in {**SECTIONS, **NAMED}.items()}
    if section not in sections:
        return f"names no section{did_you_mean(section, sections)}"
    title, schema = sections[section]
    table = merged.setdefault(title, {})
    if title in NAMED and isinstance(table, dict):
        entry = next((name for name in table if rest.startswith(fold(name) + "__")), None)
        if entry is None:
            return f"names none of the {title} in the file{did_you_mean(rest.partition('__')[0], table)}"
        table, rest = table[entry], rest[len(entry) + 2 :]
    if not isinstance(table, dict):
        return ""  # the schema says what is wrong with the table
    keys = {fold(field.data_key or name): (field.data_key or name, field) for name, field in schema().fields.items()}
    if rest not in keys:
        return f"names no key of [{title}]{did_you_mean(rest, keys)}"
    key, field = keys[rest]
    table[key] = read_text(field, text, variable)
    return ""


def read_text(field: fields.Field[Any], text: str, variable: str) -> Any:
    """The TOML value that the text stands for; what does not fit stays text and the schema refuses it."""
    if isinstance(field, SecretText):
        return text if text.startswith(PREFIXES) else f"env:{variable}"
    if isinstance(field, Switch | Insecure) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if isinstance(field, Whole | Positive) or (text.startswith(("[", "{")) and takes_structure(field)):
        return read_toml(text)
    if isinstance(field, TextList | Insecure):
        return [word.strip() for word in text.split(",") if word.strip()]
    return text


def takes_structure(field: fields.Field[Any]) -> bool:
    """Whether a list or a table is what the field wants."""
    return isinstance(field, TextList | Insecure | MaskTable | fields.List)


def read_toml(text: str) -> Any:
    """The text as a TOML value, or itself."""
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return values["value"] if len(values) == 1 else text


def fields_of(schema: type[Schema]) -> tuple[str, ...]:
    """The keys a section knows, as they are written in the file."""
    return tuple(field.data_key or name for name, field in schema().fields.items())
