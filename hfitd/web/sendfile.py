"""Sending files without copying them through Python: ``os.sendfile`` in threads, never on the event loop.

1. A turn of a thread ends after ``STINT`` bytes, so that many readers share few threads; and as soon as the client
   does not take more for ``PATIENCE_MS``, so that a slow one holds no thread: one more thread watches all connections
   that are full, and gives each its next turn. The event loop hears of a download when it is over, and every ``STINT``.
2. A download has descriptors of its own. The thread that ends it closes them, also when the request was cancelled long
   before: a number that was closed early could by then be another file. What was sent until then counts.
3. Nothing may wait in the transport's buffer when it begins, or bytes would overtake one another: the caller looks.
4. A file that became shorter, or that the disk does not give, is our failure and no client that left: SourceChanged
   or the OSError, which end the connection, for what was announced cannot be sent. Whatever the network says of the
   connection is a ConnectionError.
5. Where the thread opens the file, it does so before anything leaves; the head then goes with the first bytes.

6. The threads stand behind the event loop when both want a processor (``NICE``): what they do is long, its answers are
   short. (Between bytecodes they never hold the interpreter's lock for long: nearly all their time is in the kernel.)
   What is as short as an answer, ``BRIEF`` bytes, has threads of its own that do not.

Linux; elsewhere, and over TLS, connections are written to by their transport.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from aiohttp import web

from hfitd.errors import SourceChanged
from hfitd.gateway.fair_share import FOR_WHOM, FairThreads

MORE_THREADS = 2  # than processors: some wait for disks
NICE = 10
BLOCK = 1 << 20
STINT = 8 << 20
BRIEF = 1 << 20
PATIENCE_MS = 2
UNSENT_BYTES = 256 * 1024  # in the kernel, per connection; without a limit it keeps up to 4 MiB for a slow reader
UNSENT_BYTES_FAST = 1 << 20  # for one that took the last ``STINT`` within ``FAST_SECONDS``: fewer turns
FAST_SECONDS = 8.0
READY_AT_ONCE = 64
_OF_THE_NETWORK = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENOTCONN})
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)


def can_send_file(transport: asyncio.Transport) -> bool:
    """Whether the connection takes bytes past its transport: plain TCP with nothing waiting (3)."""
    plain = transport.get_extra_info("ssl_object") is None and hasattr(os, "sendfile") and hasattr(select, "epoll")
    return plain and not transport.is_closing() and transport.get_write_buffer_size() == 0


class Sender:
    """The threads that send, and the one that watches the connections that are full."""

    def __init__(self) -> None:
        count = min(32, (os.cpu_count() or 1) + MORE_THREADS)
        self._threads = FairThreads(count, "send", nice=NICE)
        self._brief = FairThreads(count, "send-brief")
        self._full: dict[int, _Sending] = {}
        self._lock = threading.Lock()
        self._room = select.epoll()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._room.register(self._stop, select.EPOLLIN)
        self._watcher = threading.Thread(target=self._watch, name="send-watch", daemon=True)
        self._watcher.start()

    async def send(
        self,
        transport: asyncio.Transport,
        source: int | Callable[[], int],
        start: int,
        stop: int,
        sent: Callable[[int], object] = int,
        *,
        head: bytes = b"",
    ) -> None:
        """Send ``head`` and the bytes from ``start`` to ``stop``; ConnectionError when the client leaves, SourceChanged
        or OSError when the file does not hold what was announced (4).

        ``source`` is a descriptor of the caller, or opens one that is closed here; what that raises is raised, and
        nothing has left then (5). ``sent`` hears how many bytes of the file have gone, now and then and at the end.
        """
        sending = _Sending(self, transport, source, (start, stop), sent=sent, head=head)
        self.give_turn(sending)
        try:
            await asyncio.shield(sending.ended)
        finally:
            sending.leave()
            if not sending.ended.done():
                await asyncio.wait((sending.ended,))  # a moment: the thread stops at its next piece
            sending.tell()

    def give_turn(self, sending: _Sending) -> None:
        """Let a thread work on it, in a turn of the person it is for."""
        (self._brief if sending.brief else self._threads).submit_for(sending.whom, sending.work)

    def wait_for_room(self, sending: _Sending) -> None:
        """Give it its next turn when the connection takes more."""
        descriptor = sending.out.fileno()
        with self._lock:
            self._room.register(descriptor, select.EPOLLOUT | select.EPOLLONESHOT)
            self._full[descriptor] = sending

    def take_back(self, sending: _Sending) -> bool:
        """Whether it was waiting for room; it does so no longer."""
        descriptor = sending.out.fileno()
        with self._lock:
            if self._full.get(descriptor) is not sending:
                return False
            del self._full[descriptor]
            self._room.unregister(descriptor)
            return True

    def close(self) -> None:
        """End the threads; nothing is being sent any more."""
        os.eventfd_write(self._stop, 1)
        self._watcher.join()
        self._threads.shutdown()
        self._brief.shutdown()
        self._room.close()
        os.close(self._stop)

    def _watch(self) -> None:
        while True:
            for descriptor, _ in self._room.poll(maxevents=READY_AT_ONCE):
                if descriptor == self._stop:
                    return
                with self._lock:
                    sending = self._full.pop(descriptor, None)
                    if sending is not None:
                        self._room.unregister(descriptor)
                if sending is not None:
                    self.give_turn(sending)


class _Sending:
    """One download. It belongs to a thread that works on it, or to those that wait for room; whoever has it last ends
    it (2)."""

    def __init__(
        self,
        sender: Sender,
        transport: asyncio.Transport,
        source: int | Callable[[], int],
        span: tuple[int, int],
        *,
        sent: Callable[[int], object],
        head: bytes,
    ) -> None:
        self.out: socket.socket = transport.get_extra_info("socket").dup()
        self.whom = FOR_WHOM.get()
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._sender, self._transport, self._tell = sender, transport, sent
        self._opening = source if callable(source) else None
        self._source = -1 if callable(source) else os.dup(source)
        self._position, self._stop = self._start, _ = span
        self.brief = span[1] - span[0] <= BRIEF
        self._head = head
        self._room = select.poll()
        self._room.register(self.out, select.POLLOUT)
        self._left = threading.Event()
        self._told = self._heard = self._start  # on the loop; where the thread last had the loop told
        self._since = time.monotonic()  # when that was
        self._limit = 0
        self._keep_unsent(UNSENT_BYTES)

    def work(self) -> None:
        """A turn, in a thread."""
        try:
            full = self._push(min(self._stop, self._position + STINT))
            over = self._left.is_set() or self._position == self._stop
            if not over:
                self._report()
                (self._sender.wait_for_room if full else self._sender.give_turn)(self)
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            self._end(error)
            return
        if over or (full and self._left.is_set() and self._sender.take_back(self)):
            self._end(None)  # who left may have looked for it before it was waiting

    def leave(self) -> None:
        """Send no more; on the loop."""
        self._left.set()
        if not self.ended.done() and self._sender.take_back(self):
            self._end(None)

    def tell(self) -> None:
        """Say what has gone since the last time; on the loop."""
        fresh, self._told = self._position - self._told, self._position
        if fresh:
            self._tell(fresh)

    def _report(self) -> None:
        """After every ``STINT`` let the loop know, and judge how fast the client is."""
        if self._position - self._heard < STINT:
            return
        self._heard = self._position
        before, self._since = self._since, time.monotonic()
        self._keep_unsent(UNSENT_BYTES_FAST if self._since - before < FAST_SECONDS else UNSENT_BYTES)
        self._on_loop(self._look)

    def _look(self) -> None:
        if not self.ended.done():
            self.tell()
            if self._transport.is_closing():
                self.leave()

    def _push(self, stop: int) -> bool:
        """Send until ``stop``, until the request has gone, or until the connection is full: whether it is."""
        if self._opening is not None and not self._left.is_set():
            opening, self._opening = self._opening, None
            self._source = opening()  # 5
        out = self.out.fileno()
        while self._position < stop and not self._left.is_set():
            try:
                if self._head:
                    self._head = self._head[self.out.send(self._head, _MORE_FOLLOWS) :]
                    continue
                sent = os.sendfile(out, self._source, self._position, min(BLOCK, stop - self._position))
            except BlockingIOError:
                if not self._room.poll(PATIENCE_MS):  # 1
                    return True
                continue
            except OSError as error:
                if error.errno in _OF_THE_NETWORK:
                    raise ConnectionResetError(error.errno, error.strerror) from error
                raise
            if not sent:
                raise SourceChanged  # 4
            self._position += sent
        return False

    def _keep_unsent(self, limit: int) -> None:
        if _NOTSENT_LOWAT is not None and limit != self._limit:
            self.out.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, limit)
            self._limit = limit

    def _end(self, error: BaseException | None) -> None:
        """Close the descriptors and let the loop know."""
        self.out.close()
        if self._source >= 0:
            os.close(self._source)
        if error is None and self._position < self._stop:
            error = ConnectionResetError("the connection was closed")
        self._on_loop(self._ended_with, error)

    def _ended_with(self, error: BaseException | None) -> None:
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
            self.ended.exception()  # after a cancelled request nobody else looks at it

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            return  # the loop has ended, and with it whoever waited


SENDER = web.AppKey("sender", Sender)
