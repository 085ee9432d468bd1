"""The archives in the folder of finished packages: how much they are, and room for the next one.

To list a folder costs what lies in it, in time and for a moment in memory, so not every package does: between two
counts the folder holds what it held plus what was added here. Other instances may add to the folder and remove from
it, so no count is believed for long. A count remembers the oldest archives only, the next to go.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hfitd.export.package.codec import CODECS

COUNT_SECONDS = 15.0
RECOUNT_SECONDS = 1.0  # before anything goes because it is too much
_OLDEST = 256
ARCHIVES = tuple(codec.suffix for codec in CODECS.values())


class KeptFile(NamedTuple):
    """An archive as it lies there; ``modified`` in seconds since 1970."""

    modified: float
    size: int
    name: str


class KeptArchives:
    """The archives of ``folder``, ``max_bytes`` together and ``ttl_seconds`` old at most. Everything here blocks."""

    def __init__(self, folder: Path, *, max_bytes: int, ttl_seconds: float) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._ttl_seconds = ttl_seconds
        self._lock = threading.Lock()
        self._total = 0
        self._oldest: deque[KeptFile] = deque()
        self._counted = float("-inf")  # by the monotonic clock

    def files(self) -> Iterator[KeptFile]:
        """Archives and halves of them. Nothing else in the folder is ours."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.removesuffix(".part").endswith(ARCHIVES):
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # another instance took it away
                    yield KeptFile(stat.st_mtime, stat.st_size, entry.name)

    def make_room(self, newest: str = "", size: int = 0) -> None:
        """Remove what is too old, and the oldest of what is too much, but never ``newest``, which has come just now
        and has so many bytes. Without it everything is counted anew."""
        with self._lock:
            self._total += size
            believed = RECOUNT_SECONDS if self._total > self._max_bytes else COUNT_SECONDS
            if not newest or time.monotonic() - self._counted > believed:
                self._count()
            while self._remove_useless(newest):
                self._count()  # those remembered are gone, and it may still be too much

    def _count(self) -> None:
        self._total = 0
        self._oldest = deque(heapq.nsmallest(_OLDEST, self._add_up()))
        self._counted = time.monotonic()

    def _add_up(self) -> Iterator[KeptFile]:
        for file in self.files():
            self._total += file.size
            yield file

    def _remove_useless(self, newest: str) -> bool:
        """Whether all that were remembered had to go."""
        oldest_allowed = time.time() - self._ttl_seconds
        removed = False
        while self._oldest and (self._oldest[0].modified < oldest_allowed or self._total > self._max_bytes):
            file = self._oldest.popleft()
            if file.name != newest:
                (self._folder / file.name).unlink(missing_ok=True)
                self._total -= file.size
                removed = True
        return removed and not self._oldest
