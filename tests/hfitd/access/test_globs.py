from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hfitd.access.globs import compile_glob, escape, split_column, table_object
from hfitd.model import TableName

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda n: n == n.strip()
)
segments = st.text("ab*?", min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("glob", "covered", "not_covered"),
    [
        ("logs/*", ["logs/a", "logs/.b"], ["logs", "logs/a/b", "log/a"]),
        ("logs/**", ["logs", "logs/a", "logs/a/b"], ["logs2", "log"]),
        ("logs/**/*.txt", ["logs/a.txt", "logs/x/a.txt", "logs/x/y/a.txt"], ["logs/a.log", "logs"]),
        ("**/a", ["a", "x/a", "x/y/a"], ["xa", "a/x"]),
        ("**", ["a", "a/b", "a.b/c"], []),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "ax/b"]),
        ("a**b", ["ab", "a/x/b", "axxb"], ["a", "b"]),
        ("app/?.log", ["app/1.log"], ["app/.log", "app/12.log", "app//.log"]),
        ("a[b]c", ["a[b]c"], ["abc"]),
        ("a+b(c)", ["a+b(c)"], ["aab(c)"]),
    ],
)
def test_a_glob_covers_what_it_says_and_no_more(glob, covered, not_covered):
    compiled = compile_glob(glob)
    assert [path for path in covered if not compiled.covers(path)] == []
    assert [path for path in not_covered if compiled.covers(path)] == []


def test_a_table_glob_covers_the_columns_of_its_tables():
    glob = compile_glob("shop/public/*", columns=True)
    assert glob.covers("shop/public/customer")
    assert glob.covers("shop/public/customer", "email")


def test_a_column_glob_covers_its_columns_and_not_the_table():
    glob = compile_glob("shop/*/customer.e*", columns=True)
    assert glob.covers("shop/public/customer", "email")
    assert not glob.covers("shop/public/customer", "name")
    assert not glob.covers("shop/public/customer")
    assert compile_glob("shop/public/customer.*", columns=True).covers("shop/public/customer")


@given(names, names, names)
@example("a.b", "c", "d")
@example("a", "b.c", "d")
def test_an_object_names_one_column_of_one_table_whatever_the_names_hold(schema, table, column):
    whole = table_object("p", TableName(schema, table))
    path, word = split_column(table_object("p", TableName(schema, table), column))
    assert (path, word) == (whole, escape(column))
    assert split_column(whole) == (whole, None)
    glob = compile_glob(f"{whole}.{word}", columns=True)
    assert glob.covers(path, word)
    assert path.count("/") == 2


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_two_names_never_have_one_spelling(pair):
    assert escape(pair[0]) != escape(pair[1])


def slowly(glob: str, path: str) -> bool:
    """The meaning of a glob without ``**`` segments, by recursion over the characters."""
    if not glob:
        return not path
    if glob.startswith("**"):
        rest = glob.lstrip("*")
        return any(slowly(rest, path[cut:]) for cut in range(len(path) + 1))
    if glob[0] == "*":
        reach = re.match(r"[^/]*", path).end()
        return any(slowly(glob[1:], path[cut:]) for cut in range(reach + 1))
    if not path:
        return False
    if glob[0] == "?":
        return path[0] != "/" and slowly(glob[1:], path[1:])
    return path[0] == glob[0] and slowly(glob[1:], path[1:])


@given(
    st.lists(segments, min_size=1, max_size=3).filter(
        lambda parts: not any(set(p) == {"*"} and len(p) > 1 for p in parts)
    ),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_a_glob_agrees_with_its_plain_meaning(glob_parts, path_parts):
    glob, path = "/".join(glob_parts), "/".join(path_parts)
    assert compile_glob(glob).covers(path) == slowly(glob, path)


@given(st.text("ab*?/.%", max_size=14))
def test_any_text_is_a_glob_or_a_value_error(text):
    try:
        glob = compile_glob(text, columns=True)
    except ValueError:
        return
    glob.covers("a/b/ab", "b")


@pytest.mark.parametrize("text", ["", " a", "a ", "a//b", "/a", "a/", "a\nb", "p/s/t.", "p/s/.c"])
def test_a_glob_that_means_nothing_is_refused(text):
    if text == "p/s/.c":
        with pytest.raises(ValueError, match="empty"):
            compile_glob(text, columns=True)
    else:
        with pytest.raises(ValueError):
            compile_glob(text, columns=True)


def test_what_hides_ignores_case_and_what_shows_does_not():
    assert compile_glob("P/S/Customer", fold=True).covers("p/s/customer")
    assert not compile_glob("P/S/Customer").covers("p/s/customer")
