"""The database role as the last guard (O13): a provider whose role can do more than read is not used.

1. Default is deny: until a server has been asked and has named nothing, no snapshot of it is opened.
2. At start every server that answers is asked, and excess stops the daemon; a server that is down does not, for (1)
   asks it later.
3. What was found clean is asked again after a while; what was not, every time, so that a REVOKE helps at once.
4. ``server.insecure = ["db-role"]`` is the only way around: then ``app`` puts no guard before the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from hfitd.engines.interface import Dialect, Engine, ServerReport, Snapshot
from hfitd.errors import DbUnavailable, HfitError, StartRefused
from hfitd.observe.events import ProviderSilent
from hfitd.observe.observer import Observer

KEEP_SECONDS = 300.0
START_SECONDS = 5.0  # for a server to answer while the daemon starts


class GuardedEngine:
    """An engine whose role has to prove that it only reads. Same interface."""

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine
        self._lock = asyncio.Lock()
        self._clean_until = 0.0

    @property
    def dialect(self) -> Dialect:
        """How it spells things."""
        return self._engine.dialect

    async def databases(self) -> list[str]:
        """Databases that may be read, sorted; DbUnavailable when the role can do more than read."""
        await self._prove()
        return await self._engine.databases()

    @asynccontextmanager
    async def snapshot(self, database: str | None = None, user: str = "") -> AsyncIterator[Snapshot]:
        """A snapshot; DbUnavailable when the role can do more than read."""
        await self._prove()
        async with self._engine.snapshot(database, user) as snapshot:
            yield snapshot

    async def check(self) -> ServerReport:
        """What is there; a new answer about the role counts from now on."""
        report = await self._engine.check()
        self._clean_until = 0.0 if report.excess else time.monotonic() + KEEP_SECONDS  # 3
        return report

    async def close(self) -> None:
        """Close every connection, also those in use."""
        await self._engine.close()

    async def _prove(self) -> None:  # 1
        async with self._lock:
            if time.monotonic() < self._clean_until:
                return
            report = await self.check()
            if report.excess:
                raise DbUnavailable(
                    "The database role of this provider can do more than read, so the provider is not used.",
                    resource=self.name,
                    suggestions=("Let an operator run `hfitd check`.",),
                )


async def refuse_excess(engines: Iterable[Engine], observer: Observer) -> None:
    """2: StartRefused with a line for each guarded provider whose role can do more than read."""
    guarded = [engine for engine in engines if isinstance(engine, GuardedEngine)]
    found = await asyncio.gather(*(_excess_of(engine, observer) for engine in guarded))
    reasons = [
        f"Provider {engine.name}: its role can do more than read ({'; '.join(excess)}). Give it a role that only reads,"
        ' or allow it with server.insecure = ["db-role"].'
        for engine, excess in zip(guarded, found, strict=True)
        if excess
    ]
    if reasons:
        raise StartRefused(reasons)


async def _excess_of(engine: Engine, observer: Observer) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(START_SECONDS):
            return (await engine.check()).excess
    except HfitError as error:
        observer.event(ProviderSilent(engine.name, error.message))
    except TimeoutError:
        observer.event(ProviderSilent(engine.name, "It did not answer in time."))
    return ()
