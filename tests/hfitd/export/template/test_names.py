"""Names inside packages (T11), here and at the client."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfit.package.names import check_distinct, check_name
from hfitd.errors import ParamInvalid, TemplateInvalid
from hfitd.export.template.names import component_problem, find_clashes, key_problem
from hfitd.export.template.parse import parse_template
from hfitd.export.template.variables import expand_package_name

BAD = [
    "../x", "/etc/x", "a/../../b", "C:\\x", "\\\\srv\\x", "CON", "nul.txt", "a.", "a ", " a", ".ssh/x", "x/.git/y",
    "METADATA/manifest.json", "metadata", "Readme.md", "a\nb", "a\x1bb", "%2e%2e", "%2E", "", "a//b", "a/", "/", "~",
    "caf\u0065\u0301", "x" * 101, "a" * 256, "a/b/c/d/e/f/g/h/i", "com¹", "LPT9.log", "aux .txt"[:4] + ".", "a\u202eb",
    "a\u200bb", "-rf", "a|b", "a?b", "a*b", 'a"b', "a<b", "\ue000", "\u0378", ".",
]  # fmt: skip
GOOD = [
    "a.sql", "logs", "out/case 1.csv", "naïve.csv", "北京.sql",
    "a/b/c/d/e/f/g/h", "x" * 100, "console.txt", "a~b", "100%",
]  # fmt: skip


@pytest.mark.parametrize("key", BAD)
def test_t11_a_bad_name_is_refused_as_key_and_as_package_name(key: str) -> None:
    assert key_problem(key)
    quoted = json.dumps(key)
    export = "{type: file, volume: v, path: x}"
    with pytest.raises(TemplateInvalid, match=r"name|path|server"):
        parse_template(f'hfitVersion: 1\ntemplateName: t\nexports: {{{quoted}: {export}}}')
    if not key.lower().startswith("readme"):
        with pytest.raises(TemplateInvalid, match="packageName"):
            parse_template(f'hfitVersion: 1\ntemplateName: t\npackageName: {quoted}\nexports: {{a: {export}}}')
        with pytest.raises(ParamInvalid):
            expand_package_name("${x}", {"x": key})


@pytest.mark.parametrize("key", GOOD)
def test_t11_ordinary_names_are_allowed(key: str) -> None:
    assert key_problem(key) == ""


def test_t11_of_two_spellings_of_one_name_only_the_composed_one_is_a_name() -> None:
    composed, decomposed = "caf\u00e9.csv", "cafe\u0301.csv"
    export = "{type: file, volume: v, path: x}"
    text = "hfitVersion: 1\ntemplateName: t\nexports: {%s}"
    assert parse_template(text % f'"{composed}": {export}').exports[0].key == composed
    for keys in ((decomposed,), (composed, decomposed), (decomposed, composed), (f"a/{composed}", f"A/{decomposed}")):
        with pytest.raises(TemplateInvalid, match="name"):
            parse_template(text % ", ".join(f'"{key}": {export}' for key in keys))
    with pytest.raises(ParamInvalid):
        expand_package_name("${x}", {"x": decomposed})


@pytest.mark.parametrize(
    "keys", [("A", "a"), ("straße", "STRASSE"), ("a", "a/b"), ("x/Y", "X/y"), ("K", "\u212a".lower()), ("a/b/c", "A/B")]
)
def test_t11_names_that_fall_together_are_refused(keys: tuple[str, str]) -> None:
    assert find_clashes(keys)
    exports = ", ".join(f'"{key}": {{type: file, volume: v, path: x}}' for key in keys)
    if len(set(keys)) == 2:
        with pytest.raises(TemplateInvalid, match="cannot stand beside"):
            parse_template(f"hfitVersion: 1\ntemplateName: t\nexports: {{{exports}}}")


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4))
def test_t11_what_the_server_writes_the_client_accepts(keys: list[str]) -> None:
    """One rule on both sides of the wire: no valid export makes a package that ``hfit`` refuses."""
    fine = [key for key in dict.fromkeys(keys) if not key_problem(key)]
    for key in fine:
        check_name(f"pkg/{key}", windows=True)
    if not find_clashes(fine):
        check_distinct(fine)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_t11_a_component_never_leaves_its_folder(name: str) -> None:
    if not component_problem(name):
        assert "/" not in name
        assert "\\" not in name
        assert name not in ("", ".", "..")
        assert len(name.encode()) <= 100
