"""Which format the records of a store have, so that no program reads or writes what it does not understand.

A record in the store names two numbers: the format that its records have, and the oldest format whose programs can
read them all and write among them.

1. A program uses a store whose records it can read: ``readable_by`` is at most its own format. Otherwise the store was
   taken over by a later program than the next one, and the start is refused.
2. An older store is brought up step by step, by one instance while the others wait for its lease. The format is raised
   after each step, so a killed migration goes on where it was; a step may be done twice and has to allow that.
3. A program of format N writes what one of format N-1 reads, so two adjacent versions run side by side and instances
   are replaced one after the other. A store that is more than one format behind is refused: upgrade version by version.
4. A store without the record is of the first format, or empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hfitd.errors import Conflict, StoreUnavailable
from hfitd.store.fields import dump_fields, load_fields
from hfitd.store.interface import Store

KEY = "schema:records"
LEASE_SECONDS = 15.0
POLL_SECONDS = 0.2

Step = Callable[[Store], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Schema:
    """The two numbers of a store."""

    format: int
    readable_by: int


async def read_schema(store: Store) -> Schema | None:
    """What the store says of itself; None when it says nothing. StoreUnavailable."""
    record = await store.read(KEY)
    if record is None:
        return None
    fields = load_fields(record.value, {"format": int, "readable_by": int})
    return Schema(int(str(fields["format"])), int(str(fields["readable_by"])))


async def prepare_schema(store: Store, steps: Sequence[Step]) -> Schema:
    """Bring the store to the format of a program with these steps; StoreUnavailable when that must not use it.

    ``steps[n]`` brings the records of format ``n + 1`` to format ``n + 2``; the product's are in ``formats``.
    """
    ours = len(steps) + 1
    owner = secrets.token_hex(8)
    while True:
        found = await read_schema(store)
        if found is not None:
            _refuse_foreign(found, ours)
            if found.format >= ours:
                return found
        if not await store.acquire("schema:lease", owner, LEASE_SECONDS):
            await asyncio.sleep(POLL_SECONDS)  # another instance is at it (2)
            continue
        try:
            await _migrate(store, steps, owner)
        finally:
            await asyncio.shield(_release(store, owner))


async def _migrate(store: Store, steps: Sequence[Step], owner: str) -> None:
    record = await store.read(KEY)
    current = 1 if record is None else int(json.loads(record.value)["format"])  # 4
    version = 0 if record is None else record.version
    for number in range(current, len(steps) + 1):
        await store.acquire("schema:lease", owner, LEASE_SECONDS)
        await steps[number - 1](store)
        version = await _write(store, Schema(number + 1, number), version)
    if record is None and not steps:
        await _write(store, Schema(1, 1), version)


async def _write(store: Store, schema: Schema, version: int) -> int:
    fields = {"format": schema.format, "readable_by": schema.readable_by}
    try:
        return await store.write(KEY, dump_fields(fields), expect=version)
    except Conflict as error:
        raise StoreUnavailable("Another instance changes the format of the store; try again.") from error


async def _release(store: Store, owner: str) -> None:
    with contextlib.suppress(StoreUnavailable):
        await store.release("schema:lease", owner)


def _refuse_foreign(found: Schema, ours: int) -> None:
    if found.readable_by > ours:  # 1
        raise StoreUnavailable(
            f"The store has records of format {found.format}, which this version of hfitd cannot read.",
            resource="store.url",
            suggestions=["Run the version of hfitd that the other instances run."],
        )
    if found.format < ours - 1:  # 3
        raise StoreUnavailable(
            f"The store has records of format {found.format}; this version of hfitd takes over format {ours - 1}.",
            resource="store.url",
            suggestions=["Upgrade version by version: first the one that came next."],
        )
