"""A mask on a key holds on every column that foreign keys join to it, whatever the keys look like."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import pytest

from hfitd.access.needs import needed_columns
from hfitd.access.policy import Policy
from hfitd.config.model import MaskPolicy, PolicyConfig, ProviderConfig, RoleConfig
from hfitd.engines.table import open_engine
from hfitd.errors import MaskDoesNotFit
from hfitd.masks.table import rule_subjects
from hfitd.model import Actor, Catalog, Column, ForeignKey, Json, Key, Kind, MaskRule, Table, TableName

KEY = b"a mask key for tests only, 32 or more"
ACTOR = Actor("dev@example.com", ("reader",))


def text(name: str, **more: object) -> Column:
    return Column(name, "character varying(90)", Kind.TEXT, max_length=90, **more)  # type: ignore[arg-type]


def number(name: str, type_name: str = "integer") -> Column:
    return Column(name, type_name, Kind.INTEGER)


def table(name: str, *columns: Column, key: tuple[str, ...] = (), schema: str = "s") -> Table:
    return Table(TableName(schema, name), "table", columns, (Key("k", key, primary=True),) if key else ())


def refers(child: Table, columns: tuple[str, ...], parent: Table, targets: tuple[str, ...]) -> ForeignKey:
    return ForeignKey(f"{child.name}_{parent.name}", child.name, columns, parent.name, targets)


def covered(
    tables: list[Table], keys: list[ForeignKey], masks: Mapping[str, tuple[str, Mapping[str, Json]]], value: bytes
) -> dict[str, bytes]:
    """What each masked column makes of the value, by ``table.column``."""
    catalog = Catalog("postgresql", "16", "shop", "s", {item.name: item for item in tables}, tuple(keys))
    config = PolicyConfig(
        unclassified="allow",
        mask=tuple(MaskPolicy((f"shop/*/{place}",), mask, options) for place, (mask, options) in masks.items()),
    )
    policy = Policy(config, {"reader": RoleConfig("reader", ("rows:**",))}, KEY)
    found = {}
    for item in tables:
        relation = policy.relation(ACTOR, "shop", catalog, item.name)
        for column in relation.columns:
            if column.rule is not None:
                made = policy.bound_mask(relation, column).cover(value)
                found[f"{item.name.name}.{column.column.name}"] = made or b""
    return found


def test_composite_keys_are_followed_column_by_column():
    parent = table("branch", text("city"), text("code"), key=("city", "code"))
    child = table("till", text("number"), text("branch_code"), text("branch_city"))
    keys = [refers(child, ("branch_city", "branch_code"), parent, ("city", "code"))]
    made = covered([parent, child], keys, {"branch.city": ("hash", {}), "branch.code": ("digits", {})}, b"A1")
    assert set(made) == {"branch.city", "branch.code", "till.branch_city", "till.branch_code"}
    assert made["branch.city"] == made["till.branch_city"] != made["till.branch_code"] == made["branch.code"]


def test_chains_self_references_and_other_schemas_are_followed_from_any_link():
    top = table("person", text("ssn"), text("boss_ssn"), key=("ssn",))
    middle = table("contract", text("ssn"), key=("ssn",), schema="hr")
    last = table("payment", text("payee"), schema="bank")
    keys = [
        refers(top, ("boss_ssn",), top, ("ssn",)), refers(middle, ("ssn",), top, ("ssn",)),
        refers(last, ("payee",), middle, ("ssn",)),
    ]  # fmt: skip
    for start in ("person.ssn", "person.boss_ssn", "contract.ssn", "payment.payee"):
        made = covered([top, middle, last], keys, {start: ("hash", {})}, b"123")
        assert set(made) == {"person.ssn", "person.boss_ssn", "contract.ssn", "payment.payee"}
        assert len(set(made.values())) == 1


def test_keys_to_unique_columns_of_another_width_join():
    parent = table("account", number("id", "bigint"), number("code", "smallint"), key=("code",))
    child = table("entry", number("account_code", "bigint"))
    made = covered(
        [parent, child], [refers(child, ("account_code",), parent, ("code",))], {"account.code": ("integer", {})}, b"77"
    )
    assert made["account.code"] == made["entry.account_code"]
    assert -(2**15) <= int(made["account.code"]) < 2**15


@pytest.mark.parametrize(
    ("collation", "same", "other"),
    [
        ("utf8mb4_general_ci", ["Jos\u00e9 ", "JOSE"], " jose"), ("utf8mb4_0900_ai_ci", ["Jos\u00e9", "JOSE"], "jose "),
        ("utf8mb4_0900_as_ci", ["Jos\u00e9", "JOS\u00c9"], "jose"), ("latin1_general_ci", ["Ab", "aB "], "\u00e1b"),
        ("utf8mb4_uca1400_nopad_ai_ci", ["Jos\u00e9", "JOSE"], "jose "), ("utf8mb4_bin", ["ab"], "AB"),
    ],
)  # fmt: skip
def test_a_hashed_key_folds_as_the_collation_of_its_parent(collation, same, other):
    parent = table("person", text("code", collation=collation), key=("code",))
    child = table("note", text("code", collation="utf8mb4_bin"))
    keys = [refers(child, ("code",), parent, ("code",))]

    def made(value: str) -> set[bytes]:
        return set(covered([parent, child], keys, {"note.code": ("hash", {})}, value.encode()).values())

    assert len(set.union(*map(made, same))) == 1
    assert made(same[0]).isdisjoint(made(other))


def test_a_citext_key_folds_case_and_nothing_else_folds():
    parent = table("person", Column("code", "citext", Kind.TEXT, operators="public"), key=("code",))
    child, alone = table("note", text("code")), table("log", text("code"))
    masks: dict[str, tuple[str, Mapping[str, Json]]] = {"*.code": ("hash", {})}
    keys = [refers(child, ("code",), parent, ("code",))]
    upper, lower = (covered([parent, child, alone], keys, masks, value) for value in (b"AB", b"ab"))
    assert upper["note.code"] == lower["note.code"] == lower["person.code"]
    assert upper["log.code"] != lower["log.code"]


def test_a_mask_that_is_no_permutation_is_refused_where_the_key_is_unique():
    parent = table("person", text("name"), key=("name",))
    child = table("note", text("name"))
    keys = [refers(child, ("name",), parent, ("name",))]
    with pytest.raises(MaskDoesNotFit) as caught:
        covered([parent, child], keys, {"note.name": ("person_name", {})}, b"x")
    assert "distinct" in caught.value.suggestions[0]


def test_a_date_that_follows_a_key_needs_its_subject_there_too():
    parent = table("day", Column("day", "date", Kind.DATE), number("who"), number("id"), key=("id",))
    child = table("visit", Column("day", "date", Kind.DATE))
    keys = [refers(child, ("day",), parent, ("day",))]
    with pytest.raises(MaskDoesNotFit) as caught:
        covered([parent, child], keys, {"day.day": ("date_shift", {"subject": "who"})}, b"2024-01-01")
    assert "who" in caught.value.message


async def test_a_nocase_key_of_sqlite_folds_case(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.executescript(
            "CREATE TABLE person (code text COLLATE NOCASE PRIMARY KEY, exact text UNIQUE);"
            "CREATE TABLE note (id integer PRIMARY KEY, code text REFERENCES person (code),"
            " exact text REFERENCES person (exact));"
        )
    connection.close()
    engine = open_engine(ProviderConfig("shop", "sqlite", path=tmp_path / "shop.db", database="main"))
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    await engine.close()
    tables, masks = list(catalog.tables.values()), {"note.code": ("hash", {}), "note.exact": ("hash", {})}
    upper, lower = (covered(tables, list(catalog.foreign_keys), masks, value) for value in (b"AB", b"ab"))
    assert upper["person.code"] == lower["note.code"]
    assert upper["person.exact"] != lower["note.exact"]


def test_the_database_role_needs_the_subjects_of_masks():
    columns = (Column("born", "date", Kind.DATE), number("who"), number("other"), text("doc"))
    visit = Table(TableName("s", "visit"), "table", columns)
    catalog = Catalog("postgresql", "16", "shop", "s", {visit.name: visit})
    nested: Json = {"paths": {"$.day": {"mask": "date_shift", "subject": "other"}}}
    masks = (
        MaskPolicy(("shop/*/visit.born",), "date_shift", {"subject": "who"}),
        MaskPolicy(("shop/*/visit.doc",), "json", nested),
        MaskPolicy(("shop/*/visit.who",), "drop"),
        MaskPolicy(("shop/*/visit.other",), "drop"),
    )
    roles = {"reader": RoleConfig("reader", ("rows:**",))}
    policy = Policy(PolicyConfig(unclassified="allow", mask=masks), roles, KEY)
    assert needed_columns(policy, "shop", catalog)[visit.name].columns == ("born", "who", "other", "doc")
    assert rule_subjects(MaskRule("hash")) == frozenset()


def test_a_subject_that_the_role_may_not_read_is_refused():
    day = Column("day", "date", Kind.DATE)
    visit = table("visit", day, Column("who", "integer", Kind.INTEGER, readable=False))
    with pytest.raises(MaskDoesNotFit):
        covered([visit], [], {"visit.day": ("date_shift", {"subject": "who"})}, b"2024-01-01")
