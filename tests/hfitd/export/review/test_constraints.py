"""What reviewers write about parameters, and which values it lets through."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.errors import BadRequest
from hfitd.export.review.constraints import outside, parse_constraints
from hfitd.export.template.parameters import Parameter
from hfitd.export.template.parse import parse_template

TEMPLATE = parse_template(
    b"""hfitVersion: 1
templateName: case
parameters:
  id: {type: integer}
  price: {type: number}
  day: {type: date}
  country: {type: text}
  tags: {type: list, item_type: integer}
  note: {type: text, required: false}
exports:
  a.csv: {type: table-data, data: {dbms: shop, table: t, filter: "id = ${id} AND a = ${price} AND d = ${day}
    AND c = ${country} AND n = ${note} AND g = ${tags}"}}
"""
)
POSITIONS = parse_template(
    b"""hfitVersion: 1
templateName: case
exports:
  a.csv: {type: table-data, data: {dbms: shop, table: t, filter: "id = $1 AND c = $2"}}
"""
)


def refused(text: str, name: str, kind: str, value: str | None) -> str:
    return outside(parse_constraints([text], TEMPLATE), [Parameter(name, kind, value)])


@pytest.mark.parametrize(
    ("text", "kind", "inside", "beyond"),
    [
        ("id=1..1000", "integer", ["1", "2", "1000"], ["0", "1001", "-5", "10000000000000000000", None]),
        ("id=..9", "integer", ["-100", "9"], ["10"]),
        ("id=-5..-1", "integer", ["-5", "-1"], ["0", "-6"]),
        ("id=42", "integer", ["42"], ["4", "420", None]),
        ("price=0.5..2", "number", ["0.5", "1.99", "2"], ["0.49", "2.01", "-1"]),
        ("day=2024-01-01..2024-12-31", "date", ["2024-01-01", "2024-06-30"], ["2023-12-31", "2025-01-01"]),
        ("day=2024-01-01..", "date", ["2031-01-01"], ["2023-12-31"]),
        ("country=DE|FR", "text", ["DE", "FR"], ["de", "DE|FR", "", "D", None]),
        ("country=a..b", "text", ["a..b"], ["a", "b"]),
        ("country~[A-Z]{2}", "text", ["DE"], ["DEU", "de", "", None]),
        ("tags=1..3", "list", ['["1","3"]', "[]"], ['["1","4"]', None]),
        ("note=x", "text", ["x"], [None, "y"]),
    ],
)
def test_a_constraint_lets_exactly_its_values_through(
    text: str, kind: str, inside: list[str], beyond: list[str | None]
) -> None:
    name = text.replace("~", "=").partition("=")[0]
    assert [refused(text, name, kind, value) for value in inside] == [""] * len(inside)
    assert [refused(text, name, kind, value) for value in beyond] == [name] * len(beyond)


@given(low=st.integers(-50, 50), span=st.integers(0, 50), value=st.integers(-200, 200))
@settings(max_examples=60)
def test_a_range_of_whole_numbers_is_that_of_mathematics(low: int, span: int, value: int) -> None:
    text = f"id={low}..{low + span}"
    assert (refused(text, "id", "integer", str(value)) == "") == (low <= value <= low + span)


def test_a_parameter_that_is_not_named_is_free_and_one_that_is_not_bound_fits_nothing() -> None:
    assert outside(parse_constraints([], TEMPLATE), [Parameter("id", "integer", "5")]) == ""
    assert outside(parse_constraints(["id=1"], TEMPLATE), []) == "id"


def test_positional_parameters_are_named_by_their_number() -> None:
    constraints = parse_constraints(["1=1..5", "2=a|b"], POSITIONS)
    assert outside(constraints, [Parameter("1", "", "3"), Parameter("2", "", "b")]) == ""
    assert outside(constraints, [Parameter("1", "", "6"), Parameter("2", "", "b")]) == "1"
    assert outside(constraints, [Parameter("1", "", "1 OR 1=1"), Parameter("2", "", "b")]) == "1"


@pytest.mark.parametrize(
    "texts",
    [
        ["nope=1"], ["id"], ["id="], ["=1"], ["id=.."], ["id=a..b"], ["day=1..2024-01-01"], ["country~("],
        ["id=1", "id=2"], ["id=" + "9" * 3000], ["id=1"] * 101,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_when_it_is_written(texts: list[str]) -> None:
    with pytest.raises(BadRequest):
        parse_constraints(texts, TEMPLATE)
