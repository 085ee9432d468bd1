"""Walkers: processes that list large volumes, so that the daemon's event loop shares its lock with no such work.

1. None is started before a volume was seen to be large: who lists little never waits for a process, nor pays for one.
2. There are at most ``WALKERS``; who finds none idle walks in a thread of the daemon, with the same result.
3. One that broke, or whose reader left before the end, is ended and never asked again. A listing that lost its walker
   is made by a thread if nothing of it was given yet, else it ends with an error: there is never less of it (F12).
4. One that nobody needed for ``IDLE_SECONDS`` ends, and so do all with the daemon: their socket is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from hfitd.volumes.scan import Wish
from hfitd.volumes.walker import FRAME_END, FRAME_LINES, FRAME_READY, LENGTH_BYTES, REFUSALS, dump_wish

WALKERS = 2
IDLE_SECONDS = 300.0
START_SECONDS = 30.0
AHEAD_BYTES = 256 * 1024  # of lines that wait here for who reads; the stream holds at most twice as many
PROGRAM = (sys.executable, "-I", "-X", "utf8", "-m", "hfitd.volumes.walker")


class BrokenWalk(Exception):
    """The process ended before the listing was whole."""


@dataclass(slots=True, eq=False)
class Walker:
    """One process and the socket to it."""

    process: asyncio.subprocess.Process
    connection: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: int = 0  # names that its last whole listing looked at
    expiry: asyncio.TimerHandle | None = None

    async def read_frame(self) -> tuple[bytes, bytes]:
        """Kind and content of the next frame. IncompleteReadError when the process has ended."""
        head = await self.reader.readexactly(1 + LENGTH_BYTES)
        return head[:1], await self.reader.readexactly(int.from_bytes(head[1:]))

    def send(self, root: int, wish: Wish) -> None:
        """Ask for a listing beneath a descriptor. Nothing is on its way, so the first bytes find room at once."""
        data = dump_wish(wish)
        socket.send_fds(self.connection, [len(data).to_bytes(LENGTH_BYTES)], [root])
        self.writer.write(data)

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        if self.expiry is not None:
            self.expiry.cancel()
        self.writer.close()
        await _kill(self.process)
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Walkers:
    """Those of one daemon. ``on_lost`` is told why one could not be started or broke."""

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self._on_lost = on_lost
        self._idle: list[Walker] = []
        self._alive: set[Walker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    def want(self) -> None:
        """See to it that there will be an idle one soon (1)."""
        if not self._idle and self._starting is None and not self._closed and len(self._alive) < WALKERS:
            self._starting = self._run(self._start())

    def take(self) -> Walker | None:
        """An idle one, which then belongs to the caller until ``walk`` ends, or None (2)."""
        if not self._idle:
            return None
        walker = self._idle.pop()
        if walker.expiry is not None:
            walker.expiry.cancel()
        return walker

    async def walk(self, walker: Walker, root: int, wish: Wish) -> AsyncGenerator[bytes, None]:
        """Pieces of whole lines. What the walk refuses, and BrokenWalk (3)."""
        whole = False
        try:
            walker.send(root, wish)
            kind, data = await walker.read_frame()
            while kind == FRAME_LINES:
                yield data
                kind, data = await walker.read_frame()
            whole = kind == FRAME_END
        except (OSError, EOFError) as error:
            self._on_lost("ended before its listing was whole")
            raise BrokenWalk from error
        finally:
            self._give_back(walker, usable=whole)
        told = json.loads(data)
        if "code" in told:
            raise REFUSALS[told["code"]](told["message"], resource=told["resource"])
        walker.seen = int(told["seen"])

    async def close(self) -> None:
        """End all of them."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
        for walker in list(self._alive):
            self._end(walker)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self) -> None:
        try:
            walker = await _open_walker()
        except (OSError, EOFError, TimeoutError):
            self._on_lost("could not be started; large volumes are listed in threads")
            return
        finally:
            self._starting = None
        self._alive.add(walker)
        self._give_back(walker, usable=not self._closed)

    def _give_back(self, walker: Walker, *, usable: bool) -> None:
        if not usable or self._closed:
            self._end(walker)
            return
        self._idle.append(walker)
        walker.expiry = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end, walker)  # 4

    def _end(self, walker: Walker) -> None:
        if walker in self._alive:
            self._alive.remove(walker)
            if walker in self._idle:
                self._idle.remove(walker)
            self._run(walker.end())

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _open_walker() -> Walker:
    """Start a process and wait until it has said that it is there. OSError, EOFError, TimeoutError."""
    ours, theirs = socket.socketpair()
    nothing = asyncio.subprocess.DEVNULL
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(ours.close)
        with theirs:
            ours.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                *PROGRAM, stdin=theirs.fileno(), stdout=nothing, stderr=nothing, env={}, start_new_session=True
            )
        stack.push_async_callback(_kill, process)
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=AHEAD_BYTES)
        stack.pop_all()  # it all belongs to the walker from here on
    walker = Walker(process, ours, reader, writer)
    try:
        async with asyncio.timeout(START_SECONDS):
            kind, _ = await walker.read_frame()
        if kind != FRAME_READY:
            raise EOFError
    except BaseException:
        await walker.end()
        raise
    return walker
