"""What every Store promises, over each of them on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import Conflict
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import Record, Store
from hfitd.store.redis import RedisStore
from hfitd.store.sealed import SealedStore
from tests.live import redis
from tests.live.redis_fleet import SERVICE, redis_cluster, redis_sentinel
from tests.live.servers import Server

KINDS = ["embedded", "redis", "redis-sentinel", "redis-cluster", "sealed-embedded", "sealed-redis"]


@pytest.fixture(scope="session")
def cluster_nodes() -> Iterator[list[Server]]:
    with redis_cluster() as nodes:
        yield nodes


@pytest.fixture(scope="session")
def sentinel_pair() -> Iterator[tuple[Server, Server]]:
    with redis_sentinel() as pair:
        yield pair


def _never(key: str) -> None:
    raise AssertionError(f"{key} was taken for tampered")


async def _open(kind: str, request: pytest.FixtureRequest, folder: Path) -> Store:
    if kind == "embedded":
        return await EmbeddedStore.open(folder / "store.sqlite3")
    if kind == "redis-cluster":
        nodes: list[Server] = request.getfixturevalue("cluster_nodes")
        for node in nodes:
            redis.empty(node)
        hosts = ",".join(f"{node.host}:{node.port}" for node in nodes)
        return await RedisStore.open(f"redis+cluster://{hosts}", nodes[0].password)
    if kind == "redis-sentinel":
        primary, sentinel = request.getfixturevalue("sentinel_pair")
        redis.empty(primary)
        return await RedisStore.open(f"redis+sentinel://{sentinel.host}:{sentinel.port}/{SERVICE}", primary.password)
    return await RedisStore.open(request.getfixturevalue("redis_url"))


@pytest_asyncio.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    kind: str = request.param
    inner = await _open(kind.removeprefix("sealed-"), request, tmp_path)
    opened = SealedStore(inner, b"k" * 32, _never, frozenset({"user"})) if kind.startswith("sealed-") else inner
    try:
        yield opened
    finally:
        await opened.close()


async def _gone(store: Store, key: str) -> None:
    deadline = time.monotonic() + 10
    while await store.read(key) is not None:
        assert time.monotonic() < deadline, "it does not expire"
        await asyncio.sleep(0.02)


async def test_a_record_is_read_as_it_was_written_with_its_version(store: Store) -> None:
    value = bytes(range(256))
    assert await store.write("user:a", value) == 1
    assert await store.read("user:a") == Record(value, 1)
    assert await store.write("user:a", b"") == 2
    assert await store.read("user:a") == Record(b"", 2)
    assert await store.read("user:b") is None


async def test_expecting_another_version_is_a_conflict_and_changes_nothing(store: Store) -> None:
    await store.write("user:a", b"1", expect=0)
    for expect in (0, 2, 7):
        with pytest.raises(Conflict):
            await store.write("user:a", b"x", expect=expect)
    with pytest.raises(Conflict):
        await store.write("user:none", b"x", expect=1)
    assert await store.read("user:a") == Record(b"1", 1)
    assert await store.read("user:none") is None
    assert await store.write("user:a", b"2", expect=1) == 2


async def test_of_many_writers_that_expect_one_version_exactly_one_wins(store: Store) -> None:
    await store.write("user:a", b"start")
    writes = (store.write("user:a", str(n).encode(), expect=1) for n in range(20))
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 19 + ["int"]
    winner = next(n for n, result in enumerate(results) if result == 2)
    assert await store.read("user:a") == Record(str(winner).encode(), 2)


async def test_no_increment_by_read_and_expect_is_ever_lost(store: Store) -> None:
    await store.write("user:n", b"0")

    async def increment() -> None:
        while True:
            record = await store.read("user:n")
            assert record is not None
            with contextlib.suppress(Conflict):
                await store.write("user:n", str(int(record.value) + 1).encode(), expect=record.version)
                return

    await asyncio.gather(*(increment() for _ in range(12)))
    assert await store.read("user:n") == Record(b"12", 13)


async def test_write_all_writes_every_value_or_none(store: Store) -> None:
    await store.write("user:b", b"old")
    with pytest.raises(Conflict):
        await store.write_all({"user:a": (b"1", 0), "user:b": (b"2", 5), "user:c": (b"3", None)})
    assert [await store.read(key) for key in ("user:a", "user:b", "user:c")] == [None, Record(b"old", 1), None]
    await store.write_all({"user:a": (b"1", 0), "user:b": (b"2", 1), "user:c": (b"3", None)})
    assert await store.read("user:b") == Record(b"2", 2)
    assert await store.read("user:c") == Record(b"3", 1)
    await store.write_all({})


async def test_kinds_of_one_group_move_together_and_others_are_a_mistake(store: Store) -> None:
    await store.write_all({"template:a": (b"1", 0), "template-version:b": (b"2", None)})
    assert await store.read("template-version:b") == Record(b"2", 1)
    with pytest.raises(ValueError, match="first '-'"):
        await store.write_all({"template:a": (b"1", 1), "user:b": (b"2", None)})


async def test_a_record_is_gone_after_its_time_and_a_write_without_one_keeps_it(store: Store) -> None:
    await store.write("user:a", b"1", ttl_seconds=0.05)
    await store.write("user:b", b"1", ttl_seconds=1.0)
    assert await store.write("user:b", b"2") == 2
    await store.write("user:c", b"1", ttl_seconds=1.0)
    await _gone(store, "user:c")
    await _gone(store, "user:a")
    assert await store.read("user:b") == Record(b"2", 2)
    assert await store.keys("user:") == ["user:b"]
    assert await store.write("user:a", b"again", expect=0) == 1


async def test_delete_says_whether_it_was_there(store: Store) -> None:
    await store.write("user:a", b"1")
    await store.add("count:a")
    assert await store.delete("user:a") is True
    assert await store.delete("user:a") is False
    assert await store.read("user:a") is None
    assert await store.delete("count:a") is True
    assert await store.add("count:a") == 1


async def test_keys_lists_exactly_those_of_the_prefix(store: Store) -> None:
    names = ["user:a", "user:a:b", "user:b", "user:[x]*?^\\", "user:{x}", "user-mail:a", "template:user:a"]
    for name in names:
        await store.write(name, b"1")
    await store.add("user:counted")
    assert await store.keys("user:") == sorted(name for name in names if name.startswith("user:"))
    assert await store.keys("user:a") == ["user:a", "user:a:b"]
    assert await store.keys("user:[x]*") == ["user:[x]*?^\\"]
    assert await store.keys("none:") == []


async def test_what_has_expired_or_was_taken_is_listed_no_more_and_what_is_written_anew_is(store: Store) -> None:
    for name in ("package:a", "package:b", "package:c"):
        await store.write(name, b"1", ttl_seconds=0.05 if name == "package:a" else 60)
    await _gone(store, "package:a")
    assert await store.take("package:b") == b"1"
    assert await store.keys("package:") == ["package:c"]
    await store.write("package:a", b"again", expect=0)
    await store.write_all({"package:b": (b"again", 0)})
    await store.delete("package:c")
    assert await store.keys("package:") == ["package:a", "package:b"]
    await asyncio.gather(*(store.keys("package:") for _ in range(5)), store.write("package:d", b"1", ttl_seconds=0.02))
    await store.mend()
    assert (await store.keys("package:"))[:2] == ["package:a", "package:b"]


async def test_a12_fifty_takers_at_once_one_gets_the_nonce(store: Store) -> None:
    await store.write("nonce:x", b"alice", ttl_seconds=60)
    taken = await asyncio.gather(*(store.take("nonce:x") for _ in range(50)))
    assert (taken.count(b"alice"), taken.count(None)) == (1, 49)
    assert await store.read("nonce:x") is None


async def test_a_taken_sealed_record_is_its_value(store: Store) -> None:
    await store.write("user:a", b"value")
    assert await store.take("user:a") == b"value"
    assert await store.take("user:a") is None


async def test_an_expired_nonce_cannot_be_taken(store: Store) -> None:
    await store.write("nonce:x", b"alice", ttl_seconds=0.02)
    await asyncio.sleep(0.06)
    assert await store.take("nonce:x") is None


async def test_a_counter_adds_up_and_its_time_runs_from_the_first_addition(store: Store) -> None:
    sums = await asyncio.gather(*(store.add("count:a", 2) for _ in range(10)))
    assert sorted(sums) == list(range(2, 22, 2))
    assert await store.add("count:a", -20) == 0
    assert await store.add("count:t", ttl_seconds=0.08) == 1
    deadline = time.monotonic() + 10
    while await store.add("count:t", ttl_seconds=0.08) != 1:
        assert time.monotonic() < deadline, "additions prolong it"
        await asyncio.sleep(0.02)


async def test_many_at_once_never_pass_a_limit_together(store: Store) -> None:
    sums = await asyncio.gather(*(store.add_within("count:w", 30, limit=100) for _ in range(10)))
    assert sorted(total for total in sums if total is not None) == [30, 60, 90]
    assert await store.add_within("count:w", 11, limit=100) is None
    assert await store.add_within("count:w", 10, limit=100) == 100
    assert await store.add("count:w", -60) == 40
    assert await store.add_within("count:w", 60, limit=100) == 100


async def test_the_time_of_a_bounded_counter_runs_from_the_first_addition_too(store: Store) -> None:
    assert await store.add_within("count:b", 1, limit=1, ttl_seconds=0.08) == 1
    deadline = time.monotonic() + 10
    while await store.add_within("count:b", 1, limit=1, ttl_seconds=60) is None:
        assert time.monotonic() < deadline, "it never ends"
        await asyncio.sleep(0.02)


async def test_several_requests_are_counted_at_once_or_not_at_all(store: Store) -> None:
    first = await store.allow("rate:c", limit=10, period_seconds=600, cost=7)
    assert (first.allowed, first.remaining) == (True, 3)
    assert not (await store.allow("rate:c", limit=10, period_seconds=600, cost=4)).allowed
    assert (await store.allow("rate:c", limit=10, period_seconds=600, cost=3)).allowed
    assert not (await store.allow("rate:c", limit=10, period_seconds=600)).allowed


async def test_a_rate_allows_the_burst_then_says_when_to_come_again(store: Store) -> None:
    decisions = await asyncio.gather(*(store.allow("rate:a", limit=5, period_seconds=600) for _ in range(8)))
    assert sorted(decision.allowed for decision in decisions) == [False] * 3 + [True] * 5
    assert sorted(decision.remaining for decision in decisions if decision.allowed) == [0, 1, 2, 3, 4]
    refused = [decision for decision in decisions if not decision.allowed]
    assert all(100 < decision.retry_after_seconds <= 120 and decision.limit == 5 for decision in refused)
    assert (await store.allow("rate:b", limit=5, period_seconds=600)).allowed


async def test_a_rate_refills_evenly(store: Store) -> None:
    for _ in range(4):
        assert (await store.allow("rate:a", limit=4, period_seconds=0.8)).allowed
    refused = await store.allow("rate:a", limit=4, period_seconds=0.8)
    if not refused.allowed:  # on a machine so slow that the first place is free again there is nothing to wait for
        await asyncio.sleep(refused.retry_after_seconds + 0.01)
        assert (await store.allow("rate:a", limit=4, period_seconds=0.8)).allowed


async def test_a_rate_of_nothing_allows_nothing(store: Store) -> None:
    assert not (await store.allow("rate:a", limit=0, period_seconds=60)).allowed


async def test_deleting_a_rate_starts_it_anew(store: Store) -> None:
    assert (await store.allow("rate:a", limit=1, period_seconds=60)).allowed
    assert not (await store.allow("rate:a", limit=1, period_seconds=60)).allowed
    await store.delete("rate:a")
    assert (await store.allow("rate:a", limit=1, period_seconds=60)).allowed


async def test_a_lease_has_one_owner_who_may_renew_and_release_it(store: Store) -> None:
    assert sorted(await asyncio.gather(*(store.acquire("lease:a", f"o{n}", 60) for n in range(8)))) == [False] * 7 + [
        True
    ]
    owners = [f"o{n}" for n in range(8)]
    held = [owner for owner in owners if await store.acquire("lease:a", owner, 60)]
    assert len(held) == 1
    other = next(owner for owner in owners if owner not in held)
    await store.release("lease:a", other)
    assert not await store.acquire("lease:a", other, 60)
    await store.release("lease:a", held[0])
    assert await store.acquire("lease:a", other, 60)


async def test_a_lease_names_its_holder_as_long_as_it_is_held(store: Store) -> None:
    assert await store.holder("lease:a") is None
    assert await store.acquire("lease:a", "one", 60)
    assert await store.holder("lease:a") == "one"
    await store.release("lease:a", "one")
    assert await store.holder("lease:a") is None


async def test_a_lease_that_is_not_renewed_ends(store: Store) -> None:
    assert await store.acquire("lease:a", "one", 0.05)
    deadline = time.monotonic() + 10
    while not await store.acquire("lease:a", "two", 60):
        assert time.monotonic() < deadline, "the lease does not end"
        await asyncio.sleep(0.02)
    assert not await store.acquire("lease:a", "one", 60)


@pytest.mark.parametrize("key", ["", "user", ":a", "User:a", "user:a b", "user:\n", "user:é", "user:" + "a" * 1025])
async def test_t13_a_key_of_another_form_is_a_mistake_of_the_program(store: Store, key: str) -> None:
    for call in (store.read, store.delete, store.take, store.add, store.keys):
        with pytest.raises(ValueError, match="store key"):
            await call(key)
    with pytest.raises(ValueError, match="store key"):
        await store.write(key, b"")


async def test_o06_a_cancelled_call_never_leaves_its_answer_to_the_next(store: Store) -> None:
    """Random cancels at every await of every operation; each later reader gets its own key's value."""
    chance = random.Random(6)
    for number in range(10):
        await store.write(f"user:{number}", f"value {number}".encode())
    calls: list[Callable[[int], object]] = [
        lambda n: store.read(f"user:{n}"),
        lambda n: store.write(f"user:{n}", f"value {n}".encode(), expect=None),
        lambda n: store.add(f"count:{n}"),
        lambda n: store.add_within(f"count:{n}", 1, limit=10**6),
        lambda n: store.allow(f"rate:{n}", limit=1000, period_seconds=60),
        lambda n: store.acquire(f"lease:{n}", "me", 60),
        lambda n: store.keys("user:"),
    ]
    for _ in range(120):
        tasks = [asyncio.ensure_future(chance.choice(calls)(chance.randrange(10))) for _ in range(4)]  # type: ignore[call-overload]
        await asyncio.sleep(chance.random() * 0.002)
        for task in tasks:
            if chance.random() < 0.7:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        number = chance.randrange(10)
        record = await store.read(f"user:{number}")
        assert record is not None
        assert record.value == f"value {number}".encode()
    records = await asyncio.gather(*(store.read(f"user:{number}") for number in range(10)))
    assert [record and record.value for record in records] == [f"value {n}".encode() for n in range(10)]


async def test_it_answers_a_ping(store: Store) -> None:
    await store.ping()


async def test_o06_a_cancelled_caller_ends_as_cancelled_wherever_it_was(store: Store) -> None:
    async def renew() -> None:
        await store.acquire("lease:a", "one", 10.0)
        await asyncio.Event().wait()

    for step in range(40):
        task = asyncio.create_task(renew())
        for _ in range(step % 20):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0002 * (step // 20))
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        assert done, f"cancelled at step {step}, it goes on"
        assert task.cancelled()
