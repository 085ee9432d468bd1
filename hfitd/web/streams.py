"""Sending what lies in files: growing or finished, whole or a range, with the head decided first."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

from aiohttp import web

from hfitd.web.context import BEGAN, SENT
from hfitd.web.ranges import Span

CHUNK = 256 * 1024


def attachment(name: str) -> str:
    """A Content-Disposition that no name can break (RFC 6266, RFC 8187)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def begin(
    request: web.Request, status: int, headers: Mapping[str, str], length: int | None
) -> web.StreamResponse:
    """Send the head. After this an error can only cut the connection."""
    response = web.StreamResponse(status=status, headers=headers)
    if length is not None:
        response.content_length = length
    request[BEGAN] = True
    await response.prepare(request)
    return response


async def finish(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """End the response. A client that has everything may leave at once; that is no abort."""
    await response.write_eof()
    request[SENT] = (response.status, response.body_length)
    return response


async def send_chunks(
    request: web.Request, chunks: AsyncIterator[bytes], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Stream of unknown length."""
    response = await begin(request, 200, headers, None)
    async for chunk in chunks:
        await response.write(chunk)
    return await finish(request, response)


async def send_span(
    request: web.Request, descriptor: int, span: Span, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Part of a finished file."""
    head = {**headers, "Accept-Ranges": "bytes"}
    if span.partial:
        head["Content-Range"] = span.content_range
    response = await begin(request, 206 if span.partial else 200, head, span.stop - span.start)
    position = span.start
    while position < span.stop:
        data = await asyncio.to_thread(os.pread, descriptor, min(CHUNK, span.stop - position), position)
        if not data:
            raise ConnectionResetError("the file became shorter")
        await response.write(data)
        position += len(data)
    return await finish(request, response)


def head_response(headers: Mapping[str, str], length: int | None = None, status: int = 200) -> web.Response:
    """A head without a body, for HEAD and 304."""
    response = web.Response(status=status, headers=headers)
    if length is not None and status == 200:
        response.headers["Content-Length"] = str(length)
    return response
