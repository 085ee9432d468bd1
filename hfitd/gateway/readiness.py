"""Whether the daemon can serve, asked at most every few seconds however often somebody wants to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from hfitd.audit.log import AuditLog
from hfitd.engines.interface import Engine
from hfitd.engines.places import AllPlaces
from hfitd.errors import HfitError
from hfitd.export.sources import Sources
from hfitd.observe.events import SourcesAsked
from hfitd.observe.observer import Observer
from hfitd.store.interface import Store

KEEP_SECONDS = 5.0
TIMEOUT_SECONDS = 2.0


class Readiness:
    """The last answers. States are words: ``ok``, ``unavailable``, and of a provider all of whose connections work for
    somebody ``busy``: it answers, and asking would have to wait."""

    def __init__(self, places: AllPlaces, observer: Observer) -> None:
        self._places = places
        self._observer = observer
        self._lock = asyncio.Lock()
        self._asked = 0.0
        self._answers: tuple[str, dict[str, str]] = ("unavailable", {})

    async def ask_audit(self, audit: AuditLog) -> str:
        """State of the audit log; after a failure a record is tried, so that it recovers without traffic."""
        return await _state(audit.check())

    async def ask(self, store: Store, sources: Sources) -> tuple[str, dict[str, str]]:
        """State of the store and of each provider."""
        async with self._lock:
            if time.monotonic() - self._asked > KEEP_SECONDS or self._answers[0] != "ok":
                names = sorted(sources.engines)
                asked = [_state(store.ping()), *(self._ask_provider(sources.engines[name]) for name in names)]
                first, *rest = await asyncio.gather(*asked)
                self._answers = (first, dict(zip(names, rest, strict=True)))
                self._asked = time.monotonic()
                self._observer.event(SourcesAsked(*self._answers))
            return self._answers

    async def _ask_provider(self, engine: Engine) -> str:
        return "busy" if self._places.is_full(engine.name) else await _state(engine.check())


async def _state(question: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await question
    except (HfitError, TimeoutError):
        return "unavailable"
    return "ok"
