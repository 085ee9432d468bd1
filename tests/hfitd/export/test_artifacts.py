"""Finished packages: who may have one, for how long the answer is believed, and that only the right bytes leave."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import NotFound
from hfitd.export import artifacts as room
from hfitd.export.artifacts import Artifact, Artifacts, effective_policy
from hfitd.export.contents import Contents
from hfitd.model import Actor
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import Record

ANN, BOB = Actor("ann@example.org", ("developer",)), Actor("bob@example.org", ("developer",))
VERSION = "policy-1"


class CountingStore(EmbeddedStore):
    """The embedded store, counting reads."""

    reads = 0

    async def read(self, key: str) -> Record | None:
        """See Store."""
        self.reads += 1
        return await super().read(key)


@dataclass
class Shelf:
    """Artifacts and the store under them."""

    artifacts: Artifacts
    store: CountingStore

    async def put(self, name: str, data: bytes, actor: Actor = ANN) -> Artifact:
        """A finished package that the actor obtained."""
        made = Artifact(
            id=name, cache_key=f"key-{name}", file_name=f"{name}.tar", package_name=name, compression="none",
            template="t", plan_digest="", package_digest="", size=len(data), sha256=hashlib.sha256(data).hexdigest(),
            rows=0, effective=effective_policy(VERSION, actor), contents=Contents(), created=1.0, expires=9e12,
        )  # fmt: skip
        self.artifacts.path(made).write_bytes(data)
        await self.artifacts.add(made)
        await self.artifacts.grant(name, actor)
        return made


@pytest_asyncio.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """An empty shelf."""
    store = await CountingStore.open(tmp_path / "store.sqlite3")
    yield Shelf(Artifacts(store, tmp_path / "packages", b"s" * 32, ttl_seconds=3600, max_bytes=1 << 30), store)
    await store.close()


async def test_the_store_is_asked_once_in_a_while_who_may_have_a_package(shelf: Shelf) -> None:
    made = await shelf.put("one", b"data")
    assert await shelf.artifacts.open_for("one", ANN, VERSION) == made
    before = shelf.store.reads
    for _ in range(20):
        assert await shelf.artifacts.open_for("one", ANN, VERSION) == made
    assert shelf.store.reads == before
    with pytest.raises(NotFound):
        await shelf.artifacts.open_for("one", BOB, VERSION)  # what is believed of one is not believed of another
    with pytest.raises(NotFound):
        await shelf.artifacts.open_for("one", ANN, "policy-2")
    with pytest.raises(NotFound):
        await shelf.artifacts.open_for("one", replace(ANN, roles=("developer", "owner")), VERSION)


async def test_a_package_that_is_taken_back_is_gone_at_once_here_and_soon_elsewhere(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.put("one", b"data")
    await shelf.artifacts.open_for("one", ANN, VERSION)
    elsewhere = Artifacts(shelf.store, shelf.artifacts.folder, b"s" * 32, ttl_seconds=3600, max_bytes=1 << 30)
    await elsewhere.revoke("one")
    monkeypatch.setattr(room, "TRUST_SECONDS", 0.0)  # as if they had passed
    with pytest.raises(NotFound):
        await shelf.artifacts.open_for("one", ANN, VERSION)
    monkeypatch.undo()
    await shelf.put("two", b"data")
    await shelf.artifacts.open_for("two", ANN, VERSION)
    await shelf.artifacts.revoke("two")
    with pytest.raises(NotFound):
        await shelf.artifacts.open_for("two", ANN, VERSION)


async def test_o05_only_bytes_of_the_right_digest_are_kept_in_memory(shelf: Shelf) -> None:
    made = await shelf.put("one", b"data")
    shelf.artifacts.path(made).write_bytes(b"evil")
    with pytest.raises(NotFound):
        await shelf.artifacts.content(made)
    shelf.artifacts.path(made).write_bytes(b"data")
    assert await shelf.artifacts.content(made) == b"data"
    shelf.artifacts.path(made).unlink()
    assert await shelf.artifacts.content(made) == b"data"
    with pytest.raises(NotFound):
        await shelf.artifacts.open_for("one", ANN, VERSION)  # the file is what counts


async def test_large_packages_are_not_kept_and_small_ones_only_up_to_a_bound(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = await shelf.put("large", bytes(room.SMALL_BYTES + 1))
    assert await shelf.artifacts.content(large) is None
    monkeypatch.setattr(room, "MEMORY_BYTES", 2500)
    small = [await shelf.put(f"s{number}", bytes([number]) * 1000) for number in range(4)]
    for made in small:
        assert await shelf.artifacts.content(made) == shelf.artifacts.path(made).read_bytes()
        shelf.artifacts.path(made).unlink()
    kept = []
    for made in small:
        try:
            kept.append(await shelf.artifacts.content(made) is not None)
        except NotFound:
            kept.append(False)
    assert kept == [False, False, True, True]
