"""What one person may take away in a day, and table by table in an hour."""

from __future__ import annotations

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


@pytest.mark.parametrize(("rows", "size", "quota"), [(100, 0, "rows_per_day"), (0, 1000, "bytes_per_day")])
async def test_what_was_given_out_counts_until_midnight_and_the_refusal_names_the_quota(
    store: EmbeddedStore, rows: int, size: int, quota: str
) -> None:
    today = at(NOON, store)
    await today.check(BOB)
    await today.count(BOB, rows=rows, size=size)
    with pytest.raises(RateLimited) as caught:
        await today.check(BOB)
    assert caught.value.resource == quota
    assert caught.value.retry_after_seconds == 11.5 * 3600 + 1
    assert caught.value.limit in {100, 1000}
    await today.check(EVE)
    await at(NOON + timedelta(days=1), store).check(BOB)


async def test_a_finished_package_that_does_not_fit_is_refused_and_a_smaller_one_is_not(store: EmbeddedStore) -> None:
    quotas = at(NOON, store)
    await quotas.count(BOB, rows=60, size=10)
    await quotas.check(BOB, rows=40)
    with pytest.raises(RateLimited, match="100 rows a day"):
        await quotas.check(BOB, rows=41)


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
        await quotas.count(BOB, rows=10**9, size=10**12)
        await quotas.count_tables(BOB, [f"p/s/{number}" for number in range(50)])
        await quotas.check(BOB, rows=10**9, size=10**12)


async def test_r17_two_instances_count_together(redis_url: str) -> None:
    stores = [await RedisStore.open(redis_url) for _ in range(2)]
    one, two = (at(NOON, store) for store in stores)
    await one.count(BOB, rows=50, size=0)
    await two.count(BOB, rows=50, size=0)
    for quotas in (one, two):
        with pytest.raises(RateLimited):
            await quotas.check(BOB)
    for store in stores:
        await store.close()


async def test_r08_without_the_store_an_instance_goes_on_from_what_it_knew_at_its_share(tmp_path: Path) -> None:
    lost = await EmbeddedStore.open(tmp_path / "a.sqlite3")
    quotas = at(NOON, lost, instances=lambda: 2)
    await quotas.count(BOB, rows=60, size=0)
    await lost.close()
    await quotas.count(BOB, rows=10, size=0)
    await quotas.check(BOB)  # 60, and 10 from each of two
    await quotas.count(BOB, rows=10, size=0)
    with pytest.raises(RateLimited):
        await quotas.check(BOB)


async def test_r08_what_was_given_out_meanwhile_is_told_to_the_store_afterwards(redis_server: Server) -> None:
    redis.empty(redis_server)
    async with tcp_proxy(redis_server.host, redis_server.port) as proxy:
        store = await RedisStore.open(replace(redis_server, port=proxy.port).url("0"))
        quotas = at(NOON, store)
        await proxy.refuse()
        await quotas.count(BOB, rows=70, size=0)
        await proxy.restore()
        await quotas.count(BOB, rows=30, size=0)
        with pytest.raises(RateLimited):
            await quotas.check(BOB)
        await store.close()
