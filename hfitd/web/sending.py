"""An answer that is written to its connection past aiohttp's response: head and body at once, every byte counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from hfitd.errors import SourceChanged
from hfitd.web.ranges import Span
from hfitd.web.sendfile import Sender


class Left(web.StreamResponse):
    """An answer that has left already."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do."""


@dataclass(slots=True)
class Sending:
    """One answer on its way; ``left`` counts the bytes of its body that were handed to the connection."""

    request: web.BaseRequest
    transport: asyncio.Transport
    head: bytes
    span: Span
    began: bool = False
    left: int = 0

    @property
    def whole(self) -> bool:
        """Whether all of it was handed over."""
        return self.began and self.left == self.span.stop - self.span.start

    def content(self, content: bytes) -> bool:
        """From memory; whether the connection took all of it."""
        body = content[self.span.start : self.span.stop] if self.span.partial else content
        self.began, self.left = True, len(body)
        self.transport.write(self.head + body)
        return not self.transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Wait until little of it waits in memory."""
        await self.request.protocol._drain_helper()

    async def file(self, sender: Sender, opening: Callable[[], int]) -> None:
        """From a file; HfitError, with nothing sent, when it is not what it was."""

        def opened() -> int:
            try:
                descriptor = opening()
            except OSError as error:
                raise SourceChanged from error
            self.began = True
            return descriptor

        await sender.send(self.transport, opened, self.span.start, self.span.stop, self._count, head=self.head)

    def _count(self, size: int) -> None:
        self.left += size
