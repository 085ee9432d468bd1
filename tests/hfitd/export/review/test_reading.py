"""Whether a run does more than what a reviewer has read."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hfitd.export.review.reading import beyond, changed_lines, lines_of

TABLE = {"shape": "s" * 64, "columns": {"id": "", "email": "hash"}, "rows": ""}
READ: dict[str, Any] = {
    "policy": "p",
    "parts": {"a.csv": {"source": "shop/shop", "tables": {"public.customer": TABLE}}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The reading with one place of it replaced, or taken away."""
    found = copy.deepcopy(READ)
    *way, last = path.split("/")
    place = found
    for step in way:
        place = place[step.replace("~", "/")]
    if value is None:
        del place[last]
    else:
        place[last.replace("~", "/")] = value
    return found


CUSTOMER = "parts/a.csv/tables/public.customer"


def test_the_same_is_covered_and_so_is_less() -> None:
    assert beyond(READ, READ) == ""
    assert beyond(READ, changed(f"{CUSTOMER}/columns/email", None)) == ""
    assert beyond(READ, changed("parts/a.csv/tables/public.customer", None)) == ""
    assert beyond(READ, changed(f"{CUSTOMER}/rows", "f" * 64)) == ""
    assert beyond(READ, {"policy": "p", "parts": {}}) == ""


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("policy", "q", "policy"),
        ("parts/b.csv", {"source": "shop/shop", "tables": {}}, "b.csv"),
        ("parts/a.csv/source", "shop/other", "another source"),
        ("parts/a.csv/tables/public.staff", TABLE, "public.staff"),
        (f"{CUSTOMER}/shape", "t" * 64, "has changed"),
        (f"{CUSTOMER}/columns/phone", "", "phone"),
        (f"{CUSTOMER}/columns/email", "", "email"),
        (f"{CUSTOMER}/columns/email", "const", "another mask"),
        (f"{CUSTOMER}/columns/id", "hash", "id"),
    ],
)
def test_more_is_not_covered_and_is_said(path: str, value: object, words: str) -> None:
    assert words in beyond(READ, changed(path, value))


def test_rows_beyond_the_row_filter_that_was_read_are_not_covered() -> None:
    narrow = changed(f"{CUSTOMER}/rows", "f" * 64)
    assert beyond(narrow, narrow) == ""
    assert "beyond the rows" in beyond(narrow, READ)
    assert "beyond the rows" in beyond(narrow, changed(f"{CUSTOMER}/rows", "g" * 64))


def test_a_reviewer_sees_each_column_on_a_line_and_what_changed_since() -> None:
    old = lines_of(READ)
    assert "a.csv  shop/shop  public.customer.email  hash" in old
    new = lines_of(changed(f"{CUSTOMER}/columns/email", ""))
    assert changed_lines(old, new) == [
        "-a.csv  shop/shop  public.customer.email  hash",
        "+a.csv  shop/shop  public.customer.email  as it is",
    ]
    assert changed_lines(old, old) == []
