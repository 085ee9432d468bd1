"""Pieces made ahead by a thread of their own, so that unpacking and what is done with the bytes take a core each.

``zlib``, ``zstd`` and ``hashlib`` give the interpreter away while they work on large pieces. A few pieces wait at most.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator

WAITING = 8  # pieces
_LOOK_SECONDS = 0.01


@contextlib.contextmanager
def made_ahead(pieces: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """The same pieces. An error comes where its piece would have come. The thread ends with the block."""
    ahead = _Ahead(pieces)
    try:
        yield iter(ahead)
    finally:
        ahead.stop()


class _Ahead:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._made: queue.Queue[bytes | Exception | None] = queue.Queue(WAITING)
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="hfit-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._made.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def stop(self) -> None:
        """Wait until the thread has let go of the pieces."""
        self._stopped = True
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):  # makes room for what it may be waiting to hand over
                self._made.get(timeout=_LOOK_SECONDS)
        self._thread.join()

    def _work(self) -> None:
        try:
            for piece in self._pieces:
                self._made.put(piece)
                if self._stopped:
                    return
            self._made.put(None)
        except Exception as error:  # noqa: BLE001 - raised by whoever takes the pieces
            self._made.put(error)
