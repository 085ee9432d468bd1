"""Templates as text: attack cases T01 to T06, T11, and both spellings."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.errors import HfitError, TemplateInvalid, TooLarge
from hfitd.export.template import yaml_text
from hfitd.export.template.model import FreeQuery, Subset, TableCreate, VolumeFile, VolumeStep
from hfitd.export.template.parse import parse_template
from hfitd.export.template.yaml_text import read_yaml

CONTRACT = (Path(__file__).parent / "contract.yaml").read_text()
HEAD = "hfitVersion: 1\ntemplateName: t\n"
EXPORT = "exports:\n  a.csv: {type: database, provider: p, query: SELECT 1}\n"


def refusal(text: bytes | str) -> str:
    with pytest.raises(TemplateInvalid) as caught:
        parse_template(text)
    return caught.value.message


@pytest.fixture(params=["C parser", "Python parser"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines without libyaml get the same answers."""
    if request.param == "Python parser":
        monkeypatch.setattr(yaml_text, "LOADER", yaml.SafeLoader)


def test_the_template_of_the_contract_is_read_whole() -> None:
    template = parse_template(CONTRACT)
    assert (template.name, template.project, template.package_name) == ("customer-case", "shop", "case-${customer_id}")
    assert [(spec.name, spec.type, spec.required, spec.default) for spec in template.parameters or ()] == [
        ("customer_id", "integer", True, None),
        ("since", "date", False, "2024-01-01"),
    ]
    assert [step.variable for step in template.prepare] == ["cid", "email", "stem"]
    assert isinstance(template.prepare[2], VolumeStep)
    assert template.prepare[2].regex_replace == "/([0-9]+).*/$1/"
    assert [export.type for export in template.exports] == [
        "dbcreate", "table-create", "table-data", "database", "subset", "files", "file",
    ]  # fmt: skip
    assert template.exports[1].data == TableCreate("shop_pg", ("public.customer", "public.rental"), "ifnotexists")
    subset = template.exports[4].data
    assert isinstance(subset, Subset)
    assert subset.children == "all"
    assert subset.limits == {"max_rows": 100000, "max_children_per_row": 1000}
    assert subset.virtual_keys[0] == {"from": "public.event.payload->>'customer'", "to": "public.customer.customer_id"}
    assert template.exports[6].data == VolumeFile("app_logs", "app/${stem}.log")
    assert template.text == CONTRACT


def test_the_digest_is_of_the_text() -> None:
    one, other = parse_template(CONTRACT), parse_template(CONTRACT + "# comment\n")
    assert one.digest == parse_template(CONTRACT.encode()).digest
    assert one.digest != other.digest
    assert one.exports == other.exports


@pytest.mark.parametrize(
    "export",
    [
        "{type: database, data: {dbms: p, query: SELECT 1}}",
        "{type: database, data: {provider: p, query: SELECT 1}}",
        "{type: database, provider: p, query: SELECT 1}",
        "{type: database, dbms: p, query: SELECT 1}",
    ],
)
def test_both_spellings_mean_the_same(export: str) -> None:
    template = parse_template(f"{HEAD}exports:\n  a.csv: {export}\n")
    assert template.exports[0].data == FreeQuery("p", "SELECT 1")


def test_spellings_are_not_mixed_and_providers_not_given_twice() -> None:
    mixed = refusal(f"{HEAD}exports:\n  a.csv: {{type: database, provider: p, data: {{dbms: p, query: SELECT 1}}}}\n")
    assert "/exports/a.csv/provider: stands beside data" in mixed
    twice = refusal(f"{HEAD}exports:\n  a.csv: {{type: database, provider: p, dbms: p, query: SELECT 1}}\n")
    assert "are the same key" in twice


def test_create_table_is_table_create_and_the_package_name_may_be_left_out() -> None:
    template = parse_template(f"{HEAD}exports:\n  a.sql: {{type: create-table, dbms: p, tablelist: [t]}}\n")
    assert template.exports[0].type == "table-create"
    assert template.package_name == "t"
    assert template.parameters is None


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [*x]", "anchors and aliases"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "anchors and aliases"),
        ("a: *x", "anchors and aliases"),
        ("a: {b: 1}\nc:\n  <<: {b: 1}", "merge keys"),
        ("&k a: 1", "without anchor or tag"),
        ("*k : 1", "without anchor or tag"),
    ],
)
def test_t01_anchors_aliases_and_merges_are_refused(text: str, why: str) -> None:
    assert why in refusal(text)


@pytest.mark.usefixtures("_parser")
def test_t02_a_duplicate_key_names_both_lines() -> None:
    assert refusal("exports:\n  a: 1\n  b: 2\n  a: 3\n").endswith("line 4: the key 'a' stands here and on line 2")
    assert "line 1: the key 'a' stands here and on line 1" in refusal('{a: 1, "a": 2}')


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: !!str 1", "tags"),
        ("a: !x y", "tags"),
        ("! a: 1", "tag"),
        ("a: 1\n---\nb: 1", "one document"),
        ("%YAML 1.1\n---\na: 1", "directives"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "directives"),
        ("\ufeffa: 1", "U+FEFF"),
        ("a: \x00", "U+0000"),
        ("a: \x1b[0m", "U+001B"),
        ("a: \u202ex", "U+202E"),
        ("a: x\u200by", "U+200B"),
        ("a: \x9b", "U+009B"),
        ("a: \u2028", "U+2028"),
        (b"a: \xff", "UTF-8"),
        (b"\xff\xfea\x00", "UTF-8"),
        ("a: \ud800", "UTF-8"),
        ("? [a]\n: b", "a key is plain text"),
        ("[1, 2", "not YAML"),
        ("a: 'x", "not YAML"),
        ("", "empty"),
        ("# only a comment", "empty"),
        ("- a", "table of keys"),
        ("text", "table of keys"),
    ],
)
def test_t03_what_is_no_plain_yaml_is_refused(text: bytes | str, why: str) -> None:
    assert why in refusal(text)


def test_t04_size_is_capped_before_parsing_and_depth_while_parsing() -> None:
    begun = time.monotonic()
    for text in ("- x\n" * 2_500_000, "a" * 65537, "é" * 33000):
        with pytest.raises(TooLarge):
            parse_template(text)
    assert "nested more than 12 deep" in refusal("a: " + "[" * 900)
    assert "nest" in refusal("a: " + "[" * 60_000)  # the library's own limit, where it has one, is in its words
    assert "nested more than 12 deep" in refusal("".join(" " * n + "- \n" for n in range(20)))
    assert time.monotonic() - begun < 5  # generous: it is milliseconds
    parse_template(HEAD + EXPORT + "#" * (65536 - len(HEAD + EXPORT)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}exprots: {{}}\n", '/exprots: is not a key here; did you mean "exports"?'),
        (f"{HEAD}exports: {{a.csv: {{type: databse}}}}", 'type: is no type of export; did you mean "database"'),
        (f"{HEAD}exports: {{a.csv: {{provider: p}}}}", "/exports/a.csv/type: type is missing"),
        (f"{HEAD}exports: {{a.csv: {{type: [x]}}}}", "/exports/a.csv/type: is no type"),
        (f"{HEAD}exports: {{a.csv: 5}}", "/exports/a.csv: must be a mapping"),
        (f"{HEAD}exports: {{}}", "/exports: must hold at least one export"),
        (f"{HEAD}exports: [a]", "/exports: must be a table"),
        (f"{HEAD}", "/exports: is missing"),
        (f"templateName: t\n{EXPORT}", "/hfitVersion: is missing"),
        (f"hfitVersion: 99\ntemplateName: t\n{EXPORT}", "line 1, /hfitVersion: must be 1"),
        (f"hfitVersion: true\ntemplateName: t\n{EXPORT}", "/hfitVersion: must be 1"),
        (f"hfitVersion: 1\ntemplateName: a:b\n{EXPORT}", "line 2, /templateName: must be 1 to 100 letters"),
        (f"hfitVersion: 1\ntemplateName: 5\n{EXPORT}", "line 2, /templateName: must be text; put it in quotes"),
        (
            f"{HEAD}exports:\n  a.sql: {{type: table-data, data: {{dbms: p, table: t, filter: [x]}}}}",
            "line 4, /exports/a.sql/data/filter: must be text",
        ),
        (f"{HEAD}exports:\n  a: {{type: file, volume: v, path: 12}}", "line 4, /exports/a/path: must be text"),
        (
            f"{HEAD}exports:\n  a: {{type: subset, dbms: p, roots: [{{table: t}}], limits: {{max_rows: ten}}}}",
            "/exports/a/limits/max_rows: must be a whole number",
        ),
        (
            f"{HEAD}exports:\n  a: {{type: subset, dbms: p, roots: [{{tabel: t}}]}}",
            '/exports/a/roots/0/tabel: is not a key here; did you mean "table"?',
        ),
        (f"{HEAD}exports:\n  a/b.csv: {{type: files}}", "/exports/a~1b.csv/volume: is missing"),
        (f"{HEAD}{EXPORT}prepare: [{{setVar: x, from: nowhere}}]", "/prepare/0/from: must be input or hot-data"),
        (f"{HEAD}{EXPORT}prepare: [{{setVar: 1x, from: input, source: $1}}]", "/prepare/0/setVar: must be a name"),
        (
            f"{HEAD}{EXPORT}prepare: [{{setVar: x, from: hot-data, hdata: {{type: sql}}}}]",
            "/prepare/0/hdata/type: must be dbquery or volume",
        ),
        (
            f"{HEAD}{EXPORT}prepare: [{{setVar: x, from: hot-data, hdata: {{type: dbquery, dbms: p}}}}]",
            "/prepare/0/hdata/query: is missing",
        ),
        (f"{HEAD}{EXPORT}parameters: {{1x: {{}}}}", "/parameters/1x: must be a name"),
        (f"{HEAD}{EXPORT}parameters: {{x: {{type: int}}}}", "/parameters/x/type: must be one of text, integer"),
        (f"{HEAD}{EXPORT}parameters: {{x: {{type: enum}}}}", "/parameters/x/values: an enum, and nothing else"),
        (f"{HEAD}{EXPORT}parameters: {{x: {{required: true, default: a}}}}", "a required parameter has no default"),
        (f"{HEAD}{EXPORT}parameters: {{x: {{pattern: '('}}}}", "/parameters/x/pattern: a group is not closed"),
        (f"{HEAD}{EXPORT}parameters: {{x: {{item_type: text}}}}", "/parameters/x/item_type: belongs to lists"),
        (
            f"{HEAD}exports:\n  a.csv: {{type: table-data, dbms: p, table: '${{t}}'}}",
            "/exports/a.csv/table: cannot hold a variable",
        ),
    ],
)
def test_t05_every_wrong_shape_has_its_line_and_pointer(text: str, message: str) -> None:
    assert message in refusal(text)


def test_t05_all_mistakes_are_reported_together_in_order() -> None:
    text = (
        "hfitVersion: 99\ntemplateName: t\nfoo: 1\nexports:\n  a.csv: {type: database, provider: p}\n"
        "  ../b: {type: file, volume: v, path: x}\n"
    )
    assert refusal(text).splitlines() == [
        "The template is not valid:",
        "line 1, /hfitVersion: must be 1: this server knows no other version",
        "line 3, /foo: is not a key here",
        "line 5, /exports/a.csv/query: is missing",
        "line 6, /exports/..~1b: a name begins with a dot, ~ or space, or ends with a dot or space",
    ]


TRAPS = """
no yes on off y n 012 0o14 0x1F 12:30:45 2020-01-01 1_000 .inf .nan -.inf 1e3 1.50 +1 -0 = NULL True
""".split()  # noqa: SIM905


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize("trap", TRAPS)
def test_t06_the_traps_of_yaml_stay_text(trap: str) -> None:
    assert read_yaml(f"a: {trap}")[0].value == {"a": trap}
    template = parse_template(f"{HEAD}{EXPORT}parameters: {{x: {{default: {trap}}}}}")
    assert template.parameters is not None
    assert template.parameters[0].default == trap


@pytest.mark.parametrize(("plain", "default"), [("12", "12"), ("-5", "-5"), ("true", None), ("~", None)])
def test_t06_canonical_scalars_become_text_or_nothing(plain: str, default: str | None) -> None:
    text = f"{HEAD}{EXPORT}parameters: {{x: {{required: false, default: {plain}}}}}"
    if plain == "true":
        assert "/parameters/x/default: must be text" in refusal(text)
        return
    template = parse_template(text)
    assert template.parameters is not None
    assert template.parameters[0].default == default


@pytest.mark.parametrize(
    ("kind", "bad"), [("integer", "012"), ("date", "2024-02-30"), ("number", ".inf"), ("boolean", "yes"), ("uuid", "x")]
)
def test_t06_a_default_is_of_its_type(kind: str, bad: str) -> None:
    message = refusal(f"{HEAD}{EXPORT}parameters: {{x: {{type: {kind}, default: {bad}}}}}")
    assert "/parameters/x/default: must be" in message


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:{}[],-&*!|>'\"#%?\n $~<.1"), max_size=60))
def test_any_text_is_a_template_or_an_error_of_ours(text: str) -> None:
    try:
        parse_template(text)
    except HfitError as error:
        assert re.match("The template is not valid:\nline [0-9]+", error.message)
