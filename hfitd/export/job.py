"""A job: one extraction that any number of readers may follow.

States: planning -> checked -> done | failed. Everything that can be refused is refused before ``checked``; readers
wait for that, then tail the growing archive. A job that nobody reads for ``orphan_grace`` is cancelled and its
database work with it. Readers never slow it down: the archive is a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from hfitd.audit.log import AuditToken
from hfitd.export.artifacts import Artifact
from hfitd.export.contents import Contents
from hfitd.export.package.codec import Codec
from hfitd.export.package.manifest import MemberEntry
from hfitd.export.package.residue import Residue
from hfitd.export.plan import Plan
from hfitd.export.progress import Progress
from hfitd.store.approvals import Approval

READ_SIZE = 256 * 1024


class Job:
    """The state readers share. Only ``downloads`` drives it."""

    def __init__(self, key: str, codec: Codec, grace_seconds: float) -> None:
        self.id = secrets.token_urlsafe(18)
        self.key = key
        self.codec = codec
        self.package_name = ""
        self.plan: Plan | None = None
        self.approval: Approval | None = None
        self.effective = ""
        self.artifact: Artifact | None = None
        self.residue = Residue("off")
        self.progress = Progress()
        self.cached = False  # the check found a finished package
        self.error: BaseException | None = None
        self.path: Path | None = None
        self.size = 0
        self.rows: int | None = None  # of a stream, once all are there
        self.started = time.monotonic()
        self.audit: AuditToken | None = None  # of a stream, until its reader has left
        self.contents = Contents()  # of a stream
        self.task: asyncio.Task[None] | None = None
        self._checked = asyncio.Event()
        self._done = asyncio.Event()
        self._readers = 0
        self._given = False  # some of the archive has left
        self._grace = grace_seconds
        self._timer: asyncio.TimerHandle | None = None

    @property
    def done(self) -> bool:
        """Whether it ended, well or badly."""
        return self._done.is_set()

    def mark_checked(self) -> None:
        """From here on a failure can only break the stream."""
        self._checked.set()

    def grow(self, size: int) -> None:
        """More of the archive can be read."""
        self.size = size
        self.progress.notify()

    def start_over(self) -> bool:
        """Forget what was made so far, which then has to be made anew; False when somebody has some of it already."""
        if self._given or self.done:
            return False
        self.size, self.rows = 0, None
        self.progress.begin_anew()
        return True

    @property
    def rows_done(self) -> int:
        """Rows of the members that are complete."""
        rows = (data.get("rows") for kind, data in self.progress.events if kind == "member" and isinstance(data, dict))
        return sum(number for number in rows if isinstance(number, int))

    def add_member(self, entry: MemberEntry) -> None:
        """Tell whoever watches that a member is complete."""
        self.progress.tell("member", {"path": entry.path, "size": entry.size, "rows": entry.rows})

    def finish(self, artifact: Artifact, *, cached: bool = False) -> None:
        """It is complete."""
        self.artifact, self.cached, self.size = artifact, cached, artifact.size
        self._end()
        self.progress.finish("done", {"size": artifact.size, "package_digest": artifact.package_digest})

    def end(self) -> None:
        """It is complete and is no package."""
        self._end()

    def fail(self, error: BaseException) -> None:
        """It ended badly; the cause of an unknown error stays here for the log."""
        self.error = error
        self._end()
        self.progress.fail(error)

    async def checked(self) -> None:
        """Wait until it may no longer refuse; raises what it refused with."""
        await self._checked.wait()
        if self.error is not None:
            raise self.error

    async def wait(self) -> Artifact:
        """Wait for the end; raises what it failed with."""
        await self._done.wait()
        if self.error is not None:
            raise self.error
        assert self.artifact is not None
        return self.artifact

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Count a reader; when the last one leaves, the grace period starts."""
        self._readers += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0 and not self.done:
                self._timer = asyncio.get_running_loop().call_later(self._grace, self._abandon)

    def open(self) -> int:
        """A descriptor of the archive; it stays readable when the file moves or goes."""
        if self.error is not None:
            raise self.error  # its file is gone with it
        assert self.path is not None
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    async def read(self, start: int = 0) -> AsyncGenerator[bytes, None]:
        """The archive from ``start``, as it grows, until it is complete; raises what the job failed with."""
        while self.size <= start and not self.done:
            await self._wait_change(start)
        descriptor, self._given = self.open(), True
        try:
            position = start
            while True:
                while position < self.size:
                    size = min(READ_SIZE, self.size - position)
                    data = await asyncio.to_thread(os.pread, descriptor, size, position)
                    if not data:
                        raise OSError("the spool's file became shorter")
                    position += len(data)
                    yield data
                if self.error is not None:
                    raise self.error
                if self.done:
                    return
                await self._wait_change(position)
        finally:
            os.close(descriptor)

    async def _wait_change(self, position: int) -> None:
        if self.size <= position and not self.done:
            await self.progress.changed()

    def _end(self) -> None:
        self._checked.set()
        self._done.set()
        self.progress.notify()

    def _abandon(self) -> None:
        if self._readers == 0 and not self.done and self.task is not None:
            self.task.cancel()
