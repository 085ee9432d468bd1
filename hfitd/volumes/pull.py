"""Entries of a scan, taken by a thread when somebody wants the next ones: who does not read costs nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from hfitd.errors import TooLarge
from hfitd.volumes.interface import FileEntry, ListingQuery
from hfitd.volumes.scan import BATCH, FIRST_BATCH, Scan, precedes, sort_entries

T = TypeVar("T")
E = TypeVar("E")


@dataclass(slots=True)
class Pull(Generic[E]):
    """Takes entries from a scan, one caller at a time, and ends the scan in the thread that runs it."""

    scan: Scan[E]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _entries: Iterator[E] | None = None

    def take(self, count: int) -> list[E]:
        """The next entries; none at the end."""
        with self._lock:
            if self._entries is None:
                self._entries = self.scan.entries()
            return list(islice(self._entries, count))

    def stop(self) -> None:
        """No more entries are wanted; a running scan notices and gives its descriptors back."""
        self.scan.stopped = True
        if self._lock.acquire(blocking=False):
            try:
                entries, self._entries = self._entries, iter(())
                if entries is not None and hasattr(entries, "close"):
                    entries.close()
            finally:
                self._lock.release()


def take_sorted(pull: Pull[FileEntry], query: ListingQuery, cap: int) -> list[FileEntry]:
    """All entries in order; TooLarge when there are more than ``cap``."""
    entries = pull.take(cap + 1)
    if len(entries) > cap:
        raise TooLarge(f"More than {cap} entries cannot be sorted; narrow the listing.")
    sort_entries(entries, query)
    return entries


def take_best(pull: Pull[FileEntry], query: ListingQuery) -> FileEntry | None:
    """The first file in order among all."""
    best: FileEntry | None = None
    while batch := pull.take(BATCH):
        for entry in batch:
            usable = not entry.isdir and not entry.error
            if usable and (best is None or precedes(entry, best, query)):
                best = entry
    return best


async def look_ahead(pull: Pull[E], shape: Callable[[Sequence[E]], T]) -> AsyncGenerator[T, None]:
    """Batch after batch; the next one is taken and shaped while the caller works on this one."""

    def take(count: int) -> tuple[T, ...]:
        batch = pull.take(count)
        return (shape(batch),) if batch else ()

    ahead = asyncio.ensure_future(asyncio.to_thread(take, FIRST_BATCH))
    try:
        while shaped := await ahead:
            ahead = asyncio.ensure_future(asyncio.to_thread(take, BATCH))
            yield shaped[0]
    finally:
        pull.scan.stopped = True
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
