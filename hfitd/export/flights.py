"""One extraction of a package at all instances together.

1. Who builds a package holds a lease on its cache key, in the name of the job. It is renewed while the job runs and
   ends by itself when the instance is killed; then whoever waits takes the work over.
2. Who finds the lease taken waits for that job and takes what it made. A job that failed or was killed made nothing:
   the next in turn builds, and finds for itself what there is to refuse.
3. A second lease, under the job's own id, says everywhere that the job is alive: by it an instance knows that a
   package it was asked for is still being made elsewhere.
   How a job failed stays known for a while, so that nobody takes a package that cannot be made for one that was lost.
4. While the store is lost nobody can agree, and everybody builds for himself: work under way goes on (R8).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from hfitd.errors import StoreUnavailable
from hfitd.store.interface import Store
from hfitd.store.keys import key_of
from hfitd.store.slots import renew_lease

T = TypeVar("T")
LEASE_SECONDS = 9.0  # a killed instance's work is taken over after this, at the latest
FAILED_SECONDS = 120.0
FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 0.5


class Flights:
    """The jobs under way at the instances of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def lead(
        self, key: str, job_id: str, find: Callable[[str], Awaitable[T | None]], *, share: bool = True
    ) -> AsyncIterator[T | None]:
        """The work on ``key`` is this job's while the block runs; or another job has done it meanwhile.

        Gives what ``find`` says of the job that was waited for, or None when the block has to do the work. ``share``
        False does not wait, for who wants the work done anew.
        """
        work, job = key_of("flight", key), key_of("flight", "job", job_id)
        found, renewals = None, list[asyncio.Task[None]]()
        held = [work, job] if share else [job]
        try:
            with contextlib.suppress(StoreUnavailable):  # 4
                found = await self._wait_for_turn(work, job_id, find) if share else None
                if found is None:
                    await self._store.acquire(job, job_id, LEASE_SECONDS)  # 3: before it may be heard of anywhere
            if found is None:
                renewals += [asyncio.create_task(renew_lease(self._store, n, job_id, LEASE_SECONDS)) for n in held]
            yield found
        finally:
            if found is None:
                await asyncio.shield(self._let_go(renewals, held, job_id))

    async def landed(self, job_id: str) -> str:
        """Wait for as long as a job is under way anywhere (3); the code it failed with, if it did. StoreUnavailable."""
        await self._wait_for_end(key_of("flight", "job", job_id), job_id)
        failure = await self._store.read(key_of("flight", "failed", job_id))
        return "" if failure is None else failure.value.decode("ascii", "replace")

    async def failed(self, job_id: str, code: str) -> None:
        """Remember the code that a job failed with (3)."""
        with contextlib.suppress(StoreUnavailable):
            await self._store.write(key_of("flight", "failed", job_id), code.encode(), ttl_seconds=FAILED_SECONDS)

    async def _wait_for_turn(self, work: str, job_id: str, find: Callable[[str], Awaitable[T | None]]) -> T | None:
        """What another job has made, or None when it is this job's turn; StoreUnavailable."""
        while not await self._store.acquire(work, job_id, LEASE_SECONDS):
            other = await self._store.holder(work)
            if other is not None:
                await self._wait_for_end(work, other)
                found = await find(other)  # 2
                if found is not None:
                    return found
        return None

    async def _wait_for_end(self, name: str, owner: str) -> None:
        pause = FIRST_PAUSE_SECONDS
        while await self._store.holder(name) == owner:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LAST_PAUSE_SECONDS)

    async def _let_go(self, renewals: list[asyncio.Task[None]], names: list[str], owner: str) -> None:
        for renewal in renewals:
            renewal.cancel()
        await asyncio.gather(*renewals, return_exceptions=True)  # none of them may come after the release
        await self._release(names, owner)

    async def _release(self, names: list[str], owner: str) -> None:
        for name in names:
            with contextlib.suppress(StoreUnavailable):
                await self._store.release(name, owner)
