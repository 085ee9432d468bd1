"""The JSON Schemas for editors accept what the daemon accepts, and know its keys."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hfit.commands.example import EXAMPLE
from hfitd.editor_schemas import config_document, template_document
from hfitd.errors import TemplateInvalid
from hfitd.export.template.parse import parse_template
from tests.live.world import CASE
from tests.support.source import ROOT

TEMPLATE = Draft202012Validator(template_document())
CONFIG = Draft202012Validator(config_document())
HEADER = "hfitVersion: 1\ntemplateName: part\nparameters: {customer_id: {type: integer}}\n"


def texts() -> Iterator[str]:
    """Templates of the documentation and of the tests."""
    yield CASE
    yield EXAMPLE
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "templates.md").read_text("utf-8"), re.S):
        if "exports:" in block:
            yield block if block.startswith("hfitVersion") else HEADER + block


def places(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from places(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from places(inner)


def test_both_documents_are_schemas() -> None:
    Draft202012Validator.check_schema(template_document())
    Draft202012Validator.check_schema(config_document())


@pytest.mark.parametrize("text", [*texts()])
def test_every_template_that_works_is_accepted(text: str) -> None:
    parse_template(text)
    assert [error.message for error in TEMPLATE.iter_errors(yaml.safe_load(text))] == []


def test_a_key_that_the_daemon_refuses_is_refused_by_the_editor() -> None:
    document = yaml.safe_load(CASE)
    free = {"parameters", "exports"}  # their keys are the author's
    for number, place in enumerate(places(document)):
        if any(document.get(name) is place for name in free):
            continue
        changed = copy.deepcopy(document)
        list(places(changed))[number]["no_such_key"] = "x"
        with pytest.raises(TemplateInvalid):
            parse_template(yaml.safe_dump(changed))
        assert not TEMPLATE.is_valid(changed), place


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("hfitVersion",), 2),
        (("exports",), {}),
        (("exports", "logs", "type"), "table"),
        (("exports", "pg_customer.sql", "data", "order"), "random"),
        (("exports", "pg_schema.sql", "data", "tablelist"), "public.customer"),
        (("parameters", "customer_id", "type"), "money"),
        (("parameters", "customer_id", "required"), "yes"),
    ],
)
def test_a_value_that_the_daemon_refuses_is_refused_by_the_editor(path: tuple[str, ...], value: object) -> None:
    changed = yaml.safe_load(CASE)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(TemplateInvalid):
        parse_template(yaml.safe_dump(changed))
    assert not TEMPLATE.is_valid(changed)


def test_the_documented_configuration_is_accepted_and_mistakes_in_it_are_not() -> None:
    document = tomllib.loads((ROOT / "config.example.toml").read_text("utf-8"))
    assert [error.message for error in CONFIG.iter_errors(document)] == []
    for section, key, value in (
        ("server", "metrics", "everybody"), ("limits", "job_timeout", 30), ("limits", "requests_per_minute", 0),
        ("server", "no_such_key", 1), ("audit", "sinks", "file:"),
    ):  # fmt: skip
        changed = copy.deepcopy(document)
        changed[section][key] = value
        assert not CONFIG.is_valid(changed), (section, key)


@pytest.mark.parametrize("what", ["template", "config"])
def test_the_command_prints_the_document(what: str) -> None:
    done = subprocess.run([sys.executable, "-m", "hfitd", "schema", what], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == (template_document() if what == "template" else config_document())
