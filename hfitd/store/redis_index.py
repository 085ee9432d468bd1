"""What is listed in Redis stands in an index, so that a listing costs what it lists and not a look at every key.

1. ``hfit:i:{group}`` is a sorted set of the group's keys, all with score 0 and so in binary order: a prefix is a range.
   It has the group's hash tag, and is changed in the same MULTI as the record.
2. A record that expires takes nothing out of the index. A listing asks which of its keys are still there, and takes out
   what is not. ``hfit:x:{group}`` has the same keys by when they end, so that what nobody lists goes, too: every few
   seconds a writer looks at those whose time is over. The times are of that machine's clock and only say where to look.
3. An index that lies hides a record or names one that is not there, which deleting records can do as well; no right
   comes of it, as every record is read, and its seal checked, under its own key.
4. ``mend`` looks at every key and puts what is missing in. It is for records of programs that knew no index, and for an
   index that somebody emptied.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from hfitd.errors import StoreUnavailable
from hfitd.store.keys import LISTED_KINDS, group_of, kind_of
from hfitd.store.redis_link import RedisLink

PREFIX = "hfit"
SWEEP_SECONDS = 5.0
_SWEPT = 500  # keys at once
_SCANNED = 1000


def name_of(letter: str, key: str) -> str:
    """What a key is called in Redis: ``letter`` says what it holds, the braces keep a group on one node."""
    group = group_of(key)
    return f"{PREFIX}:{letter}:{{{group}}}{key[len(group) :]}"


def key_of_name(name: bytes) -> str:
    """The key that ``name_of`` was given."""
    group, _, rest = name.decode("ascii", "replace").partition("{")[2].partition("}")
    return group + rest


class RedisIndex:
    """The indexes of all groups."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._sweep_at: dict[str, float] = {}

    def note(self, pipe: Pipeline, key: str, ttl_seconds: float | None) -> None:
        """Queue what makes a written record listed (1)."""
        if kind_of(key) not in LISTED_KINDS:
            return
        group = group_of(key)
        pipe.zadd(_keys_of(group), {key: 0})
        if ttl_seconds is None:
            pipe.zrem(_ends_of(group), key)
        else:
            pipe.zadd(_ends_of(group), {key: time.time() + ttl_seconds})

    def forget(self, pipe: Pipeline, key: str) -> None:
        """Queue what takes a deleted record out (1)."""
        if kind_of(key) in LISTED_KINDS:
            pipe.zrem(_keys_of(group_of(key)), key)
            pipe.zrem(_ends_of(group_of(key)), key)

    async def keys(self, prefix: str) -> list[str]:
        """The live keys that start with the prefix, sorted."""
        group = group_of(prefix)

        async def look(client: Redis) -> list[str]:
            start = prefix.encode()
            members = await cast(
                Awaitable[list[bytes]], client.zrangebylex(_keys_of(group), b"[" + start, b"(" + start + b"\xff")
            )
            return await self._live(client, [member.decode("ascii", "replace") for member in members])

        return await self._link.run(_keys_of(group), look)

    async def sweep(self, key: str) -> None:
        """After a write with an end: now and then look at what should have ended (2)."""
        group, now = group_of(key), time.monotonic()
        if kind_of(key) not in LISTED_KINDS or now < self._sweep_at.get(group, 0.0):
            return
        self._sweep_at[group] = now + SWEEP_SECONDS

        async def look(client: Redis) -> None:
            over = await cast(
                Awaitable[list[bytes]],
                client.zrangebyscore(_ends_of(group), "-inf", time.time(), start=0, num=_SWEPT),
            )
            await self._live(client, [member.decode("ascii", "replace") for member in over])

        with contextlib.suppress(StoreUnavailable):  # the write itself is done
            await self._link.run(_ends_of(group), look)

    async def mend(self) -> None:
        """Put in what is missing (4), a thousand keys at a time; StoreUnavailable, then it goes on another time."""
        for group in sorted({group_of(f"{kind}:") for kind in LISTED_KINDS}):
            cursor = await self._link.run(_keys_of(group), partial(_mend_some, group=group, cursor=0))
            while cursor:
                cursor = await self._link.run(_keys_of(group), partial(_mend_some, group=group, cursor=cursor))

    async def _live(self, client: Redis, keys: Sequence[str]) -> list[str]:
        """Those that are there; what is not is taken out, unless it comes back meanwhile."""
        if not keys:
            return []
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.exists(name_of("r", key))
            there = await pipe.execute()
        gone = [key for key, exists in zip(keys, there, strict=True) if not exists][:_SWEPT]
        if gone:
            await self._take_out(client, gone)
        return [key for key, exists in zip(keys, there, strict=True) if exists]

    async def _take_out(self, client: Redis, gone: Sequence[str]) -> None:
        """All of them, or none when one of them is written meanwhile: they are tried again another time."""
        names = [name_of("r", key) for key in gone]
        async with client.pipeline(transaction=True) as pipe:
            await pipe.watch(*names)
            if await pipe.exists(*names):
                return
            pipe.multi()  # type: ignore[no-untyped-call]
            for key in gone:
                self.forget(pipe, key)
            with contextlib.suppress(WatchError):
                await pipe.execute()


def _keys_of(group: str) -> str:
    return f"{PREFIX}:i:{{{group}}}"


def _ends_of(group: str) -> str:
    return f"{PREFIX}:x:{{{group}}}"


async def _mend_some(client: Redis, *, group: str, cursor: int) -> int:
    """Look at the next thousand keys; where to go on, 0 at the end."""
    cursor, names = await client.scan(cursor, match=f"{PREFIX}:r:{{{group}}}*", count=_SCANNED)
    keys = [key for key in (key_of_name(name) for name in cast(list[bytes], names)) if kind_of(key) in LISTED_KINDS]
    if keys:
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.pttl(name_of("r", key))
            left = await pipe.execute()
            pipe.zadd(_keys_of(group), dict.fromkeys(keys, 0))
            ends = {key: time.time() + ms / 1000 for key, ms in zip(keys, left, strict=True) if ms > 0}
            if ends:
                pipe.zadd(_ends_of(group), ends)
            await pipe.execute()
    return int(cursor)
