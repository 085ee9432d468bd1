"""Free memory within a heap goes back to the system."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio
from pathlib import Path
from hfitd.gateway.heap import give_back_memory, use_few_heaps

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

async def main():
    use_few_heaps()
    pieces = [bytes(100_000) for _ in range(1000)]  # below the size from which each has pages of its own
    full = resident()
    del pieces[:-1]  # the last one keeps the heap's end in use
    giving = asyncio.create_task(give_back_memory(0.01))
    while resident() > full - 50_000_000:
        await asyncio.sleep(0.01)
    giving.cancel()

asyncio.run(asyncio.wait_for(main(), 30))
"""


def test_free_memory_below_what_is_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
