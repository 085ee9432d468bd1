"""The SELECT over one relation: explicit columns, masks, the fence, order and limit."""

from __future__ import annotations

import pytest

from hfitd.errors import Internal
from hfitd.export.query.select import select_relation
from hfitd.masks.interface import BoundMask
from hfitd.sql import Text, text
from tests.support.query_worlds import CANARY, MASKS, World


async def test_rows_come_in_row_key_order_with_masks_in_place(shop: World) -> None:
    relation = shop.relation("users", masked=True)
    select = select_relation(relation, shop.dialect, MASKS["users"], where=None, order=None, limit=None, into="users")
    rows = await shop.rows(select)
    assert [output.name for output in select.outputs] == ["id", "email", "name", "phone", "city", "born"]
    assert [row[0] for row in rows] == list(range(1, 9))
    assert CANARY not in repr(rows)
    assert {row[2:4] for row in rows} == {("anon", None)}
    assert select.into == "users"
    assert all(output.column is not None for output in select.outputs)


async def test_s21_a_constant_mask_never_reads_the_column(shop: World) -> None:
    relation = shop.relation("users", masked=True)
    select = select_relation(relation, shop.dialect, MASKS["users"], where=None, order=None, limit=None)
    raw = await shop.run(select.sql)
    assert f"{CANARY}-name" not in repr(raw)
    assert f"{CANARY}-phone" not in repr(raw)
    assert f"{CANARY}-token" not in repr(raw)


def test_a_masked_column_without_its_mask_is_an_error_not_a_raw_column(shop: World) -> None:
    with pytest.raises(Internal):
        select_relation(shop.relation("users", masked=True), shop.dialect, {}, where=None, order=None, limit=None)
    with pytest.raises(Internal):
        masks = {**MASKS["users"], "email": BoundMask("broken")}
        select_relation(shop.relation("users", masked=True), shop.dialect, masks, where=None, order=None, limit=None)


async def test_s27_the_row_filter_is_fenced_below_the_condition(shop: World) -> None:
    relation = shop.relation("notes", masked=True)
    where = text("1 / (id - 2) = 99 OR tenant = 2")
    select = select_relation(relation, shop.dialect, {}, where=where, order=None, limit=None)
    assert await shop.run(select.sql) == []


async def test_limit_order_and_left_out_columns_are_honoured(shop: World) -> None:
    relation = shop.relation("orders", masked=True)
    select = select_relation(
        relation, shop.dialect, {}, where=text("id > 2"), order=None, limit=3, leave_out=frozenset({"doc", "total"})
    )
    assert [row[0] for row in await shop.run(select.sql)] == [3, 4, 5]
    assert [output.name for output in select.outputs] == ["id", "user_id", "status", "placed"]


def test_rows_as_they_come_have_no_order(shop: World) -> None:
    relation = shop.relation("orders", masked=True)
    select = select_relation(relation, shop.dialect, {}, where=None, order=None, ordered=False, limit=None)
    assert not any(isinstance(piece, Text) and "ORDER BY" in piece.sql for piece in select.sql.pieces)


async def test_a_constant_over_a_key_column_does_not_take_its_place_in_the_order(shop: World) -> None:
    relation = shop.relation("users", masked=False)
    masks = {"id": BoundMask("const", constant=True, literal="7")}
    select = select_relation(relation, shop.dialect, masks, where=None, order=None, limit=None)
    rows = await shop.run(select.sql)
    assert [str(row[1])[-13] for row in rows] == list("87654321")
