"""Sending a file without copying it through Python: ``os.sendfile`` in a thread, never on the event loop.

1. A stint of the thread ends after ``STINT`` bytes, so that many readers share few threads; and as soon as the client
   does not take more for ``PATIENCE_MS``, so that a slow one holds no thread: the loop waits for its socket.
2. The thread has descriptors of its own. They are closed when it has returned, also when the request is cancelled
   before that: a number that was closed early could by then be another file. What it sent until then counts.
3. Nothing may wait in the transport's buffer when it begins, or bytes would overtake one another: the caller looks.
4. A file that became shorter, or that the disk does not give, is our failure and no client that left: SourceChanged
   or the OSError, which end the connection, for what was announced cannot be sent. Whatever the network says of the
   connection is a ConnectionError.
5. Where the thread opens the file, it does so before anything leaves; the head then goes with the first bytes.

Linux and other systems with ``os.sendfile``; TLS connections have to be written to by their transport.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Sequence

from hfitd.errors import SourceChanged

BLOCK = 1 << 20
STINT = 8 << 20
PATIENCE_MS = 2
UNSENT_BYTES = 256 * 1024  # in the kernel, per connection; without a limit it keeps up to 4 MiB for a slow reader
_OF_THE_NETWORK = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENOTCONN})
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)


def can_send_file(transport: asyncio.Transport) -> bool:
    """Whether the connection takes bytes past its transport: plain TCP with nothing waiting (3)."""
    plain = transport.get_extra_info("ssl_object") is None and hasattr(os, "sendfile")
    return plain and not transport.is_closing() and transport.get_write_buffer_size() == 0


async def send_file(
    transport: asyncio.Transport,
    source: int | Callable[[], int],
    start: int,
    stop: int,
    sent: Callable[[int], object] = int,
    *,
    head: bytes = b"",
) -> None:
    """Send ``head`` and the bytes from ``start`` to ``stop``; ConnectionError when the client leaves, SourceChanged or
    OSError when the file does not hold what was announced (4).

    ``source`` is a descriptor of the caller, or opens one that is closed here; what that raises is raised, and nothing
    has left then (5). ``sent`` hears how many bytes of the file have gone, after each stint.
    """
    connection = transport.get_extra_info("socket")
    if _NOTSENT_LOWAT is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)
    stint = _Stint(connection.dup(), source, head)
    loop = asyncio.get_running_loop()
    running: asyncio.Future[int] | None = None
    try:
        position = start
        while position < stop:
            running = loop.run_in_executor(None, stint.push, position, min(stop, position + STINT))
            position = await asyncio.shield(running)
            stint.tell(sent)
            if transport.is_closing():
                raise ConnectionResetError("the connection was closed")
            if position < stop and stint.slow:
                await _wait_writable(loop, stint.out.fileno())  # 1
    finally:
        stint.leave(running)  # 2
        if running is not None and not running.done():
            await asyncio.wait((running,))  # a moment: the thread stops at its next piece
        stint.tell(sent)


class _Stint:
    """What the thread works with. ``slow`` says why the last stint ended."""

    def __init__(self, out: socket.socket, source: int | Callable[[], int], head: bytes) -> None:
        self.out = out
        self.slow = False
        self._opening = source if callable(source) else None
        self._source = -1 if callable(source) else os.dup(source)
        self._head = head
        self._room = select.poll()
        self._room.register(out, select.POLLOUT)
        self._left = threading.Event()
        self._sent = 0  # by the thread, and how much of it was told
        self._told = 0

    def push(self, position: int, stop: int) -> int:
        """Send until ``stop``, until the client is slow, or until the request has gone; where it stopped."""
        self.slow = False
        if self._opening is not None and not self._left.is_set():
            opening, self._opening = self._opening, None
            self._source = opening()  # 5
        out = self.out.fileno()
        while position < stop and not self._left.is_set():
            try:
                if self._head:
                    self._head = self._head[self.out.send(self._head, _MORE_FOLLOWS) :]
                    continue
                sent = os.sendfile(out, self._source, position, min(BLOCK, stop - position))
            except BlockingIOError:
                if not self._room.poll(PATIENCE_MS):  # 1
                    self.slow = True
                    return position
                continue
            except OSError as error:
                if error.errno in _OF_THE_NETWORK:
                    raise ConnectionResetError(error.errno, error.strerror) from error
                raise
            if not sent:
                raise SourceChanged  # 4
            position += sent
            self._sent += sent
        return position

    def tell(self, sent: Callable[[int], object]) -> None:
        """Say what has gone since the last time."""
        fresh, self._told = self._sent - self._told, self._sent
        if fresh:
            sent(fresh)

    def leave(self, running: asyncio.Future[int] | None) -> None:
        """Close the descriptors once the thread is done with them (2)."""
        self._left.set()
        if running is None or running.done():
            self._close((running,) if running else ())
        else:
            running.add_done_callback(lambda done: self._close((done,)))

    def _close(self, ended: Sequence[asyncio.Future[int]]) -> None:
        for future in ended:
            if not future.cancelled():
                future.exception()  # nobody else looks at it any more
        self.out.close()
        if self._source >= 0:
            os.close(self._source)


async def _wait_writable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    writable = loop.create_future()

    def tell() -> None:
        if not writable.done():
            writable.set_result(None)

    loop.add_writer(descriptor, tell)
    try:
        await writable
    finally:
        loop.remove_writer(descriptor)
