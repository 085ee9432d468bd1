"""A TCP proxy before a real server, so that a test can cut, freeze or refuse its connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class TcpProxy:
    """Forwards to ``host:port``. ``freeze`` lets bytes in and none out, ``cut`` resets everything that is open,
    ``refuse`` also accepts nothing more until ``restore``. Bytes with ``cut_before`` in them are the last ones, and do
    not arrive."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.cut_before = b""

    async def restore(self) -> None:
        """Accept and forward."""
        self._flowing.set()
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

    async def refuse(self) -> None:
        """Reset what is open and refuse what comes."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def close(self) -> None:
        """End."""
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            target_reader, target_writer = await asyncio.open_connection(*self._target)
            ways = [self._pump(reader, target_writer), self._pump(target_reader, writer)]
            for way in ways:
                task = asyncio.ensure_future(way)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    await self._flowing.wait()
                    if self.cut_before and self.cut_before in data:
                        self.cut()
                        return
                    writer.write(data)
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.transport.abort()


@contextlib.asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """A running proxy; ``port`` of it is where to connect."""
    proxy = TcpProxy(host, port)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.close()
