"""Values of masked columns that come along in other columns: generated ones, and those of views."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hfitd.access.policy import Policy
from hfitd.config.model import MaskPolicy, PolicyConfig, ProviderConfig, RoleConfig, Secret
from hfitd.engines.table import open_engine
from hfitd.errors import ColumnUnclassified
from hfitd.model import Actor, Catalog, TableName
from tests.live.databases import run_sql
from tests.live.servers import Server

DEV = Actor("dev@example.org", ("dev",))
TABLES = """
CREATE TABLE person (id integer PRIMARY KEY, mail varchar(80), town varchar(40),
    size integer GENERATED ALWAYS AS (length(mail)) STORED,
    shout varchar(40) GENERATED ALWAYS AS (upper(town)) STORED);
CREATE VIEW contact AS SELECT id, mail AS x FROM person;
CREATE VIEW contact_again AS SELECT x AS y FROM contact;
CREATE VIEW place AS SELECT town AS z FROM person;
"""


def server_provider(server: Server, database: str) -> ProviderConfig:
    secret = Secret(server.password)
    return ProviderConfig(
        "shop", server.kind, server.host, server.port, server.user, secret, database, tls="disable"
    )


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> ProviderConfig:
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / "shop.db") as connection:
            connection.executescript(TABLES)
        connection.close()
        return ProviderConfig("shop", "sqlite", path=tmp_path / "shop.db")
    kind = {"postgresql": "postgres", "mysql": "mariadb"}[request.param]
    server: Server = request.getfixturevalue(f"{kind}_server")
    database: str = request.getfixturevalue(f"{kind}_database")
    run_sql(server, TABLES, database)
    return server_provider(server, database)


async def read_catalog(provider: ProviderConfig) -> Catalog:
    engine = open_engine(provider)
    try:
        async with engine.snapshot(provider.database or "main") as snapshot:
            return await snapshot.catalog()
    finally:
        await engine.close()


def policy_of(*grants: str, mask: str = "hash", clear: tuple[str, ...] = ()) -> Policy:
    masks = (MaskPolicy(("*/*/person.mail",), mask),) if mask else ()
    return Policy(PolicyConfig(mask=masks, clear=clear), {"dev": RoleConfig("dev", grants)}, b"k" * 32)


def table_of(catalog: Catalog, word: str) -> TableName:
    return next(name for name in catalog.tables if name.name == word)


@pytest.mark.parametrize("mask", ["hash", "drop", ""])
async def test_s21_a_generated_column_never_shows_what_it_computes_from(provider: ProviderConfig, mask: str) -> None:
    catalog = await read_catalog(provider)
    hidden = () if mask else ("!rows:shop/*/person.mail",)
    policy = policy_of("rows:shop/**", *hidden, mask=mask, clear=("*/*/person.town",))
    relation = policy.relation(DEV, "shop", catalog, table_of(catalog, "person"), columns=())
    size = relation.column("size")
    assert size is not None
    assert size.rule is not None
    assert size.rule.mask == "null"
    shout = relation.column("shout")
    assert shout is not None
    known = provider.type != "sqlite"  # which says nothing of the expression, so nothing is shown
    assert (shout.rule is None) is known


@pytest.mark.parametrize("view", ["contact", "contact_again"])
async def test_s21_a_view_of_masked_columns_is_refused_until_its_columns_have_a_class(
    provider: ProviderConfig, view: str
) -> None:
    catalog = await read_catalog(provider)
    name = table_of(catalog, view)
    with pytest.raises(ColumnUnclassified):
        policy_of("rows:shop/**").relation(DEV, "shop", catalog, name)
    cleared = policy_of("rows:shop/**", clear=(f"*/*/{view}.*",))
    assert all(item.rule is None for item in cleared.relation(DEV, "shop", catalog, name).columns)
    without = policy_of("rows:shop/**", mask="")
    assert without.relation(DEV, "shop", catalog, name, columns=()).columns


async def test_a_view_of_other_columns_is_clear(provider: ProviderConfig) -> None:
    catalog = await read_catalog(provider)
    relation = policy_of("rows:shop/**").relation(DEV, "shop", catalog, table_of(catalog, "place"))
    assert [item.column.name for item in relation.columns] == ["z"]
