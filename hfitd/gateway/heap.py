"""Memory that is free goes back to the system: without this the process keeps what its busiest minute needed.

glibc gives threads heaps of their own, up to eight for each processor, and what is freed in one is of no use to the
others; it gives back only what is free at the very end of a heap. So there are few heaps here, and free pages within
them are given back every minute (malloc_trim(3)), in a thread: some milliseconds for a hundred MiB. Other C libraries
have nothing of the kind to set.
"""

from __future__ import annotations

import asyncio
import ctypes

HEAPS = 2
TRIM_SECONDS = 60.0
_M_ARENA_MAX = -8  # malloc.h


def use_few_heaps() -> None:
    """Before there are threads."""
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, HEAPS)
    except (AttributeError, OSError):
        return


async def give_back_memory(every_seconds: float = TRIM_SECONDS) -> None:
    """Until cancelled."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return
    while True:
        await asyncio.sleep(every_seconds)
        await asyncio.to_thread(trim, 0)
