"""Rows and columns that are fenced or denied where they are stored, asked for through views."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hfitd.access.explain import explain_table
from hfitd.access.policy import Policy
from hfitd.config.model import MaskPolicy, PolicyConfig, ProviderConfig, RoleConfig, RowFilterPolicy, Secret
from hfitd.engines.table import open_engine
from hfitd.errors import ColumnUnclassified, NotFound
from hfitd.model import Actor, Catalog, TableName
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider
from tests.support.mysql_world import mysql_provider

TABLES = """
CREATE TABLE deal (id integer PRIMARY KEY, tenant integer, what varchar(40), fee integer);
CREATE TABLE pay (id integer PRIMARY KEY, amount integer);
CREATE VIEW deals AS SELECT id, what FROM deal;
CREATE VIEW deals_again AS SELECT id FROM deals;
CREATE VIEW pays AS SELECT id AS n, amount AS m FROM pay;
CREATE VIEW fees AS SELECT id, fee AS f FROM deal;
"""
FILTER = RowFilterPolicy("shop/*/deal", ("dev",), "tenant = 1")


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> ProviderConfig:
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / "shop.db") as connection:
            connection.executescript(TABLES)
        connection.close()
        return ProviderConfig("shop", "sqlite", path=tmp_path / "shop.db")
    kind, make = {"postgresql": ("postgres", postgres_provider), "mysql": ("mariadb", mysql_provider)}[request.param]
    server: Server = request.getfixturevalue(f"{kind}_server")
    database: str = request.getfixturevalue(f"{kind}_database")
    run_sql(server, TABLES, database)
    if kind == "postgres":
        run_sql(server, "CREATE MATERIALIZED VIEW deals_kept AS SELECT id, what FROM deals;", database)
    return make(server, database)


async def read_catalog(provider: ProviderConfig) -> Catalog:
    engine = open_engine(provider)
    try:
        async with engine.snapshot(provider.database or "main") as snapshot:
            return await snapshot.catalog()
    finally:
        await engine.close()


def policy_of(*grants: str, filters: tuple[RowFilterPolicy, ...] = (), boss: tuple[str, ...] = ()) -> Policy:
    roles = {"dev": RoleConfig("dev", grants), "boss": RoleConfig("boss", boss)}
    return Policy(PolicyConfig(row_filter=filters), roles, b"k" * 32)


def named(catalog: Catalog, word: str) -> TableName:
    return next(name for name in catalog.tables if name.name == word)


def sees(policy: Policy, catalog: Catalog, view: str, *roles: str) -> bool:
    try:
        policy.relation(Actor("a@b.c", roles or ("dev",)), "shop", catalog, named(catalog, view))
    except NotFound:
        return False
    return True


async def test_s27_a_view_over_a_fenced_table_is_not_granted_by_wildcards(provider: ProviderConfig) -> None:
    catalog = await read_catalog(provider)
    fenced = policy_of("rows:shop/**", filters=(FILTER,))
    kept = ("deals_kept",) if provider.type == "postgresql" else ()
    for view in ("deals", "deals_again", "fees", *kept):
        assert not sees(fenced, catalog, view), view
        assert sees(policy_of("rows:shop/**"), catalog, view), view
        visible = [table.name.name for table in fenced.visible_tables(Actor("a@b.c", ("dev",)), "shop", catalog)]
        assert view not in visible
    assert sees(fenced, catalog, "pays") and sees(fenced, catalog, "deal")


async def test_a_view_that_is_named_or_has_a_fence_of_its_own_is_granted(provider: ProviderConfig) -> None:
    catalog = await read_catalog(provider)
    path = "/".join(("shop", named(catalog, "deals").schema, "deals"))
    assert sees(policy_of("rows:shop/**", f"rows:{path}", filters=(FILTER,)), catalog, "deals")
    assert not sees(policy_of("rows:shop/**", "rows:shop/*/deal?", filters=(FILTER,)), catalog, "deals")
    own = RowFilterPolicy("shop/*/deals", ("dev",), "id < 5")
    fenced = policy_of("rows:shop/**", filters=(FILTER, own))
    assert sees(fenced, catalog, "deals")
    assert fenced.relation(Actor("a@b.c", ("dev",)), "shop", catalog, named(catalog, "deals")).row_filter is not None
    assert not sees(fenced, catalog, "deals_again"), "the fence of a view that it reads is not its own"


async def test_who_may_see_every_row_of_the_tables_sees_the_view(provider: ProviderConfig) -> None:
    catalog = await read_catalog(provider)
    policy = policy_of("rows:shop/**", filters=(FILTER,), boss=("rows:shop/**",))
    assert sees(policy, catalog, "deals", "boss")
    assert sees(policy, catalog, "deals", "dev", "boss")
    assert not sees(policy, catalog, "deals", "dev")


async def test_s21_a_view_of_what_is_denied_is_not_granted_by_wildcards(provider: ProviderConfig) -> None:
    catalog = await read_catalog(provider)
    for denial in ("!rows:shop/*/pay", "!rows:shop/*/pay.amount", "!rows:SHOP/*/PAY"):
        policy = policy_of("rows:shop/**", denial)
        assert not sees(policy, catalog, "pays"), denial
        assert sees(policy, catalog, "deals")
    schema = named(catalog, "pays").schema
    assert sees(policy_of("rows:shop/**", "!rows:shop/*/pay", f"rows:shop/{schema}/pays"), catalog, "pays")
    assert sees(policy_of("rows:shop/*/pays"), catalog, "pays"), "a view may be granted instead of its tables"
    whys, _ = explain_table(policy, Actor("a@b.c", ("dev",)), "shop", catalog, named(catalog, "pays"))
    assert {why.shown for why in whys} == {"absent"}
    assert "no line names it without wildcards" in whys[0].granted


async def test_sizes_are_said_only_to_who_may_see_every_row(provider: ProviderConfig) -> None:
    catalog = await read_catalog(provider)
    actor = Actor("a@b.c", ("dev",))
    fenced = policy_of("rows:shop/**", filters=(FILTER,)).relation(actor, "shop", catalog, named(catalog, "deal"))
    assert (fenced.table.estimated_rows, fenced.table.estimated_bytes) == (None, None)
    everyone = RowFilterPolicy("shop/*/deal", ("*",), "tenant = 1")
    assert policy_of("rows:shop/**", filters=(everyone,)).relation(actor, "shop", catalog, fenced.table.name).row_filter


async def test_a_view_of_columns_that_the_database_role_cannot_see_is_refused(
    postgres_server: Server, postgres_database: str
) -> None:
    name = f"weak_{postgres_database}"
    run_sql(postgres_server, TABLES, postgres_database)
    made = f"CREATE ROLE {name} LOGIN PASSWORD 'w'; GRANT SELECT ON pays TO {name};"
    run_sql(postgres_server, made, postgres_database)
    try:
        weak = replace(postgres_provider(postgres_server, postgres_database), user=name, password=Secret("w"))
        catalog = await read_catalog(weak)
        assert [table.name for table in catalog.tables] == ["pays"]
        masked = Policy(
            PolicyConfig(mask=(MaskPolicy(("shop/*/pay.amount",), "null"),)),
            {"dev": RoleConfig("dev", ("rows:shop/**",))},
            b"k" * 32,
        )
        with pytest.raises(ColumnUnclassified):
            sees(masked, catalog, "pays")
        assert not sees(policy_of("rows:shop/**", "!rows:shop/*/pay"), catalog, "pays")
    finally:
        run_sql(postgres_server, f"DROP OWNED BY {name}; DROP ROLE {name};", postgres_database)
