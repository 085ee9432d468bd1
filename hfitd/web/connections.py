"""Connections whose own refusals look like ours: what aiohttp's parser refuses has the one error shape too.

aiohttp answers such a head itself, before any middleware: with its version, the parser's words and part of what was
sent. The status stays; the connection is closed, because nobody knows where the next request would begin (H02, H10).
"""

from __future__ import annotations

import secrets

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hfitd.errors import BadRequest, Internal
from hfitd.gateway.core import Gateway
from hfitd.observe.events import ErrorRaised
from hfitd.web.again import AGAIN, Again
from hfitd.web.context import GATEWAY
from hfitd.web.head_bytes import AtOnce, HeadBytes
from hfitd.web.middleware import error_response


class Connection(HeadBytes):
    """One connection of the listener."""

    def __init__(self, listener: Listener, door: Gateway, at_once: AtOnce, **options: object) -> None:
        super().__init__(listener, at_once, **options)
        self._door = door

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what reached no handler; an unknown fault is logged, a bad head is the caller's."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response had begun")
        error = Internal() if status >= 500 else BadRequest("This is not a well-formed request.")
        if status >= 500:
            self._door.observer.event(ErrorRaised(error.code, exc))
        response = error_response(error, secrets.token_hex(8))
        response.headers["Server"] = "hfitd"
        response.force_close()
        return response


class Listener(web.Server):
    """Makes the connections. A server of aiohttp with its options, and the gateway for their faults."""

    def __init__(self, door: Gateway, again: Again, like: web.Server) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await again.answer(request) or await like.request_handler(request)

        super().__init__(
            handle,
            request_factory=like.request_factory,
            handler_cancellation=like.handler_cancellation,
            **like._kwargs,
        )
        self._door, self._at_once = door, again.at_once

    def __call__(self) -> RequestHandler:
        """A new connection."""
        return Connection(self, self._door, self._at_once, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application behind a ``Listener``."""

    async def _make_server(self) -> web.Server:
        return Listener(self.app[GATEWAY], self.app[AGAIN], await super()._make_server())
