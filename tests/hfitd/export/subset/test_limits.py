"""Limits refuse, naming the table; what is left out on request is in the manifest. Few statements for many rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hfitd.errors import LimitExceeded
from tests.live.servers import Server
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world


@pytest.fixture(params=["postgresql", "mariadb"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[SubsetWorld]:
    """The torture set on each server, in a snapshot of its own: a refusal may cost the connection."""
    short = "postgres" if request.param == "postgresql" else "mariadb"
    server: Server = request.getfixturevalue(f"{short}_server")
    name: str = request.getfixturevalue(f"nasty_{short}")
    async with subset_world(server_provider(server, name, () if short == "postgres" else ("nasty*",))) as opened:
        yield opened


async def test_too_many_rows_refuse_naming_the_table(world: SubsetWorld) -> None:
    with pytest.raises(LimitExceeded, match=r"more than 100 rows; 99 of nasty\.spoke"):
        await world.check(("nasty.hub", "id = 1"), limits={"max_rows": 100})


async def test_the_package_limit_holds_where_the_template_has_none(world: SubsetWorld) -> None:
    with pytest.raises(LimitExceeded, match=r"nasty\.spoke"):
        await world.check(("nasty.hub", "id = 1"), max_rows=50)


async def test_too_many_rows_of_one_table_refuse(world: SubsetWorld) -> None:
    with pytest.raises(LimitExceeded, match=r"20 rows of nasty\.spoke"):
        await world.check(("nasty.hub", "id = 1"), limits={"max_rows_per_table": {"nasty.spoke": 20}})


async def test_too_many_children_of_one_row_refuse(world: SubsetWorld) -> None:
    with pytest.raises(LimitExceeded, match=r"10 rows of nasty\.spoke by .*max_children_per_row"):
        await world.check(("nasty.hub", "id = 1"), limits={"max_children_per_row": 10})


async def test_rows_are_left_out_only_on_request_the_first_by_key_stay(world: SubsetWorld) -> None:
    limits = {"max_children_per_row": 10, "on_excess": "truncate"}
    result = await world.run(("nasty.hub", "id = 1"), limits=limits)
    assert result.rows == {"nasty.hub": 1, "nasty.spoke": 10}
    assert sorted(int(key) for (key,) in result.keys["nasty.spoke"]) == list(range(1, 11))
    assert result.detail("truncated") == [
        {"table": "nasty.spoke", "limit": "max_children_per_row", "left_out": 4990}
    ]


async def test_leaving_rows_out_never_leaves_out_a_parent(world: SubsetWorld) -> None:
    limits = {"max_rows": 2, "on_excess": "truncate"}
    result = await world.run(("nasty.order", "id IN (1000, 1003)"), limits=limits)
    assert result.keys["nasty.order"] == [("1000",), ("1003",)]
    assert sum(result.rows.values()) == 17  # the parents of both
    assert result.detail("dangling") == []
    assert result.detail("truncated")[0]["limit"] == "max_rows"


async def test_five_thousand_children_cost_no_more_statements_than_one(world: SubsetWorld) -> None:
    one = await world.run(("nasty.hub", "id = 2"))
    many = await world.run(("nasty.hub", "id = 1"))
    assert many.rows["nasty.spoke"] == 5000
    assert many.asked["batches"] <= one.asked["batches"] + 1
    assert many.asked["render"] <= 2


async def test_statements_grow_with_tables_and_depth_not_with_rows(world: SubsetWorld) -> None:
    result = await world.run(("nasty.order", ""))
    edges = len(result.step.graph.edges)
    assert sum(result.rows.values()) > 50
    assert result.asked["batches"] <= 6 * edges
    assert result.asked["render"] == len(result.rows)


async def test_a_plan_shows_paths_and_estimates_and_reads_no_row(world: SubsetWorld) -> None:
    _, checked, asked = await world.check(("nasty.order", "id = 1000"), walk=False)
    assert not checked.members
    assert set(asked.asked) <= {"describe", "estimate", "outlook"}
    by_name = {table.table: table for table in checked.tables}
    assert by_name["nasty.order"].path == ("nasty.order",)
    path = by_name["nasty.region"].path
    assert path[0] == "nasty.order" and path[-1].startswith("nasty.region (")
    assert (by_name["nasty.order"].estimated_rows or 0) >= 1
    assert (by_name["nasty.site"].estimated_rows or 0) >= 1
    assert (by_name["nasty.site"].estimated_bytes or 0) >= 1
