from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.access.compiled import policy_mistakes
from hfitd.access.policy import Policy
from hfitd.config.model import MaskPolicy, PolicyConfig, RoleConfig, RowFilterPolicy
from hfitd.errors import ColumnUnclassified, Internal, MaskDoesNotFit, NotFound
from hfitd.model import (
    Action,
    Actor,
    Catalog,
    Column,
    ForeignKey,
    Key,
    Kind,
    MaskRule,
    Permission,
    Relation,
    Table,
    TableName,
)

KEY = b"k" * 32


def name(table: str) -> TableName:
    return TableName("public", table)


def table(word: str, *columns: Column, primary: str = "", parents: tuple[str, ...] = ()) -> Table:
    keys = (Key(f"{word}_pkey", (primary,), primary=True),) if primary else ()
    return Table(name(word), "table", columns, keys, parents=tuple(map(name, parents)))


def text(word: str, **more: object) -> Column:
    return Column(word, "text", Kind.TEXT, **more)  # type: ignore[arg-type]


def number(word: str) -> Column:
    return Column(word, "integer", Kind.INTEGER, nullable=False)


def foreign(child: str, column: str, parent: str, target: str) -> ForeignKey:
    return ForeignKey(f"{child}_{column}", name(child), (column,), name(parent), (target,))


CUSTOMER = table(
    "customer",
    number("customer_id"),
    text("first_name"),
    text("email"),
    text("code"),
    number("store_id"),
    primary="customer_id",
)
FILM = table("film", number("film_id"), text("title"), primary="film_id")
SALARY = table("salary", number("salary_id"), number("amount"))
CATALOG = Catalog("postgresql", "15", "shop", "public", {item.name: item for item in (CUSTOMER, FILM, SALARY)})
CLEAR = ("shop/public/*.*",)


def catalog_of(*tables: Table, keys: tuple[ForeignKey, ...] = ()) -> Catalog:
    return replace(CATALOG, tables={item.name: item for item in tables}, foreign_keys=keys)


def masked(columns: str, mask: str = "null", **options: object) -> MaskPolicy:
    return MaskPolicy((columns,), mask, options)  # type: ignore[arg-type]


def policy_of(
    *grants: str, key: bytes = KEY, roles: dict[str, tuple[str, ...]] | None = None, **config: object
) -> Policy:
    named = {"dev": grants, "one": (), "two": (), "free": (), **(roles or {})}
    return Policy(
        PolicyConfig(**config),  # type: ignore[arg-type]
        {role: RoleConfig(role, lines) for role, lines in named.items()},
        key,
    )


DEV = Actor("dev@example.org", ("dev",))


def shown(policy: Policy, word: str, actor: Actor = DEV, catalog: Catalog = CATALOG, **more: object) -> list[str]:
    relation = policy.relation(actor, "shop", catalog, name(word), **more)  # type: ignore[arg-type]
    return [item.column.name for item in relation.columns]


def rules(relation: Relation) -> dict[str, str | None]:
    return {item.column.name: item.rule.mask if item.rule else None for item in relation.columns}


def condition(relation: Relation) -> str | None:
    if relation.row_filter is None:
        return None
    assert not relation.row_filter.binds
    return "".join(piece.sql for piece in relation.row_filter.pieces)  # type: ignore[union-attr]


# --- decisions


@pytest.mark.parametrize(
    ("grants", "permission", "allowed"),
    [
        ((), "rows:shop/public/film", False),
        (("rows:shop/public/*",), "rows:shop/public/film", True),
        (("rows:shop/public/*",), "rows:shop/public/film.title", True),
        (("rows:shop/public/*",), "query:shop/public/film", False),
        (("rows:shop/public/*",), "raw:shop/public/film.title", False),
        (("rows:shop/public/*",), "rows:shop/other/film", False),
        (("rows:shop/public/*",), "rows:shop2/public/film", False),
        (("rows:*",), "rows:shop/public/film.title", True),
        (("rows:shop/**",), "rows:shop/public/film.title", True),
        (("rows:shop/public/*", "!rows:shop/public/sal*"), "rows:shop/public/salary", False),
        (("!rows:shop/public/sal*", "rows:shop/public/*"), "rows:shop/public/salary.amount", False),
        (("!rows:shop/public/SALARY", "rows:shop/public/*"), "rows:shop/public/salary", False),
        (("rows:shop/public/FILM",), "rows:shop/public/film", False),
        (("rows:shop/public/film.title",), "rows:shop/public/film", True),
        (("rows:shop/public/film.title",), "rows:shop/public/film.film_id", False),
        (("rows:shop/public/*", "!rows:shop/public/*.email"), "rows:shop/public/customer", True),
        (("rows:shop/public/*", "!rows:shop/public/*.email"), "rows:shop/public/customer.email", False),
        (("files.read:logs/**",), "files.read:logs/app/x.1.log", True),
        (("files.read:logs/*",), "files.read:logs/app/x.log", False),
        (("files.read:logs/**", "!files.read:logs/**/*.key"), "files.read:logs/a/b.key", False),
        (("files.list:logs/**",), "files.read:logs/x", False),
        (("template.run:*",), "template.run:customer-case", True),
        (("template.run:customer-*",), "template.run:order-case", False),
        (("audit.read:*",), "audit.read:log", True),
    ],
)
def test_the_decision_is_default_deny_and_a_denial_wins(grants, permission, allowed):
    action, _, target = permission.partition(":")
    decision = policy_of(*grants).decide(DEV, Permission(Action(action), target))
    assert decision.allowed is allowed
    assert decision.reason


def test_a_decision_names_the_role_and_the_grant_it_rests_on():
    policy = policy_of("rows:shop/public/*", "!rows:shop/public/salary")
    assert "rows:shop/public/*" in policy.decide(DEV, Permission(Action.ROWS, "shop/public/film")).reason
    assert "!rows:shop/public/salary" in policy.decide(DEV, Permission(Action.ROWS, "shop/public/salary")).reason


def test_an_unknown_role_grants_nothing():
    policy = policy_of("rows:*")
    assert not policy.may(Actor("x@example.org", ("ghost",)), Action.ROWS, "shop/public/film")
    assert not policy.may(Actor("x@example.org", ()), Action.ROWS, "shop/public/film")


def test_a_denial_of_one_role_wins_over_the_grant_of_another():
    policy = policy_of("rows:*", roles={"intern": ("!rows:shop/public/salary",)})
    assert not policy.may(Actor("x@example.org", ("dev", "intern")), Action.ROWS, "shop/public/salary")


def test_a_provider_or_volume_is_entered_by_any_grant_that_reaches_into_it():
    policy = policy_of("rows:shop/public/film", "files.list:log*/x/**")
    assert policy.may_enter(DEV, Action.ROWS, "shop")
    assert not policy.may_enter(DEV, Action.ROWS, "shop2")
    assert policy.may_enter(DEV, Action.FILES_LIST, "logs")
    assert not policy.may_enter(DEV, Action.FILES_READ, "logs")


def test_a_schema_is_entered_only_by_a_grant_that_reaches_into_it():
    policy = policy_of("rows:shop/public/film", "rows:other/**", "rows:third/p*/x")
    assert policy.may_enter(DEV, Action.ROWS, "shop", "public")
    assert not policy.may_enter(DEV, Action.ROWS, "shop", "secret")
    assert policy.may_enter(DEV, Action.ROWS, "other", "anything")
    assert policy.may_enter(DEV, Action.ROWS, "third", "public")
    assert not policy.may_enter(DEV, Action.ROWS, "third", "secret")
    assert policy_of("rows:*").may_enter(DEV, Action.ROWS, "shop", "secret")


GRANTS = st.sampled_from(
    [
        "rows:shop/public/*", "rows:shop/public/customer", "rows:shop/public/customer.email", "rows:shop/**", "rows:*",
        "rows:shop/public/*.code", "raw:shop/public/*.email", "raw:shop/**", "query:shop/public/*",
        "rows:shop/public/f*", "!rows:shop/public/salary", "!rows:shop/public/*.code",
        "!raw:shop/public/customer.email", "!rows:shop/public/F*",
    ]
)  # fmt: skip
FILTERS = (
    RowFilterPolicy("shop/public/customer", ("one",), "store_id = 1"),
    RowFilterPolicy("shop/public/customer", ("two",), "store_id = 2"),
)


def cells(grants: dict[str, tuple[str, ...]], column: str) -> tuple[bool, bool, set[int]]:
    """Whether the column can be read, whether without its mask, and in which of the stores 1, 2 and 3."""
    policy = policy_of(
        roles=grants, mask=(masked("shop/public/customer.email", "hash"),), row_filter=FILTERS, clear=CLEAR
    )
    actor = Actor("x@example.org", tuple(grants))
    try:
        # the one column alone, as a request that touches only it
        views = policy.columns(actor, "shop", CATALOG, CUSTOMER.name)
        view = next(item for item in views if item.column.name == column)
    except (NotFound, StopIteration):
        return False, False, set()
    narrow = {
        role: (*lines, *(f"!rows:shop/public/customer.{c.name}" for c in CUSTOMER.columns if c.name != column))
        for role, lines in grants.items()
    }
    relation = policy_of(
        roles=narrow, mask=(masked("shop/public/customer.email", "hash"),), row_filter=FILTERS, clear=CLEAR
    ).relation(actor, "shop", CATALOG, CUSTOMER.name)
    where = condition(relation)
    stores = {1, 2, 3} if where is None else {store for store in (1, 2, 3) if f"store_id = {store})" in where}
    return True, view.raw or view.rule is None, stores


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["one", "two", "free"]), st.lists(GRANTS, max_size=4).map(tuple)), st.data())
def test_removing_a_grant_never_adds_access(roles, data):
    positive = [(role, line) for role, lines in roles.items() for line in lines if not line.startswith("!")]
    if not positive:
        return
    role, line = data.draw(st.sampled_from(positive))
    fewer = {**roles, role: tuple(item for item in roles[role] if item != line)}
    for column in ("email", "code", "customer_id"):
        before, after = cells(roles, column), cells(fewer, column)
        assert before[0] or not after[0]
        assert after[2] <= before[2]
        assert before[1] or not after[1] or not after[0]
    for target in ("shop/public/film", "shop/public/salary.amount", "shop/public/customer.email"):
        for action in (Action.ROWS, Action.RAW, Action.QUERY):
            actor = Actor("x@example.org", tuple(roles))
            assert policy_of(roles=roles).may(actor, action, target) or not policy_of(roles=fewer).may(
                actor, action, target
            )


# --- relations


def test_what_is_not_granted_answers_like_what_does_not_exist():
    policy = policy_of("rows:shop/public/film")
    answers = []
    for word in ("salary", "nothing"):
        with pytest.raises(NotFound) as caught:
            policy.relation(DEV, "shop", CATALOG, name(word))
        answers.append((caught.value.message, caught.value.code, caught.value.suggestions))
    assert answers[0] == answers[1]


def test_only_granted_columns_are_in_a_relation():
    policy = policy_of("rows:shop/public/customer.c*", "!rows:shop/public/*.code")
    assert shown(policy, "customer") == ["customer_id"]


def test_visible_tables_show_no_trace_of_what_is_not_granted():
    policy = policy_of("rows:shop/public/film", "rows:shop/public/customer.code")
    tables = policy.visible_tables(DEV, "shop", CATALOG)
    assert [(str(item.name), [column.name for column in item.columns], len(item.keys)) for item in tables] == [
        ("public.customer", ["code"], 0),
        ("public.film", ["film_id", "title"], 1),
    ]


def test_a_dropped_column_is_absent_and_other_masks_travel_with_the_column():
    policy = policy_of(
        "rows:shop/**",
        mask=(masked("shop/*/customer.first_name", "drop"), masked("SHOP/public/customer.Email", "hash", length=40)),
        clear=CLEAR,
    )
    relation = policy.relation(DEV, "shop", CATALOG, CUSTOMER.name)
    assert rules(relation) == {"customer_id": None, "email": "hash", "code": None, "store_id": None}
    assert relation.column("email").rule == MaskRule("hash", {"length": 40})
    assert policy.bound_mask(relation, relation.column("email")).cell(b"a@b.org") != b"a@b.org"
    assert "first_name" not in [column.name for column in policy.visible_tables(DEV, "shop", CATALOG)[0].columns]


def test_the_first_matching_mask_counts_and_a_mask_wins_over_a_clearance():
    policy = policy_of(
        "rows:shop/**",
        mask=(masked("shop/public/customer.email", "hash"), masked("shop/public/customer.*", "null")),
        clear=CLEAR,
    )
    assert rules(policy.relation(DEV, "shop", CATALOG, CUSTOMER.name)) == {
        "customer_id": "null", "first_name": "null", "email": "hash", "code": "null", "store_id": "null",
    }  # fmt: skip


def test_raw_lifts_a_mask_and_a_drop():
    masks = (masked("shop/public/customer.first_name", "drop"), masked("shop/public/customer.email", "hash"))
    policy = policy_of("rows:shop/**", "raw:shop/public/customer.*name", mask=masks)
    assert rules(policy.relation(DEV, "shop", CATALOG, CUSTOMER.name)) == {
        "customer_id": None, "first_name": None, "email": "hash", "code": None, "store_id": None,
    }  # fmt: skip


def test_raw_without_rows_shows_nothing():
    with pytest.raises(NotFound):
        policy_of("raw:shop/**").relation(DEV, "shop", CATALOG, FILM.name)


def test_raw_on_some_rows_does_not_lift_the_mask_on_others():
    policy = policy_of(
        roles={"all": ("rows:shop/**",), "mine": ("rows:shop/**", "raw:shop/**")},
        mask=(masked("shop/public/customer.email", "hash"),),
        row_filter=(RowFilterPolicy("shop/public/customer", ("mine",), "store_id = 1"),),
        clear=CLEAR,
    )
    both = policy.relation(Actor("x@example.org", ("all", "mine")), "shop", CATALOG, CUSTOMER.name)
    assert (rules(both)["email"], condition(both)) == ("hash", None)
    mine = policy.relation(Actor("x@example.org", ("mine",)), "shop", CATALOG, CUSTOMER.name)
    assert (rules(mine)["email"], condition(mine)) == (None, "((store_id = 1))")


def test_raw_under_a_filter_for_all_roles_lifts_the_mask_whatever_other_roles_there_are():
    policy = policy_of(
        roles={"author": ("template.edit:*",), "mine": ("rows:shop/**", "raw:shop/**")},
        mask=(masked("shop/public/customer.email", "hash"),),
        row_filter=(RowFilterPolicy("shop/public/customer", (), "store_id = 1"),),
        clear=CLEAR,
    )
    relation = policy.relation(Actor("x@example.org", ("author", "mine", "ghost")), "shop", CATALOG, CUSTOMER.name)
    assert (rules(relation)["email"], condition(relation)) == (None, "((store_id = 1))")


def test_a_free_query_needs_rows_and_query():
    both = policy_of("rows:shop/public/*", "query:shop/public/film")
    assert shown(both, "film", action=Action.QUERY) == ["film_id", "title"]
    with pytest.raises(NotFound):
        both.relation(DEV, "shop", CATALOG, SALARY.name, action=Action.QUERY)
    with pytest.raises(NotFound):
        policy_of("query:shop/public/*").relation(DEV, "shop", CATALOG, FILM.name, action=Action.QUERY)


# --- unclassified columns


def test_an_unclassified_personal_column_is_refused_by_name_when_touched():
    policy = policy_of("rows:shop/**", mask=(masked("shop/public/customer.email", "hash"),))
    for columns in (None, ["first_name"], ["code", "first_name"]):
        with pytest.raises(ColumnUnclassified) as caught:
            policy.relation(DEV, "shop", CATALOG, CUSTOMER.name, columns=columns)
        assert caught.value.resource == "public.customer.first_name"
        assert "first_name" in caught.value.message
    assert shown(policy, "customer", columns=["code"]) == ["customer_id", "email", "code", "store_id"]
    assert shown(policy, "customer", columns=()) == ["customer_id", "email", "code", "store_id"]
    views = {view.column.name: bool(view.unclassified) for view in policy.columns(DEV, "shop", CATALOG, CUSTOMER.name)}
    assert [word for word, refused in views.items() if refused] == ["first_name"]


def test_a_column_that_is_not_granted_is_not_named_as_unclassified():
    assert shown(policy_of("rows:shop/public/customer.code"), "customer") == ["code"]


def test_unclassified_columns_can_be_masked_instead():
    strict = replace(
        CUSTOMER, columns=(*CUSTOMER.columns, text("phone", nullable=False), Column("iban", "x", Kind.OTHER, False))
    )
    policy = policy_of("rows:shop/**", unclassified="mask")
    relation = policy.relation(DEV, "shop", catalog_of(strict), CUSTOMER.name, columns=[])
    assert relation.column("first_name").rule == MaskRule("null")
    assert relation.column("phone").rule == MaskRule("const", {"value": ""})
    assert policy.bound_mask(relation, relation.column("phone")).literal == ""
    assert relation.column("code").rule is None
    with pytest.raises(ColumnUnclassified, match="iban"):
        policy.relation(DEV, "shop", catalog_of(strict), CUSTOMER.name)


def test_every_unclassified_column_can_be_refused():
    policy = policy_of("rows:shop/**", unclassified_all=True, clear=("shop/public/film.title",))
    with pytest.raises(ColumnUnclassified, match="film_id"):
        policy.relation(DEV, "shop", CATALOG, FILM.name)
    assert shown(policy, "film", columns=["title"]) == ["title"]


def test_unclassified_columns_can_be_allowed_cleared_or_raw():
    every = [column.name for column in CUSTOMER.columns]
    assert shown(policy_of("rows:shop/**", unclassified="allow"), "customer") == every
    assert shown(policy_of("rows:shop/**", clear=CLEAR), "customer") == every
    assert shown(policy_of("rows:shop/**", "raw:shop/**"), "customer") == every


def test_a_new_column_after_a_migration_is_refused_until_classified():
    policy = policy_of("rows:shop/**", clear=("shop/public/customer.first_name", "shop/public/customer.email"))
    assert shown(policy, "customer")
    later = replace(CUSTOMER, columns=(*CUSTOMER.columns, text("mobile_phone")))
    with pytest.raises(ColumnUnclassified, match="mobile_phone"):
        policy.relation(DEV, "shop", catalog_of(later), CUSTOMER.name)


def test_definitions_show_unclassified_columns_and_no_value_of_them():
    policy = policy_of("rows:shop/**", "ddl:shop/**")
    relation = policy.relation(DEV, "shop", CATALOG, CUSTOMER.name, action=Action.DDL)
    assert rules(relation)["email"] == "null"


# --- masks on keys, partitions, generated columns

EVENT = table("event", number("event_id"), text("customer_code"))
NOTE = table("note", number("note_id"), text("event_code"))
KEYS = (foreign("event", "customer_code", "customer", "code"), foreign("note", "event_code", "event", "customer_code"))
LINKED = catalog_of(CUSTOMER, EVENT, NOTE, keys=KEYS)


@pytest.mark.parametrize("start", ["customer.code", "event.customer_code", "note.event_code"])
def test_a_keyed_mask_follows_foreign_keys_both_ways(start):
    policy = policy_of("rows:shop/**", mask=(masked(f"shop/public/{start}", "hash"),), clear=CLEAR)
    relations = [policy.relation(DEV, "shop", LINKED, name(word)) for word in ("customer", "event", "note")]
    cells_ = [
        policy.bound_mask(relation, relation.column(word)).cell(b"C-1")
        for relation, word in zip(relations, ("code", "customer_code", "event_code"), strict=True)
    ]
    assert len(set(cells_)) == 1


def test_a_hiding_mask_follows_to_the_referring_columns_only():
    down = policy_of("rows:shop/**", mask=(masked("shop/public/customer.code", "null"),), clear=CLEAR)
    assert rules(down.relation(DEV, "shop", LINKED, name("note")))["event_code"] == "null"
    up = policy_of("rows:shop/**", mask=(masked("shop/public/note.event_code", "drop"),), clear=CLEAR)
    assert rules(up.relation(DEV, "shop", LINKED, name("customer")))["code"] is None


def test_a_column_keeps_a_rule_of_its_own():
    masks = (masked("shop/public/customer.code", "hash"), masked("shop/public/event.customer_code", "null"))
    policy = policy_of("rows:shop/**", mask=masks, clear=CLEAR)
    assert rules(policy.relation(DEV, "shop", LINKED, name("event")))["customer_code"] == "null"
    assert rules(policy.relation(DEV, "shop", LINKED, name("note")))["event_code"] == "null"


def test_a_hash_folds_where_a_key_compares_without_case():
    folding = replace(CUSTOMER, columns=tuple(replace(c, collation="utf8mb4_general_ci") for c in CUSTOMER.columns))
    policy = policy_of("rows:shop/**", mask=(masked("shop/public/event.customer_code", "hash"),), clear=CLEAR)
    catalog = catalog_of(folding, EVENT, keys=KEYS[:1])
    relation = policy.relation(DEV, "shop", catalog, name("event"))
    cell = policy.bound_mask(relation, relation.column("customer_code")).cell
    assert cell(b"ABC") == cell(b"abc")


def test_partitions_share_masks_denials_and_row_filters_of_their_root():
    root = table("payment", number("payment_id"), text("email"))
    part = table("payment_2024", number("payment_id"), text("email"), parents=("payment",))
    catalog = catalog_of(root, part)
    policy = policy_of(
        "rows:shop/**", "!rows:shop/public/payment.payment_id",
        mask=(masked("shop/public/payment.email", "hash"),),
        row_filter=(RowFilterPolicy("shop/public/payment", (), "store = 1"),),
    )  # fmt: skip
    relation = policy.relation(DEV, "shop", catalog, name("payment_2024"))
    assert rules(relation) == {"email": "hash"}
    assert condition(relation) == "((store = 1))"
    other = policy_of("rows:shop/**", mask=(masked("shop/public/payment_2024.email", "drop"),))
    assert shown(other, "payment", catalog=catalog) == ["payment_id"]


def test_what_is_denied_or_filtered_on_a_partition_is_so_on_its_root():
    root = replace(table("payment", number("payment_id"), text("code")), kind="partitioned")
    part = replace(table("payment_a", number("payment_id"), text("code"), parents=("payment",)), kind="partition")
    leaf = replace(table("payment_b", number("payment_id"), text("code"), parents=("payment_a",)), kind="partition")
    heir = table("payment_old", number("payment_id"), text("code"), parents=("film",))
    catalog = catalog_of(root, part, leaf, heir, FILM)
    denied = policy_of("rows:shop/**", "!rows:shop/public/payment_b")
    with pytest.raises(NotFound):
        denied.relation(DEV, "shop", catalog, name("payment"))
    column = policy_of("rows:shop/**", "!rows:shop/public/payment_b.code")
    assert shown(column, "payment", catalog=catalog) == ["payment_id"]
    filtered = policy_of("rows:shop/**", row_filter=(RowFilterPolicy("shop/public/payment_a", (), "store = 1"),))
    assert condition(filtered.relation(DEV, "shop", catalog, name("payment"))) == "((store = 1))"
    plain = policy_of("rows:shop/**", "!rows:shop/public/payment_old")
    assert shown(plain, "film", catalog=catalog)


def test_a_generated_column_over_a_hidden_one_shows_nothing():
    generated = text("greeting", generated="stored", default="('Hello ' || first_name)")
    catalog = catalog_of(replace(CUSTOMER, columns=(*CUSTOMER.columns, generated)))
    masks = (masked("shop/public/customer.first_name", "hash"), masked("shop/public/customer.email", "null"))
    policy = policy_of("rows:shop/**", mask=masks)
    assert rules(policy.relation(DEV, "shop", catalog, CUSTOMER.name))["greeting"] == "null"


def test_a_mask_that_makes_duplicates_in_a_key_is_refused():
    unique = replace(CUSTOMER, keys=(*CUSTOMER.keys, Key("u", ("store_id", "email"), primary=False)))
    policy = policy_of("rows:shop/**", mask=(masked("shop/public/customer.email", "const", value="x"),), clear=CLEAR)
    relation = policy.relation(DEV, "shop", catalog_of(unique), CUSTOMER.name)
    with pytest.raises(MaskDoesNotFit, match="email"):
        policy.bound_mask(relation, relation.column("email"))


# --- row filters


def filtered(**roles: tuple[str, ...]) -> Policy:
    return policy_of(
        roles=roles,
        clear=CLEAR,
        row_filter=(
            RowFilterPolicy("shop/public/customer", ("one",), "store_id = 1"),
            RowFilterPolicy("shop/public/Customer", ("two",), "store_id = 2 OR store_id = 3"),
            RowFilterPolicy("shop/public/cust*", ("two",), "code <> 'x'"),
        ),
    )


def where(policy: Policy, *roles: str, word: str = "customer") -> str | None:
    return condition(policy.relation(Actor("x@example.org", roles), "shop", CATALOG, name(word)))


def test_filters_of_a_role_hold_together_and_roles_are_alternatives():
    policy = filtered(one=("rows:shop/**",), two=("rows:shop/**",))
    assert where(policy, "one") == "((store_id = 1))"
    assert where(policy, "two") == "((code <> 'x') AND (store_id = 2 OR store_id = 3))"
    assert where(policy, "one", "two") == "((code <> 'x') AND (store_id = 2 OR store_id = 3) OR (store_id = 1))"
    assert where(policy, "one", word="film") is None


def test_a_role_without_a_filter_that_grants_rows_sees_all():
    assert where(filtered(one=("rows:shop/**",), free=("rows:shop/**",)), "one", "free") is None


def test_a_role_without_a_filter_that_grants_no_rows_of_the_table_changes_nothing():
    policy = filtered(one=("rows:shop/**",), free=("rows:shop/public/film", "query:shop/**"))
    assert where(policy, "one", "free") == "((store_id = 1))"


def test_no_cell_is_shown_that_no_single_role_grants():
    policy = filtered(one=("rows:shop/**",), free=("rows:shop/public/customer.code",))
    assert where(policy, "one", "free") == "((store_id = 1))"
    assert where(policy, "free") is None


def test_a_filter_without_roles_holds_for_every_role():
    policy = policy_of("rows:shop/**", row_filter=(RowFilterPolicy("shop/public/film", (), "film_id < 10"),))
    assert where(policy, "dev", word="film") == "((film_id < 10))"


@pytest.mark.parametrize("condition_", ["", "  ", "1=1; select 1", "1=1 --", "1=1 /* x", "1=1) OR (1=1", "(1=1", "'a"])
def test_a_filter_that_could_leave_its_parentheses_is_a_mistake(condition_):
    config = PolicyConfig(row_filter=(RowFilterPolicy("shop/public/film", (), condition_),))
    assert len(policy_mistakes(config, {})) == 1


# --- the policy as a value


def test_every_mistake_is_reported_at_once():
    config = PolicyConfig(
        unclassified="perhaps",
        mask=(
            masked("shop//x.y", "null"),
            masked("a/b/c.d", "hsah"),
            MaskPolicy(("a/b/c.e",), "hash", {"x": 1}, "all"),
        ),
        clear=("",),
        row_filter=(RowFilterPolicy("a/b/c", ("ghost",), "1 = 1; drop table x"),),
    )
    roles = {"dev": RoleConfig("dev", ("rows", "eat:x", "rows:a//b"))}
    mistakes = policy_mistakes(config, roles)
    assert len(mistakes) == 11
    for word in ("shop//x.y", "hsah", "'x'", "'all'", "ghost", "of a/b/c must be one expression", "eat", "perhaps"):
        assert any(word in mistake for mistake in mistakes), word
    with pytest.raises(Internal):
        Policy(config, roles, KEY)
    assert policy_mistakes(PolicyConfig(), {}) == []


def test_the_version_changes_with_the_policy_and_never_with_the_key():
    base = policy_of("rows:shop/**")
    assert base.version == policy_of("rows:shop/**").version == policy_of("rows:shop/**", key=b"o" * 32).version
    others = [
        policy_of("rows:shop/public/*"),
        policy_of("rows:shop/**", unclassified="mask"),
        policy_of("rows:shop/**", unclassified_all=True),
        policy_of("rows:shop/**", clear=CLEAR),
        policy_of("rows:shop/**", mask=(masked("a/b/c.d", "hash"),)),
        policy_of("rows:shop/**", mask=(masked("a/b/c.d", "hash", length=12),)),
        policy_of("rows:shop/**", row_filter=(RowFilterPolicy("a/b/c", (), "x = 1"),)),
        policy_of("rows:shop/**", roles={"more": ()}),
    ]
    assert len({base.version, *(policy.version for policy in others)}) == len(others) + 1
    assert base.mask_key_id != policy_of("rows:shop/**", key=b"o" * 32).mask_key_id


def test_a_mask_on_one_catalogue_says_nothing_of_another():
    policy = policy_of("rows:shop/**", mask=(masked("shop/public/customer.code", "hash"),), clear=CLEAR)
    for _ in range(3):
        assert rules(policy.relation(DEV, "shop", LINKED, name("event")))["customer_code"] == "hash"
        assert rules(policy.relation(DEV, "shop", catalog_of(CUSTOMER, EVENT), name("event")))["customer_code"] is None
