from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import Conflict, StoreUnavailable
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import Record
from hfitd.store.open import open_store
from hfitd.store.sealed import SealedStore
from hfitd.store.secret import load_secret
from hfitd.store.users import Users


@pytest_asyncio.fixture
async def inner(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield store
    await store.close()


@pytest.fixture
def alarms() -> list[str]:
    return []


@pytest.fixture
def sealed(inner: EmbeddedStore, alarms: list[str]) -> SealedStore:
    return SealedStore(inner, b"k" * 32, alarms.append)


async def test_o04_every_changed_byte_of_a_record_makes_it_absent_and_rings(
    inner: EmbeddedStore, sealed: SealedStore, alarms: list[str]
) -> None:
    await sealed.write("user:a", b"value")
    original = (await inner.read("user:a") or Record(b"", 0)).value
    for position in range(len(original)):
        forged = bytearray(original)
        forged[position] ^= 1
        await inner.delete("user:a")
        await inner.write("user:a", bytes(forged))
        assert await sealed.read("user:a") is None
    assert alarms == ["user:a"] * len(original)
    await inner.delete("user:a")
    await inner.write("user:a", original)
    assert await sealed.read("user:a") == Record(b"value", 1)


@pytest.mark.parametrize("forged", [b"", b"s1", b'{"roles":["admin"]}', b"s1" + bytes(40) + b"{}"])
async def test_o04_a_record_written_by_somebody_else_is_absent(
    inner: EmbeddedStore, sealed: SealedStore, alarms: list[str], forged: bytes
) -> None:
    await inner.write("user:mallory", forged)
    assert await sealed.read("user:mallory") is None
    assert await sealed.take("user:mallory") is None
    assert alarms == ["user:mallory"] * 2


async def test_o04_a_record_moved_to_another_key_is_absent(
    inner: EmbeddedStore, sealed: SealedStore, alarms: list[str]
) -> None:
    await sealed.write("user:admin", b"all rights")
    stolen = await inner.read("user:admin")
    assert stolen is not None
    await inner.write("user:mallory", stolen.value)
    await inner.write("template:admin", stolen.value)
    assert await sealed.read("user:mallory") is None
    assert await sealed.read("template:admin") is None
    assert alarms == ["user:mallory", "template:admin"]


async def test_o04_an_old_value_put_over_the_new_one_is_absent(
    inner: EmbeddedStore, sealed: SealedStore, alarms: list[str]
) -> None:
    await sealed.write("user:a", b"admin")
    old = await inner.read("user:a")
    assert old is not None
    await sealed.write("user:a", b"nobody", expect=1)
    await inner.write("user:a", old.value)
    assert await sealed.read("user:a") is None
    assert alarms == ["user:a"]


async def test_o04_another_installations_record_is_absent(inner: EmbeddedStore, sealed: SealedStore) -> None:
    await SealedStore(inner, b"other" * 8, lambda key: None).write("user:a", b"value")
    assert await sealed.read("user:a") is None


async def test_a_forged_record_does_not_keep_the_true_one_from_being_made(
    inner: EmbeddedStore, sealed: SealedStore
) -> None:
    await inner.write("user:a", b"forged")
    version = await sealed.write("user:a", b"true", expect=0)
    assert await sealed.read("user:a") == Record(b"true", version)
    with pytest.raises(Conflict):
        await sealed.write("user:a", b"again", expect=0)
    await inner.write("template:a", b"forged")
    await sealed.write_all({"template:a": (b"true", 0)})
    assert (await sealed.read("template:a") or Record(b"", 0)).value == b"true"


async def test_kinds_that_are_not_sealed_pass_through(inner: EmbeddedStore, sealed: SealedStore) -> None:
    await sealed.write("denied:a", b"value")
    assert await inner.read("denied:a") == Record(b"value", 1)


async def test_o04_an_edited_user_is_no_user(tmp_path: Path) -> None:
    alarms: list[str] = []
    store = await open_store(
        "embedded:", password=None, data_dir=tmp_path, keys_dir=tmp_path / "keys", on_tampered=alarms.append
    )
    await Users(store).create("bob@example.org", roles=["dev"])
    await store.close()
    plain = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    record = await plain.read("user:bob@example.org")
    assert record is not None
    await plain.delete("user:bob@example.org")
    await plain.write("user:bob@example.org", record.value.replace(b'"dev"', b'"all"'))
    await plain.close()
    store = await open_store(
        "embedded:", password=None, data_dir=tmp_path, keys_dir=tmp_path / "keys", on_tampered=alarms.append
    )
    assert await Users(store).get("bob@example.org") is None
    assert await Users(store).list() == []
    await store.close()
    assert alarms == ["user:bob@example.org"] * 2


async def test_open_store_opens_redis_and_refuses_other_urls(tmp_path: Path, redis_url: str) -> None:
    def opened(url: str) -> object:
        return open_store(url, password=None, data_dir=tmp_path, keys_dir=tmp_path, on_tampered=lambda key: None)

    store = await open_store(
        redis_url, password=None, data_dir=tmp_path, keys_dir=tmp_path, on_tampered=lambda key: None
    )
    await store.write("user:a", b"1")
    await store.close()
    with pytest.raises(StoreUnavailable, match="has to begin with"):
        await opened("memcached://h")  # type: ignore[misc]


def test_the_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "store.key"
    secret = load_secret(path)
    assert len(secret) == 32
    assert load_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["store.key"]


def test_o13_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    load_secret(path)
    path.chmod(0o640)
    with pytest.raises(StoreUnavailable, match="0600"):
        load_secret(path)


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 31, "ab" * 64, "é" * 32])
def test_a_damaged_secret_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "store.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StoreUnavailable, match="damaged"):
        load_secret(path)


def test_a_secret_behind_a_symlink_is_refused(tmp_path: Path) -> None:
    load_secret(tmp_path / "real")
    (tmp_path / "store.key").symlink_to(tmp_path / "real")
    with pytest.raises(StoreUnavailable, match="keys_dir"):
        load_secret(tmp_path / "store.key")
