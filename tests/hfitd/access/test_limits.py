from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.access.limits import Limits, LocalBuckets, rate_headers
from hfitd.config.model import AuthConfig, LimitsConfig
from hfitd.errors import RateLimited
from hfitd.model import Actor
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import RateDecision
from hfitd.store.redis import RedisStore

BOB, EVE = Actor("bob@x", ()), Actor("eve@x", ())
LIMITS = LimitsConfig(requests_per_minute=3, concurrent_packages=2)
AUTH = AuthConfig(max_attempts=3, lockout_seconds=600)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def limits(store: EmbeddedStore) -> Limits:
    return Limits(store, LIMITS, AUTH)


async def test_each_actor_has_his_requests_and_hears_when_to_come_again(limits: Limits) -> None:
    left = [(await limits.check_request(BOB)).remaining for _ in range(3)]
    assert left == [2, 1, 0]
    with pytest.raises(RateLimited) as caught:
        await limits.check_request(BOB)
    assert caught.value.retry_after_seconds is not None
    assert 0 < caught.value.retry_after_seconds <= 20
    assert (caught.value.status, caught.value.code, caught.value.resource) == (
        429,
        "RATE_LIMITED",
        "requests_per_minute",
    )
    refused = await limits.count_request(BOB)
    assert rate_headers(refused)["X-RateLimit-Limit"] == "3"
    assert rate_headers(refused)["X-RateLimit-Remaining"] == "0"
    assert 0 < int(rate_headers(refused)["X-RateLimit-Reset"]) <= 20
    assert (await limits.check_request(EVE)).remaining == 2


async def test_access_requests_are_limited_by_the_hour_and_for_each_person(store: EmbeddedStore) -> None:
    limits = Limits(store, LimitsConfig(requests_per_hour=2), AUTH)
    for _ in range(2):
        await limits.check_access_request(BOB)
    with pytest.raises(RateLimited) as caught:
        await limits.check_access_request(BOB)
    assert caught.value.resource == "requests_per_hour"
    assert caught.value.retry_after_seconds is not None
    assert 1000 < caught.value.retry_after_seconds <= 1800
    assert (await limits.check_access_request(EVE)).allowed


async def test_a18_bad_logins_lock_that_address_and_name_and_never_the_user_elsewhere(limits: Limits) -> None:
    for _ in range(3):
        await limits.check_login("192.0.2.1", "bob@x")
    with pytest.raises(RateLimited):
        await limits.check_login("192.0.2.1", "BOB@x")
    await limits.check_login("192.0.2.2", "bob@x")
    await limits.check_login("192.0.2.1", "eve@x")


async def test_a18_unknown_and_impossible_names_are_limited_alike(limits: Limits) -> None:
    for name in ("nobody@x", "*", "x" * 300, "bob@x\n", "\ud800", ""):
        for _ in range(3):
            await limits.check_login("192.0.2.1", name)
        with pytest.raises(RateLimited) as caught:
            await limits.check_login("192.0.2.1", name)
        assert caught.value.resource == "login attempts"
        assert name not in caught.value.message or name == ""


async def test_a18_many_names_from_one_address_are_limited_together(limits: Limits) -> None:
    for number in range(60):
        await limits.check_login("192.0.2.1", f"user{number}@x")
    with pytest.raises(RateLimited) as caught:
        await limits.check_login("192.0.2.1", "another@x")
    assert caught.value.resource == "logins of this address"
    await limits.check_login("192.0.2.2", "another@x")


async def test_a_successful_login_gives_the_attempts_back(limits: Limits) -> None:
    for _ in range(6):
        await limits.check_login("192.0.2.1", "bob@x")
        await limits.login_succeeded("192.0.2.1", "bob@x")


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (("2001:db8::1", "2001:db8::ffff:1"), "2001:db8:0:1::1"),
        (("::ffff:192.0.2.1", "192.0.2.1"), "192.0.2.2"),
        (("fe80::1%eth0", "fe80::2%eth1"), "fe81::1"),
        (("unix", "rubbish"), "192.0.2.1"),
    ],
)
async def test_a18_one_customers_addresses_are_one_place(limits: Limits, same: tuple[str, str], other: str) -> None:
    for _ in range(3):
        await limits.check_login(same[0], "bob@x")
    with pytest.raises(RateLimited):
        await limits.check_login(same[1], "bob@x")
    await limits.check_login(other, "bob@x")


async def test_a18_a_flood_of_challenges_ends_before_the_store(store: EmbeddedStore, limits: Limits) -> None:
    results = await asyncio.gather(*(limits.check_challenge("192.0.2.1") for _ in range(400)), return_exceptions=True)
    assert 300 <= results.count(None) < 400
    await limits.check_challenge("192.0.2.2")
    await store.close()
    with pytest.raises(RateLimited):
        for _ in range(400):
            await limits.check_challenge("192.0.2.1")


async def test_packages_at_once_are_counted_and_given_back(limits: Limits) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(limits.package_slot(BOB))
        with pytest.raises(RateLimited) as caught:
            async with limits.package_slot(BOB):
                pass
        assert caught.value.resource == "concurrent_packages"
        async with limits.package_slot(EVE):
            pass
    for _ in range(3):
        async with limits.package_slot(BOB), limits.package_slot(BOB):
            pass


async def test_r17_two_instances_count_packages_and_requests_together(redis_url: str) -> None:
    stores = [await RedisStore.open(redis_url) for _ in range(2)]
    first, second = (Limits(store, LIMITS, AUTH) for store in stores)
    async with first.package_slot(BOB), second.package_slot(BOB):
        for instance in (first, second):
            with pytest.raises(RateLimited):
                async with instance.package_slot(BOB):
                    pass
    async with second.package_slot(BOB), second.package_slot(BOB):
        pass
    decisions = [await instance.count_request(BOB) for instance in (first, second, first, second)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    for store in stores:
        await store.close()


async def test_a_slot_is_given_back_when_its_holder_fails_or_is_cancelled(limits: Limits) -> None:
    async def hold(*, fail: bool) -> None:
        async with limits.package_slot(BOB):
            if fail:
                raise ValueError("the job failed")
            await asyncio.sleep(60)

    for _ in range(3):
        with pytest.raises(ValueError, match="the job failed"):
            await hold(fail=True)
        task = asyncio.create_task(hold(fail=False))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with limits.package_slot(BOB), limits.package_slot(BOB):
        pass


async def test_r8_without_the_store_each_instance_keeps_its_share(store: EmbeddedStore) -> None:
    limits = Limits(store, LimitsConfig(requests_per_minute=8, concurrent_packages=2), AUTH, instances=lambda: 2)
    await store.close()
    decisions = [await limits.count_request(BOB) for _ in range(5)]
    assert [decision.allowed for decision in decisions] == [True] * 4 + [False]
    async with limits.package_slot(BOB), limits.package_slot(BOB):
        with pytest.raises(RateLimited):
            async with limits.package_slot(BOB):
                pass


def test_what_is_remembered_in_memory_is_bounded() -> None:
    buckets = LocalBuckets()
    for number in range(20_100):
        buckets.allow(f"rate:{number}", limit=1, period_seconds=60)
    assert len(buckets._arrival) == 20_000
    assert not buckets.allow("rate:20099", limit=1, period_seconds=60).allowed
    assert buckets.allow("rate:0", limit=1, period_seconds=60).allowed


class Asked(EmbeddedStore):
    """A store that knows how often it was asked."""

    asked = 0

    async def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        self.asked += 1
        return await super().allow(key, limit=limit, period_seconds=period_seconds, cost=cost)


@pytest.mark.parametrize(("limit", "allowed", "most"), [(60_000, 40, 7), (3, 2, 4)])
async def test_many_requests_at_once_ask_the_store_seldom_and_none_is_forgotten(
    tmp_path: Path, limit: int, allowed: int, most: int
) -> None:
    store = await Asked.open(tmp_path / "store.sqlite3")
    assert isinstance(store, Asked)
    limits = Limits(store, LimitsConfig(requests_per_minute=limit), AUTH)
    first = asyncio.create_task(limits.count_request(BOB))
    others = [asyncio.create_task(limits.count_request(BOB)) for _ in range(40)]
    await asyncio.sleep(0)
    first.cancel()  # who asked for all leaves, and is counted; the others hear the answer
    decisions = await asyncio.gather(*others)
    assert [decision.allowed for decision in decisions].count(True) == allowed
    assert store.asked <= most
    await store.close()
