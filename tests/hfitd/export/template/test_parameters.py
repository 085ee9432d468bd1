"""Parameters: attack cases T07 and S32."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.errors import ParamInvalid
from hfitd.export.template.model import Template
from hfitd.export.template.parameters import Parameter, bind_parameters
from hfitd.export.template.parse import parse_template

HEAD = "hfitVersion: 1\ntemplateName: t\n"
EXPORT = "exports: {a.csv: {type: database, provider: p, query: SELECT 1}}\n"


def declared(spec: str) -> Template:
    return parse_template(f"{HEAD}parameters: {{x: {{{spec}}}}}\n{EXPORT}")


def bound(spec: str, value: Any) -> str | None:
    (parameter,) = bind_parameters(declared(spec), {"x": value})
    return parameter.value


def refusal(template: Template, given: Any) -> str:
    with pytest.raises(ParamInvalid) as caught:
        bind_parameters(template, given)
    return caught.value.message


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        ("text", "1 OR 1=1", "1 OR 1=1"), ("text", "", ""), ("text", 12, "12"), ("integer", "42", "42"), ("integer",
        42, "42"),
        ("integer", "-9223372036854775808", "-9223372036854775808"), ("bigint", 2**63 - 1, str(2**63 - 1)),
        ("integer", "0", "0"), ("number", "12.50", "12.50"), ("number", 1.5, "1.5"), ("number", 1e22, "1" + "0" * 22),
        ("number", 7, "7"), ("number", 1e-7, "0.0000001"), ("number", 3.0, "3"), ("boolean", True, "true"),
        ("boolean", "false", "false"), ("date", "2024-02-29", "2024-02-29"),
        ("timestamp", "2024-02-29T13:45Z", "2024-02-29 13:45:00+00:00"),
        ("timestamp", "2024-02-29 13:45:01.5+02:00", "2024-02-29 13:45:01.500000+02:00"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("list, item_type: integer", [1, "2"], '["1","2"]'), ("list, item_type: integer", "1, 2", '["1","2"]'),
        ("list", '["a,b", "c"]', '["a,b","c"]'), ("list", [], "[]"), ("enum, values: [a, b]", "b", "b"),
        ("text, pattern: '[a-z]+'", "abc", "abc"), ("text, max_length: 3", "abc", "abc"),
    ],
)  # fmt: skip
def test_values_become_canonical_text(kind: str, value: object, canonical: str) -> None:
    assert bound(f"type: {kind}", value) == canonical


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "1 OR 1=1"), ("integer", "1e3"), ("integer", "٣"), ("integer", "-0"), ("integer", 2**70),
        ("integer", 2**63), ("integer", -(2**63) - 1), ("integer", "012"), ("integer", "+1"),
        ("integer", " 1"), ("integer", "1\n"), ("integer", ""), ("integer", 1.0), ("integer", True), ("integer",
        "1_000"),
        ("number", "1e3"), ("number", "NaN"), ("number", ".5"), ("number", "-0.0"), ("number", "1,5"), ("boolean",
        "yes"),
        ("boolean", 1), ("boolean", "True"), ("date", "2024-02-30"), ("date", "2024-2-1"), ("date", "20240201"),
        ("date", "0000-01-01"), ("date", "٢٠٢٤-01-01"), ("timestamp", "2024-02-30T00:00"), ("timestamp", "2024-01-01"),
        ("timestamp", "2024-01-01T25:00"), ("uuid", "x"), ("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        ("enum, values: [a, b]", "c"), ("enum, values: [a, b]", "A"), ("text, pattern: '[a-z]+'", "abc1"),
        ("text, max_length: 3", "abcd"), ("text", "x" * 1_000_000), ("list, item_type: integer", ["1", "x"]),
        ("list", [["a"]]), ("list", "[1"), ("list", "[" * 5000), ("list", ["a"] * 1001), ("list, max_length: 2",
        "a,b,c"),
        ("list", {"a": 1}), ("list", 5),
    ],
)  # fmt: skip
def test_t07_what_is_not_of_its_type_names_the_parameter_and_not_the_value(kind: str, value: object) -> None:
    message = refusal(declared(f"type: {kind}"), {"x": value})
    assert message.startswith("The parameter x must be ")
    assert len(message) < 200
    if isinstance(value, str) and len(value) > 4:
        assert value not in message


TYPES = "text integer number boolean date timestamp uuid".split()  # noqa: SIM905


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "value",
    [{}, {"%(x)s": 1}, [1], math.nan, math.inf, -math.inf, json.loads("1e400"), b"x", 10**5000, "\ud800", "a\0b"],
    ids=range(11),
)
def test_s32_values_of_no_type_are_refused(kind: str, value: object) -> None:
    message = refusal(declared(f"type: {kind}"), {"x": value})
    assert "parameter x" in message


@pytest.mark.parametrize("value", ["\ud800", "a\0b", {}, math.nan, 10**5000, [1]], ids=range(6))
def test_s32_an_untyped_position_refuses_them_as_well(value: object) -> None:
    template = parse_template(f"{HEAD}packageName: a-$1\n{EXPORT}")
    assert "parameter 1" in refusal(template, [value])


SPECS = "{id: {type: integer}, day: {type: date, default: 2024-01-01}}"
TWO = parse_template(f"{HEAD}parameters: {SPECS}\n{EXPORT}")


def test_parameters_go_by_name_or_position() -> None:
    expected = (Parameter("id", "integer", "1"), Parameter("day", "date", "2024-02-02"))
    assert bind_parameters(TWO, {"day": "2024-02-02", "id": "1"}) == expected
    assert bind_parameters(TWO, ["1", "2024-02-02"]) == expected
    assert bind_parameters(TWO, ["1"])[1].value == "2024-01-01"
    assert bind_parameters(TWO, {"id": 1, "day": None})[1].value == "2024-01-01"


def test_an_optional_parameter_without_default_is_null() -> None:
    assert bind_parameters(declared("required: false"), {}) == (Parameter("x", "text", None),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "The parameter id is missing."),
        ([], "The parameter id is missing."),
        ({"id": None}, "The parameter id is missing."),
        ({"id": 1, "dya": "x"}, "has no parameter dya"),
        ({"id": 1, "%(x)s": 1}, "has no parameter of that name"),
        ({"1": 1}, "has no parameter 1"),
        ([1, "2024-01-01", 3], "takes 2 parameters; 3 were given"),
    ],
)
def test_t07_too_few_too_many_and_unknown_ones_are_refused(given: Any, message: str) -> None:
    assert message in refusal(TWO, given)


def test_t07_a_template_without_declarations_takes_exactly_its_positions() -> None:
    template = parse_template(f"{HEAD}packageName: a-$1-$2\n{EXPORT}")
    assert bind_parameters(template, ["x", 5]) == (Parameter("1", "", "x"), Parameter("2", "", "5"))
    assert bind_parameters(template, {"2": "y", "1": "x"}) == (Parameter("1", "", "x"), Parameter("2", "", "y"))
    for given_values in ([], ["x"], ["x", "y", "z"], {"1": "x"}, {"a": "x", "b": "y"}):
        refusal(template, given_values)
    assert bind_parameters(parse_template(HEAD + EXPORT), {}) == ()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TYPES), st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none()))
def test_t07_a_canonical_value_is_its_own_canonical_form(kind: str, value: object) -> None:
    template = declared(f"type: {kind}")
    try:
        (parameter,) = bind_parameters(template, {"x": value})  # type: ignore[dict-item]
    except ParamInvalid as error:
        assert error.resource == "x"
        return
    assert bind_parameters(template, {"x": parameter.value}) == (parameter,)
