"""What ``hfitd check`` says of a policy that means nothing in the databases that are there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hfitd.access.dead_globs import Shapes, find_dead, find_unfit
from hfitd.access.policy import Policy
from hfitd.check import check_all
from hfitd.config.model import Config, MaskPolicy, PolicyConfig, ProviderConfig, RoleConfig, RowFilterPolicy
from hfitd.model import Catalog, Column, Key, Kind, Table, TableName


def catalog(*columns: Column) -> Catalog:
    name = TableName("public", "customer")
    table = Table(name, "table", columns, (Key("pk", ("id",), primary=True),))
    return Catalog("postgresql", "15", "shop", "public", {name: table})


SHOP = catalog(
    Column("id", "integer", Kind.INTEGER, nullable=False),
    Column("email", "varchar(30)", Kind.TEXT, max_length=30),
    Column("town", "text", Kind.TEXT),
)


def policy_of(
    *masks: tuple[str, str], clear: tuple[str, ...] = (), grants: tuple[str, ...] = (), fence: str = ""
) -> Policy:
    filters = (RowFilterPolicy(fence, ("*",), "id = 1"),) if fence else ()
    rules = tuple(MaskPolicy((glob,), mask) for glob, mask in masks)
    config = PolicyConfig(mask=rules, clear=clear, row_filter=filters)
    return Policy(config, {"dev": RoleConfig("dev", grants)}, b"k" * 32)


def dead(policy: Policy, *, whole: bool = True) -> list[str]:
    return find_dead(policy.compiled, Shapes({"shop": [SHOP]}, whole))


@pytest.mark.parametrize(
    ("glob", "meant"),
    [
        ("shop/public/customer.emial", "shop/public/customer.email"),
        ("shop/public/custmer.email", "shop/public/customer.email"),
        ("shop/publik/customer.email", "shop/public/customer.email"),
        ("*/*/customer.e_mail", "shop/public/customer.email"),
    ],
)
def test_a_mask_that_matches_nothing_is_named_with_what_was_meant(glob: str, meant: str) -> None:
    (line,) = dead(policy_of((glob, "null")))
    assert line == f'policy.mask: {glob} matches nothing; did you mean "{meant}"?'


def test_every_kind_of_dead_glob_is_found_and_live_ones_are_not() -> None:
    policy = policy_of(
        ("SHOP/*/customer.EMAIL", "null"), clear=("shop/public/nope.*", "shop/*/*.town"), fence="shop/public/gone",
        grants=("rows:**", "ddl:shop/public/cust*", "!rows:shop/public/pay", "files.read:logs/**", "raw:shop/*/*.emai"),
    )  # fmt: skip
    lines = dead(policy)
    assert [line.partition(" matches")[0] for line in lines] == [
        "policy.clear: shop/public/nope.*", "policy.row_filter: shop/public/gone", "roles.dev: shop/public/pay",
        "roles.dev: shop/*/*.emai",
    ]  # fmt: skip


def test_nothing_is_said_of_providers_that_were_not_looked_at() -> None:
    policy = policy_of(("other/public/x.y", "null"), ("*/public/x.y", "null"))
    assert dead(policy, whole=False) == []
    assert len(dead(policy, whole=True)) == 1


def test_a_mask_behind_others_never_counts() -> None:
    (line,) = dead(policy_of(("shop/*/*.*", "null"), ("shop/public/customer.email", "hash")))
    assert "shop/public/customer.email never counts" in line
    assert dead(policy_of(("shop/public/customer.email", "hash"), ("shop/*/*.*", "null"))) == []


def test_masks_that_do_not_fit_and_columns_without_a_class_are_named() -> None:
    shapes = Shapes({"shop": [SHOP]}, whole=True)
    (misfit,) = find_unfit(policy_of(("*/*/*.email", "email")), shapes)
    assert misfit.startswith("shop/public/customer.email: the mask email does not fit")
    (naked,) = find_unfit(policy_of(), shapes)
    assert "1 columns look personal" in naked and "shop/public/customer.email" in naked
    assert "hfitd policy scan shop" in naked
    assert find_unfit(policy_of(clear=("*/*/*.email",)), shapes) == []


async def test_check_says_it_of_the_live_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.executescript("CREATE TABLE customer (id integer PRIMARY KEY, email text);")
    connection.close()
    config = Config(
        providers={"shop": ProviderConfig("shop", "sqlite", path=tmp_path / "shop.db")},
        policy=PolicyConfig(mask=(MaskPolicy(("shop/main/customer.emial",), "hash"),)),
    )
    _, policy = await check_all(config, database="*", store=False, volumes=False)
    assert (policy.name, policy.ok, policy.detail) == ("policy", True, "held against 1 tables")
    assert any('did you mean "shop/main/customer.email"' in warning for warning in policy.warnings)
    assert any("look personal" in warning for warning in policy.warnings)
