"""The archive: tar headers that depend on name and size alone, parts copied between them, a seal at the end.

Format: POSIX.1-2001 (pax) tar of regular files, mode 0644, owner 0, time 0; two zero blocks end it.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from hfitd.export.package.codec import Codec

BLOCK = 512
COPY_SIZE = 1 << 20


def tar_header(name: str, size: int) -> bytes:
    """The header blocks of a regular file; the same name and size always give the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


class ArchiveWriter:
    """Appends members in their final order to a file that others may already read.

    Its methods do blocking I/O and compression: call them in a thread, one at a time.
    """

    def __init__(self, file: BinaryIO, codec: Codec, root: str) -> None:
        self._file = file
        self._codec = codec
        self._root = root
        self._digest = hashlib.sha256()
        self._padding = b""
        self.size = 0

    def add_part(self, path: str, size: int, part: Path, grown: Callable[[int], object] = int) -> None:
        """Append a member whose content lies compressed in ``part``; ``size`` is its uncompressed size. ``grown`` hears
        of the archive's size whenever more of it can be read."""
        self._glue(path, size)
        with part.open("rb", buffering=0) as source:
            while chunk := source.read(COPY_SIZE):
                self._append(chunk)
                self._file.flush()
                grown(self.size)

    def add_bytes(self, path: str, content: bytes) -> None:
        """Append a small member."""
        self._glue(path, len(content))
        self._append(self._compress(content))
        self._file.flush()

    def close(self) -> str:
        """End the archive and return the SHA-256 (hex) of the whole file."""
        self._append(self._compress(self._padding + bytes(2 * BLOCK)))
        self._append(self._codec.seal(self._digest.digest()))
        self._file.flush()
        return self._digest.hexdigest()

    def _glue(self, path: str, size: int) -> None:
        self._append(self._compress(self._padding + tar_header(f"{self._root}/{path}", size)))
        self._padding = bytes(-size % BLOCK)

    def _compress(self, data: bytes) -> bytes:
        frame = self._codec.frame()
        return frame.compress(data) + frame.finish()

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
