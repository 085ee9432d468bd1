"""The spool: a private folder for what is being made, emptied at every start.

Production is read at its own speed into the spool; clients are served from it at theirs (ruling 11).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from hfitd.errors import LimitExceeded

SPILL_ROWS = 1_000_000


class Spool:
    """The folder. What is in it when a process starts belongs to a process that died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)

    def job_folder(self, job_id: str) -> Path:
        """A new folder for one job."""
        path = self.folder / job_id
        path.mkdir(mode=0o700)
        return path

    def open_file(self, path: Path) -> BinaryIO:
        """A new file, readable by nobody else; what is written can be read at once."""
        return _WholeWrites(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")

    async def remove(self, path: Path) -> None:
        """Forget a job's folder."""
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


class _WholeWrites(io.FileIO):
    """A file without a buffer that takes all of what it is given, or raises OSError.

    The system takes what there is room for and says how much that was; only the next write fails. A reader who trusts
    the size that was meant would wait for bytes that never come, or miss them in the midst of an archive.
    """

    def write(self, data: Any, /) -> int:
        """All of it, which is anything with bytes; OSError, and then a part may have been written."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            rest = rest[super().write(rest) :]
        return size


class Scratch:
    """What a job needs on disk besides its archive. ``close`` ends what was opened there.

    ``folder`` is the job's; None leaves the place to whoever writes. More keys than ``spill_rows`` go to disk.
    """

    def __init__(self, folder: Path | None = None, spill_rows: int = SPILL_ROWS) -> None:
        self.folder = folder
        self.spill_rows = spill_rows
        self._closing: list[Callable[[], None]] = []

    def close_later(self, close: Callable[[], None]) -> None:
        """Call this at the end."""
        self._closing.append(close)

    def close(self) -> None:
        """The job is over."""
        while self._closing:
            self._closing.pop()()


class SpoolSink:
    """A Sink into a spool file that others read while it grows. ``digest`` covers every byte written."""

    def __init__(self, file: BinaryIO, max_bytes: int, grown: Callable[[int], None]) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._grown = grown
        self.size = 0
        self.digest = hashlib.sha256()

    async def write(self, data: bytes) -> None:
        """Append; LimitExceeded when it grows too large."""
        if self.size + len(data) > self._max_bytes:
            raise LimitExceeded(
                f"The result is larger than the {self._max_bytes} bytes that limits.package_bytes allows.",
                suggestions=("Narrow the filter or set a limit.",),
            )
        await asyncio.to_thread(self._append, data)
        self.size += len(data)
        self._grown(self.size)

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
