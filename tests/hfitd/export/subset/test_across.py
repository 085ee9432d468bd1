"""Virtual keys between databases: PostgreSQL, MariaDB and SQLite in one subset, up, down and in circles."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hfitd.config.model import MaskPolicy, PolicyConfig, ProviderConfig, RowFilterPolicy
from hfitd.errors import ExportRefused, LimitExceeded, TemplateInvalid
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world

SHOP = """
CREATE TABLE region (id int PRIMARY KEY);
CREATE TABLE customer (id int PRIMARY KEY, region int NOT NULL REFERENCES region, ref uuid, code char(6), price numeric,
    favourite int, email text);
CREATE TABLE purchase (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, doc jsonb);
INSERT INTO region VALUES (1), (2), (3);
INSERT INTO customer VALUES
    (1, 1, '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'ab', 1.50, 12, 'ada@example.com'),
    (2, 2, '6ba7b811-9dad-11d1-80b4-00c04fd430c8', 'AB', 2, 11, 'bob@example.com'),
    (3, 3, NULL, NULL, NULL, NULL, NULL);
INSERT INTO purchase VALUES (10, 1, '{"ticket": 21}'), (11, 1, '{"ticket": "none"}'), (12, 2, '{}'), (13, 3, NULL);
"""
CRM = """
CREATE TABLE team (id int PRIMARY KEY);
CREATE TABLE contact (id int PRIMARY KEY, team int NOT NULL, customer_no bigint unsigned, ref varchar(40),
    short varchar(9), price decimal(8,4), email varchar(60), FOREIGN KEY (team) REFERENCES team (id));
CREATE TABLE ticket (id int PRIMARY KEY, contact int NOT NULL, customer_no varchar(30),
    FOREIGN KEY (contact) REFERENCES contact (id));
INSERT INTO team VALUES (1), (2), (3);
INSERT INTO contact VALUES
    (11, 1, 1, '6BA7B810-9DAD-11D1-80B4-00C04FD430C8', 'ab', 1.5, 'ada@example.com'),
    (12, 2, 2, '6ba7b811-9dad-11d1-80b4-00c04fd430c8', 'Ab', 2, 'bob@example.com'),
    (13, 3, 18446744073709551615, 'no uuid', NULL, NULL, NULL);
INSERT INTO ticket VALUES (21, 11, '1'), (22, 12, '2'), (23, 12, '02'), (24, 13, '999999999999999999999');
"""
ARCHIVE = """
CREATE TABLE folder (id INTEGER PRIMARY KEY);
CREATE TABLE paper (id INTEGER PRIMARY KEY, folder INTEGER REFERENCES folder (id), ticket INTEGER);
INSERT INTO folder VALUES (1), (2);
INSERT INTO paper VALUES (31, 1, 21), (32, 2, 22), (33, 2, 77);
"""
CONTACT = {"from": "crm:contact.customer_no", "to": "customer.id"}
FAVOURITE = {"from": "customer.favourite", "to": "crm:contact.id"}
PAPER = {"from": "archive:paper.ticket", "to": "crm:ticket.id"}


@pytest.fixture(scope="session")
def providers(
    postgres_server: Server, mariadb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProviderConfig, ...]]:
    """The shop on PostgreSQL, its contacts on MariaDB, papers in SQLite."""
    file = tmp_path_factory.mktemp("across") / "archive.db"
    archive = sqlite3.connect(file)
    archive.executescript(ARCHIVE)
    archive.close()
    with fresh_database(postgres_server) as shop, fresh_database(mariadb_server) as crm:
        run_sql(postgres_server, SHOP, shop)
        run_sql(mariadb_server, CRM, crm)
        yield (
            server_provider(postgres_server, shop),
            server_provider(mariadb_server, crm, name="crm"),
            ProviderConfig(name="archive", type="sqlite", database="main", path=file),
        )


@pytest.fixture
async def world(providers: tuple[ProviderConfig, ...]) -> AsyncIterator[SubsetWorld]:
    """All three, open."""
    async with subset_world(*providers) as opened:
        yield opened


def keys_of(result: Any) -> dict[str, list[str]]:
    """Keys by bare table name."""
    return {
        table.rpartition(".")[2]: [",".join(key) for key in keys] for table, keys in result.keys.items()
    }


async def test_a_parent_in_another_database_comes_with_its_own_parents(world: SubsetWorld) -> None:
    result = await world.run(("customer", "id = 1"), children="none", virtual_keys=(FAVOURITE,))
    assert keys_of(result) == {"customer": ["1"], "region": ["1"], "contact": ["12"], "team": ["2"]}
    assert result.rows == {"public.region": 1, "public.customer": 1}
    ((path, tables),) = result.rows_elsewhere.items()
    assert path == "case-crm.sql" and sorted(tables.values()) == [1, 1]
    assert b"INSERT" in result.others[path][0] and b"COPY" in result.script
    assert "virtual" not in str(result.detail("dangling"))


async def test_children_in_other_databases_are_followed_through_all_of_them(world: SubsetWorld) -> None:
    result = await world.run(("customer", "id = 1"), virtual_keys=(CONTACT, PAPER))
    assert keys_of(result) == {
        "customer": ["1"], "region": ["1"], "purchase": ["10", "11"], "contact": ["11"], "team": ["1"],
        "ticket": ["21"], "paper": ["31"], "folder": ["1"],
    }  # fmt: skip
    assert sorted(result.rows_elsewhere) == ["case-archive.sql", "case-crm.sql"]
    paper = next(table for table in result.keys if table.endswith(".paper"))
    assert [name.rpartition(".")[2] for name in result.way(paper, ["31"])] == ["paper", "ticket", "contact", "customer"]


async def test_a_circle_through_two_databases_ends(world: SubsetWorld) -> None:
    result = await world.run(("customer", "id = 1"), virtual_keys=(CONTACT, FAVOURITE))
    found = keys_of(result)
    assert (found["customer"], found["contact"], found["ticket"]) == (["1", "2"], ["11", "12"], ["21", "22", "23"])
    again = await world.run(("customer", "id = 1"), virtual_keys=(CONTACT, FAVOURITE))
    assert (again.script, again.others, again.graph) == (result.script, result.others, result.graph)


async def test_a_listed_child_of_another_database_is_followed_and_no_other(world: SubsetWorld) -> None:
    result = await world.run(("customer", "id = 1"), children=("crm:contact",), virtual_keys=(CONTACT, PAPER))
    assert set(keys_of(result)) == {"customer", "region", "contact", "team"}


@pytest.mark.parametrize(
    ("key", "root", "child"),
    [
        ({"from": "crm:contact.ref", "to": "customer.ref"}, "id = 1", "11"),
        ({"from": "crm:contact.price", "to": "customer.price"}, "id = 1", "11"),
        ({"from": "crm:contact.short", "to": "customer.code"}, "id = 1", "11"),
        ({"from": "crm:ticket.customer_no", "to": "customer.id"}, "id = 2", "22"),
    ],
)
async def test_values_are_equal_by_what_they_mean_both_ways(
    world: SubsetWorld, key: dict[str, str], root: str, child: str
) -> None:
    table = key["from"].partition(":")[2].partition(".")[0]
    down = await world.run(("customer", root), children=(f"crm:{table}",), virtual_keys=(key,))
    assert keys_of(down)[table] == [child]


async def test_a_walk_up_from_mariadb_finds_what_the_walk_down_found(providers: tuple[ProviderConfig, ...]) -> None:
    shop, crm, archive = providers
    keys = [("ref", "ref", 2), ("price", "price", 2), ("short", "code", 1)]
    async with subset_world(crm, shop, archive) as world:
        for here, there, count in keys:
            key = {"from": f"contact.{here}", "to": f"src:customer.{there}"}
            result = await world.run(("contact", ""), children="none", virtual_keys=(key,))
            assert len(keys_of(result)["customer"]) == count, here
            assert set(result.rows_elsewhere) == {"case-src.sql"}


async def test_references_into_another_database_without_a_row_are_counted_and_named(
    providers: tuple[ProviderConfig, ...],
) -> None:
    shop, crm, archive = providers
    async with subset_world(archive, crm, shop) as world:
        key = {"from": "crm:ticket.customer_no", "to": "src:customer.id"}
        result = await world.run(("paper", ""), children="none", virtual_keys=(PAPER | {"from": "paper.ticket"}, key))
        tickets = await world.run(("paper", ""), virtual_keys=(PAPER | {"from": "paper.ticket"},), children="none")
    (own,) = result.detail("dangling")
    assert (own["table"], own["rows"], own["virtual"], own["to_provider"]) == ("main.paper", 1, True, "crm")
    assert own["to_table"].endswith(".ticket")
    assert "case-src.sql" not in tickets.rows_elsewhere and "case-src.sql" in result.rows_elsewhere


async def test_values_that_the_other_side_cannot_hold_refer_to_nothing(providers: tuple[ProviderConfig, ...]) -> None:
    shop, crm, _ = providers
    async with subset_world(crm, shop) as world:
        for key in ({"from": "contact.customer_no", "to": "src:customer.id"},
                    {"from": "ticket.customer_no", "to": "src:customer.id"},
                    {"from": "contact.ref", "to": "src:customer.ref"}):  # fmt: skip
            table = key["from"].partition(".")[0]
            result = await world.run((table, ""), children="none", virtual_keys=(key,))
            (entry,) = result.detail("dangling")
            assert entry["rows"] == (2 if table == "ticket" else 1), key


async def test_a_json_path_leads_into_another_database(world: SubsetWorld) -> None:
    key = {"from": "purchase.doc->>'ticket'", "to": "crm:ticket.id"}
    result = await world.run(("customer", "id = 1"), virtual_keys=(key,))
    assert keys_of(result)["ticket"] == ["21"]
    (entry,) = result.detail("dangling")
    assert entry["rows"] == 1


async def test_a_key_that_holds_for_some_rows_only_leads_into_another_database_for_these(world: SubsetWorld) -> None:
    key = {"from": "crm:ticket.customer_no", "to": "customer.id", "when": {"contact": "11"}}
    for number, found in (("1", ["21"]), ("2", [])):
        result = await world.run(("customer", f"id = {number}"), children=("crm:ticket",), virtual_keys=(key,))
        assert keys_of(result).get("ticket", []) == found


async def test_the_plan_shows_the_way_through_the_databases(world: SubsetWorld) -> None:
    step = world.plan(("customer", "id = 1"), virtual_keys=(CONTACT, PAPER))
    paths = {table.name.name: (table.path, table.source) for table in step.tables}
    path, source = paths["paper"]
    assert source is not None and source.provider == "archive"
    assert path[0] == "public.customer" and path[1].startswith("crm:") and path[-1].startswith("archive:main.paper (")
    assert "crm:contact.customer_no -> customer.id" in path[1]
    assert dict(step.members) == {source: name for source, name in zip(
        sorted(step.members, key=lambda key: (key != world.key, key)),
        ["case.sql", "case-archive.sql", "case-crm.sql"], strict=True)}  # fmt: skip


async def test_limits_count_all_databases_together(world: SubsetWorld) -> None:
    limits = {"max_rows_per_table": {"crm:ticket": 1}, "on_excess": "truncate"}
    result = await world.run(("customer", "id = 2"), virtual_keys=(CONTACT,), limits=limits)
    assert keys_of(result)["ticket"] == ["22"]
    (entry,) = result.others["case-crm.sql"][1].details["truncated"]  # type: ignore[misc]
    assert entry["left_out"] == 1  # type: ignore[index,call-overload]
    with pytest.raises(LimitExceeded, match="more than 6 rows"):
        await world.check(("customer", "id = 1"), virtual_keys=(CONTACT, PAPER), limits={"max_rows": 6})


async def test_each_provider_gives_what_it_grants(providers: tuple[ProviderConfig, ...]) -> None:
    """A parent that is not granted refuses; excluded it is counted; a child that a virtual key names refuses."""
    grants = ("rows:src/**", "rows:crm/**", "!rows:crm/*/team")
    async with subset_world(*providers[:2], grants=grants) as world:
        with pytest.raises(ExportRefused):
            world.plan(("customer", "id = 1"), children="none", virtual_keys=(FAVOURITE,))
        cut = await world.run(("customer", "id = 1"), children="none", virtual_keys=(FAVOURITE,), exclude=("crm:team",))
        assert "team" not in keys_of(cut)
    async with subset_world(*providers[:2], grants=("rows:src/**",)) as world:
        with pytest.raises(ExportRefused):
            world.plan(("customer", "id = 1"), virtual_keys=(FAVOURITE,), children="none")
        with pytest.raises(ExportRefused):
            world.plan(("customer", "id = 1"), virtual_keys=(CONTACT,))


@pytest.mark.parametrize("written", ["nowhere:contact.id", "crm:nothing.id", "crm:contact.none"])
async def test_a_name_of_another_database_that_means_nothing_refuses(world: SubsetWorld, written: str) -> None:
    with pytest.raises(ExportRefused) as refusal:
        world.plan(("customer", ""), virtual_keys=({"from": "customer.favourite", "to": written},))
    assert refusal.value.resource == "case.sql"


async def test_a_virtual_key_on_a_column_that_is_not_granted_refuses_as_one_that_is_not_there(
    providers: tuple[ProviderConfig, ...],
) -> None:
    async with subset_world(*providers[:2], grants=("rows:**", "!rows:src/*/customer.favourite")) as world:
        with pytest.raises(ExportRefused):
            world.plan(("customer", "id = 1"), children="none", virtual_keys=(FAVOURITE,))


EMAIL = {"from": "crm:contact.email", "to": "customer.email"}


async def test_masked_keys_stay_joined_between_databases(providers: tuple[ProviderConfig, ...]) -> None:
    policy = PolicyConfig(unclassified="allow", mask=(MaskPolicy(("*/*/*.email",), "email"),))
    async with subset_world(*providers[:2], policy=policy) as world:
        result = await world.run(("customer", "id = 1"), virtual_keys=(EMAIL,))
    assert keys_of(result)["contact"] == ["11"]
    everything = result.script + result.others["case-crm.sql"][0] + str(result.graph).encode()
    assert b"ada@" not in everything
    masked = [word for word in everything.replace(b"\t", b" ").split() if b"@example" in word]
    assert masked and all(word in result.script for word in masked if word.isalnum())


@pytest.mark.parametrize("columns", ["src/*/*.email", "crm/*/*.email"])
async def test_a_virtual_key_whose_ends_have_other_masks_refuses_by_its_name(
    providers: tuple[ProviderConfig, ...], columns: str
) -> None:
    policy = PolicyConfig(unclassified="allow", mask=(MaskPolicy((columns,), "email"),))
    async with subset_world(*providers[:2], policy=policy) as world:
        with pytest.raises(TemplateInvalid, match=r"crm:contact\.email -> customer\.email cannot be followed"):
            world.plan(("customer", "id = 1"), virtual_keys=(EMAIL,))


async def test_a_masked_key_that_the_databases_print_differently_refuses(providers: tuple[ProviderConfig, ...]) -> None:
    masks = (MaskPolicy(("*/*/*.short", "*/*/*.code"), "hash", {"length": 6}),)
    policy = PolicyConfig(unclassified="allow", mask=masks)
    async with subset_world(*providers[:2], policy=policy) as world:
        with pytest.raises(TemplateInvalid, match="cannot be followed"):
            world.plan(("customer", "id = 1"), virtual_keys=({"from": "crm:contact.short", "to": "customer.code"},))


async def test_row_filters_of_the_other_database_hold(providers: tuple[ProviderConfig, ...]) -> None:
    policy = PolicyConfig(unclassified="allow", row_filter=(RowFilterPolicy("crm/*/contact", (), "id <> 12"),))
    async with subset_world(*providers[:2], policy=policy) as world:
        result = await world.run(("customer", "id = 1"), children="none", virtual_keys=(FAVOURITE,))
    assert "contact" not in keys_of(result)
    assert [entry["rows"] for entry in result.detail("dangling")] == [1]
    assert result.others["case-crm.sql"] == (b"", result.others["case-crm.sql"][1])


async def test_a_key_between_two_databases_of_one_provider(postgres_server: Server, postgres_database: str) -> None:
    run_sql(postgres_server, "CREATE TABLE a (id int PRIMARY KEY, other int); INSERT INTO a VALUES (1, 5);",
            postgres_database)  # fmt: skip
    with fresh_database(postgres_server) as second:
        run_sql(postgres_server, "CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (5), (6);", second)
        provider = server_provider(postgres_server, postgres_database, (second,))
        async with subset_world(provider, databases=(second,)) as world:
            key = {"from": "a.other", "to": f"src/{second}:b.id"}
            result = await world.run(("a", ""), virtual_keys=(key,))
    assert result.rows_elsewhere == {f"case-src-{second}.sql": {"public.b": 1}}
