"""``hfit pkg-tmpl lint``: the server's mistakes without a server, and advice that can be accepted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hfit.commands.example import EXAMPLE
from hfit.lint.advice import RULES
from hfit.lint.check import ADVICE, lint_template
from hfitd.errors import HfitError
from hfitd.export.template.parse import parse_template
from tests.hfit.conftest import Hfit
from tests.live.world import CASE
from tests.support import reference
from tests.support.source import ROOT

GOOD = """\
hfitVersion: 1
templateName: case
description: One customer
packageName: case-${id}
parameters:
  id: {type: integer, description: Whose}
exports:
  tables.sql: {type: dbcreate, provider: shop, tablelist: [public]}
  rows.sql:
    type: subset
    data:
      dbms: shop
      roots: [{table: customer, where: "id = ${id}"}]
      limits: {max_rows: 100}
"""

# What is replaced in GOOD, by what; and a part of what is said about it. The server refuses all of them.
MISTAKES = {
    "unknown key": ("description:", "descripton:", 'did you mean "description"?'),
    "unknown key deep inside": ("max_rows", "max_row", 'did you mean "max_rows"?'),
    "missing key": ("templateName: case\n", "", "templateName is missing"),
    "wrong version": ("hfitVersion: 1", "hfitVersion: 2", "must be 1"),
    "wrong type of a value": ("max_rows: 100", "max_rows: many", "must be a whole number"),
    "too small": ("max_rows: 100", "max_rows: 0", "must be at least 1"),
    "no such export": ("type: subset", "type: subsett", 'did you mean "subset"?'),
    "no such parameter type": ("type: integer", "type: money", "must be"),
    "no exports": (GOOD[GOOD.index("exports:") :], "exports: {}\n", "must not be empty"),
    "no provider": ("dbms: shop", "database: shop", "dbms or provider is missing"),
    "two providers": ("dbms: shop", "dbms: shop\n      provider: shop", "give one of them"),
    "unknown variable": ("id = ${id}", "id = ${di}", "the variable di is not declared"),
    "key twice": ("description: One customer", "description: One\ndescription: Two", "and on line 3"),
    "anchor": ("description: One customer", "description: &a One", "anchors"),
    "tag": ("description: One customer", "description: !!str One", "tags"),
    "two documents": ("exports:\n", "exports:\n---\n", "one document"),
    "no YAML": ("exports:\n", "exports: [\n", "this is not YAML"),
    "hidden character": ("One customer", "One\u202ecustomer", "U+202E"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_that_the_server_refuses_is_found_with_its_line(name: str) -> None:
    old, new, words = MISTAKES[name]
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(HfitError):
        parse_template(text)
    found = lint_template(text.encode())
    assert {finding.level for finding in found} == {"error"}
    assert words in " ".join(finding.words for finding in found)
    assert all(1 <= finding.line <= len(text.splitlines()) for finding in found)


def documented() -> list[str]:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "templates.md").read_text("utf-8"), re.S)
    return [block for block in blocks if block.startswith("hfitVersion")]


@pytest.mark.parametrize("text", [GOOD, EXAMPLE, CASE, *documented()])
def test_what_the_server_takes_has_no_mistakes(text: str) -> None:
    parse_template(text)
    assert [finding for finding in lint_template(text.encode()) if finding.level != ADVICE] == []


def test_the_good_template_gets_no_advice() -> None:
    assert lint_template(GOOD.encode()) == []


ADVISED = {
    "unbounded": ('where: "id = ${id}"', 'where: ""'),
    "no-limits": ("      limits: {max_rows: 100}\n", ""),
    "truncates": ("max_rows: 100", "max_rows: 100, on_excess: truncate"),
    "unused-parameter": ("  id: {", "  other: {description: x}\n  id: {"),
    "unused-variable": ("exports:", "prepare: [{setVar: x, from: input, source: $1}]\nexports:"),
    "same-name": ("packageName: case-${id}", "packageName: case"),
    "no-ddl": ("  tables.sql: {type: dbcreate, provider: shop, tablelist: [public]}\n", ""),
    "no-description": ("description: One customer\n", ""),
}


def test_every_rule_has_a_template_that_it_finds() -> None:
    assert set(ADVISED) == set(RULES)


@pytest.mark.parametrize("rule", ADVISED)
def test_advice_is_given_on_a_line_and_accepted_by_a_remark_on_it(rule: str) -> None:
    text = GOOD.replace(*ADVISED[rule])
    parse_template(text)
    found = lint_template(text.encode())
    assert rule in {finding.rule for finding in found}
    assert {finding.level for finding in found} == {ADVICE}
    lines = text.splitlines()
    for finding in sorted(found, key=lambda item: -item.line):
        lines.insert(finding.line - 1, f"# lint: allow {finding.rule}")
    assert lint_template("\n".join(lines).encode()) == []


def test_free_queries_whole_tables_and_whole_volumes_are_unbounded() -> None:
    head = GOOD[: GOOD.index("  rows.sql:")]
    for export in (
        "{type: table-data, provider: shop, table: a}",
        "{type: database, provider: shop, query: SELECT 1 FROM a}",
        "{type: files, volume: logs}",
    ):
        found = lint_template((head + f"  x.csv: {export}\n").encode())
        assert "unbounded" in {finding.rule for finding in found}, export
    limited = head + "  x.csv: {type: database, provider: s, query: SELECT 1 FROM a LIMIT 1}\n"
    bounded = lint_template(limited.encode())
    assert "unbounded" not in {finding.rule for finding in bounded}


def test_exit_codes_and_output_are_for_scripts_and_people(hfit: Hfit, work: Path) -> None:
    (work / "templates").mkdir()
    (work / "templates" / "good.yaml").write_text(GOOD)
    assert hfit("pkg-tmpl", "lint", "templates").code == 0
    (work / "templates" / "advice.yml").write_text(GOOD.replace(*ADVISED["same-name"]))
    plain = hfit("pkg-tmpl", "lint", "templates")
    assert plain.code == 0
    assert f"advice  templates/advice.yml:4: {'packages of different'}" in plain.out
    assert hfit("pkg-tmpl", "lint", "--strict", "templates").code == 1
    (work / "bad.yaml").write_text(GOOD.replace("description:", "descripton:"))
    bad = hfit("pkg-tmpl", "lint", "--json", "bad.yaml", "templates")
    assert bad.code == 2
    first = json.loads(bad.out)[0]
    assert (first["path"], first["level"], first["line"], first["pointer"]) == ("bad.yaml", "error", 3, "/descripton")
    assert hfit("pkg-tmpl", "lint", "no.yaml").code == 4
    (work / "empty").mkdir()
    assert hfit("pkg-tmpl", "lint", "empty").code == 4


def test_the_schema_of_the_client_is_the_servers() -> None:
    assert reference.LINT_SCHEMA.read_text("utf-8") == reference.lint_schema(), "run: make docs"
