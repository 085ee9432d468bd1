"""Which class and which mask a scan proposes for a column."""

from __future__ import annotations

import pytest

from hfitd.access.survey import HIGH, LOW, MEDIUM, Verdict, fitting_mask, judge_column
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Kind

NAMES = ["Anna Berg", "Peter Kern", "Maria Stein", "Thomas Ufer", "Laura Holm"]
EMAILS = [f"user{number}@shop.test" for number in range(20)]


def column(name: str, kind: Kind = Kind.TEXT, **more: object) -> Column:
    return Column(name, "x", kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "values", "kind", "confidence"),
    [
        ("email", EMAILS, "e-mail address", HIGH),
        ("email", [], "e-mail address", MEDIUM),
        ("email", ["none"] * 10, "e-mail address", LOW),
        ("ref", EMAILS, "e-mail address", HIGH),
        ("ref", [*EMAILS[:6], *["x"] * 14], "e-mail address", MEDIUM),
        ("ref", [*["all is well"] * 19, "ask ann@shop.test about it"], "free text", MEDIUM),
        ("who", [*NAMES, "xx"], "name of a person", MEDIUM),
        ("f1", ["86095742719"] * 4, "", ""),
        ("f1", ["44051401359", "02070803628", "90090515836", "92071314764", "81100216357"],
         "national, tax or document number", HIGH),
        ("f2", ["4111111111111111", "5500005555555559", "4012888888881881", "5105105105105100", "4222222222222"],
         "payment card", HIGH),
        ("courriel", [], "e-mail address", MEDIUM),
        ("geburtsdatum", [], "birth", MEDIUM),
        ("sku", ["A-1", "B-2", "C-3", "D-4", "E-5"], "", ""),
        ("hash", [f"{n:02d}9f8e7d6c5b4a39281706f5e4d3c2b1a0" for n in range(9)], "secret", LOW),
        ("story", ["once upon a time there was a very long text about nothing, in many words"] * 9, "free text", LOW),
    ],
)  # fmt: skip
def test_a_column_is_judged_by_name_and_values(name: str, values: list[str], kind: str, confidence: str) -> None:
    verdict = judge_column("t", column(name), values)
    assert (verdict.kind, verdict.confidence) == (kind, confidence), verdict.reason


def test_a_reason_never_repeats_a_value() -> None:
    for values in (EMAILS, NAMES, ["see ann@shop.test"]):
        reason = judge_column("t", column("x"), values).reason
        assert reason
        assert not any(value in reason for value in values)


def test_numbers_are_not_taken_for_phones_and_dates_for_nothing() -> None:
    assert judge_column("t", column("n", Kind.INTEGER), [str(4_930_123_000 + n) for n in range(20)]).kind == ""
    born = [f"19{60 + n}-01-02" for n in range(20)]
    assert judge_column("staff", column("d", Kind.DATE), born).confidence == LOW
    assert judge_column("film", column("d", Kind.DATE), born).kind == ""


def test_documents_are_looked_into() -> None:
    documents = ['{"user": {"email": "ann@x.org"}, "tags": ["a"]}'] * 3
    verdict = judge_column("event", column("payload", Kind.JSON), documents)
    assert ("$.user.email", "e-mail address") in verdict.paths
    assert verdict.confidence == MEDIUM


KINDS = [
    "e-mail address", "phone number", "name of a person", "postal address", "payment card", "bank account", "birth",
    "national, tax or document number", "network address or place", "secret", "free text", "income",
    "picture of a person", "health, belief or origin",
]  # fmt: skip
SHAPES = [
    column("a"),
    column("a", max_length=5),
    column("a", max_length=20, nullable=False),
    column("zip_code", max_length=10),
    column("a", Kind.INTEGER, nullable=False),
    column("a", Kind.NUMBER),
    column("a", Kind.DATE, nullable=False),
    column("a", Kind.BYTES),
    column("a", Kind.JSON, nullable=False),
    column("a", Kind.OTHER, nullable=False),
]


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_proposed_fits_whatever_the_column(kind: str, unique: bool) -> None:
    for shape in SHAPES:
        rule = fitting_mask(Verdict(kind, HIGH, ""), shape, unique=unique)
        bind_mask(rule, shape, b"k" * 32, unique=unique)


def test_the_nearest_mask_that_fits_is_proposed() -> None:
    assert fitting_mask(Verdict("e-mail address"), column("a"), unique=True).mask == "email"
    short = fitting_mask(Verdict("e-mail address"), column("a", max_length=30), unique=True)
    assert (short.mask, dict(short.options)) == ("email", {"short": True})
    assert fitting_mask(Verdict("secret"), column("a"), unique=False).mask == "null"
    assert fitting_mask(Verdict("secret"), column("a", nullable=False), unique=False).mask == "const"
    assert fitting_mask(Verdict("postal address"), column("zip_code", max_length=10), unique=False).mask == "digits"
