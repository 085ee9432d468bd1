"""A tree as a stream of compressed blocks, made while the client takes them.

1. A thread reads the next MiB of the tar while others compress the blocks before it, each a frame of its own; nothing
   more is made until the client has taken what there is, and a slow client holds no thread.
2. Every file is opened beneath the volume's root and judged by its descriptor (``volumes``). Its size at that moment
   stands in the header: what is appended later is not read, a file that shrinks or is gone breaks the stream.
3. The last bytes are the seal of packages, so a cut or altered stream is noticed by the client. A plain tar, which has
   no frames to hold it, has one block more after its end, where readers of tar stop: the digest of all before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass, field

from hfitd.errors import HfitError, SourceChanged
from hfitd.export.package.archive import BLOCK, tar_header
from hfitd.export.package.codec import Codec
from hfitd.export.tree import Tree
from hfitd.volumes.interface import OpenFile, Volume

BLOCK_BYTES = 1 << 20
COMPRESSING = 2  # blocks at a time

MaskFile = Callable[[str], Awaitable[OpenFile]]
Pieces = Generator[bytes | str, OpenFile | None, None]


def tar_pieces(volume: Volume, tree: Tree) -> Pieces:
    """The tar in pieces of at most a block. A path instead of bytes asks to be sent its masked file, which is closed
    here."""
    for path in tree.paths:
        file = _hold(volume, path)
        if file.masking is not None and path not in tree.raw:
            file.close()
            masked = yield path
            assert masked is not None
            file = masked
        with contextlib.closing(file):
            size = file.entry.size
            yield tar_header(tree.member(path), size)
            for offset in range(0, size, BLOCK_BYTES):
                yield file.read_now(offset, min(BLOCK_BYTES, size - offset))
            yield bytes(-size % BLOCK)


def _hold(volume: Volume, path: str) -> OpenFile:
    try:
        return volume.hold(path)
    except HfitError as error:
        raise SourceChanged(resource=volume.name) from error  # it was there when the tree was selected (2)


@dataclass(slots=True)
class BlockReader:
    """Takes blocks of exactly ``BLOCK_BYTES`` from the pieces, one caller at a time; the last one is shorter."""

    pieces: Pieces
    masked: OpenFile | None = None  # the answer to a path; closed here
    _parts: list[bytes] = field(default_factory=list)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bytes | str:
        """The next block, b"" at the end; or a path whose ``masked`` file has to be there before the next call."""
        with self._lock:
            while self._size < BLOCK_BYTES:
                masked, self.masked = self.masked, None
                try:
                    piece = self.pieces.send(masked) if masked is not None else next(self.pieces)
                except StopIteration:
                    break
                if isinstance(piece, str):
                    return piece
                self._parts.append(piece)
                self._size += len(piece)
            block = b"".join(self._parts)
            rest = block[BLOCK_BYTES:]
            self._parts, self._size = ([rest], len(rest)) if rest else ([], 0)
            return block[:BLOCK_BYTES]

    def stop(self) -> None:
        """Close the file that is being read, in the thread that reads it if there is one."""
        with self._lock:
            self.pieces.close()
            if self.masked is not None:
                self.masked.close()
                self.masked = None


class TreeStream:
    """One download of a tree. ``digest`` covers all bytes once ``read`` has ended."""

    def __init__(self, volume: Volume, tree: Tree, codec: Codec, mask_file: MaskFile) -> None:
        self._reader = BlockReader(tar_pieces(volume, tree))
        self._codec = codec
        self._mask_file = mask_file
        self.digest = hashlib.sha256()

    async def read(self) -> AsyncGenerator[bytes, None]:
        """The archive in pieces; SourceChanged, and whatever masking a file says, break it."""
        compressing: deque[asyncio.Future[bytes]] = deque()
        reading = asyncio.ensure_future(self._next_block())
        try:
            while True:
                block = await reading
                if not block:
                    break
                reading = asyncio.ensure_future(self._next_block())
                compressing.append(asyncio.ensure_future(asyncio.to_thread(self._compress, block)))
                if len(compressing) >= COMPRESSING:
                    yield await self._hash(await compressing.popleft())
            while compressing:
                yield await self._hash(await compressing.popleft())
            yield await asyncio.to_thread(self._end)
        finally:
            for task in (reading, *compressing):
                task.cancel()
            await asyncio.gather(reading, *compressing, return_exceptions=True)
            await asyncio.to_thread(self._reader.stop)

    async def _next_block(self) -> bytes:
        block = await asyncio.to_thread(self._reader.take)
        while isinstance(block, str):
            self._reader.masked = await self._mask_file(block)
            block = await asyncio.to_thread(self._reader.take)
        return block

    def _compress(self, block: bytes) -> bytes:
        frame = self._codec.frame()
        return frame.compress(block) + frame.finish()

    async def _hash(self, data: bytes) -> bytes:
        await asyncio.to_thread(self.digest.update, data)
        return data

    def _end(self) -> bytes:
        """The end of the tar and its seal (3)."""
        tail = self._compress(bytes(2 * BLOCK))
        self.digest.update(tail)
        seal = self._codec.seal(self.digest.digest()) or plain_seal(self.digest.digest())
        self.digest.update(seal)
        return tail + seal


def plain_seal(digest: bytes) -> bytes:
    """The block after the end of a plain tar."""
    return f"hfit sha256 {digest.hex()}\n".encode().ljust(BLOCK, b"\0")
