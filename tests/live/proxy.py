"""A TCP proxy before a real server, so that a test can cut, freeze or refuse its connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine


class TcpProxy:
    """Forwards to ``host:port``. ``freeze`` lets bytes in and none out, ``cut`` resets everything that is open,
    ``refuse`` also accepts nothing more until ``restore``; ``part`` leaves clients with connections whose other end is
    gone. Each piece takes ``delay_seconds`` on its way. Bytes with ``cut_before`` in them are the last ones, and do not
    arrive. It listens on ``port``, any free one by default."""

    def __init__(self, host: str, port: int, listen: int = 0) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._servers_ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._parted = self._closed = False
        self._server: asyncio.Server | None = None
        self.port = listen
        self.delay_seconds = 0.0
        self.cut_before = b""

    async def restore(self) -> None:
        """Accept and forward; connections that were parted stay as they are."""
        self._flowing.set()
        self._parted = False
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        """Connections stay open and nothing moves."""
        self._flowing.clear()

    def cut(self) -> None:
        """Reset every open connection."""
        for writer in list(self._open):
            writer.transport.abort()

    def part(self) -> None:
        """Half-open: servers see their clients gone; clients hear nothing of it, and what comes new is not answered."""
        self._parted = True
        ends, self._servers_ends = self._servers_ends, set()
        for end in ends:
            end.transport.abort()

    async def refuse(self) -> None:
        """Reset what is open and refuse what comes."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def close(self) -> None:
        """End."""
        self._closed = True
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the next turn of the loop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._parted:
            self._keep(self._swallow(reader, writer))
            return
        try:
            target_reader, target_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._servers_ends.add(target_writer)
        self._keep(self._pump(reader, target_writer, (target_writer, writer)))
        self._keep(self._pump(target_reader, writer, (target_writer, writer)))

    def _keep(self, way: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(way)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        """One way; ``ends`` are those towards the server and towards the client."""
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    await asyncio.sleep(self.delay_seconds)
                    await self._flowing.wait()
                    if self.cut_before and self.cut_before in data:
                        self.cut()
                        return
                    writer.write(data)
                    await writer.drain()
        finally:
            server_end, client_end = ends
            if server_end in self._servers_ends or self._closed:
                self._servers_ends.discard(server_end)
                for end in ends:
                    self._open.discard(end)
                    end.transport.abort()
            elif writer is server_end:  # parted: whatever the client still says goes nowhere
                self._keep(self._swallow(reader, client_end))

    async def _swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                while await reader.read(65536):
                    pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()


@contextlib.asynccontextmanager
async def tcp_proxy(host: str, port: int, listen: int = 0) -> AsyncIterator[TcpProxy]:
    """A running proxy; ``port`` of it is where to connect."""
    proxy = TcpProxy(host, port, listen)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.close()
