from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import BadRequest, Conflict, NotFound, StoreUnavailable
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.keys import key_of
from hfitd.store.redis import RedisStore
from hfitd.store.sealed import SealedStore
from hfitd.store.templates import NewTemplate, Templates, text_digest

ALICE, BOB, EVE = "alice@x", "bob@x", "eve@x"


def _fail(key: str) -> None:
    raise AssertionError(f"{key} was taken for tampered")


@pytest_asyncio.fixture(params=["embedded", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SealedStore]:
    embedded = request.param == "embedded"
    inner = (
        await EmbeddedStore.open(tmp_path / "store.sqlite3")
        if embedded
        else await RedisStore.open(request.getfixturevalue("redis_url"))
    )
    sealed = SealedStore(inner, b"k" * 32, _fail)
    yield sealed
    await sealed.close()


@pytest.fixture
def templates(store: SealedStore) -> Templates:
    return Templates(store)


async def test_a_template_is_read_as_made_by_its_owner(templates: Templates) -> None:
    made = await templates.create(ALICE, NewTemplate("case", "text é", "shop", "One case"))
    assert (made.state, made.digest, made.created) == ("draft", text_digest("text é"), made.updated)
    assert await templates.get("case", ALICE) == made
    assert await templates.get("alice@x:case", ALICE) == made
    assert await templates.visible(ALICE) == [made]


async def test_a_name_is_taken_once_per_owner(templates: Templates) -> None:
    creating = (templates.create(ALICE, NewTemplate("case", f"text {n}")) for n in range(5))
    made = await asyncio.gather(*creating, return_exceptions=True)
    assert sorted(type(result).__name__ for result in made) == ["Conflict"] * 4 + ["StoredTemplate"]
    assert (await templates.create(BOB, NewTemplate("case", "text 0"))).owner == BOB


async def test_t13_anothers_draft_looks_like_nothing(templates: Templates) -> None:
    await templates.create(ALICE, NewTemplate("case", "text"))
    errors = []
    for name in ("case", "alice@x:case", "nothing", "alice@x:nothing"):
        with pytest.raises(NotFound) as caught:
            await templates.get(name, BOB)
        errors.append((caught.value.message, caught.value.suggestions, caught.value.resource == name))
    assert len(set(errors)) == 1
    assert await templates.visible(BOB) == []


async def test_t13_a_shared_one_is_seen_by_all_and_changed_by_its_owner_only(templates: Templates) -> None:
    await templates.create(ALICE, NewTemplate("case", "text"))
    shared = await templates.share(ALICE, "case")
    assert shared.state == "shared"
    assert await templates.get("case", BOB) == shared
    assert await templates.visible(BOB) == [shared]
    assert await templates.share(ALICE, "case") == shared
    for attempt in (
        templates.update(BOB, NewTemplate("case", "mine")),
        templates.update(BOB, NewTemplate("alice@x:case", "mine")),
        templates.delete(BOB, "case"),
        templates.share(BOB, "case"),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await templates.get("case", BOB) == shared


async def test_ones_own_goes_before_a_shared_one_and_several_shared_need_their_owner(templates: Templates) -> None:
    for owner in (ALICE, BOB):
        await templates.create(owner, NewTemplate("case", f"of {owner}"))
        await templates.share(owner, "case")
    assert (await templates.get("case", ALICE)).text == "of alice@x"
    with pytest.raises(BadRequest) as caught:
        await templates.get("case", EVE)
    assert caught.value.suggestions == ("Use alice@x:case", "Use bob@x:case")
    assert (await templates.get("Bob@X:case", EVE)).text == "of bob@x"


async def test_an_update_makes_a_version_and_keeps_the_old_one(templates: Templates) -> None:
    first = await templates.create(ALICE, NewTemplate("case", "one"))
    second = await templates.update(ALICE, NewTemplate("case", "two", "p", "d"), expect_digest=first.digest)
    assert (await templates.get("case", ALICE)) == second
    assert (second.text, second.project, second.description, second.created) == ("two", "p", "d", first.created)
    assert await templates.version(first.digest) == "one"
    with pytest.raises(Conflict):
        await templates.update(ALICE, NewTemplate("case", "three"), expect_digest=first.digest)
    with pytest.raises(NotFound):
        await templates.update(ALICE, NewTemplate("none", "three"))


async def test_t13_a_version_that_was_reviewed_stays_what_it_was(templates: Templates) -> None:
    made = await templates.create(ALICE, NewTemplate("case", "one"))
    shared = await templates.share(ALICE, "case")
    changed = await templates.update(ALICE, NewTemplate("case", "two"))
    assert (shared.state, changed.state) == ("shared", "shared")
    assert await templates.version(made.digest) == "one"
    assert await templates.version(changed.digest) == "two"


async def test_a_deleted_template_is_gone_and_its_version_stays(templates: Templates) -> None:
    made = await templates.create(ALICE, NewTemplate("case", "text"))
    await templates.delete(ALICE, "case")
    with pytest.raises(NotFound):
        await templates.get("case", ALICE)
    with pytest.raises(NotFound):
        await templates.delete(ALICE, "case")
    assert await templates.version(made.digest) == "text"
    assert await templates.version("0" * 64) is None


async def test_a_bundle_says_what_it_does_and_does_nothing_when_dry(templates: Templates) -> None:
    await templates.create(ALICE, NewTemplate("same", "same"))
    await templates.create(ALICE, NewTemplate("old", "before"))
    bundle = [NewTemplate("same", "same"), NewTemplate("old", "after"), NewTemplate("fresh", "after")]
    expected = [("same", "untouched"), ("old", "updated"), ("fresh", "new")]
    assert await templates.put_bundle(ALICE, bundle, dry_run=True) == expected
    assert [template.name for template in await templates.visible(ALICE)] == ["old", "same"]
    assert await templates.put_bundle(ALICE, bundle) == expected
    assert [(template.name, template.text) for template in await templates.visible(ALICE)] == [
        ("fresh", "after"),
        ("old", "after"),
        ("same", "same"),
    ]
    assert await templates.put_bundle(ALICE, []) == []
    with pytest.raises(BadRequest):
        await templates.put_bundle(ALICE, [bundle[0], bundle[0]])


async def test_h07_a_bundle_is_stored_whole_or_not_at_all(templates: Templates) -> None:
    """Two bundles at once over the same names: at the end all names are of one of them."""
    for _ in range(5):
        names = [f"t{number}" for number in range(6)]
        bundles = [[NewTemplate(name, f"{who} {name}") for name in names] for who in ("first", "second")]
        done = await asyncio.gather(
            *(templates.put_bundle(ALICE, bundle) for bundle in bundles), return_exceptions=True
        )
        assert all(isinstance(result, list | Conflict) for result in done)
        seen = {template.text.split()[0] for template in await templates.visible(ALICE)}
        assert len(seen) == 1


@pytest.mark.parametrize("name", ["a:b", "a_b", "x@y:z", "é", "%41", "a/b", "{a}", "a\nb", "*"])
async def test_t13_any_name_is_its_own_key(templates: Templates, name: str) -> None:
    others = {"a": "1", "b": "2", "A": "3", "z": "4"}
    for other, text in others.items():
        await templates.create(ALICE, NewTemplate(other, text))
    await templates.create(ALICE, NewTemplate(name, "mine"))
    assert (await templates.get(name, ALICE)).text == "mine"
    assert [(await templates.get(other, ALICE)).text for other in others] == list(others.values())


@pytest.mark.parametrize("name", ["\ud800", "a" * 2000, ""])
async def test_a_name_that_can_be_no_key_is_not_found(templates: Templates, name: str) -> None:
    with pytest.raises(NotFound):
        await templates.get(name, ALICE)


async def test_a_damaged_version_is_not_run(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "plain.sqlite3")
    templates = Templates(store)
    made = await templates.create(ALICE, NewTemplate("case", "text"))
    await store.write(key_of("template-version", made.digest), b"other text")
    with pytest.raises(StoreUnavailable, match="damaged"):
        await templates.get("case", ALICE)
    await store.delete(key_of("template-version", made.digest))
    with pytest.raises(NotFound, match="save it again"):
        await templates.get("case", ALICE)
    assert replace(made, text="") != made
    await store.close()


async def test_t13_templates_of_a_removed_user_are_nobodys_who_comes_later(templates: Templates) -> None:
    await templates.create(ALICE, NewTemplate("mine", "a: 1"))
    await templates.create(ALICE, NewTemplate("ours", "b: 1"))
    await templates.create("alice@x.org", NewTemplate("other", "c: 1"))
    await templates.share(ALICE, "ours")
    assert await templates.retire("Alice@X") == 2
    for name in ("mine", f"{ALICE}:mine", f"{ALICE}:ours"):
        with pytest.raises(NotFound):
            await templates.get(name, ALICE)
    with pytest.raises(NotFound):
        await templates.delete(ALICE, "ours")
    assert (await templates.create(ALICE, NewTemplate("mine", "d: 1"))).state == "draft"
    shared = await templates.get("ours", BOB)
    assert shared.text == "b: 1"
    assert shared.owner.startswith("alice@x~")
    assert (await templates.get(f"{shared.owner}:ours", BOB)).text == "b: 1"
    with pytest.raises(BadRequest):
        await templates.create(shared.owner, NewTemplate("x", "e: 1"))
    assert [item.name for item in await templates.visible("alice@x.org")] == ["other", "ours"]
    assert await templates.retire(BOB) == 0
