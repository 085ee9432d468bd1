"""Verifying an archive while it arrives, so that little is left to be done after its last byte.

1. A thread reads the file behind whoever writes it, each byte once. It never holds up the download, and what has
   arrived waits in the file, not in memory.
2. Only a whole archive of the right form is a result. Whatever is wrong or was broken off is none: then the finished
   file is scanned from its first byte to its last, as every other one, and that says what is wrong.
3. The result is of the very file that is used afterwards, and of all of it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hfit.package.ahead import made_ahead
from hfit.package.containers import read_arriving
from hfit.package.verify import Scan, scan_pieces

WORTH_A_THREAD_BYTES = 1 << 20
_OPEN_FILES_CAN_GO = os.name != "nt"  # a download that begins anew removes what it had


@contextlib.contextmanager
def arriving(path: Path) -> Iterator[ArrivingArchive]:
    """Follow a file that is about to be written. The threads end with the block."""
    archive = ArrivingArchive(path)
    try:
        yield archive
    finally:
        archive.close()


class ArrivingArchive:
    """Told by one thread of every byte that it has put into the file; ``size`` is how many those are."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._path = path
        self._growth = _Growth()
        self._file: BinaryIO | None = None
        self._thread: threading.Thread | None = None
        self._scan: Scan | None = None

    def update(self, data: bytes) -> None:
        """So much more is in the file."""
        self.size += len(data)
        self._growth.grow(self.size)
        if self._thread is None and self.size >= WORTH_A_THREAD_BYTES and _OPEN_FILES_CAN_GO:
            self._file = self._path.open("rb", buffering=0)
            self._thread = threading.Thread(target=self._work, args=(self._file,), name="hfit-verify", daemon=True)
            self._thread.start()

    def restart(self, path: Path | None = None) -> None:
        """The file begins anew, or with what an earlier run has left."""
        if self._thread is not None:
            self._growth.give_up()  # 2
        self.size = path.stat().st_size if path is not None else 0
        self._growth.grow(self.size)

    def finish(self, file: BinaryIO) -> Scan | None:
        """The scan of this finished file, if it ended well (2, 3)."""
        if self._thread is None or self._file is None:
            return None
        self._growth.end()
        self._thread.join()
        found, used = os.fstat(self._file.fileno()), os.fstat(file.fileno())
        self.close()
        same = os.path.samestat(found, used) and used.st_size == self.size
        return self._scan if same else None

    def close(self) -> None:
        """Let go of the file."""
        self._growth.give_up()
        if self._thread is not None:
            self._thread.join()
        if self._file is not None:
            self._file.close()

    def _work(self, file: BinaryIO) -> None:
        try:
            with made_ahead(read_arriving(file, self._growth)) as pieces:
                try:
                    self._scan = scan_pieces(pieces)
                except BaseException:
                    self._growth.give_up()  # whoever makes pieces ahead may be waiting for more
                    raise
        except Exception:  # noqa: BLE001 - the scan of the finished file says it (2)
            self._scan = None


class _GivenUp(Exception):
    """There is nothing more to wait for."""


class _Growth:
    """How far a file has grown, for one thread that waits for more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._size = self._wanted = 0
        self._ended = self._given_up = False

    def grow(self, size: int) -> None:
        with self._changed:
            self._size = size
            if size >= self._wanted:
                self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def give_up(self) -> None:
        with self._changed:
            self._given_up = True
            self._changed.notify()

    def wait(self, size: int) -> int:
        """See ``containers.Arrival``."""
        with self._changed:
            self._wanted = size
            while self._size < size and not self._ended and not self._given_up:
                self._changed.wait()
            if self._given_up:
                raise _GivenUp
            return self._size
