"""The store that several instances share: Redis 6 or newer, Valkey, with Sentinel or as a cluster.

A key ``kind:rest`` is ``hfit:<letter>:{group}<...>``: the letter says what it holds (r record, c counter, g rate,
l lease; i and x are the index, see ``redis_index``), the braces keep everything that moves together on one node of a
cluster. Steps that have to see and change are MULTI, with WATCH where they look first; there are no scripts, so the ACL
of the gateway can forbid them.
No machine's clock takes part: times to live count on the server, and a rate limit is the time to live of its key.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from hfitd.errors import Conflict
from hfitd.store.interface import RateDecision, Record
from hfitd.store.keys import LISTED_KINDS, check_key, check_one_group, kind_of
from hfitd.store.rate import next_arrival
from hfitd.store.redis_address import parse_redis_url
from hfitd.store.redis_index import RedisIndex, key_of_name, name_of
from hfitd.store.redis_link import RedisLink

_T = TypeVar("_T")
_VALUE, _VERSION = "v", "n"
_STRIPES = 64


class RedisStore:
    """Store over redis.asyncio. Make one with ``open``; use it from one event loop."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._index = RedisIndex(link)
        # Requests of one process for one key take turns, so that WATCH only ever meets other processes.
        self._turns = tuple(asyncio.Lock() for _ in range(_STRIPES))

    @classmethod
    async def open(cls, url: str, password: str | None = None) -> RedisStore:
        """Connect and ask whether it answers. ValueError for a URL of another form, StoreUnavailable otherwise."""
        store = cls(RedisLink(parse_redis_url(url, password)))
        try:
            await store.ping()
        except BaseException:
            await store.close()
            raise
        return store

    async def read(self, key: str) -> Record | None:
        """See Store."""
        name = _name("r", key)

        async def read(client: Redis) -> Record | None:
            value, version = await cast(Awaitable[list[bytes | None]], client.hmget(name, [_VALUE, _VERSION]))
            return None if value is None else Record(value, _number(version))

        return await self._link.run(name, read)

    async def write(
        self, key: str, value: bytes, *, expect: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """See Store."""
        return (await self._write({key: (value, expect)}, ttl_seconds))[key]

    async def write_all(self, values: Mapping[str, tuple[bytes, int | None]]) -> None:
        """See Store."""
        check_one_group(values)
        if values:
            await self._write(values, None)

    async def delete(self, key: str) -> bool:
        """See Store."""
        names = [_name(letter, key) for letter in "rcg"]

        async def delete(client: Redis) -> bool:
            async with client.pipeline(transaction=True) as pipe:
                for name in names:
                    pipe.delete(name)
                self._index.forget(pipe, key)
                record, counter, *_rest = await pipe.execute()
            return bool(record or counter)

        return await self._link.run(names[0], delete)

    async def keys(self, prefix: str) -> list[str]:
        """See Store."""
        start = _name("r", prefix)
        if kind_of(prefix) in LISTED_KINDS:
            return await self._index.keys(prefix)
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", start) + "*"

        async def scan(client: Redis) -> list[str]:
            return sorted({key_of_name(name) async for name in client.scan_iter(match=pattern, count=1000)})

        return await self._link.run(start, scan)

    async def mend(self) -> None:
        """See Store."""
        await self._index.mend()

    async def take(self, key: str) -> bytes | None:
        """See Store."""
        name = _name("r", key)

        async def take(client: Redis) -> bytes | None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.hget(name, _VALUE)
                pipe.delete(name)
                self._index.forget(pipe, key)
                value, *_deleted = await pipe.execute()
            return cast(bytes | None, value)

        return await self._link.run(name, take)

    async def add(self, key: str, amount: int = 1, *, ttl_seconds: float | None = None) -> int:
        """See Store."""
        name = _name("c", key)

        async def add(client: Redis) -> int:
            async with client.pipeline(transaction=True) as pipe:
                # INCRBY keeps a time to live and would start without one, so the first addition sets it with a zero.
                pipe.set(name, 0, nx=True, px=None if ttl_seconds is None else _milliseconds(ttl_seconds))
                pipe.incrby(name, amount)
                return int((await pipe.execute())[1])

        return await self._link.run(name, add)

    async def add_within(
        self, key: str, amount: int, *, limit: int, ttl_seconds: float | None = None
    ) -> int | None:
        """See Store."""
        name = _name("c", key)

        async def add(pipe: Pipeline) -> int | None:
            if int(await pipe.get(name) or 0) + amount > limit:
                return None
            _begin(pipe)
            pipe.set(name, 0, nx=True, px=None if ttl_seconds is None else _milliseconds(ttl_seconds))  # as in ``add``
            pipe.incrby(name, amount)
            return int((await pipe.execute())[1])

        return await self._watch([name], add)

    async def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        """See Store."""
        name = _name("g", key)

        async def allow(pipe: Pipeline) -> RateDecision:
            left = int(await pipe.pttl(name))
            fraction = await pipe.get(name)
            ahead = 0.0 if left <= 0 else (left + float(fraction or 0)) / 1000
            decision, ahead = next_arrival(ahead, limit, period_seconds, cost)
            if decision.allowed:
                whole, rest = divmod(ahead * 1000, 1)
                _begin(pipe)
                pipe.set(name, f"{rest:.6f}", px=max(int(whole), 1))
                await pipe.execute()
            return decision

        return await self._watch([name], allow)

    async def acquire(self, key: str, owner: str, ttl_seconds: float) -> bool:
        """See Store."""
        name = _name("l", key)
        ttl = _milliseconds(ttl_seconds)

        async def acquire(pipe: Pipeline) -> bool:
            holder = await pipe.get(name)
            if holder is not None and holder != owner.encode():
                return False
            _begin(pipe)
            pipe.set(name, owner, px=ttl)
            await pipe.execute()
            return True

        return await self._watch([name], acquire)

    async def release(self, key: str, owner: str) -> None:
        """See Store."""
        name = _name("l", key)

        async def release(pipe: Pipeline) -> None:
            if await pipe.get(name) == owner.encode("utf-8", "surrogateescape"):
                _begin(pipe)
                pipe.delete(name)
                await pipe.execute()

        await self._watch([name], release)

    async def holder(self, key: str) -> str | None:
        """See Store."""
        name = _name("l", key)

        async def holder(client: Redis) -> str | None:
            owner = cast(bytes | None, await client.get(name))
            return None if owner is None else owner.decode("utf-8", "surrogateescape")

        return await self._link.run(name, holder)

    async def ping(self) -> None:
        """See Store."""

        async def ping(client: Redis) -> None:
            await client.ping()

        await self._link.run(_name("r", "ping:"), ping)

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    async def _write(self, values: Mapping[str, tuple[bytes, int | None]], ttl_seconds: float | None) -> dict[str, int]:
        names = {key: _name("r", key) for key in values}

        async def write(pipe: Pipeline) -> dict[str, int]:
            versions: dict[str, int] = {}
            for key, (_, expect) in values.items():
                current = _number(await cast(Awaitable[bytes | None], pipe.hget(names[key], _VERSION)))
                if expect is not None and expect != current:
                    raise Conflict()
                versions[key] = current + 1
            _begin(pipe)
            for key, (value, _) in values.items():
                pipe.hset(names[key], mapping={_VALUE: value, _VERSION: versions[key]})
                if ttl_seconds is None:
                    pipe.persist(names[key])
                else:
                    pipe.pexpire(names[key], _milliseconds(ttl_seconds))
                self._index.note(pipe, key, ttl_seconds)
            await pipe.execute()
            return versions

        versions = await self._watch(list(names.values()), write)
        if ttl_seconds is not None:
            await self._index.sweep(next(iter(values)))
        return versions

    async def _watch(self, names: list[str], steps: Callable[[Pipeline], Awaitable[_T]]) -> _T:
        """Look, then change only if nobody else changed the keys meanwhile; otherwise look again.

        Each round one contender wins, so rounds end; the link's time limit ends them in any case.
        """

        async def contend(client: Redis) -> _T:
            while True:
                async with client.pipeline(transaction=True) as pipe:
                    try:
                        await pipe.watch(*names)
                        return await steps(pipe)
                    except WatchError:
                        await asyncio.sleep(random.uniform(0, 0.005))  # noqa: S311 - only spreads contenders

        return await self._link.run(names[0], contend, self._turns[hash(names[0]) % _STRIPES])


def _begin(pipe: Pipeline) -> None:
    pipe.multi()  # type: ignore[no-untyped-call]


def _name(letter: str, key: str) -> str:
    return name_of(letter, check_key(key))


def _number(text: bytes | None) -> int:
    """The version as it stands; what is no number was written by nobody here and counts as no version."""
    return int(text) if text is not None and re.fullmatch(rb"[0-9]{1,15}", text) else 0


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)
