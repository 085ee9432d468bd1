"""Connections to Redis: which client a key belongs to, time limits, and one translation of every error.

1. Nothing hangs: every command has a socket limit and every operation two seconds altogether (O01).
2. A cancelled or failed command costs its connection, never a reply that belongs to the next caller (O06).
   A cluster is therefore spoken to through plain clients of its nodes, whose connections do exactly that.
3. A caller that was cancelled while it waited ends as cancelled, also where the library went on as if nothing had
   happened: a task that has to end must not find itself renewing a lease.
4. Every error of the library is StoreUnavailable; its text, which may name a host, stays in the cause.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from hfitd.errors import StoreUnavailable
from hfitd.store.redis_address import RedisAddress

_T = TypeVar("_T")
_OPERATION_SECONDS = 2.0
_SOCKET_SECONDS = 1.0
RETRY_SECONDS = 3  # what callers are told to wait; it is back within five after it answers again (R8)
_CONNECTIONS = 32
_MOVED = ("MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "READONLY")


class RedisLink:
    """Runs operations on the client that holds a key. ``run`` is the only way through."""

    def __init__(self, address: RedisAddress) -> None:
        self._options = _options(address)
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._cluster: RedisCluster | None = None
        self._single: Redis | None = None
        self._sentinel: Sentinel | None = None
        self._nodes: dict[tuple[str, int], Redis] = {}
        if address.mode == "cluster":
            startup = [ClusterNode(host, port) for host, port in address.hosts]
            self._cluster = RedisCluster(startup_nodes=startup, require_full_coverage=False, **self._options)
        elif address.mode == "sentinel":
            limits = {key: value for key, value in self._options.items() if key.startswith("socket_")}
            self._sentinel = Sentinel(address.hosts, sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
            self._single = self._sentinel.master_for(address.service, db=address.database, **self._options)
        else:
            host, port = address.hosts[0]
            self._single = Redis(host=host, port=port, db=address.database, **self._options)

    async def run(self, key: str, operation: Callable[[Redis], Awaitable[_T]], turn: asyncio.Lock | None = None) -> _T:
        """Run the operation on the client of ``key``, the full key in Redis; ``turn`` is held meanwhile."""
        task = asyncio.current_task()
        cancelled = task.cancelling() if task is not None else 0
        try:
            async with asyncio.timeout(_OPERATION_SECONDS), turn or contextlib.nullcontext(), self._places:  # 1
                result = await self._run_where_it_is(key, operation)
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:  # 4
            if task is not None and task.cancelling() > cancelled:  # 3
                raise asyncio.CancelledError from error
            raise StoreUnavailable(
                "The shared store does not answer; try again shortly.", retry_after_seconds=RETRY_SECONDS
            ) from error
        if task is not None and task.cancelling() > cancelled:  # 3
            raise asyncio.CancelledError
        return result

    async def close(self) -> None:
        """Close every connection; never raises for a server that has gone."""
        clients: list[Redis | RedisCluster] = list(self._nodes.values())
        clients += [] if self._single is None else [self._single]
        clients += [] if self._cluster is None else [self._cluster]
        clients += [] if self._sentinel is None else self._sentinel.sentinels
        for client in clients:
            try:
                async with asyncio.timeout(_OPERATION_SECONDS):
                    await client.aclose()
            except (RedisError, OSError, TimeoutError):
                pass  # there is nobody left to say goodbye to

    async def _run_where_it_is(self, key: str, operation: Callable[[Redis], Awaitable[_T]]) -> _T:
        if self._single is not None:
            return await operation(self._single)
        try:
            return await operation(await self._node_of(key))
        except (RedisConnectionError, ClusterDownError, ResponseError) as error:
            if isinstance(error, ResponseError) and not str(error).startswith(_MOVED):
                raise
            await self._learn_nodes()
            return await operation(await self._node_of(key))

    async def _node_of(self, key: str) -> Redis:
        assert self._cluster is not None
        await self._cluster.initialize()
        node = self._cluster.get_node_from_key(key)
        if node is None:
            raise RedisConnectionError("no node holds this slot")
        place = (str(node.host), int(node.port))
        client = self._nodes.get(place)
        if client is None:
            client = self._nodes[place] = Redis(host=place[0], port=place[1], **self._options)
        return client

    async def _learn_nodes(self) -> None:
        assert self._cluster is not None
        await self._cluster.aclose()  # the next use asks the nodes again who holds what
        await self._cluster.initialize()


def _options(address: RedisAddress) -> dict[str, Any]:
    options: dict[str, Any] = {
        "username": address.user,
        "password": address.password,
        "socket_timeout": _SOCKET_SECONDS,
        "socket_connect_timeout": _SOCKET_SECONDS,
        # One more try on a fresh connection, for those that died while idle; none after a time-out.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    if address.tls:
        options |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": address.ca}
    return options
