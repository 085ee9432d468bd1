"""The format of a store: taken over once, by one instance, and used only by programs that understand it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.errors import StoreUnavailable
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.formats import STEPS
from hfitd.store.interface import Store
from hfitd.store.open import open_store
from hfitd.store.redis import RedisStore
from hfitd.store.schema import Schema, Step, prepare_schema, read_schema


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


class Program:
    """Steps of a later version; each leaves a mark in every record, and may be interrupted."""

    def __init__(self, formats: int) -> None:
        self.done: list[int] = []
        self.fail_at = 0
        self.steps: tuple[Step, ...] = tuple(self._step(number) for number in range(2, formats + 1))

    def _step(self, number: int) -> Step:
        async def step(store: Store) -> None:
            for key in await store.keys("user:"):
                record = await store.read(key)
                assert record is not None
                if f"+{number}".encode() not in record.value:
                    await store.write(key, record.value + f"+{number}".encode(), expect=record.version)
                if number == self.fail_at:
                    raise StoreUnavailable
            self.done.append(number)

        return step


async def test_an_empty_store_and_one_of_before_are_of_the_first_format(store: Store) -> None:
    await store.write("user:a", b"a")
    assert await read_schema(store) is None
    assert await prepare_schema(store, ()) == Schema(1, 1)
    assert await prepare_schema(store, ()) == Schema(1, 1)


async def test_a_later_program_takes_it_over_once_however_many_start(store: Store) -> None:
    await store.write("user:a", b"a")
    await prepare_schema(store, ())
    later = Program(2)
    found = await asyncio.gather(*(prepare_schema(store, later.steps) for _ in range(5)))
    assert set(found) == {Schema(2, 1)}
    assert later.done == [2]
    record = await store.read("user:a")
    assert record is not None
    assert record.value == b"a+2"


async def test_adjacent_versions_run_side_by_side_and_others_are_refused(store: Store) -> None:
    await prepare_schema(store, ())
    assert await prepare_schema(store, Program(2).steps) == Schema(2, 1)
    assert await prepare_schema(store, ()) == Schema(2, 1)  # the one before still starts
    assert await prepare_schema(store, Program(3).steps) == Schema(3, 2)
    with pytest.raises(StoreUnavailable, match="cannot read"):
        await prepare_schema(store, ())
    assert await prepare_schema(store, Program(2).steps) == Schema(3, 2)
    with pytest.raises(StoreUnavailable, match="takes over format 4"):
        await prepare_schema(store, Program(5).steps)


async def test_a_migration_that_was_interrupted_goes_on(store: Store) -> None:
    for name in "abc":
        await store.write(f"user:{name}", name.encode())
    await prepare_schema(store, ())
    killed, next_start = Program(2), Program(2)
    killed.fail_at = 2
    with pytest.raises(StoreUnavailable):
        await prepare_schema(store, killed.steps)
    assert await read_schema(store) == Schema(1, 1)
    assert await prepare_schema(store, next_start.steps) == Schema(2, 1)
    records = [await store.read(f"user:{name}") for name in "abc"]
    assert [record.value for record in records if record] == [b"a+2", b"b+2", b"c+2"]


async def test_what_is_opened_is_of_this_programs_format_and_a_later_one_is_refused(tmp_path: Path) -> None:
    async def opened() -> Store:
        return await open_store(
            "embedded:", password=None, data_dir=tmp_path, keys_dir=tmp_path / "keys", on_tampered=lambda key: None
        )

    first = await opened()
    assert await read_schema(first) == Schema(len(STEPS) + 1, max(len(STEPS), 1))
    await prepare_schema(first, [*STEPS, *Program(2).steps])
    await prepare_schema(first, [*STEPS, *Program(3).steps])
    await first.close()
    with pytest.raises(StoreUnavailable, match="cannot read"):
        await opened()
    with pytest.raises(StoreUnavailable, match="cannot read"):
        await opened()  # the refused start left it free
