"""Variables: attack cases T08, T09, T10 and T12."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.errors import ParamInvalid, PathRefused, TemplateInvalid
from hfitd.export.template.parse import parse_template
from hfitd.export.template.variables import (
    expand_component,
    expand_filter,
    expand_glob,
    expand_package_name,
    find_variables,
    replace_by_regex,
)
from hfitd.regex.program import RegexProblem
from hfitd.regex.search import compile_regex
from hfitd.volumes.scan import fnmatch

HEAD = "hfitVersion: 1\ntemplateName: t\n"


def template(query: str = "SELECT 1", extra: str = "", path: str = "x", filters: str = "[]") -> str:
    block = "\n".join("    " + line for line in query.splitlines())
    return (
        f"{HEAD}{extra}exports:\n  a.csv:\n   type: database\n   provider: p\n   query: |\n{block}\n"
        f"  b: {{type: file, volume: v, path: {path!r}}}\n  c: {{type: files, volume: v, filters: {filters}}}\n"
    )


def refusal(text: str) -> str:
    with pytest.raises(TemplateInvalid) as caught:
        parse_template(text)
    return caught.value.message


DECLARED = "parameters: {id: {type: integer}, day: {type: date}}\n"


@pytest.mark.parametrize("value", ["${other}", "$1", "$$", "${a.b}", "$(id)", "${x}", "-$1", "*${x}?"])
def test_t08_values_are_never_expanded_again(value: str) -> None:
    values = {"x": value, "1": "no", "other": "no"}
    assert expand_component("a-${x}-b/${other}", values) == f"a-{value}-b/no"
    assert expand_component("$1/${x}", values) == f"no/{value}"
    glob = re.sub(r"([*?\[])", r"[\1]", value)
    assert expand_glob("*${x}", values) == f"*{glob}"


@pytest.mark.parametrize("text", ["$$", "$(id)", "$", "a$b", "$0", "$x", "'$.a[*].b'", "{a}", "$ {x}"])
def test_t08_other_dollars_are_just_text(text: str) -> None:
    assert find_variables(text) == frozenset()
    parse_template(template(f"SELECT * FROM a WHERE b = 1 -- {text}" if "'" in text else "SELECT 1", path=f"d/{text}"))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("x = ${nope}", "nope is no parameter and no variable"),
        ("x = ${ida}", 'did you mean "id"?'),
        ("x = ${a.b}", "a variable is written ${name}"),
        ("x = ${}", "a variable is written ${name}"),
        ("x = ${id", "a variable is written ${name}"),
        ("x = ${1}", "a variable is written ${name}"),
        ("x = ${id }", "a variable is written ${name}"),
        ("x = $3", "$3 is beyond the 2 declared parameters"),
    ],
)
def test_t08_an_unknown_variable_is_an_error_when_saved(where: str, message: str) -> None:
    assert message in refusal(template(f"SELECT 1 FROM t WHERE {where}", DECLARED))


def step(name: str, query: str) -> str:
    return f"  - {{setVar: {name}, from: hot-data, hdata: {{type: dbquery, dbms: p, query: '{query}'}}}}\n"


def test_t08_a_step_sees_earlier_steps_only() -> None:
    forward = refusal(template(extra="prepare:\n" + step("a", "SELECT ${b}") + step("b", "SELECT 1")))
    assert "/prepare/0/hdata/query: b is set by a later step only" in forward
    assert "a refers to itself" in refusal(template(extra="prepare:\n" + step("a", "SELECT ${a}")))
    cycle = refusal(template(extra="prepare:\n" + step("a", "SELECT ${b}") + step("b", "SELECT ${a}")))
    assert "b is set by a later step only" in cycle
    twice = refusal(template(extra="prepare:\n" + step("a", "SELECT 1") + step("a", "SELECT 2")))
    assert "/prepare/1/setVar: a is already" in twice
    assert "id is already a parameter" in refusal(template(extra=DECLARED + "prepare:\n" + step("id", "SELECT 1")))
    parse_template(template("SELECT ${b}", "prepare:\n" + step("a", "SELECT 1") + step("b", "SELECT ${a}")))


def test_t08_an_input_step_takes_a_parameter() -> None:
    for source in ("$1", "$2", "id", "${id}"):
        parse_template(template(extra=DECLARED + f"prepare: [{{setVar: v, from: input, source: '{source}'}}]\n"))
    for source in ("$3", "x", "$id", "a b"):
        text = template(extra=DECLARED + f"prepare: [{{setVar: v, from: input, source: '{source}'}}]\n")
        assert "/prepare/0/source" in refusal(text)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM ${id}", "SELECT * FROM a, ${id}", "SELECT * FROM a JOIN ${id} ON true",
        "SELECT 1 ORDER BY ${id}",
        "SELECT 1 ORDER BY a, ${id} DESC", "SELECT 1 GROUP BY ${id}", "SELECT 1 WHERE x = '${id}'",
        'SELECT 1 WHERE "${id}" = 1', "SELECT 1 WHERE `${id}` = 1", "SELECT 1 -- ${id}", "SELECT 1 /* ${id} */",
        "SELECT 1 WHERE x = $$${id}$$", "SELECT a AS ${id}", "SELECT t.${id}", "SELECT ${id}.a", "SELECT a${id}",
        "SELECT ${id}a", "SELECT ${id}(1)", "SELECT 1 WHERE x = 'a$1b'", "SELECT ${id}${day}", "SELECT 1 COLLATE ${id}",
        "SELECT 1 WHERE x IN (SELECT y FROM ${id})", "SELECT 1 WHERE x = 'unclosed ${id}", "SELECT 1 /* ${id}",
        "SELECT 1 ORDER\nBY\n${id}", "SELECT 1 WHERE x = E'${id}'",
    ],
)  # fmt: skip
def test_t09_a_variable_stands_only_where_a_value_can(query: str) -> None:
    assert "/exports/a.csv/query: a variable" in refusal(template(query, DECLARED))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM t WHERE id = ${id} AND day >= $2 LIMIT ${id} OFFSET $1", "SELECT ${id} AS x, ${day}",
        "SELECT * FROM t WHERE id IN (${id}, $1) AND NOT (x <> ${id})", "SELECT f(${id}, a) FROM t",
        "SELECT * FROM generate_series(1, ${id}) g", "SELECT 1 ORDER BY CASE WHEN a = ${id} THEN 1 END",
        "SELECT 1 WHERE a IS DISTINCT FROM ${id}", "SELECT extract(year from ${day})",
        "SELECT a FROM t GROUP BY a LIMIT ${id}",
        "SELECT * FROM t WHERE x = 'it''s' AND y=${id}", "SELECT CAST(${id} AS int), ${id}::int",
        "SELECT x->>'$.a' = ${id}",
        "SELECT * FROM a JOIN b ON a.id = ${id} WHERE x BETWEEN ${id} AND ${id}",
        "SELECT substring(a from ${id} for 2)",
        "SELECT 1 ORDER BY a + ${id}", "SELECT INTERVAL ${id} DAY",
    ],
)  # fmt: skip
def test_t09_every_position_of_a_value_is_open(query: str) -> None:
    parse_template(template(query, DECLARED))


def test_t09_checking_long_texts_takes_no_time() -> None:
    begun = time.monotonic()
    for piece in ("/*", "'", "$$", "$a$", "`", '"', "--", "''", "('", "\\'"):
        with pytest.raises(TemplateInvalid):
            parse_template(template(piece * (60_000 // len(piece)) + " ${nope}"))
    assert time.monotonic() - begun < 20  # quadratic would be minutes


HOSTILE = ["../../etc/passwd", "..", ".", "a/b", "a\\b", "", "a\0b", "a\nb", "\x1b",
"x" * 300, "x" * 10_000_000, "\ud800"]


@pytest.mark.parametrize("value", HOSTILE)
def test_t10_a_value_is_one_component_of_a_path(value: str) -> None:
    with pytest.raises(PathRefused, match="x") as caught:
        expand_component("app/${x}.log", {"x": value})
    assert value[:5] == "" or value[:5] not in caught.value.message or value in (".", "x" * 300, "x" * 10_000_000)


def test_t10_values_do_not_climb_together() -> None:
    with pytest.raises(PathRefused):
        expand_component("a/${x}${y}/b", {"x": ".", "y": "."})
    for text, values in (("${x}.", {"x": "."}), ("a/${x}", {"x": None}), ("a/${x}", {})):
        with pytest.raises(PathRefused):
            expand_component(text, values)


def test_t10_sql_in_a_value_is_only_a_strange_name() -> None:
    assert expand_component("a/${x}", {"x": "'; drop table x;--"}) == "a/'; drop table x;--"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab*?[]!-^/\\{}"), max_size=12), st.text(alphabet="ab*?[]!-", max_size=12))
def test_t10_a_value_in_a_glob_matches_itself_alone(value: str, other: str) -> None:
    glob = expand_glob("${x}", {"x": value})
    assert fnmatch.fnmatchcase(value, glob)
    assert fnmatch.fnmatchcase(other, glob) == (other == value)


def test_t10_filters_expand_by_their_kind() -> None:
    assert expand_filter("name:*_${x}_*", {"x": "[a]*"}) == "name:*_[[]a][*]_*"
    assert expand_filter("folder:a/${x}", {"x": "[a]*"}) == "folder:a/[a]*"
    assert expand_filter("mtime:30", {}) == "mtime:30"
    with pytest.raises(PathRefused):
        expand_filter("folder:${x}", {"x": ".."})


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ("['mtime:${id}']", "in name: and folder: filters only"), ("['size:x']", "size:"), ("['nmae:x']",
        "a filter is one of"),
        ("['folder:../x']", "no . or .. parts"), ("['name:${nope}']", "nope is no"),
    ],
)  # fmt: skip
def test_filters_are_checked_when_saved(filters: str, message: str) -> None:
    assert message in refusal(template(extra=DECLARED, filters=filters))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "", "a/..", "~/x", "..${id}/.."])
def test_paths_are_checked_when_saved(path: str) -> None:
    assert "/exports/b/path" in refusal(template(extra=DECLARED, path=path))


def test_a_package_name_out_of_values_is_a_name() -> None:
    assert expand_package_name("case-${id}", {"id": "42"}) == "case-42"
    for value in ("../x", "a/b", "x" * 200, "a\nb", ""):
        with pytest.raises(ParamInvalid):
            expand_package_name("${id}", {"id": value})
    with pytest.raises(PathRefused, match="id has no value"):
        expand_package_name("case-${id}", {"id": None})


@pytest.mark.parametrize(
    ("spec", "name", "expected"),
    [
        ("/([0-9]+).*/$1/", "123_customer.txt", "123"),
        ("/([0-9]+).*/$1/", "app_123.txt", "app_123"),
        ("/^[a-z]+_([0-9]+)_.*$/$1/", "app_42_x.txt", "42"),
        ("/a/b/", "aaa", "baa"),
        ("/nothing/x/", "name", "name"),
        ("/(a)(b)?/$2$1-$0/", "ac", "a-ac"),
        (r"/\//x/", "a/b", "axb"),
        (r"/\.txt$//", "a.txt", "a"),
        ("/(.*?)-(.*)/$2 $1/", "x-y-z", "y-z x"),
    ],
)
def test_regex_replace_replaces_the_first_find(spec: str, name: str, expected: str) -> None:
    assert replace_by_regex(spec, name) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "abc", "/a", "/a/b", "//b/", "/(a/b/", "/a)/b/", "/a/$1/", "/(a)/$2/", "/(a)/$x/", "/(a)/$$/",
        r"/(a)/\g<0>/", r"/(a)\1/x/",
        "/(?=a)/x/", "/(?P<n>a)/x/", "/(?i)a/x/", "/a**/x/", "/a{5,2}/x/", "/a{999}/x/", "/" + "(a)" * 1000 + "/x/",
        "/[z-a]/x/",
        "/" + "(" * 50 + ")" * 50 + "/x/", "/((((a{100}){100}){100}){100})/x/", r"/\Z/x/", "/[a/x/", "/+/x/", "/a/b/g",
    ],
)  # fmt: skip
def test_t12_a_pattern_beyond_the_language_is_refused_when_saved(spec: str) -> None:
    hdata = f"{{type: volume, volume: v, glob: '*', regex_replace: '{spec}'}}"
    message = refusal(template(extra=f"prepare: [{{setVar: s, from: hot-data, hdata: {hdata}}}]\n"))
    assert "/prepare/0/hdata/regex_replace: regex_replace" in message
    with pytest.raises(TemplateInvalid):
        replace_by_regex(spec, "aaa")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "a*a*a*a*a*b", "(.*.*.*)x", "((a?){50}){5}b"])
def test_t12_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    regex = compile_regex(pattern)
    begun = time.monotonic()
    regex.search("a" * 255 + "c")
    assert time.monotonic() - begun < 5  # backtracking would take years
    with pytest.raises(RegexProblem):
        regex.search("a" * 50_000)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", "^", "$"])
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "??"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        inner.map("({})".format),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(ATOMS.filter(lambda atom: atom not in "^$"), REPEATS).map("".join),
    ),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None)
@given(PATTERNS, st.text(alphabet="ab1.", max_size=8))
def test_t12_the_engine_agrees_with_pythons(pattern: str, text: str) -> None:
    """Repetitions of single atoms, where both have one meaning (an empty turn of a loop is where engines differ)."""
    ours, theirs = compile_regex(pattern), re.compile(pattern, re.ASCII)
    found, expected = ours.search(text), theirs.search(text)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found.spans == tuple(expected.span(group) for group in range(theirs.groups + 1))
    assert ours.matches(text) == (theirs.fullmatch(text) is not None)
