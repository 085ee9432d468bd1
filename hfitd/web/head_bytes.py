"""Which bytes of a connection were exactly one request; what may be answered by them needs no parser.

1. A connection stands between two requests when nothing has come yet, or when the last that came ended with an empty
   line and its last request has no body, keeps the connection and changes no protocol: of what follows such a head the
   parser holds nothing, for had it begun another head, the empty line would have ended that.
2. Bytes that came in one piece while it stood there, became one request and left it there again, are that request
   whenever they come in such a place: the parser has no other memory. Nothing else is remembered or recognised.
3. They are answered past the parser only while nobody works for this connection and nothing waits to be read from it or
   written to it, so that answers keep the order of their requests. aiohttp sees such a connection as idle: its own ends
   of idle connections, and what closes one that sends no head, are told that a request was served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

MAX_BYTES = 16 * 1024  # of a head

AtOnce = Callable[[str, bytes, asyncio.Transport], bool]


class HeadBytes(RequestHandler):
    """A connection of ``web.Server``. ``at_once`` gets the address of the peer, the bytes and the transport, and says
    whether it has written the answer."""

    def __init__(self, server: web.Server, at_once: AtOnce, **options: object) -> None:
        super().__init__(server, **options)  # type: ignore[arg-type]
        self._at_once = at_once
        self._between = True
        self._whole: tuple[RawRequestMessage, bytes] | None = None
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        between, self._between = self._between, False
        if between and data and self._is_answered(data):
            self._between = True
            return
        before = self._request_count
        super().data_received(data)
        message = self._only_message(before, data)
        self._between = message is not None
        if between and message is not None and len(data) <= MAX_BYTES:
            self._whole = (message, data)

    def bytes_of(self, message: RawRequestMessage) -> bytes | None:
        """All that made up this request, when it can be known again by that (2)."""
        return self._whole[1] if self._whole is not None and self._whole[0] is message else None

    def _is_answered(self, data: bytes) -> bool:
        """(3)"""
        transport, waiter = self.transport, self._waiter
        if (
            len(data) > MAX_BYTES
            or transport is None
            or waiter is None
            or waiter.done()  # also when the connection is about to be closed
            or self._messages
            or transport.is_closing()
            or transport.get_write_buffer_size()
            or not self._at_once(self.peer, data, transport)
        ):
            return False
        self._request_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._manager is not None:
            self._manager.requests_count += 1
        return True

    def _only_message(self, before: int, data: bytes) -> RawRequestMessage | None:
        """The one request that came with the data, after which the connection stands between two (1)."""
        if self._request_count != before + 1 or not self._messages or not data.endswith(b"\r\n\r\n"):
            return None
        message, payload = self._messages[-1]
        if payload is not EMPTY_PAYLOAD or not isinstance(message, RawRequestMessage):
            return None
        return None if message.should_close or message.upgrade or message.chunked else message


def bytes_of(request: web.BaseRequest) -> bytes | None:
    """The same of the request's connection."""
    protocol = request.protocol
    return protocol.bytes_of(request._message) if isinstance(protocol, HeadBytes) else None
