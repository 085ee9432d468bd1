"""Virtual keys: polymorphic, in JSON, by expression; and references that lead nowhere."""

from __future__ import annotations

import pytest

from hfitd.errors import ExportRefused
from hfitd.export.subset.keys import Place, read_place
from tests.support.subset_worlds import SubsetWorld

POLYMORPHIC = tuple(
    {"from": "nasty.comment.target_id", "to": f"nasty.{table}.{column}", "when": {"target_type": table}}
    for table, column in (("order", "id"), ("product", "product_id"), ("customer", "customer_id"))
)
JSON_KEY = ({"from": "nasty.doc.payload->>'order_id'", "to": "nasty.order.id"},)


@pytest.fixture(params=["pg", "my"])
def nasty(request: pytest.FixtureRequest) -> SubsetWorld:
    """The torture set on each server."""
    world: SubsetWorld = request.getfixturevalue(f"nasty_{request.param}")
    return world


async def test_a_polymorphic_key_leads_to_the_table_its_type_column_names(nasty: SubsetWorld) -> None:
    for comment, table, key in (("1", "order", "1000"), ("2", "product", "103"), ("4", "customer", "12")):
        root = ("nasty.comment", f"comment_id = {comment}")
        result = await nasty.run(root, children="none", virtual_keys=POLYMORPHIC)
        assert (key,) in result.keys[f"nasty.{table}"]
        assert result.detail("dangling") == []
        assert result.way(f"nasty.{table}", [key])[-1] == "nasty.comment"


async def test_children_by_a_polymorphic_key_are_those_of_that_type_only(nasty: SubsetWorld) -> None:
    plain = await nasty.run(("nasty.order", "id = 1000"), children=("nasty.comment",))
    virtual = await nasty.run(("nasty.order", "id = 1000"), children=("nasty.comment",), virtual_keys=POLYMORPHIC)
    assert "nasty.comment" not in plain.rows
    assert virtual.keys["nasty.comment"] == [("1",)]
    root = ("nasty.customer", "customer_id = 12")
    other = await nasty.run(root, children=("nasty.comment",), virtual_keys=POLYMORPHIC)
    assert other.keys["nasty.comment"] == [("4",)]


async def test_a_key_in_a_json_document_is_followed_both_ways(nasty: SubsetWorld) -> None:
    up = await nasty.run(("nasty.doc", "id = 1"), children="none", virtual_keys=JSON_KEY)
    assert up.keys["nasty.order"] == [("1000",)]
    down = await nasty.run(("nasty.order", "id = 1000"), children=("nasty.doc",), virtual_keys=JSON_KEY)
    assert down.keys["nasty.doc"] == [("1",)]


async def test_virtual_references_without_a_row_are_reported(nasty: SubsetWorld) -> None:
    result = await nasty.run(("nasty.doc", ""), ("nasty.comment", ""), children="none",
                             virtual_keys=(*POLYMORPHIC, *JSON_KEY))  # fmt: skip
    assert {(entry["table"], entry["rows"]) for entry in result.detail("dangling")} == {
        ("nasty.comment", 1), ("nasty.doc", 1)
    }  # fmt: skip


async def test_a_reference_of_an_unchecked_key_without_a_row_is_reported_and_not_fatal(nasty: SubsetWorld) -> None:
    result = await nasty.run(("nasty.legacy_orphan", ""), children="none")
    assert result.rows["nasty.legacy_orphan"] == 2
    entry = {"table": "nasty.legacy_orphan", "foreign_key": "legacy_fk", "rows": 1, "in_source": True}
    assert result.detail("dangling") == [entry]


@pytest.mark.parametrize("written", ["nasty.doc.nothing->>'a'", "nasty.nothing.a", "a"])
async def test_a_virtual_key_with_a_name_that_means_nothing_refuses(nasty: SubsetWorld, written: str) -> None:
    with pytest.raises(ExportRefused):
        nasty.plan(("nasty.doc", ""), virtual_keys=({"from": written, "to": "nasty.order.id"},))


async def test_every_row_has_a_way_back_to_a_root(nasty: SubsetWorld) -> None:
    result = await nasty.run(("nasty.site", "site_id = 2"))
    for table, keys in result.keys.items():
        for key in keys:
            assert result.way(table, key)[-1] == "nasty.site"


async def test_listed_children_are_followed_and_no_others(nasty: SubsetWorld) -> None:
    result = await nasty.run(("nasty.order", "id = 1000"), children=("nasty.invoice", "nasty.payment"))
    assert {"nasty.invoice", "nasty.payment"} <= result.rows.keys()
    assert not {"nasty.shipment", "nasty.note", "nasty.event_log"} & result.rows.keys()


async def test_several_roots_make_one_set(nasty: SubsetWorld) -> None:
    result = await nasty.run(("nasty.order", "id = 1000"), ("nasty.order", "id = 1003"), children="none")
    both = await nasty.run(("nasty.order", "id IN (1000, 1003)"), children="none")
    assert result.keys == both.keys


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("public.event.payload->>'customer'", Place("public.event.payload", ("customer",))),
        ("event.payload -> 'a' ->> 'b'", Place("event.payload", ("a", "b"))),
        ("event.payload->'list'->>0", Place("event.payload", ("list", 0))),
        ("event.payload#>>'{a,0,b}'", Place("event.payload", ("a", 0, "b"))),
        ("event.payload->>'it''s'", Place("event.payload", ("it's",))),
        ('s."odd->name".c', Place('s."odd->name".c', ())),
        ("s.t.c", Place("s.t.c", ())),
    ],
)
def test_a_place_is_a_column_and_a_path(written: str, place: Place) -> None:
    assert read_place(written) == place


@pytest.mark.parametrize(
    "written", ["->>'a'", "t.c->>", "t.c->>a", "t.c->>'a' || 'b'", "t.c->>'a\"b'", "t.c->>'a'; --"]
)
def test_a_place_that_is_more_than_that_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"names no column|JSON path"):
        read_place(written)
