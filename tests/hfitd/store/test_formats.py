"""A store of the format before is taken over as it is, and programs of both formats work on it side by side."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from redis import Redis

from hfitd.errors import NotFound
from hfitd.store.access import AccessRequests
from hfitd.store.approvals import Approvals
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.fleet import ALIVE_SECONDS, Fleet
from hfitd.store.formats import Upkeep
from hfitd.store.interface import Store
from hfitd.store.open import open_store
from hfitd.store.redis import RedisStore
from hfitd.store.redis_index import RedisIndex, name_of
from hfitd.store.schema import Schema, prepare_schema, read_schema
from hfitd.store.sealed import SealedStore
from hfitd.store.templates import NewTemplate, Templates
from hfitd.store.users import Users
from tests.live.servers import Server
from tests.support.source import ROOT

GOLDEN = cast(dict[str, Any], json.loads((ROOT / "tests/data/store/format-1.json").read_text()))
SECRET = bytes.fromhex(GOLDEN["secret"])
ALICE, BOB = "alice@example.org", "bob@example.org"
Opening = Callable[[], Awaitable[Store]]


def _never(key: str) -> None:
    raise AssertionError(f"{key} was taken for tampered")


async def put_in_file(path: Path) -> None:
    """The golden records, as the embedded store of format 1 had them."""
    store = await EmbeddedStore.open(path)
    for one in GOLDEN["records"]:
        for _ in range(one["version"]):
            await store.write(one["key"], base64.b64decode(one["value"]))
    await store.close()


def put_in_redis(server: Server) -> None:
    """The same in Redis, where format 1 knew no index."""
    with Redis(server.host, server.port, password=server.password) as client:
        for one in GOLDEN["records"]:
            fields = {"v": base64.b64decode(one["value"]), "n": one["version"]}
            client.hset(name_of("r", one["key"]), mapping=fields)  # type: ignore[arg-type]


@pytest_asyncio.fixture(params=["embedded", "redis"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens a store that format 1 left, as the daemon does."""
    (tmp_path / "store.key").write_text(GOLDEN["secret"])
    (tmp_path / "store.key").chmod(0o600)
    url = "embedded:"
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        put_in_redis(request.getfixturevalue("redis_server"))
    else:
        await put_in_file(tmp_path / "store.sqlite3")
    opened: list[Store] = []

    async def open_it() -> Store:
        store = await open_store(url, password=None, data_dir=tmp_path, keys_dir=tmp_path, on_tampered=_never)
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        await store.close()


async def test_what_the_format_before_kept_is_there_after_the_upgrade(opening: Opening) -> None:
    store = await opening()
    assert await read_schema(store) == Schema(2, 1)
    alice, bob = await Users(store).list()
    assert (alice.email, alice.roles, len(alice.keys)) == (ALICE, ("developer",), 1)
    assert (bob.email, bob.roles, bob.disabled, bob.version) == (BOB, ("guest", "developer"), True, 3)
    templates = Templates(store)
    found = await templates.get("case", BOB)
    assert (found.owner, found.text) == (ALICE, "hfitVersion: 1\ntemplateName: case\ndescription: two\n")
    assert (await templates.get("case:old_1", ALICE)).owner == BOB
    assert [one.name for one in await templates.visible(BOB)] == ["case", "case:old_1"]
    assert [one.name for one in await templates.visible(ALICE)] == ["case", "case:old_1", "draft"]
    with pytest.raises(NotFound):
        await templates.get("draft", BOB)
    assert list(await Approvals(store).every()) == [(ALICE, "case")]
    assert [one.id for one in await AccessRequests(store).every()] == ["00112233445566aa"]
    assert [loan.role for loan in await AccessRequests(store).loans(ALICE)] == ["support"]
    await templates.delete(BOB, "case:old_1")
    with pytest.raises(NotFound):
        await templates.get("case:old_1", ALICE)


class NoIndex(RedisIndex):
    """What a program of format 1 knew of indexes."""

    def note(self, *_: object) -> None:
        """Nothing."""

    def forget(self, *_: object) -> None:
        """Nothing."""

    async def sweep(self, key: str) -> None:
        """Nothing."""


async def program_of_format_1(url: str) -> SealedStore:
    """Its store, on a store that format 2 has taken over."""
    inner = await RedisStore.open(url)
    inner._index = NoIndex(inner._link)
    store = SealedStore(inner, SECRET, _never)
    assert await prepare_schema(store, ()) == Schema(2, 1)
    await store.write("instance:before", b"alive", ttl_seconds=ALIVE_SECONDS)
    return store


@pytest.mark.parametrize("opening", ["redis"], indirect=True)
async def test_an_instance_of_the_format_before_works_beside_and_the_new_ones_see_what_it_does(
    opening: Opening, redis_url: str
) -> None:
    new = await opening()
    old = await program_of_format_1(redis_url)
    fleet = Fleet(new, "new")
    await fleet.beat()
    await Users(old).create("carol@example.org")
    await Templates(old).create(BOB, NewTemplate("fresh", "hfitVersion: 1\ntemplateName: fresh\n"))
    await Templates(old).share(BOB, "fresh")
    await Users(old).remove(ALICE)
    assert await Upkeep(new, fleet).turn()
    await fleet.beat()
    assert (fleet.size, await fleet.names(), await fleet.is_mixed()) == (2, ["before", "new"], True)
    assert [user.email for user in await Users(new).list()] == [BOB, "carol@example.org"]
    assert (await Templates(new).get("fresh", ALICE)).owner == BOB
    await Templates(new).create(ALICE, NewTemplate("newest", "hfitVersion: 1\ntemplateName: newest\n"))
    assert (await Templates(old).get("newest", ALICE)).state == "draft"
    await old.delete("instance:before")
    assert not await fleet.is_mixed()
    assert not await Upkeep(new, fleet).turn()  # rarely, now
    await old.close()
