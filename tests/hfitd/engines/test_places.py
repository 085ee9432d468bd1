"""Connections of a provider: how many at once, over all instances, and who comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from hfitd.engines import places
from hfitd.engines.places import AllPlaces, Places, Shared
from hfitd.errors import Busy
from hfitd.store import slots
from hfitd.store.fleet import Fleet
from hfitd.store.redis import RedisStore
from hfitd.store.sealed import SealedStore
from hfitd.store.slots import Slots
from tests.live import redis
from tests.live.proxy import tcp_proxy


@pytest_asyncio.fixture
async def stores(redis_url: str) -> AsyncIterator[Sequence[RedisStore]]:
    """Two instances' connections to one Redis."""
    opened = [await RedisStore.open(redis_url) for _ in range(2)]
    yield opened
    for store in opened:
        await store.close()


async def work(place: Places, user: str, order: list[str], seconds: float = 0.0) -> None:
    async with place.take(user):
        order.append(user)
        await asyncio.sleep(seconds)


async def test_of_equals_who_came_first_is_first() -> None:
    place, order = Places("shop", 1), list[str]()
    async with place.take("bob"):
        tasks = []
        for user in ("eve", "ann", "joe"):
            tasks.append(asyncio.create_task(work(place, user, order)))
            await asyncio.sleep(0)
        assert (place.taken, place.waiting) == (1, 3)
    await asyncio.gather(*tasks)
    assert order == ["eve", "ann", "joe"]


async def test_who_has_a_place_already_waits_behind_who_has_none() -> None:
    place, order = Places("shop", 2), list[str]()
    release = asyncio.Event()

    async def hold(user: str) -> None:
        async with place.take(user):
            await release.wait()

    held = [asyncio.create_task(hold(user)) for user in ("bob", "bob")]
    await asyncio.sleep(0)
    waiting = []
    for user in ("bob", "bob", "eve"):
        waiting.append(asyncio.create_task(work(place, user, order)))
        await asyncio.sleep(0)
    held[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    release.set()
    await asyncio.gather(*held, return_exceptions=True)
    assert order == ["eve", "bob", "bob"]


async def test_a_full_queue_and_a_long_wait_are_busy_with_numbers() -> None:
    place = Places("shop", 1, queue_length=1, queue_seconds=0.05)
    async with place.take("bob"):
        waiting = asyncio.create_task(work(place, "eve", []))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match=r"All 1 connections .* 1 others wait") as full:
            async with place.take("ann"):
                raise AssertionError
        with pytest.raises(Busy) as late:
            await waiting
    for caught in (full, late):
        assert caught.value.retry_after_seconds == 1
    async with place.take("ann"):
        assert place.taken == 1


@pytest.mark.parametrize("after", [0.0, 0.01])
async def test_who_leaves_the_queue_or_fails_gives_back_what_he_had(after: float) -> None:
    place = Places("shop", 1)
    for _ in range(3):
        async with place.take("bob"):
            waiting = asyncio.create_task(work(place, "eve", [], 10))
            await asyncio.sleep(after)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        with pytest.raises(ZeroDivisionError):
            async with place.take("ann"):
                raise ZeroDivisionError
    assert (place.taken, place.waiting) == (0, 0)


async def test_r10_two_instances_never_have_more_than_the_cap_together(stores: Sequence[RedisStore]) -> None:
    instances = [Places("shop", 3, Shared(Slots(store), lambda: 2), queue_length=100) for store in stores]
    now = most = 0

    async def use(place: Places, user: str) -> None:
        nonlocal now, most
        async with place.take(user):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.005)
            now -= 1

    await asyncio.gather(*(use(place, f"u{n % 4}") for place in instances for n in range(15)))
    assert most == 3
    assert [place.taken for place in instances] == [0, 0]


async def test_a_killed_instance_keeps_its_places_for_a_while_only(
    stores: Sequence[RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "TTL_SECONDS", 0.3)
    killed = await Slots(stores[0]).take(1, "place", "shop")
    assert killed is not None
    living = Places("shop", 1, Shared(Slots(stores[1]), lambda: 2), queue_seconds=0.1)
    with pytest.raises(Busy):
        async with living.take():
            raise AssertionError
    await asyncio.sleep(0.5)
    with pytest.raises(Busy):  # it is renewed as long as its holder lives
        async with living.take():
            raise AssertionError
    killed.renewal.cancel()
    living.queue_seconds = 5.0
    async with living.take():
        assert living.taken == 1


async def test_r08_without_the_store_each_instance_keeps_to_its_share_and_catches_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "LOST_POLL_SECONDS", 0.05)
    with redis.redis() as server:
        async with tcp_proxy(server.host, server.port) as proxy:
            store = await RedisStore.open(replace(server, port=proxy.port).url("0"))
            direct = await RedisStore.open(server.url("0"))
            place = Places("shop", 4, Shared(Slots(store), lambda: 2), queue_seconds=3.0)
            await proxy.refuse()
            async with place.take("bob"), place.take("bob"):
                with pytest.raises(Busy):
                    async with place.take("bob"):
                        raise AssertionError
                await proxy.restore()
                others = Slots(direct)
                async with asyncio.timeout(5):
                    while await _free(others, 4) > 2:
                        await asyncio.sleep(0.05)
            assert await _free(others, 4) == 4
            await store.close()
            await direct.close()


async def _free(others: Slots, count: int) -> int:
    taken = [await others.take(count, "place", "shop") for _ in range(count)]
    for slot in taken:
        if slot is not None:
            await others.give_back(slot)
    return sum(slot is not None for slot in taken)


async def test_o04_a_lease_that_somebody_else_wrote_holds_nothing_and_rings(stores: Sequence[RedisStore]) -> None:
    alarms: list[str] = []
    sealed = SealedStore(stores[0], b"k" * 32, alarms.append)
    place = Places("shop", 1, Shared(Slots(sealed), lambda: 1), queue_seconds=2.0)
    assert await stores[1].acquire("place:shop:0", "mallory", 3600)
    async with place.take():
        assert alarms == ["place:shop:0"]
        assert await sealed.holder("place:shop:0") is not None
        assert not await sealed.acquire("place:shop:0", "another", 60)  # a true holder keeps it, without an alarm
    assert alarms == ["place:shop:0"]


async def test_places_outlive_a_reload_and_change_their_number() -> None:
    every = AllPlaces(None)
    before = every.of("shop", 1)
    async with before.take():
        assert every.is_full("shop")
        after = every.of("shop", 2)
        assert after is before
        async with after.take():
            assert every.report() == {"shop": {"connections": 2, "in_use": 2, "waiting": 0}}


async def test_r17_instances_count_each_other_and_those_that_left(stores: Sequence[RedisStore]) -> None:
    one, two = (Fleet(store, name) for store, name in zip(stores, ("one", "two"), strict=True))
    await one.beat()
    await two.beat()
    await one.beat()
    assert (one.size, two.size) == (2, 2)
    await two.leave()
    await one.beat()
    assert one.size == 1
