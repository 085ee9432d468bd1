"""What one person may take away in a day, and table by table in an hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.access.quotas import Quotas
from hfitd.config.model import LimitsConfig
from hfitd.errors import RateLimited
from hfitd.model import Actor
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.redis import RedisStore
from tests.live import redis
from tests.live.proxy import tcp_proxy
from tests.live.servers import Server

BOB, EVE = Actor("bob@x", ()), Actor("eve@x", ())
LIMITS = LimitsConfig(packages_per_day=2, rows_per_day=100, bytes_per_day=1000, tables_per_hour=2)
NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


def at(moment: datetime, store: EmbeddedStore | RedisStore, **more: object) -> Quotas:
    return Quotas(store, LIMITS, clock=lambda: moment, **more)  # type: ignore[arg-type]


async def give(quotas: Quotas, actor: Actor, *, rows: int = 0, size: int = 0) -> None:
    """A delivery of this size."""
    reservation = quotas.reserve(actor)
    await reservation.hold(rows=rows, size=size)
    await reservation.settle(rows=rows, size=size)


@pytest.mark.parametrize(("rows", "size", "quota"), [(100, 0, "rows_per_day"), (0, 1000, "bytes_per_day")])
async def test_what_was_given_out_counts_until_midnight_and_the_refusal_names_the_quota(
    store: EmbeddedStore, rows: int, size: int, quota: str
) -> None:
    today = at(NOON, store)
    await today.check(BOB)
    await give(today, BOB, rows=rows, size=size)
    with pytest.raises(RateLimited) as caught:
        await today.check(BOB)
    assert caught.value.resource == quota
    assert caught.value.retry_after_seconds == 11.5 * 3600 + 1
    assert caught.value.limit in {100, 1000}
    await today.check(EVE)
    await at(NOON + timedelta(days=1), store).check(BOB)


async def test_what_does_not_fit_is_refused_and_something_smaller_is_not(store: EmbeddedStore) -> None:
    quotas = at(NOON, store)
    await give(quotas, BOB, rows=60, size=10)
    with pytest.raises(RateLimited, match="100 rows a day has too little left for this") as caught:
        await quotas.reserve(BOB).hold(rows=41)
    assert (caught.value.resource, caught.value.limit, caught.value.retry_after_seconds) == ("rows_per_day", 100, 41401)
    await quotas.reserve(BOB).hold(rows=40)


async def test_many_deliveries_at_once_never_pass_the_quota_together(redis_url: str) -> None:
    stores = [await RedisStore.open(redis_url) for _ in range(2)]
    quotas = [at(NOON, store) for store in stores]
    held = await asyncio.gather(
        *(quotas[number % 2].reserve(BOB).hold(size=300) for number in range(20)), return_exceptions=True
    )
    assert held.count(None) == 3
    assert sum(isinstance(answer, RateLimited) for answer in held) == 17
    for store in stores:
        await store.close()


async def test_what_was_set_aside_and_not_given_is_given_back(store: EmbeddedStore) -> None:
    quotas = at(NOON, store)
    first, second = quotas.reserve(BOB), quotas.reserve(BOB)
    await first.hold(size=900)
    with pytest.raises(RateLimited):
        await second.hold(size=200)
    await first.settle(rows=0, size=100)
    await first.settle(rows=0, size=1000)  # the first word counts
    await second.hold(size=900)
    with pytest.raises(RateLimited):
        await quotas.check(BOB)


async def test_what_still_grows_takes_a_stretch_in_advance_but_goes_to_the_very_end(store: EmbeddedStore) -> None:
    quotas = at(NOON, store)
    growing = quotas.reserve(BOB)
    for size in range(1, 1001, 37):
        await growing.hold(size=size, growing=True)
    await growing.hold(size=1000, growing=True)
    with pytest.raises(RateLimited):
        await growing.hold(size=1001, growing=True)
    await growing.settle(rows=0, size=1000)
    with pytest.raises(RateLimited):
        await quotas.check(BOB)


async def test_a_reader_who_leaves_while_the_store_counts_gets_nothing_lost(store: EmbeddedStore) -> None:
    quotas = at(NOON, store)
    for _ in range(50):
        reservation = quotas.reserve(BOB)
        holding = asyncio.create_task(reservation.hold(size=1000))
        await asyncio.sleep(0)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await reservation.settle(rows=0, size=0)
    await quotas.reserve(BOB).hold(size=1000)


async def test_a_delivery_over_midnight_counts_for_the_day_on_which_it_began(store: EmbeddedStore) -> None:
    late, tomorrow = at(NOON, store), at(NOON + timedelta(days=1), store)
    reservation = late.reserve(BOB)
    await reservation.hold(size=1000)
    await tomorrow.reserve(BOB).hold(size=1000)
    await reservation.settle(rows=0, size=400)
    await late.reserve(BOB).hold(size=600)


async def test_packages_are_counted_when_they_are_asked_for(store: EmbeddedStore) -> None:
    quotas = at(NOON, store)
    await quotas.count_package(BOB)
    await quotas.count_package(BOB)
    with pytest.raises(RateLimited, match="2 packages a day"):
        await quotas.count_package(BOB)
    await quotas.count_package(EVE)


async def test_too_many_distinct_tables_in_an_hour_are_refused_and_ring(store: EmbeddedStore) -> None:
    alarms: list[str] = []
    quotas = at(NOON, store, alarm=lambda actor, quota: alarms.append(f"{actor.email} {quota}"))
    for _ in range(3):
        await quotas.count_tables(BOB, ["p/s/a", "p/s/b"])
    assert alarms == []
    with pytest.raises(RateLimited) as caught:
        await quotas.count_tables(BOB, ["p/s/a", "p/s/c"])
    assert (caught.value.resource, caught.value.retry_after_seconds) == ("tables_per_hour", 1801)
    assert alarms == ["bob@x tables_per_hour"]
    await quotas.count_tables(EVE, ["p/s/c"])
    await at(NOON + timedelta(hours=1), store).count_tables(BOB, ["p/s/c"])


async def test_without_limits_nothing_is_counted(store: EmbeddedStore) -> None:
    quotas = Quotas(store, LimitsConfig())
    for _ in range(3):
        await quotas.count_package(BOB)
        await give(quotas, BOB, rows=10**9, size=10**12)
        await quotas.count_tables(BOB, [f"p/s/{number}" for number in range(50)])
        await quotas.check(BOB)


async def test_r17_two_instances_count_together(redis_url: str) -> None:
    stores = [await RedisStore.open(redis_url) for _ in range(2)]
    one, two = (at(NOON, store) for store in stores)
    await give(one, BOB, rows=50)
    await give(two, BOB, rows=50)
    for quotas in (one, two):
        with pytest.raises(RateLimited):
            await quotas.check(BOB)
    for store in stores:
        await store.close()


async def test_r08_without_the_store_an_instance_goes_on_from_what_it_knew_at_its_share(tmp_path: Path) -> None:
    lost = await EmbeddedStore.open(tmp_path / "a.sqlite3")
    quotas = at(NOON, lost, instances=lambda: 2)
    await give(quotas, BOB, rows=60, size=0)
    await lost.close()
    await give(quotas, BOB, rows=10, size=0)
    await quotas.check(BOB)  # 60, and 10 from each of two
    await give(quotas, BOB, rows=10, size=0)
    with pytest.raises(RateLimited):
        await quotas.check(BOB)
    with pytest.raises(RateLimited):
        await quotas.reserve(BOB).hold(rows=1)


async def test_r08_what_was_given_out_meanwhile_is_told_to_the_store_afterwards(redis_server: Server) -> None:
    redis.empty(redis_server)
    async with tcp_proxy(redis_server.host, redis_server.port) as proxy:
        store = await RedisStore.open(replace(redis_server, port=proxy.port).url("0"))
        quotas = at(NOON, store)
        await proxy.refuse()
        await give(quotas, BOB, rows=70, size=0)
        await proxy.restore()
        await give(quotas, BOB, rows=30, size=0)
        with pytest.raises(RateLimited):
            await quotas.check(BOB)
        await store.close()
