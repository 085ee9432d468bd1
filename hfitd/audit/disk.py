"""The few things the audit log asks of the disk: the seam through which tests let the n-th of them fail."""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The real one. Every method may raise OSError."""

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all of the data at the end of the file."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Return when the file's content would survive a power cut."""
        os.fdatasync(descriptor)

    def cut(self, descriptor: int, size: int) -> None:
        """Take back what was written after ``size``."""
        os.ftruncate(descriptor, size)
        os.fdatasync(descriptor)

    def reserve(self, path: Path, size: int) -> None:
        """Make the file occupy ``size`` bytes now."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)

    def release(self, path: Path) -> None:
        """Give the reserved room back to the file system."""
        path.unlink(missing_ok=True)
