"""A subset holds what its caller may see: grants, row filters and masks decide, and nothing is hidden silently."""

from __future__ import annotations

from typing import Any

import pytest

from hfitd.config.model import MaskPolicy, PolicyConfig, RowFilterPolicy
from hfitd.errors import ColumnUnclassified, ExportRefused, FilterOnMasked, TemplateInvalid
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.subset_worlds import server_provider, subset_world

NASTY = ("rows:**",)


async def test_a_child_table_that_is_not_granted_is_not_followed(postgres_server: Server, nasty_postgres: str) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    async with subset_world(provider, grants=(*NASTY, "!rows:src/nasty/event_log")) as world:
        result = await world.run(("nasty.order", "id = 1000"))
    assert "nasty.event_log" not in result.rows
    assert sum(result.rows.values()) == 35


async def test_a_parent_table_that_is_not_granted_refuses_the_export_by_its_key(
    postgres_server: Server, nasty_postgres: str
) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    async with subset_world(provider, grants=(*NASTY, "!rows:src/nasty/customer")) as world:
        with pytest.raises(ExportRefused) as refusal:
            world.plan(("nasty.order", "id = 1000"))
    assert refusal.value.resource == "case.sql"
    assert "customer" not in refusal.value.message


async def test_an_excluded_parent_is_not_needed_and_its_references_are_counted(
    postgres_server: Server, nasty_postgres: str
) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    async with subset_world(provider, grants=(*NASTY, "!rows:src/nasty/customer")) as world:
        result = await world.run(("nasty.order", "id = 1000"), children="none", exclude=("nasty.customer",))
    assert "nasty.customer" not in result.rows
    assert result.detail("dangling") == [
        {"table": "nasty.order", "foreign_key": "order_customer_code_fkey", "rows": 1}
    ]


@pytest.mark.parametrize("missing", ["nasty.nothing", "nasty.event_log"])
async def test_a_named_child_that_is_missing_or_not_granted_refuses_alike(
    postgres_server: Server, nasty_postgres: str, missing: str
) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    async with subset_world(provider, grants=(*NASTY, "!rows:src/nasty/event_log")) as world:
        with pytest.raises(ExportRefused) as refusal:
            world.plan(("nasty.order", "id = 1000"), children=(missing,))
    assert refusal.value.resource == "case.sql"


@pytest.mark.parametrize("there", ["nasty.nothing.id", "nasty.event_log.nothing", "nasty.event_log.order_id"])
async def test_names_that_are_not_granted_cannot_be_tried_out_where_a_subset_would_never_go(
    postgres_server: Server, nasty_postgres: str, there: str
) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    table = there.rpartition(".")[0]
    wishes: list[dict[str, Any]] = [
        {"virtual_keys": ({"from": there, "to": "nasty.emp.emp_id"},)},
        {"virtual_keys": ({"from": "nasty.emp.emp_id", "to": there},)},
        {"virtual_keys": ({"from": "nasty.order.id", "to": "nasty.order.id", "when": {"sales_emp_id": "1"}},)},
        {"children": (table,)},
        {"limits": {"max_rows_per_table": {table: 1}}},
    ]
    grants = (*NASTY, "!rows:src/nasty/event_log", "!rows:src/nasty/order.sales_emp_id")
    async with subset_world(provider, grants=grants) as world:
        for wish in wishes:
            with pytest.raises(ExportRefused) as refusal:
                world.plan(("nasty.customer", "customer_id = 10"), **wish)
            assert (refusal.value.resource, refusal.value.message) == ("case.sql", ExportRefused().message)


async def test_a_key_whose_columns_are_not_granted_is_not_followed(
    postgres_server: Server, nasty_postgres: str
) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    async with subset_world(provider, grants=(*NASTY, "!rows:src/nasty/order.sales_emp_id")) as world:
        result = await world.run(("nasty.order", "id = 1000"), children="none")
    assert "nasty.emp" not in result.rows
    assert b"sales_emp_id" not in result.script


async def test_a_personal_column_without_a_class_refuses_by_name(postgres_server: Server, nasty_postgres: str) -> None:
    provider = server_provider(postgres_server, nasty_postgres)
    async with subset_world(provider, policy=PolicyConfig(unclassified="deny")) as world:
        with pytest.raises(ColumnUnclassified):
            world.plan(("nasty.customer", "customer_id = 10"))


async def test_row_filters_hold_in_the_walk_and_what_they_hide_is_counted(
    postgres_server: Server, nasty_postgres: str
) -> None:
    policy = PolicyConfig(
        unclassified="allow", row_filter=(RowFilterPolicy("src/nasty/customer", (), "customer_id <> 10"),)
    )
    async with subset_world(server_provider(postgres_server, nasty_postgres), policy=policy) as world:
        result = await world.run(("nasty.order", "id = 1000"), children="none")
    assert result.keys["nasty.customer"] == [("11",)]
    assert result.detail("dangling") == [
        {"table": "nasty.customer", "foreign_key": "customer_referred_by_fkey", "rows": 1}
    ]


SHOP = """
CREATE TABLE person (email varchar(64) PRIMARY KEY, born date);
CREATE TABLE visit (id int PRIMARY KEY, who varchar(64) REFERENCES person (email));
CREATE TABLE loose (who varchar(64) REFERENCES person (email), what text);
INSERT INTO person VALUES ('ada@example.com', '1815-12-10'), ('bob@example.com', NULL);
INSERT INTO visit VALUES (1, 'ada@example.com'), (2, 'bob@example.com'), (3, NULL);
INSERT INTO loose VALUES ('ada@example.com', 'b'), ('ada@example.com', 'a'), ('bob@example.com', 'c');
"""
EMAILS = PolicyConfig(unclassified="allow", mask=(MaskPolicy(("src/*/person.email", "src/*/*.who"), "email"),))


async def test_masked_keys_stay_joined_and_no_raw_value_leaves(postgres_server: Server, postgres_database: str) -> None:
    run_sql(postgres_server, SHOP, postgres_database)
    async with subset_world(server_provider(postgres_server, postgres_database), policy=EMAILS) as world:
        result = await world.run(("visit", "id = 1"))
        down = await world.run(("person", "born IS NOT NULL"))
    ((masked,),) = result.keys["public.person"]
    assert masked.encode() in result.script and b"ada@" not in result.script and "ada@" not in str(result.graph)
    assert result.rows == {"public.person": 1, "public.visit": 1}
    assert down.rows == {"public.person": 1, "public.visit": 1, "public.loose": 2}
    with fresh_database(postgres_server) as target:
        run_sql(postgres_server, SHOP.partition("INSERT")[0], target)
        run_sql(postgres_server, down.script, target)
        joined = "SELECT count(*) FROM visit JOIN person ON email = who JOIN loose USING (who);"
        assert run_sql(postgres_server, joined, target) == "2\n"


async def test_a_root_cannot_ask_about_a_masked_column(postgres_server: Server, postgres_database: str) -> None:
    run_sql(postgres_server, SHOP, postgres_database)
    async with subset_world(server_provider(postgres_server, postgres_database), policy=EMAILS) as world:
        with pytest.raises(FilterOnMasked):
            await world.check(("person", "email = 'ada@example.com'"))


@pytest.mark.parametrize("to", ["person.email", "loose.who", "visit.who"])
async def test_a_virtual_key_cannot_hold_its_own_masked_column_against_a_guess(
    postgres_server: Server, postgres_database: str, to: str
) -> None:
    run_sql(postgres_server, SHOP, postgres_database)
    key = {"from": "visit.who", "to": to, "when": {"who": "ada@example.com"}}
    async with subset_world(server_provider(postgres_server, postgres_database), policy=EMAILS) as world:
        for exclude in ((), ("person", "loose")):
            with pytest.raises(TemplateInvalid, match=r"masks hide public\.visit\.who"):
                world.plan(("visit", "id = 1"), virtual_keys=(key,), exclude=exclude)


async def test_a_row_without_a_key_is_named_by_its_place_in_the_data(
    postgres_server: Server, postgres_database: str
) -> None:
    run_sql(postgres_server, SHOP, postgres_database)
    async with subset_world(server_provider(postgres_server, postgres_database), policy=EMAILS) as world:
        result = await world.run(("person", ""))
        assert result.keys["public.loose"] == [("#1",), ("#2",), ("#3",)]
        assert result.way("public.loose", ["#1"]) == ["public.loose", "public.person"]
        again = await world.run(("person", ""))
    assert (again.script, again.graph) == (result.script, result.graph)
