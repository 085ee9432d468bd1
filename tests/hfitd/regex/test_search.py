"""Named groups and many matches; what one search finds is compared with Python's engine where templates use it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.regex.program import RegexProblem
from hfitd.regex.search import compile_regex

PATTERNS = ["(?P<x>a+)b?", "(?P<x>[ab])(?P<y>c)?", "(?P<x>a*?)c|b", "^(?P<x>.)", "(?P<x>a|ab)(?P<y>c|bcd)", "(?P<x>c)$"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PATTERNS), st.text(alphabet="abcd", max_size=10))
def test_t12_every_match_is_found_with_its_named_groups(pattern: str, text: str) -> None:
    ours, theirs = compile_regex(pattern, named=True), re.compile(pattern)
    expected = [tuple(found.span(group) for group in range(theirs.groups + 1)) for found in theirs.finditer(text)]
    if "*?" in pattern:  # an empty match beside another is where engines differ
        assert [m.spans for m in ours.find_all(text)][:1] == expected[:1]
        return
    assert [found.spans for found in ours.find_all(text)] == expected
    assert ours.names == theirs.groupindex


def test_t12_a_long_line_takes_linear_time_whatever_the_pattern() -> None:
    for pattern in ("(a|aa)+$", "(.*)(.*)(.*)x", "(a+)+$", ".*a.{50}b"):
        begun = time.monotonic()
        assert list(compile_regex(pattern).find_all("a" * 20_000 + "c")) == []
        assert time.monotonic() - begun < 20  # backtracking would take years


@pytest.mark.parametrize(
    "pattern",
    ["(?P<>a)", "(?P<1>a)", "(?P<a b>a)", "(?P<x>a)(?P<x>b)", "(?P=x)", "(?P<x", "(?=a)", "(?i)a", "a" * 1025],
)
def test_a_group_is_named_once_and_in_one_way(pattern: str) -> None:
    with pytest.raises(RegexProblem):
        compile_regex(pattern, named=True)


def test_templates_have_no_named_groups() -> None:
    with pytest.raises(RegexProblem):
        compile_regex("(?P<x>a)")
