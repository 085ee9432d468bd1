"""Finished packages in a bucket: what one instance puts there any other serves, and nothing that is not right."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import NotFound, StoreUnavailable
from hfitd.export import artifacts as room
from hfitd.export.artifacts import Artifact, Artifacts, effective_policy
from hfitd.export.bucket_depot import BucketDepot
from hfitd.export.contents import Contents
from hfitd.model import Actor
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import Store
from tests.live.s3 import S3Server, s3_server

ANN = Actor("ann@example.org", ("developer",))
VERSION = "policy-1"
LARGE = 11 << 20  # more than one part


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    """An empty server."""
    with s3_server(create_only=False) as server:
        yield server


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """What the instances share besides the bucket."""
    opened = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


class Instance:
    """The packages of one instance."""

    def __init__(self, folder: Path, store: Store, bucket: S3Server, max_bytes: int = 1 << 30) -> None:
        depot = BucketDepot("s3://packages/of/hfit", plaintext=False, environ=bucket.environment)
        self.artifacts = Artifacts(
            store, folder, b"s" * 32, ttl_seconds=3600, max_bytes=max_bytes, depot=depot
        )  # fmt: skip

    async def build(self, name: str, data: bytes) -> Artifact:
        """A finished package that Ann obtained."""
        built = self.artifacts.folder.parent / f"built-{name}"
        built.write_bytes(data)
        made = Artifact(
            id=name, cache_key=f"key-{name}", file_name=f"{name}.tar", package_name=name, compression="none",
            template="t", plan_digest="", package_digest="", size=len(data), sha256=hashlib.sha256(data).hexdigest(),
            rows=0, effective=effective_policy(VERSION, ANN), contents=Contents(), created=1.0, expires=9e12,
        )  # fmt: skip
        self.artifacts.publish(built, made)
        await self.artifacts.add(made)
        await self.artifacts.grant(name, ANN)
        return made

    async def read(self, name: str) -> bytes:
        """What it would serve; NotFound."""
        return self.artifacts.path(await self.artifacts.open_for(name, ANN, VERSION)).read_bytes()


@pytest.fixture
def one(tmp_path: Path, store: Store, bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """The instance that builds."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return Instance(tmp_path / "one" / "artifacts", store, bucket)


@pytest.fixture
def two(tmp_path: Path, store: Store, bucket: S3Server) -> Instance:
    """Another one."""
    return Instance(tmp_path / "two" / "artifacts", store, bucket)


@pytest.mark.parametrize("size", [0, 1000, LARGE])
async def test_any_instance_serves_what_one_built_and_fetches_it_once(
    one: Instance, two: Instance, bucket: S3Server, size: int
) -> None:
    data = os.urandom(size)
    await one.build("a", data)
    assert list(bucket.objects) == ["packages/of/hfit/a.tar"]
    assert await asyncio.gather(*(two.read("a") for _ in range(5))) == [data] * 5
    assert await two.artifacts.find("key-a") is not None
    assert bucket.gets == ["packages/of/hfit/a.tar"]
    assert [path.name for path in two.artifacts.folder.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("change", ["one byte", "longer", "gone"])
async def test_o05_what_was_changed_in_the_bucket_is_never_served(
    one: Instance, two: Instance, bucket: S3Server, change: str
) -> None:
    await one.build("a", b"right")
    name = "packages/of/hfit/a.tar"
    bucket.objects[name] = {"one byte": b"wrong", "longer": b"right and more", "gone": b""}[change]
    if change == "gone":
        del bucket.objects[name]
    assert await two.artifacts.find("key-a") is None
    with pytest.raises(NotFound):
        await two.read("a")
    assert await one.read("a") == b"right"  # its own copy


async def test_while_the_bucket_is_lost_an_instance_serves_what_it_has(
    one: Instance, two: Instance, bucket: S3Server
) -> None:
    await one.build("a", b"data")
    bucket.stop()
    assert await one.read("a") == b"data"
    assert await two.artifacts.find("key-a") is None  # it is built again, then
    with pytest.raises(StoreUnavailable):
        await one.build("b", b"more")
    assert await one.artifacts.find("key-b") is None
    bucket.start()
    assert await two.read("a") == b"data"


async def test_a_package_that_is_taken_back_leaves_every_place(
    one: Instance, two: Instance, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one.build("a", b"data")
    await one.build("b", b"stays")
    assert await two.read("a") == b"data"
    await one.artifacts.revoke("a")
    assert list(bucket.objects) == ["packages/of/hfit/b.tar"]
    monkeypatch.setattr(room, "SETTLED_SECONDS", -1.0)
    await two.artifacts.remove_expired()
    assert list(two.artifacts.folder.iterdir()) == []
    assert await two.read("b") == b"stays"


async def test_the_bucket_keeps_to_its_bound_and_loses_what_is_on_no_record(
    one: Instance, store: Store, bucket: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SETTLED_SECONDS", -1.0)
    for name in "abc":
        await one.build(name, name.encode() * 1000)
    others = bucket.objects["packages/of/other.tar"] = b"not ours"
    bucket.times["packages/of/other.tar"] = bucket.times["packages/of/hfit/a.tar"]
    bucket.objects["packages/of/hfit/lost.tar"], bucket.times["packages/of/hfit/lost.tar"] = (
        b"x",
        min(bucket.times.values()),
    )
    small = Instance(tmp_path / "small" / "artifacts", store, bucket, max_bytes=2500)
    await small.artifacts.remove_expired()
    assert len([name for name in bucket.objects if name.startswith("packages/of/hfit/")]) == 2
    assert "packages/of/hfit/lost.tar" not in bucket.objects
    assert bucket.objects["packages/of/other.tar"] == others


def test_a_bucket_that_others_could_read_along_is_refused() -> None:
    with pytest.raises(ValueError, match="not encrypted"):
        BucketDepot("s3://packages", plaintext=False, environ={"AWS_ENDPOINT_URL": "http://s3.example.com"})
    BucketDepot("s3://packages", plaintext=True, environ={"AWS_ENDPOINT_URL": "http://s3.example.com"})
