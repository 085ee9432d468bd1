"""docs/templates.md says what the code does: its example is valid and every key and type is on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from marshmallow import Schema

from hfitd.export.template import schema
from hfitd.export.template.exports import TYPES
from hfitd.export.template.parameters import TYPES as PARAMETER_TYPES
from hfitd.export.template.parse import parse_template

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "templates.md").read_text()
SCHEMAS = [item for item in vars(schema).values() if isinstance(item, type) and issubclass(item, Schema)]


def test_the_example_of_the_page_is_a_template() -> None:
    example = re.search(r"```yaml\n(hfitVersion.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert parse_template(example[1]).name == "customer-with-invoices"


def test_the_parameters_of_the_page_are_valid() -> None:
    block = re.search(r"```yaml\n(parameters:.*?)```", PAGE, re.DOTALL)
    assert block is not None
    export = "exports: {a.csv: {type: database, provider: p, query: SELECT 1}}\n"
    specs = parse_template(f"hfitVersion: 1\ntemplateName: t\n{block[1]}{export}").parameters
    assert specs is not None
    assert [spec.required for spec in specs] == [True, False, False, True, True, True]


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.__name__)
def test_every_key_is_on_the_page(kind: type[Schema]) -> None:
    missing = [field.data_key or name for name, field in kind().fields.items() if (field.data_key or name) not in PAGE]
    assert missing == []


@pytest.mark.parametrize("word", [*TYPES, *PARAMETER_TYPES])
def test_every_type_is_on_the_page(word: str) -> None:
    assert f"`{word}`" in PAGE
