"""A sealed store over each kind of store, and what it found that somebody else had written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.store.embedded import EmbeddedStore
from hfitd.store.redis import RedisStore
from hfitd.store.sealed import SealedStore


@pytest.fixture
def tampered() -> list[str]:
    """Keys of records that were not written by this installation."""
    return []


@pytest_asyncio.fixture(params=["embedded", "redis"])
async def sealed(request: pytest.FixtureRequest, tmp_path: Path, tampered: list[str]) -> AsyncIterator[SealedStore]:
    """An empty store whose records are sealed."""
    embedded = request.param == "embedded"
    inner = (
        await EmbeddedStore.open(tmp_path / "store.sqlite3")
        if embedded
        else await RedisStore.open(request.getfixturevalue("redis_url"))
    )
    store = SealedStore(inner, b"k" * 32, tampered.append)
    yield store
    await store.close()
