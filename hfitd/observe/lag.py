"""How long the event loop is away: a sleeper that notes by how much it oversleeps."""

from __future__ import annotations

import asyncio

from hfitd.observe.events import LoopLag
from hfitd.observe.observer import Observer

_INTERVAL_SECONDS = 0.1


async def watch_loop_lag(observer: Observer) -> None:
    """Report the lag ten times a second until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        observer.event(LoopLag(max(loop.time() - due, 0.0)))
