"""Where whoever follows a plan or a package finds it, whichever instance makes it and whichever is asked.

1. Who asks for something may give it a name first, ``w.`` and 22 to 64 letters of base64url, and follow it by that
   name while the answer is still to come. A name counts for its person alone; nobody else's is found.
2. By such a name, and at instances that do not make the package themselves, figures and the end are told, no members:
   what is refused at the end of its making has given nothing away but how many rows there were.
3. What runs for longer than half a second while other instances live is told in the store, twice a second at most, by
   a task of its own: sealed records that end a few seconds after their last word. Work never waits for it, and goes on
   without it when the store is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from hfitd.errors import BadRequest, StoreUnavailable
from hfitd.export.progress import BEAT, QUIET_SECONDS, Event, Progress
from hfitd.store.interface import Store
from hfitd.store.keys import key_of

PUBLISH_SECONDS = 0.5
RENEW_SECONDS = 4.0  # what has not changed is said again after so long
TOLD_SECONDS = 12.0  # a record ends so long after it was written last
WAIT_SECONDS = 30.0  # for what somebody follows to begin
LOOK_SECONDS = 0.1
MAX_NAMES = 10_000  # the oldest is forgotten: who is followed by it is not told, and has the answer all the same
LINGER_SECONDS = 10.0  # who asks a moment too late still hears how it ended
WATCH = re.compile(r"w\.[A-Za-z0-9_-]{22,64}")  # no package id has a dot
_KIND = "progress"
_LAST = frozenset({"done", "failed"})
_SHARED = frozenset({"planning", "progress", *_LAST})


def check_watch(name: str) -> str:
    """A name to follow something by, or none; BadRequest for what cannot be one."""
    if name and not WATCH.fullmatch(name):
        raise BadRequest("X-Hfit-Watch has to be w. and 22 to 64 letters of base64url.", resource="X-Hfit-Watch")
    return name


class Board:
    """The runs of this process by their ids, and those of the instances beside it. ``instances`` says how many live."""

    def __init__(self, store: Store, instances: Callable[[], int]) -> None:
        self._store, self._instances = store, instances
        self._runs: dict[str, Progress] = {}
        self._names: dict[tuple[str, str], str] = {}  # person and name; the run

    def name(self, run: str, email: str, watch: str) -> None:
        """Let a person follow a run of this process by a name, until a moment after its end."""
        if watch:
            if len(self._names) >= MAX_NAMES:
                del self._names[next(iter(self._names))]
            self._names[email, watch] = run

    @asynccontextmanager
    async def planning(self, email: str, watch: str) -> AsyncIterator[Progress]:
        """The progress of a plan, for the block to tell; its person can follow it by the name."""
        run, progress = secrets.token_urlsafe(18), Progress()
        self.name(run, email, watch)
        async with self.posted(run, progress):
            try:
                yield progress
            except BaseException as error:
                progress.fail(error)
                raise
            progress.finish("done", {})

    @asynccontextmanager
    async def posted(self, run: str, progress: Progress) -> AsyncIterator[None]:
        """The run can be followed while the block runs, by a name for a moment longer."""
        self._runs[run] = progress
        publisher = _Publisher(self._store, run, progress, lambda: self._names_of(run))
        task = asyncio.create_task(self._publish(publisher), name=f"progress of {run}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            if self._names_of(run):
                asyncio.get_running_loop().call_later(LINGER_SECONDS, self._take_down, run)
            else:
                self._take_down(run)
            await asyncio.shield(publisher.end())

    def _take_down(self, run: str) -> None:
        del self._runs[run]
        for name in self._names_of(run):
            del self._names[name]

    async def follow(self, email: str, watch: str) -> AsyncGenerator[Event, None]:
        """What a person's run of this name tells; nothing when none has begun for half a minute (1)."""
        run = await self._find(email, watch)
        if run:
            async for event in self.follow_run(run):
                yield event

    async def follow_run(self, run: str) -> AsyncGenerator[Event, None]:
        """What a run tells wherever it is, to whom the caller has let; it ends when nothing more is known of it (2)."""
        progress = self._runs.get(run)
        if progress is not None:
            async for event in progress.follow(members=False):
                yield event
            return
        told: dict[str, object] = {}
        began = spoke = time.monotonic()
        while (events := await self.read(run)) is not None or (not told and time.monotonic() - began < WAIT_SECONDS):
            for kind, data in events or ():
                if told.get(kind) != data:
                    told[kind], spoke = data, time.monotonic()
                    yield kind, data
            if _LAST & told.keys():
                return
            if time.monotonic() - spoke >= QUIET_SECONDS:
                spoke = time.monotonic()
                yield BEAT
            await asyncio.sleep(PUBLISH_SECONDS)

    async def read(self, run: str) -> Sequence[Event] | None:
        """What another instance has told of a run last; None when it is not told, or the store is away."""
        with contextlib.suppress(StoreUnavailable):
            record = await self._store.read(key_of(_KIND, "run", run))
            return None if record is None else _events_of(record.value)
        return None

    async def _find(self, email: str, watch: str) -> str:
        deadline, pause = time.monotonic() + WAIT_SECONDS, LOOK_SECONDS
        asked = -PUBLISH_SECONDS
        while time.monotonic() < deadline:
            if run := self._names.get((email, watch)):
                return run
            if self._instances() > 1 and time.monotonic() - asked >= PUBLISH_SECONDS:
                asked = time.monotonic()
                with contextlib.suppress(StoreUnavailable):
                    record = await self._store.read(key_of(_KIND, "name", email, watch))
                    if record is not None:
                        return record.value.decode()
            await asyncio.sleep(pause)
        return ""

    async def _publish(self, publisher: _Publisher) -> None:
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            if self._instances() > 1:
                await publisher.tell()

    def _names_of(self, run: str) -> list[tuple[str, str]]:
        return [name for name, named in self._names.items() if named == run]


class _Publisher:
    """Tells one run in the store (3)."""

    def __init__(
        self, store: Store, run: str, progress: Progress, names: Callable[[], Sequence[tuple[str, str]]]
    ) -> None:
        self._store, self._run, self._progress, self._names = store, run, progress, names
        self._told: bytes | None = None
        self._at = 0.0

    async def tell(self) -> None:
        """Say how far it is, unless that was just said."""
        said, now = _text_of(self._progress), time.monotonic()
        if said == self._told and now - self._at < RENEW_SECONDS:
            return
        with contextlib.suppress(StoreUnavailable):
            await self._store.write(key_of(_KIND, "run", self._run), said, ttl_seconds=TOLD_SECONDS)
            for email, watch in self._names():
                name = key_of(_KIND, "name", email, watch)
                await self._store.write(name, self._run.encode(), ttl_seconds=TOLD_SECONDS)
            self._told, self._at = said, now

    async def end(self) -> None:
        """The last word, if anybody can have heard one before."""
        if self._told is not None:
            await self.tell()


def _text_of(progress: Progress) -> bytes:
    last = [event for event in progress.events if event[0] in _LAST]
    return json.dumps([*progress.figures(), *last], separators=(",", ":")).encode()


def _events_of(text: bytes) -> list[Event]:
    """The record is sealed; one of another release may hold what this one does not know."""
    try:
        said = json.loads(text)
    except ValueError:
        return []
    pairs = [pair for pair in said if isinstance(pair, list) and len(pair) == 2] if isinstance(said, list) else []
    return [(str(kind), data) for kind, data in pairs if kind in _SHARED and isinstance(data, dict)]
