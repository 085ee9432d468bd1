"""CHECK constraints as the servers print them, and the masks that they let stand."""

from __future__ import annotations

import pytest

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.checks import read_check
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Kind, MaskRule

KEY = b"a mask key for tests only, 32 or more"
LISTS = (
    "((status)::text = ANY ((ARRAY['new'::character varying, 'it''s'::character varying])::text[]))",
    "(status = ANY (ARRAY['new'::text, 'it''s'::text]))",
    "`status` in ('new','it''s')",
    "(`status` in (_utf8mb4\\'new\\',_utf8mb4\\'it''s\\'))",
    "(`status` in (_utf8mb4\\'new\\',_utf8mb4\\'it\\\\\\'s\\'))",
    "`status` = 'new' or `status` = 'it''s'",
    "((status = 'new'::text) OR (status = 'it''s'::text))",
)


@pytest.mark.parametrize("expression", LISTS)
def test_lists_of_values_are_read(expression):
    check = read_check(expression, "status")
    assert check is not None
    assert check.members == ("new", "it's")


@pytest.mark.parametrize(
    ("expression", "passing", "failing"),
    [
        ("((email)::text ~~ '%@%'::text)", "a@b", "ab"), ("`email` like '%@_%'", "a@b", "a@"),
        ("(char_length((email)::text) = 5)", "12345", "1234"), ("octet_length(email) > 3", "", ""),
        ("length(`email`) between 2 and 4", "abc", "abcde"), ("(email >= (0)::numeric)", "0.5", "-1"),
        ("`email` > -5", "-4", "-5"), ("((email)::text ~ '^[a-z]+$'::text)", "", ""),
        ("(email > 0 AND email < 10)", "", ""), ("(other = 'x')", "", ""), ("json_valid(`email`)", "", ""),
    ],
)  # fmt: skip
def test_conditions_are_read_or_left_alone(expression, passing, failing):
    check = read_check(expression, "email")
    if passing == failing:
        assert check is None
    else:
        assert check is not None
        assert check.samples
        assert check.passes(passing)
        assert not check.passes(failing)
        assert all(check.passes(sample) for sample in check.samples)


def _fits(mask: str, check: str, kind: Kind = Kind.TEXT, members: tuple[str, ...] = (), **options: object) -> bool:
    column = Column("c", "text", kind, members=members, checks=(check,) if check else ())
    try:
        bind_mask(MaskRule(mask, options), column, KEY)
    except MaskDoesNotFit as error:
        assert error.suggestions
        assert "c" in error.message
        return False
    return True


@pytest.mark.parametrize(
    ("mask", "check", "options", "fits"),
    [
        ("email", "c ~~ '%@%'", {}, True), ("hash", "c ~~ '%@%'", {}, False), ("hash", "length(c) = 32", {}, True),
        ("hash", "length(c) = 5", {}, False), ("digits", "length(c) = 5", {}, True),
        ("text", "length(c) <= 9", {}, True),
        ("hash", "c in ('a','b')", {}, False), ("null", "c in ('a','b')", {}, True),
        ("const", "c in ('a','b')", {"value": "b"}, True), ("const", "c in ('a','b')", {"value": "x"}, False),
        ("hash", "c ~ '^[a-z]$'", {}, True), ("redact", "c ~~ '+%'", {}, False),
        ("redact", "c ~~ '+%'", {"first": 2}, False), ("iban", "c ~~ 'NL%'", {}, False),
    ],
)  # fmt: skip
def test_a_mask_that_a_check_refuses_does_not_fit(mask, check, options, fits):
    assert _fits(mask, check, **options) is fits


def test_numbers_are_held_against_their_bounds():
    assert _fits("integer", "c > 0", Kind.INTEGER)
    assert not _fits("integer", "c between 0 and 150", Kind.INTEGER)
    assert _fits("noise", "c >= 0", Kind.NUMBER, percent=10)
    assert _fits("bucket", "c >= 0", Kind.NUMBER, step=10)
    assert not _fits("bucket", "c > 0", Kind.NUMBER, step=10)


def test_an_enumeration_takes_its_members_only():
    assert not _fits("hash", "", members=("a", "b"))
    assert not _fits("person_name", "", members=("a", "b"))
    assert _fits("const", "", members=("a", "b"), value="a")
    assert not _fits("const", "", members=("a", "b"), value="c")
    assert _fits("null", "", members=("a", "b"))


@pytest.mark.parametrize("type_name", ["year(4)", "bit(5)", "YEAR"])
@pytest.mark.parametrize(("mask", "options"), [("integer", {}), ("noise", {"amount": 3}), ("bucket", {"step": 10})])
def test_types_that_are_no_ranges_of_numbers_are_refused(type_name, mask, options):
    with pytest.raises(MaskDoesNotFit):
        bind_mask(MaskRule(mask, options), Column("c", type_name, Kind.INTEGER), KEY)
