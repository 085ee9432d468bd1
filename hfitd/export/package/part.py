"""A part: one member's content, hashed and compressed once on its way to the spool."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from hfitd.errors import ApprovalRequired, LimitExceeded
from hfitd.export.package.codec import Codec
from hfitd.store.approvals import Approval

BLOCK_SIZE = 256 * 1024  # measured best for two threads, see the performance notes in docs


class Budget:
    """What a whole package may take; shared by its parts. ``approval`` may allow less than the server's limits."""

    def __init__(self, max_bytes: int, max_rows: int, approval: Approval | None = None) -> None:
        self._bytes = 0
        self._rows = 0
        self._max_bytes = max_bytes
        self._max_rows = max_rows
        self._approved_bytes = approval.max_bytes if approval else 0
        self._approved_rows = approval.max_rows if approval else 0

    @property
    def approved(self) -> bool:
        """Whether a reviewer has set a budget."""
        return bool(self._approved_bytes or self._approved_rows)

    def take_bytes(self, count: int) -> None:
        """Count uncompressed bytes; LimitExceeded or ApprovalRequired when the package grows too large."""
        self._bytes += count
        _refuse_unapproved(self._bytes, self._approved_bytes, "bytes")
        if self._bytes > self._max_bytes:
            raise LimitExceeded(
                f"The package is larger than the {self._max_bytes} bytes that limits.package_bytes allows.",
                suggestions=("Narrow the filters of the template.",),
            )

    def take_rows(self, count: int) -> None:
        """Count rows; LimitExceeded or ApprovalRequired when the package has too many."""
        self._rows += count
        _refuse_unapproved(self._rows, self._approved_rows, "rows")
        if self._rows > self._max_rows:
            raise LimitExceeded(
                f"The package has more than the {self._max_rows} rows that limits.package_rows allows.",
                suggestions=("Narrow the filters of the template.",),
            )


def _refuse_unapproved(taken: int, approved: int, unit: str) -> None:
    if approved and taken > approved:
        raise ApprovalRequired(
            f"The package has more than the {approved} {unit} that were approved.",
            suggestions=("Narrow it by its parameters, or ask a reviewer for a larger budget.",),
        )


class PartWriter:
    """A Sink that writes one compressed part. ``size`` and ``sha256`` (hex) hold once ``close`` returned."""

    def __init__(self, path: Path, codec: Codec, executor: Executor, budget: Budget) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        self._frame = codec.frame()
        self._file = path.open("xb")
        self._executor = executor
        self._budget = budget
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._running: asyncio.Future[None] | None = None

    @property
    def sha256(self) -> str:
        """Digest of the content, in hex."""
        return self._hash.hexdigest()

    async def write(self, data: bytes) -> None:
        """Take content; waits while the block before is still being compressed."""
        self._budget.take_bytes(len(data))
        self.size += len(data)
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= BLOCK_SIZE:
            await self._flush()

    async def close(self) -> None:
        """Finish the part."""
        block = self._take_block()
        await self._settle()
        await self._submit(lambda: self._finish(block))
        await self._settle()

    async def discard(self) -> None:
        """Give up: waits for the thread, closes and removes the file."""
        try:
            await self._settle()
        except OSError:
            pass
        self._file.close()
        self.path.unlink(missing_ok=True)

    async def _flush(self) -> None:
        block = self._take_block()
        await self._settle()
        await self._submit(lambda: self._pump(block))

    def _take_block(self) -> bytes:
        block = b"".join(self._buffer)
        self._buffer, self._buffered = [], 0
        return block

    async def _submit(self, step: Callable[[], None]) -> None:
        self._running = asyncio.get_running_loop().run_in_executor(self._executor, step)

    async def _settle(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running

    def _pump(self, block: bytes) -> None:
        for start in range(0, len(block), 4 * BLOCK_SIZE):
            piece = block[start : start + 4 * BLOCK_SIZE]
            self._hash.update(piece)
            self._file.write(self._frame.compress(piece))

    def _finish(self, last: bytes) -> None:
        self._pump(last)
        self._file.write(self._frame.finish())
        self._file.close()
