"""The SHA-256 of a download while it arrives, in a thread of its own: hashing then costs no time after the last byte.

``hashlib`` gives the interpreter away while it works on large pieces, so receiving goes on. At most a few MiB wait.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from pathlib import Path

HAND_OVER_BYTES = 256 << 10
WAITING = 16  # parcels of that size
READ_BYTES = 1 << 20


class RunningDigest:
    """Fed in order by one thread; ``size`` is how many bytes it covers."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._parcel: list[bytes] = []
        self._parcel_bytes = 0
        self._waiting: queue.Queue[list[bytes] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    def update(self, data: bytes) -> None:
        """More bytes; waits when the digest is too far behind."""
        self.size += len(data)
        self._parcel.append(data)
        self._parcel_bytes += len(data)
        if self._parcel_bytes >= HAND_OVER_BYTES:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="hfit-digest", daemon=True)
                self._thread.start()
            self._waiting.put(self._parcel)
            self._parcel, self._parcel_bytes = [], 0

    def restart(self, path: Path | None = None) -> None:
        """Forget everything, then take in what a file holds, if one is given."""
        self._join()
        self._digest, self._parcel, self._parcel_bytes, self.size = hashlib.sha256(), [], 0, 0
        if path is not None:
            with path.open("rb") as file:
                while data := file.read(READ_BYTES):
                    self._digest.update(data)
                    self.size += len(data)

    def finish(self) -> bytes:
        """The digest of everything so far, 32 bytes."""
        self._join()
        for data in self._parcel:
            self._digest.update(data)
        self._parcel, self._parcel_bytes = [], 0
        return self._digest.digest()

    def _work(self) -> None:
        while (parcel := self._waiting.get()) is not None:
            for data in parcel:
                self._digest.update(data)

    def _join(self) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
