"""Whether a run does more than what a reviewer has read."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from hfitd.export.items.interface import Checked, RunScope, TablePlan
from hfitd.export.plan import Plan
from hfitd.export.review.reading import beyond, changed_lines, lines_of, read_plan
from hfitd.export.sources import SourceKey
from hfitd.export.template.model import Export, Subset, Template, VolumeFiles
from hfitd.model import Catalog, Column, Kind, Table, TableName

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


@dataclass(frozen=True)
class Reached:
    """A step whose tables lie in two databases, as a subset's may."""

    export: Export
    source: SourceKey | None
    tables: tuple[TablePlan, ...]

    def variables(self) -> frozenset[str]:
        return frozenset()

    async def check(self, scope: RunScope) -> Checked:
        return Checked((), self.tables)


def catalog(*columns: str) -> Catalog:
    """A database whose only table has these columns."""
    name = TableName("main", "person")
    table = Table(name, "table", tuple(Column(column, "text", Kind.TEXT) for column in columns))
    return Catalog("sqlite", "3", "main", "main", {name: table})


def test_tables_of_one_name_in_two_databases_are_read_apart_each_with_its_own_shape() -> None:
    here, there = SourceKey("shop", "main"), SourceKey("crm", "main")
    person = TableName("main", "person")
    tables = (TablePlan(person, ("id",), {}), TablePlan(person, ("id", "email"), {"email": "hash"}, source=there))
    step = Reached(Export("case.sql", "subset", Subset("shop", ())), here, tables)
    template = Template("case", "case", (step.export,), "", "d" * 64)
    plan = Plan(template, "a@x", "p", (), (step,), "d" * 64)
    shapes = {here: catalog("id"), there: catalog("id", "email")}
    read = read_plan(plan, shapes, lambda volume: False)
    lines = lines_of(read)
    assert "case.sql  shop/main  main.person.id  as it is" in lines
    assert "case.sql  shop/main  crm/main/main.person.email  hash" in lines
    assert beyond(read, read_plan(plan, shapes, lambda volume: False)) == ""
    shapes[there] = catalog("id", "email", "phone")
    assert "crm/main" in beyond(read, read_plan(plan, shapes, lambda volume: False))


def test_files_without_their_masks_are_not_covered_by_a_reading_of_masked_ones() -> None:
    export = Export("logs", "files", VolumeFiles("app_logs"))
    template = Template("case", "case", (export,), "", "d" * 64)
    plan = Plan(template, "a@x", "p", (), (Reached(export, None, ()),), "d" * 64)
    masked, raw = (read_plan(plan, {}, {"app_logs": lifted}.__getitem__) for lifted in (False, True))
    assert (beyond(raw, masked), beyond(raw, raw), beyond(masked, masked)) == ("", "", "")
    assert "without their masks" in beyond(masked, raw)
    assert lines_of(raw)[1:] == ["logs  app_logs  files as they are"]
