"""How long the event loop is away, and whether that is its own doing.

A sleeper notes by how much it oversleeps. On a busy machine that may be the waiting of the whole process for a core, so
the CPU time of the loop's thread between two looks is measured, too: more than the interval and ``HELD_SECONDS`` on top
is possible only when one turn of the loop worked that long.
"""

from __future__ import annotations

import asyncio
import time

from hfitd.observe.observer import Observer
from hfitd.observe.process import LoopHeld, LoopLag

HELD_SECONDS = 0.1
_INTERVAL_SECONDS = 0.02
_REPORTED_SECONDS = 0.1


async def watch_loop_lag(observer: Observer) -> None:
    """Report the worst lag ten times a second, and every turn that took too long, until cancelled."""
    loop = asyncio.get_running_loop()
    worst, report, worked = 0.0, loop.time() + _REPORTED_SECONDS, time.thread_time()
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        now, before, worked = loop.time(), worked, time.thread_time()
        worst = max(worst, now - due)
        if worked - before > _INTERVAL_SECONDS + HELD_SECONDS:
            observer.event(LoopHeld(round(worked - before, 3)))
        if now >= report:
            observer.event(LoopLag(worst, len(asyncio.all_tasks())))
            worst, report = 0.0, now + _REPORTED_SECONDS
