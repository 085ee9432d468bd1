"""One extraction at all instances together: who waits, who builds, and who takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import StoreUnavailable
from hfitd.export import flights as room
from hfitd.export.flights import Flights
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import Store
from hfitd.store.redis import RedisStore
from tests.live.proxy import tcp_proxy
from tests.live.servers import Server


@pytest_asyncio.fixture(params=["embedded", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store of either kind, empty."""
    opened: Store
    if request.param == "embedded":
        opened = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    else:
        opened = await RedisStore.open(request.getfixturevalue("redis_url"))
    yield opened
    await opened.close()


class Hall:
    """Instances that want the same work, and what they made."""

    def __init__(self, store: Store) -> None:
        self.flights = Flights(store)
        self.made: dict[str, str] = {}
        self.builds: list[str] = []
        self.finish = asyncio.Event()

    async def find(self, job_id: str) -> str | None:
        """What a job made."""
        return self.made.get(job_id)

    async def want(self, job_id: str, *, fails: bool = False, share: bool = True) -> str:
        """What an instance does with an equal request."""
        async with self.flights.lead("key", job_id, self.find, share=share) as found:
            if found is not None:
                return found
            self.builds.append(job_id)
            await self.finish.wait()
            if fails:
                raise ValueError
            self.made[job_id] = f"made by {job_id}"
            return self.made[job_id]


async def building(hall: Hall, count: int) -> None:
    """Wait until so many have begun."""
    async with asyncio.timeout(10):
        while len(hall.builds) < count:
            await asyncio.sleep(0.01)


async def test_others_get_what_the_first_one_builds(store: Store) -> None:
    hall = Hall(store)
    wants = [asyncio.create_task(hall.want(f"job{n}")) for n in range(5)]
    await building(hall, 1)
    await asyncio.sleep(0.1)
    hall.finish.set()
    assert set(await asyncio.gather(*wants)) == {f"made by {hall.builds[0]}"}
    assert len(hall.builds) == 1
    assert await hall.flights.landed(hall.builds[0]) == ""  # at once: it is over
    await hall.flights.failed("other", "DB_UNAVAILABLE")
    assert await hall.flights.landed("other") == "DB_UNAVAILABLE"


async def test_after_a_failure_the_next_one_builds(store: Store) -> None:
    hall = Hall(store)
    failing = asyncio.create_task(hall.want("bad", fails=True))
    await building(hall, 1)
    waiting = asyncio.create_task(hall.want("good"))
    await asyncio.sleep(0.1)
    hall.finish.set()
    assert await waiting == "made by good"
    with pytest.raises(ValueError):
        await failing


async def test_the_work_of_a_killed_instance_is_taken_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEASE_SECONDS", 0.6)
    hall = Hall(store)
    hall.finish.set()
    assert await store.acquire("flight:key", "killed", 0.6)  # by a process that will never renew it
    assert await hall.want("next") == "made by next"
    slow = Hall(store)
    renewing = asyncio.create_task(slow.want("slow"))
    await building(slow, 1)
    other = asyncio.create_task(slow.want("other"))
    await asyncio.sleep(1.2)  # two lives of a lease
    assert slow.builds == ["slow"]
    slow.finish.set()
    assert await other == await renewing == "made by slow"


async def test_who_wants_it_anew_waits_for_nobody_and_is_seen(store: Store) -> None:
    hall = Hall(store)
    first, anew = asyncio.create_task(hall.want("first")), asyncio.create_task(hall.want("anew", share=False))
    await building(hall, 2)
    landed = asyncio.create_task(hall.flights.landed("anew"))  # at once: what builds is known by then
    await asyncio.sleep(0.2)
    assert not landed.done()
    hall.finish.set()
    await asyncio.gather(first, anew, landed)


async def test_who_leaves_the_queue_leaves_no_lease(store: Store) -> None:
    hall = Hall(store)
    first = asyncio.create_task(hall.want("first"))
    await building(hall, 1)
    waits = [asyncio.create_task(hall.want(f"gone{n}")) for n in range(3)]
    for task in (*waits, first):
        await asyncio.sleep(0.05)
        task.cancel()
    await asyncio.gather(*waits, first, return_exceptions=True)
    hall.finish.set()
    async with asyncio.timeout(room.LEASE_SECONDS / 2):
        assert await hall.want("last") == "made by last"


async def test_r08_without_the_store_everybody_builds_for_himself(redis_server: Server) -> None:
    async with tcp_proxy(redis_server.host, redis_server.port) as proxy:
        store = await RedisStore.open(f"redis://{redis_server.host}:{proxy.port}/0", redis_server.password)
        try:
            hall = Hall(store)
            await proxy.refuse()
            hall.finish.set()
            assert [await hall.want("one"), await hall.want("two")] == ["made by one", "made by two"]
            with pytest.raises(StoreUnavailable):
                await hall.flights.landed("one")
        finally:
            await store.close()
