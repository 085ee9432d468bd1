from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from hfitd.errors import BadRequest, Conflict, NotFound, StoreUnavailable
from hfitd.store.emails import normalise_email
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.keys import key_of, parts_of
from hfitd.store.users import StoredKey, Users

KEY = StoredKey("ssh-ed25519 AAAA", "SHA256:abc", "bob's laptop", "2024-01-01T00:00:00+00:00")


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def users(store: EmbeddedStore) -> Users:
    return Users(store)


async def test_a_user_is_read_as_made(users: Users) -> None:
    made = await users.create("Bob@Example.ORG", [KEY], ["dev", "ops"])
    assert made.email == "bob@example.org"
    assert await users.get("bob@example.org") == made
    assert await users.list() == [made]
    assert await users.get("alice@example.org") is None


async def test_a_user_cannot_be_made_twice(users: Users) -> None:
    made = await asyncio.gather(*(users.create("bob@x") for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in made) == ["Conflict"] * 4 + ["User"]


async def test_a09_every_change_of_a_user_ends_his_sessions(users: Users) -> None:
    user = await users.create("bob@x", [KEY], ["admin"])
    epochs = [user.epoch]
    for change in ({"roles": ()}, {"keys": ()}, {"disabled": True}):
        user = await users.save(replace(user, **change))  # type: ignore[arg-type]
        epochs.append(user.epoch)
    epochs.append((await users.end_sessions("bob@x")).epoch)
    assert len(set(epochs)) == len(epochs)
    assert (await users.get("bob@x")) == replace(user, epoch=epochs[-1], version=user.version + 1)


async def test_a10_a_user_made_again_does_not_get_his_old_epoch(users: Users) -> None:
    epochs = set()
    for _ in range(10):
        epochs.add((await users.create("bob@x")).epoch)
        assert await users.remove("bob@x") is True
    assert len(epochs) == 10
    assert await users.remove("bob@x") is False


async def test_of_two_admins_who_change_one_user_the_second_is_told(users: Users) -> None:
    user = await users.create("bob@x")
    await users.save(replace(user, roles=("a",)))
    with pytest.raises(Conflict):
        await users.save(replace(user, roles=("b",)))
    with pytest.raises(NotFound):
        await users.end_sessions("nobody@x")


@pytest.mark.parametrize(
    "value",
    [
        b"", b"{}", b"[]", b"null", b'{"email":"bob@x"}', b"{" * 5000,
        b'{"created":"","disabled":0,"email":"bob@x","epoch":1,"keys":[],"roles":[]}',
        b'{"created":"","disabled":false,"email":"bob@x","epoch":true,"keys":[],"roles":[]}',
        b'{"created":"","disabled":false,"email":"eve@x","epoch":1,"keys":[],"roles":[]}',
        b'{"created":"","disabled":false,"email":"bob@x","epoch":1,"keys":[],"roles":[1]}',
        b'{"created":"","disabled":false,"email":"bob@x","epoch":1,"keys":["k"],"roles":[]}',
        b'{"created":"","disabled":false,"email":"bob@x","epoch":1,"keys":[],"roles":[],"more":1}',
        b'{"created":"","disabled":true,"disabled":false,"email":"bob@x","epoch":1,"keys":[],"roles":[]}',
    ],
)  # fmt: skip
async def test_a_record_that_is_not_fully_a_user_is_none(store: EmbeddedStore, users: Users, value: bytes) -> None:
    await store.write("user:bob@x", value)
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        await users.get("bob@x")


@pytest.mark.parametrize(
    "text",
    [
        "", "bob", "@x", "bob@", "bob@x ", " bob@x", "bob@x\n", "bob@x\r\n", "bob\t@x", "b ob@x", "*", "*@x", "bob@*",
        "bоb@x", "ＢＯＢ@x", "bob＠x", "boB\u212a@x", "bob@x\x00", "bob@x\x1b[0m", "bob\u202e@x", "bob@x\u200b",
        "a:b@x", "bob@@x", "bob@x@y", "bob@-x", "bob@x..y", ".bob@x", "b..ob@x", "a" * 65 + "@x", "a@" + "b" * 300,
        "\ud800@x", "bob@[127.0.0.1]", '"bob"@x', "bob(c)@x", "{bob}@x",
    ],
)  # fmt: skip
def test_a18_what_is_not_plainly_an_address_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        normalise_email(text)


def test_a18_case_makes_no_second_user() -> None:
    assert {normalise_email(text) for text in ("Bob@x", "BOB@X", "bob@x")} == {"bob@x"}
    assert normalise_email("First.Last+tag@sub.example-1.org") == "first.last+tag@sub.example-1.org"


_PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=4)


@given(_PARTS, _PARTS)
def test_t13_two_lists_of_parts_never_share_a_key(left: list[str], right: list[str]) -> None:
    assert parts_of(key_of("template", "o", *left)) == ["o", *left]
    assert (key_of("template", "o", *left) == key_of("template", "o", *right)) is (left == right)
