"""A store that says how long each question took. Same interface; nothing else changes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hfitd.observe.events import StoreTime
from hfitd.observe.observer import Observer
from hfitd.store.interface import RateDecision, Record, Store


class MeasuredStore:
    """See Store."""

    def __init__(self, store: Store, observer: Observer) -> None:
        self._store = store
        self._observer = observer

    async def read(self, key: str) -> Record | None:
        """See Store."""
        with self._watch("read"):
            return await self._store.read(key)

    async def write(
        self, key: str, value: bytes, *, expect: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """See Store."""
        with self._watch("write"):
            return await self._store.write(key, value, expect=expect, ttl_seconds=ttl_seconds)

    async def write_all(self, values: Mapping[str, tuple[bytes, int | None]]) -> None:
        """See Store."""
        with self._watch("write_all"):
            await self._store.write_all(values)

    async def delete(self, key: str) -> bool:
        """See Store."""
        with self._watch("delete"):
            return await self._store.delete(key)

    async def keys(self, prefix: str) -> list[str]:
        """See Store."""
        with self._watch("keys"):
            return await self._store.keys(prefix)

    async def mend(self) -> None:
        """See Store."""
        with self._watch("mend"):
            await self._store.mend()

    async def take(self, key: str) -> bytes | None:
        """See Store."""
        with self._watch("take"):
            return await self._store.take(key)

    async def add(self, key: str, amount: int = 1, *, ttl_seconds: float | None = None) -> int:
        """See Store."""
        with self._watch("add"):
            return await self._store.add(key, amount, ttl_seconds=ttl_seconds)

    async def add_within(
        self, key: str, amount: int, *, limit: int, ttl_seconds: float | None = None
    ) -> int | None:
        """See Store."""
        with self._watch("add_within"):
            return await self._store.add_within(key, amount, limit=limit, ttl_seconds=ttl_seconds)

    async def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        """See Store."""
        with self._watch("allow"):
            return await self._store.allow(key, limit=limit, period_seconds=period_seconds, cost=cost)

    async def acquire(self, key: str, owner: str, ttl_seconds: float) -> bool:
        """See Store."""
        with self._watch("acquire"):
            return await self._store.acquire(key, owner, ttl_seconds)

    async def release(self, key: str, owner: str) -> None:
        """See Store."""
        with self._watch("release"):
            await self._store.release(key, owner)

    async def holder(self, key: str) -> str | None:
        """See Store."""
        with self._watch("holder"):
            return await self._store.holder(key)

    async def ping(self) -> None:
        """See Store."""
        with self._watch("ping"):
            await self._store.ping()

    async def close(self) -> None:
        """See Store."""
        await self._store.close()

    @contextmanager
    def _watch(self, operation: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._observer.event(StoreTime(operation, time.monotonic() - started))
