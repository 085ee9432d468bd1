"""A volume that is a folder of this machine.

1. Every path is opened beneath the root's descriptor by an opener (``opener.py``), never by its name.
2. What was opened is judged by its descriptor: a regular file, one hard link, within the size cap.
3. Extension and hidden-name rules look at what was really opened, not at what was asked for.
4. A file that a mask rule covers is refused, unless the caller asks for the original, which it then has to mask.
5. What may not be seen answers as what does not exist: NotFound, one sentence.

All system calls run in threads; a root that is exchanged later is not noticed until the volume is opened again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from aiofiles.os import wrap

from hfitd.config.model import VolumeConfig
from hfitd.errors import Forbidden, Internal, NotFound, SourceChanged, TooLarge, Unavailable
from hfitd.volumes.interface import FileEntry, ListingQuery, OpenFile
from hfitd.volumes.lines import LINES, join, render
from hfitd.volumes.masked.rules import Masking, find_masking
from hfitd.volumes.opener import Opener, Parts, choose_opener
from hfitd.volumes.paths import decode_raw_path, split_path
from hfitd.volumes.pull import Pull, look_ahead, take_best, take_sorted
from hfitd.volumes.scan import BATCH, AsEntries, Caps, Rules, Scan, Shape, Wish, describe, visible
from hfitd.volumes.walkers import BrokenWalk, Walkers

T = TypeVar("T")
E = TypeVar("E")

LARGE = 10_000  # names of a listing after which the volume is walked by a process, where there is one
ROOT_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


def open_volume(
    config: VolumeConfig,
    mask_key: bytes = b"",
    *,
    caps: Caps | None = None,
    opener: Opener | None = None,
    walkers: Walkers | None = None,
) -> FolderVolume:
    """The volume of a configuration. Unavailable when its folder is not there or may not be entered.

    Without ``mask_key`` no keyed mask works: files that need one cannot be served. Without ``walkers`` everything is
    listed in threads.
    """
    try:
        root = os.open(config.path, ROOT_FLAGS)
    except OSError as error:
        raise Unavailable(
            f"The folder of volume {config.name} cannot be opened.",
            resource=config.name,
            suggestions=("Run hfitd check --volumes on the server.",),
        ) from error
    chosen = opener or choose_opener(root, follow_symlinks=config.follow_symlinks)
    return FolderVolume(config, root, chosen, caps or Caps(), mask_key=mask_key, walkers=walkers)


class FolderVolume:
    """Lists and opens files beneath one folder; see ``interface.Volume``."""

    def __init__(
        self,
        config: VolumeConfig,
        root: int,
        opener: Opener,
        caps: Caps,
        *,
        mask_key: bytes = b"",
        walkers: Walkers | None = None,
    ) -> None:
        self.name = config.name
        self.max_file_size = config.max_file_size
        self._config, self._root, self._opener, self._caps = config, root, opener, caps
        self._mask_key, self._walkers, self._large = mask_key, walkers, False
        self._rules = Rules(config.allowed_extensions, config.hidden_files, config.follow_symlinks)

    def list(self, query: ListingQuery) -> AsyncIterator[Sequence[FileEntry]]:
        """Batches of at most 1,000 entries, the first a small one. TooLarge when a cap is passed: never less."""
        return self.list_as(query, _as_it_is)

    async def list_as(self, query: ListingQuery, shape: Callable[[Sequence[FileEntry]], T]) -> AsyncGenerator[T, None]:
        """What ``shape`` makes of each of these batches; see ``interface.Volume``."""
        pull = self._pull(query, AsEntries())
        try:
            if query.sort_field:
                entries = await asyncio.to_thread(take_sorted, pull, query, self._caps.sorted)
                for start in range(0, len(entries), BATCH):
                    yield await asyncio.to_thread(shape, entries[start : start + BATCH])
                return
            async with contextlib.aclosing(look_ahead(pull, shape)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            pull.stop()

    async def list_lines(self, query: ListingQuery) -> AsyncGenerator[bytes, None]:
        """The entries as NDJSON; see ``interface.Volume``. Listings that are to be sorted stay in a thread, and so does
        the first large one of a volume."""
        by_process = self._large and self._root >= 0 and not query.sort_field
        walker = self._walkers.take() if self._walkers is not None and by_process else None
        given = False
        if self._walkers is not None and walker is not None:
            try:
                async with contextlib.aclosing(self._walkers.walk(walker, self._root, self._wish(query))) as answer:
                    async for piece in answer:
                        given = True
                        yield piece
                self._large = walker.seen >= LARGE
                return
            except BrokenWalk as error:
                if given:
                    raise Internal("The listing broke off on the server; ask for it again.") from error
        async with contextlib.aclosing(self._lines_of_thread(query)) as pieces:
            async for piece in pieces:
                yield piece

    async def best(self, query: ListingQuery) -> FileEntry | None:
        """The first file in the query's order (by path when it names none), or None; holds one entry at a time."""
        pull = self._pull(query, AsEntries())
        try:
            return await asyncio.to_thread(take_best, pull, query)
        finally:
            pull.stop()

    @contextlib.asynccontextmanager
    async def open(self, path: str, *, raw: bool = False, original: bool = False) -> AsyncIterator[OpenFile]:
        """One regular file. With ``raw`` the path is base64, as a listing's ``raw_path``; see ``interface.Volume``."""
        parts = decode_raw_path(path) if raw else split_path(path)
        opening = asyncio.ensure_future(asyncio.to_thread(self._open, parts))
        try:
            held = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(close_late)  # the thread goes on and would leave a descriptor behind
            raise
        try:
            if held.masking is not None and not original:  # 4
                raise Forbidden(
                    "This file has personal parts that are masked on this volume, and it is not served as it is.",
                    resource=self.name,
                )
            yield held
        finally:
            held.close()

    def hold(self, path: str) -> HeldFile:
        """One regular file, opened by a caller who is in a thread and closes it; see ``interface.Volume``."""
        return self._open(split_path(path))

    def masks_of(self, path: str) -> Mapping[str, str] | None:
        """Masks of a file of this path, None when no rule covers it; see ``interface.Volume``."""
        if not self._config.masks:
            return None
        masking = find_masking(self._config.masks, self._mask_key, (split_path(path),))
        return None if masking is None else masking.masks

    def is_covered(self, path: str) -> bool:
        """Whether a mask rule is about files of this path; one that a link leads to may be covered all the same."""
        return self.masks_of(path) is not None

    def close(self) -> None:
        """Release the root descriptor; files that are open stay open. A second call does nothing."""
        root, self._root = self._root, -1
        if root >= 0:
            os.close(root)

    def _wish(self, query: ListingQuery) -> Wish:
        return Wish(self._rules, query, self._caps)

    def _pull(self, query: ListingQuery, shape: Shape[E]) -> Pull[E]:
        return Pull(Scan(self._root, self._opener, self._wish(query), shape))

    async def _lines_of_thread(self, query: ListingQuery) -> AsyncGenerator[bytes, None]:
        if query.sort_field:
            async with contextlib.aclosing(self.list_as(query, render)) as batches:
                async for batch in batches:
                    yield batch
            return
        pull = self._pull(query, LINES)
        try:
            async with contextlib.aclosing(look_ahead(pull, join)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            pull.stop()
            if pull.scan.seen >= LARGE and self._walkers is not None:
                self._large = True
                self._walkers.want()

    def _open(self, parts: Parts) -> HeldFile:
        """Open and judge; in a thread."""
        missing = NotFound("There is no such file in this volume.", resource=self.name)  # 5
        if self._root < 0:
            raise missing
        if not self._rules.hidden and not visible(parts, Rules()):  # 3
            raise missing
        try:
            descriptor, real = self._opener.open(self._root, parts)  # 1
        except OSError as error:
            raise missing from error
        try:
            return self._judge(descriptor, parts, real)
        except BaseException:
            os.close(descriptor)
            raise

    def _judge(self, descriptor: int, parts: Parts, real: Parts) -> HeldFile:
        """Whether the opened file may be served."""
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or not visible(real, self._rules):  # 2 3
            raise NotFound("There is no such file in this volume.", resource=self.name)
        limit = self._config.max_file_size
        if limit is not None and found.st_size > limit:  # 2
            raise TooLarge(f"The file is larger than the {limit} bytes this volume allows.", resource=self.name)
        masking = find_masking(self._config.masks, self._mask_key, (parts, real))
        return HeldFile(descriptor, describe(parts, found), found, masking)


class HeldFile:
    """A file held by its descriptor; see ``interface.OpenFile``. The caller's context closes it."""

    def __init__(
        self,
        descriptor: int,
        entry: FileEntry,
        found: os.stat_result,
        masking: Masking | None = None,
        *,
        etag: str = "",
    ) -> None:
        self.entry = entry
        self.masking = masking
        self._descriptor, self._found = descriptor, found
        self.shape = shape_of(found)
        identity = f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
        self.etag = etag or hashlib.sha256(identity.encode()).hexdigest()[:32]

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    async def read(self, offset: int, size: int) -> bytes:
        """Bytes of the file as it was when it was opened, read in a thread; see ``read_now``."""
        read: Callable[[int, int], Awaitable[bytes]] = wrap(self.read_now)
        return await read(offset, size)

    def read_now(self, offset: int, size: int) -> bytes:
        """Bytes of the file as it was when it was opened: what was appended since is not read. SourceChanged when it
        shrank, was overwritten, or cannot be read any more (F13)."""
        wanted = max(0, min(size, self.entry.size - offset))
        try:
            data = read_fully(self._descriptor, offset, wanted)
            changed = len(data) < wanted
            if offset + len(data) == self.entry.size:
                found = os.fstat(self._descriptor)
                changed |= found.st_size < self.entry.size
                changed |= found.st_size == self.entry.size and found.st_mtime_ns != self._found.st_mtime_ns
        except OSError as error:
            raise SourceChanged(resource=self.entry.name) from error
        if changed:
            raise SourceChanged(resource=self.entry.name)
        return data

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def _as_it_is(batch: Sequence[FileEntry]) -> Sequence[FileEntry]:
    return batch


def shape_of(found: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another, and from itself once it was written to, renamed or linked."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_nlink


def read_fully(descriptor: int, offset: int, size: int) -> bytes:
    """As many of the bytes as there are."""
    parts = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts) if len(parts) != 1 else parts[0]


def close_late(opening: asyncio.Future[HeldFile]) -> None:
    """Close a file that was opened for somebody who had left."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
