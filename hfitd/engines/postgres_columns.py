"""Columns of a COPY for the foreign-key walk, a page at a time.

The server prints a value in a COPY for less than it takes to cast it and send it alone, and a whole page of lines is
cut into its columns at once.

1. Most pages have no backslash in them, so no NULL and nothing escaped: splitting them is all there is to do.
2. The rows are pushed by the driver and pulled by the reader; at most ``_WAITING`` pages are between the two.
3. Leaving early cancels the COPY, and with it the transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from hfitd.engines.interface import Columns
from hfitd.engines.postgres_copy import parse_lines
from hfitd.engines.rendering import text_rows
from hfitd.engines.shape import Shape
from hfitd.engines.turned import columns_of
from hfitd.model import Kind

PAGE_BYTES = 128 * 1024
_WAITING = 2

Take = Callable[[bytes], Awaitable[None]]
Pages = asyncio.Queue[Columns | None]


@asynccontextmanager
async def pulled(copy: Callable[[Pages], Awaitable[None]]) -> AsyncIterator[AsyncIterator[Columns]]:
    """What ``copy`` puts into the queue, to be read here; its error is raised where the pages end (2)."""
    pages: Pages = asyncio.Queue(_WAITING)

    async def run() -> None:
        try:
            await copy(pages)
        finally:
            if not asyncio.current_task().cancelling():  # type: ignore[union-attr]  # there is one
                await pages.put(None)

    task = asyncio.create_task(run(), name="columns")
    try:
        async with aclosing(_read(pages, task)) as read:
            yield read
    finally:
        if not task.done():
            task.cancel()  # 3
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # raised where it was read, or of no interest any more


async def _read(pages: Pages, task: asyncio.Task[None]) -> AsyncGenerator[Columns, None]:
    while (page := await pages.get()) is not None:
        yield page
    await task


class Turner:
    """A taker of COPY text that puts pages of columns into a queue. Call ``finish`` after the last chunk."""

    def __init__(self, shape: Shape, pages: Pages) -> None:
        self._shape = shape
        self._pages = pages
        self._plain = shape.is_raw and Kind.BYTES not in shape.kinds
        self._held: list[bytes] = []
        self._size = 0

    async def take(self, chunk: bytes) -> None:
        """More text, cut anywhere."""
        self._held.append(chunk)
        self._size += len(chunk)
        if self._size >= PAGE_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """The last page."""
        await self._flush()

    async def _flush(self) -> None:
        data = b"".join(self._held)
        end = data.rfind(b"\n")
        self._held, self._size = [data[end + 1 :]], len(data) - end - 1
        if end >= 0:
            await self._pages.put(self._turn(data[:end]))

    def _turn(self, data: bytes) -> Columns:
        if not self._plain or b"\\" in data:
            return columns_of(text_rows(self._shape, parse_lines(data.split(b"\n"), self._shape)))
        width = len(self._shape.kinds)
        cells = data.decode().replace("\n", "\t").split("\t")  # 1
        return [cells[place::width] for place in range(width)]
