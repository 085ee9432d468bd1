"""``from hfit import AsyncClient``: the same client for programs with an event loop.

There is one implementation, ``hfit.Client``. Every call runs in a thread of its own pool, so the loop is never held up;
the client may be shared by threads. What a call returns and raises is the same, and so are the signatures, for type
checkers too. A call that is cancelled is not waited for; its thread ends with what it was doing.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from hfit.client import Client
from hfit.governance import Governance

AT_ONCE = 8
ITEMS_AT_ONCE = 64

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _awaited(method: Callable[Concatenate[Client, _P], _R]) -> Callable[Concatenate[AsyncClient, _P], Awaitable[_R]]:
    """A method of the client, awaited."""

    async def call(self: AsyncClient, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await self.run(functools.partial(method, self.client, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _asked(method: Callable[Concatenate[Governance, _P], _R]) -> Callable[Concatenate[AsyncClient, _P], Awaitable[_R]]:
    """A method of ``client.governance``, awaited."""

    async def call(self: AsyncClient, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await self.run(functools.partial(method, self.client.governance, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _iterated(
    method: Callable[Concatenate[Client, _P], Iterator[_R]],
) -> Callable[Concatenate[AsyncClient, _P], AsyncIterator[_R]]:
    """A method that gives an iterator, as one for ``async for``; some items are fetched ahead."""

    async def call(self: AsyncClient, /, *args: _P.args, **kwargs: _P.kwargs) -> AsyncIterator[_R]:
        items = method(self.client, *args, **kwargs)
        try:
            while batch := await self.run(lambda: list(islice(items, ITEMS_AT_ONCE))):
                for item in batch:
                    yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                await self.run(close)

    functools.update_wrapper(call, method)
    return call


class AsyncClient:
    """``hfit.Client`` with ``await``. Give it a client, or nothing for one of the settings.

    ``at_once``: how many calls run at the same time. ``async with`` ends its threads; so does ``close()``.
    """

    def __init__(self, client: Client | None = None, *, at_once: int = AT_ONCE) -> None:
        self.client = client or Client()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="hfit")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let running calls end, and take no more."""
        self._threads.shutdown(wait=False)

    async def run(self, call: Callable[[], _R]) -> _R:
        """Run something blocking in a thread of this client."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    @property
    def origin(self) -> str:
        """The normalised address of the gateway."""
        return self.client.origin

    login = _awaited(Client.login)
    logout = _awaited(Client.logout)
    whoami = _awaited(Client.whoami)
    package_keys = _awaited(Client.package_keys)

    dbmss = _awaited(Client.dbmss)
    dbs = _awaited(Client.dbs)
    tables = _awaited(Client.tables)
    describe = _awaited(Client.describe)
    table_exists = _awaited(Client.table_exists)
    rows = _iterated(Client.rows)

    volumes = _awaited(Client.volumes)
    files = _iterated(Client.files)
    download_file = _awaited(Client.download_file)
    download_tree = _awaited(Client.download_tree)

    templates = _awaited(Client.templates)
    template = _awaited(Client.template)
    create_template = _awaited(Client.create_template)
    validate_template = _awaited(Client.validate_template)
    update_template = _awaited(Client.update_template)
    diff_template = _awaited(Client.diff_template)
    delete_template = _awaited(Client.delete_template)
    push_templates = _awaited(Client.push_templates)
    share_template = _awaited(Client.share_template)

    plan = _awaited(Client.plan)
    download_package = _awaited(Client.download_package)
    stream_sql = _awaited(Client.stream_sql)
    verify = _awaited(Client.verify)
    load = _awaited(Client.load)
    compare = _awaited(Client.compare)
    explain = _awaited(Client.explain)
    refresh = _awaited(Client.refresh)

    read_review = _asked(Governance.read_review)
    approve = _asked(Governance.approve)
    unapprove = _asked(Governance.unapprove)
    request = _asked(Governance.request)
    requests = _asked(Governance.requests)
    show_request = _asked(Governance.show_request)
    answer = _asked(Governance.answer)
