"""What time makes useless goes by itself, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hfitd.export.artifacts import Artifacts
from hfitd.gateway.housekeeping import KEEP_REQUESTS_SECONDS, keep_tidy
from hfitd.store.access import AccessRequest, AccessRequests
from hfitd.store.embedded import EmbeddedStore


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


async def asked(requests: AccessRequests, created: float) -> str:
    """A request of that time, never answered; its id."""
    wish = AccessRequest("dev@x", "support", "support", "why", "", 60.0, created, created + 10)
    return (await requests.create(wish)).id


async def test_expired_files_and_old_requests_go_and_what_is_fresh_or_not_ours_stays(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now, requests = time.time(), AccessRequests(store)
    artifacts = Artifacts(store, tmp_path / "artifacts", b"k" * 32, ttl_seconds=60, max_bytes=1 << 30)
    for name, age in (("old.tar.gz", 61), ("fresh.tar.gz", 1), ("notes.txt", 1000)):
        path = artifacts.folder / name
        path.write_text(name)
        os.utime(path, (now - age, now - age))
    old, fresh = await asked(requests, now - KEEP_REQUESTS_SECONDS - 20), await asked(requests, now)
    tidying = asyncio.create_task(keep_tidy(artifacts, requests, 0.01))
    async with asyncio.timeout(5):
        while (artifacts.folder / "old.tar.gz").exists() or await requests.get(old) is not None:
            await asyncio.sleep(0.01)
    tidying.cancel()
    assert {path.name for path in artifacts.folder.iterdir()} == {"fresh.tar.gz", "notes.txt"}
    assert await requests.get(fresh) is not None


async def test_a_store_that_does_not_answer_is_for_the_next_round(store: EmbeddedStore, tmp_path: Path) -> None:
    artifacts = Artifacts(store, tmp_path / "artifacts", b"k" * 32, ttl_seconds=60, max_bytes=1 << 30)
    await store.close()
    tidying = asyncio.create_task(keep_tidy(artifacts, AccessRequests(store), 0.01))
    await asyncio.sleep(0.05)
    assert not tidying.done()
    tidying.cancel()
