"""What a server answers is held against its document before anybody relies on it."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

import pytest

from hfit import Client
from hfit.documents.shapes import shaped, shaped_list
from hfit.errors import AnswerMalformed
from tests.support.fake_hfitd import FakeHfitd


class Line(TypedDict):
    """A part."""

    size: float


class Paper(TypedDict):
    """One of each."""

    name: str
    count: Annotated[int | None, "how many"]
    lines: list[Line]
    sizes: dict[str, int]
    rest: NotRequired[Any]
    open: NotRequired[bool]


GOOD: dict[str, object] = {"name": "a", "count": None, "lines": [{"size": 1}, {"size": 1.5}], "sizes": {"x": 1}}


def test_what_has_the_shape_comes_back_as_it_is_with_what_nobody_knows_yet() -> None:
    whole = GOOD | {"rest": [1, {}], "open": True, "new": {"later": 1}}
    assert shaped(whole, Paper) is whole
    assert shaped_list([GOOD, whole], Paper) == [GOOD, whole]


@pytest.mark.parametrize(
    "change",
    [{"name": 1}, {"name": None}, {"count": "1"}, {"count": True}, {"count": 1.5}, {"lines": {}}, {"lines": [1]},
     {"lines": [{"size": "1"}]}, {"lines": [{}]}, {"sizes": {"x": "1"}}, {"sizes": []}, {"open": 1}, {"open": None}],
)  # fmt: skip
def test_what_has_another_shape_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(AnswerMalformed):
        shaped(GOOD | change, Paper)
    with pytest.raises(AnswerMalformed):
        shaped_list([GOOD, GOOD | change], Paper)


def test_a_missing_key_and_what_is_no_document_at_all_are_refused() -> None:
    for value in ({"name": "a"}, [], None, "x", [GOOD]):
        with pytest.raises(AnswerMalformed):
            shaped(value, Paper)
    with pytest.raises(AnswerMalformed):
        shaped_list({}, Paper)


def test_the_client_gives_nobody_a_plan_that_is_none(logged_in: FakeHfitd) -> None:
    logged_in.hooks["POST", "/packplan"] = lambda handler: handler.json({"exports": "all"})
    with pytest.raises(AnswerMalformed):
        Client().plan("customer-case")
