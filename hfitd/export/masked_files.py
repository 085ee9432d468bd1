"""Single files for whom mask rules hold: masked into the spool first, then served from there like any file.

1. Nothing of a file leaves before all of it is masked, so a file that its rules do not fit is refused whole; and its
   length, ranges, digest and ETag are those of the masked file.
2. The ETag names the original's identity and everything that decides the masked bytes. A masked file is kept for a
   while under it, so that a download can be resumed and a second reader costs nothing; who may have it is asked of
   the policy before, each time.
3. Making one holds one of the actor's places for packages, is bounded by ``limits.job_timeout`` and
   ``limits.package_bytes`` and is on record. It goes on when the reader who asked leaves: a client that gave up
   waiting finds the file when it asks again. It opens the file itself, since the reader's descriptor may be gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from hfitd.errors import HfitError, QueryTimeout, SourceChanged
from hfitd.export.files import OpenedFile, open_file
from hfitd.export.record import actor_record
from hfitd.export.sources import Sources
from hfitd.export.spool import SpoolSink
from hfitd.export.workshop import Workshop
from hfitd.model import Actor
from hfitd.volumes.folder import HeldFile
from hfitd.volumes.interface import OpenFile
from hfitd.volumes.masked.stream import Original, write_masked

KEPT_FILES = 64
KEPT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A masked file in the spool."""

    path: Path
    size: int
    original: Original


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose file, which, and the place that making it takes."""

    actor: Actor
    volume: str
    path: str
    raw_path: str
    place: AbstractAsyncContextManager[None]


@dataclass(frozen=True, slots=True)
class Served:
    """What a reader gets: the file, and of a masked one how many lines were left out."""

    file: OpenFile
    dropped: int = 0


def etag_of(opened: OpenedFile) -> str:
    """The ETag without quotes, known before anything is masked (2)."""
    if opened.masking is None:
        return opened.file.etag
    return hashlib.sha256(f"{opened.file.etag} {opened.masking.digest}".encode()).hexdigest()[:32]


class MaskedFiles:
    """The masked files of this process."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._running: dict[str, asyncio.Task[Kept]] = {}
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    @asynccontextmanager
    async def open(
        self, opened: OpenedFile, actor: Actor, volume: str, path: str, raw_path: str = ""
    ) -> AsyncIterator[Served]:
        """The file to serve: as it is, or masked. FileNotMaskable, MaskDoesNotFit, LimitExceeded, RateLimited."""
        if opened.masking is None:
            yield Served(opened.file)
            return
        place = self._shop.slot(actor)
        held, kept = await self._hold(opened, _Wanted(actor, volume, path, raw_path, place))
        try:
            yield Served(held, kept.original.dropped)
        finally:
            held.close()

    async def hold(self, sources: Sources, actor: Actor, volume: str, path: str) -> OpenFile:
        """A covered file, masked, for who holds one of the actor's places already, and closes it. Refusals as above."""
        async with open_file(sources, actor, volume, path) as opened:
            if opened.masking is None:
                raise SourceChanged(resource=volume)  # it was covered a moment ago
            held, _ = await self._hold(opened, _Wanted(actor, volume, path, "", nullcontext()))
            return held

    async def prepare(self, sources: Sources, actor: Actor, volume: str, paths: Collection[str]) -> None:
        """Mask these covered files now, if they are few enough to be kept, so that what refuses one is said before
        anything is sent; for who holds a place as above."""
        if len(paths) <= KEPT_FILES:
            for path in paths:
                (await self.hold(sources, actor, volume, path)).close()

    async def _hold(self, opened: OpenedFile, wanted: _Wanted) -> tuple[HeldFile, Kept]:
        etag = etag_of(opened)
        kept = await self._fetch(etag, wanted)
        descriptor = os.open(kept.path, os.O_RDONLY | os.O_CLOEXEC)
        entry = opened.file.entry._replace(size=kept.size)
        return HeldFile(descriptor, entry, os.fstat(descriptor), etag=etag), kept

    async def close(self) -> None:
        """Cancel what is being made."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, etag: str, wanted: _Wanted) -> Kept:
        """The kept file; made now, or waited for when somebody else has asked for it just before."""
        kept = self._kept.get(etag)
        if kept is not None:
            self._kept.move_to_end(etag)
            return kept
        task = self._running.get(etag)
        if task is None:
            task = asyncio.create_task(self._make(etag, wanted), name="mask a file")
            self._running[etag] = task
            task.add_done_callback(lambda done: self._settle(etag, done))
        return await asyncio.shield(task)

    def _settle(self, etag: str, done: asyncio.Task[Kept]) -> None:
        del self._running[etag]
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[etag] = done.result()
        while len(self._kept) > KEPT_FILES or self._kept_bytes() > self._shop.limits.package_bytes:
            self._forget(next(iter(self._kept)))
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget, etag)

    def _kept_bytes(self) -> int:
        return sum(kept.size for kept in self._kept.values())

    def _forget(self, etag: str) -> None:
        """Who reads it goes on by a descriptor."""
        kept = self._kept.pop(etag, None)
        if kept is not None:
            kept.path.unlink(missing_ok=True)

    async def _make(self, etag: str, wanted: _Wanted) -> Kept:
        sources = self._shop.sources()
        actor, volume, path = wanted.actor, wanted.volume, wanted.path
        async with wanted.place, open_file(sources, actor, volume, path, wanted.raw_path) as opened:
            if opened.masking is None or etag_of(opened) != etag:
                raise SourceChanged(resource=volume)  # replaced since it was asked for, or other rules now
            record = replace(
                actor_record("files.mask", actor, (f"{volume}/{path}",)),
                masks={f"{volume}/{path}:{part}": mask for part, mask in opened.masks.items()},
                policy_version=sources.policy.version,
            )
            token = await self._shop.audit.begin(record)
            outcome, code, size = "failed", "", 0
            try:
                kept = await self._write(opened)
                outcome, size = "done", kept.size
                return kept
            except HfitError as error:
                code = error.code
                raise
            finally:
                await asyncio.shield(self._shop.audit.end(token, outcome, size=size, code=code))

    async def _write(self, opened: OpenedFile) -> Kept:
        assert opened.masking is not None
        path = self._shop.spool.folder / f"masked-{secrets.token_hex(16)}"
        try:
            with self._shop.spool.open_file(path) as file:
                sink = SpoolSink(file, self._shop.limits.package_bytes, lambda size: None)
                async with asyncio.timeout(self._shop.limits.job_timeout_seconds):
                    original = await write_masked(opened.file, opened.masking, sink)
        except TimeoutError as error:
            path.unlink(missing_ok=True)
            raise QueryTimeout("Masking the file took longer than limits.job_timeout allows.") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Kept(path, sink.size, original)
