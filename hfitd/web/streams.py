"""Sending what lies in files: growing or finished, whole or a range, with the head decided first."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import quote

from aiohttp import web

from hfitd.errors import HfitError, Internal, RateLimited, SourceChanged
from hfitd.web.context import BEGAN, LEFT, SENT
from hfitd.web.ranges import Span
from hfitd.web.sendfile import SENDER, can_send_file

CHUNK = 128 * 1024
MAX_CHUNK = 1024 * 1024
KEEPS_UP_SECONDS = 0.02  # a piece that took longer to leave is followed by a small one
SMALL = 64 * 1024  # less than this is not worth descriptors of its own


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


async def finish(
    request: web.Request, response: web.StreamResponse, sent: int | None = None
) -> web.StreamResponse:
    """End the response. A client that has everything may leave at once; that is no abort.

    ``sent`` is the size of the body where it is known; what aiohttp counts has the head in it.
    """
    await response.write_eof()
    request[SENT] = (response.status, response.body_length if sent is None else sent)
    return response


async def send_chunks(
    request: web.Request, chunks: AsyncIterator[bytes], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Stream of unknown length."""
    response = await begin(request, 200, headers, None)
    async for chunk in chunks:
        _count(request, len(chunk))
        await response.write(chunk)
    return await finish(request, response, bytes_left(request))


async def send_span(
    request: web.Request, descriptor: int, span: Span, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Part of a finished file: by ``sendfile`` where the connection allows it, else in pieces that grow while the
    client keeps up, so that a slow one costs little memory."""
    head = {**headers, "Accept-Ranges": "bytes"}
    if span.partial:
        head["Content-Range"] = span.content_range
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has left")
    plain = transport.get_extra_info("ssl_object") is None
    if plain:  # a write returns when everything has left, see ``can_send_file``; asyncio's TLS would wait for ever
        transport.set_write_buffer_limits(0)
    response = await begin(request, 206 if span.partial else 200, head, span.stop - span.start)
    position, size = span.start, CHUNK
    while position < span.stop:
        if span.stop - position > SMALL and can_send_file(transport):
            try:
                await request.config_dict[SENDER].send(
                    transport, descriptor, position, span.stop, partial(_count, request)
                )
            finally:  # who leaves the moment everything is there cancels this, and has it all the same
                if bytes_left(request) == span.stop - span.start:
                    request[SENT] = (response.status, span.stop - span.start)
            break
        data = await asyncio.to_thread(os.pread, descriptor, min(size, span.stop - position), position)
        if not data:
            raise SourceChanged
        began = time.monotonic()
        _count(request, len(data))
        await response.write(data)
        position += len(data)
        size = min(2 * size, MAX_CHUNK) if time.monotonic() - began < KEEPS_UP_SECONDS else CHUNK
    if plain:
        transport.set_write_buffer_limits()
    return await finish(request, response, span.stop - span.start)


@asynccontextmanager
async def on_record(
    request: web.Request,
    close: Callable[[str, str], Awaitable[None]],
    own: Callable[[], BaseException | None] = lambda: None,
) -> AsyncIterator[None]:
    """The block answers the request; ``close`` ends its audit record with the outcome and the code of the error.

    In one go, for who has received everything may leave at any moment. ``own`` says what made the content itself fail.
    """
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        await asyncio.shield(close(*_ending(request, error, own())))


def _ending(request: web.Request, error: BaseException | None, own: BaseException | None) -> tuple[str, str]:
    """How an answer ended and why, as the audit says it.

    1. Whoever was handed everything has it, also when the connection broke a moment later.
    2. A quota that is used up is a refusal, and so is whatever is refused before anything has left.
    3. A connection that broke is the client's doing, unless the content had failed and we broke it off.
    4. Everything else is ours: a broken disk, a file that shrank, a database that went. It is never put on the client.
    """
    if SENT in request or (error is None and own is None):
        return "done", ""  # 1
    if own is None and isinstance(error, ConnectionError | asyncio.CancelledError):
        return "aborted_by_client", ""  # 3
    known = next((e for e in (error, own) if isinstance(e, HfitError)), None) or Internal()
    early = known.status < 500 and BEGAN not in request
    return "refused" if early or isinstance(known, RateLimited) else "failed", known.code  # 2, 4


def bytes_left(request: web.Request) -> int:
    """How many bytes of the body have been handed to the connection, also when it was broken off."""
    left: int = request.get(LEFT, 0)
    return left


def _count(request: web.Request, size: int) -> None:
    request[LEFT] = bytes_left(request) + size


async def send_bytes(
    request: web.Request, data: bytes, span: Span, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Part of something that is in memory."""
    head = {**headers, "Accept-Ranges": "bytes"}
    if span.partial:
        head["Content-Range"] = span.content_range
    response = await begin(request, 206 if span.partial else 200, head, span.stop - span.start)
    await response.write(memoryview(data)[span.start : span.stop] if span.partial else data)
    _count(request, span.stop - span.start)
    return await finish(request, response, bytes_left(request))


def head_response(headers: Mapping[str, str], length: int | None = None, status: int = 200) -> web.Response:
    """A head without a body, for HEAD and 304."""
    response = web.Response(status=status, headers=headers)
    if length is not None and status == 200:
        response.headers["Content-Length"] = str(length)
    return response
