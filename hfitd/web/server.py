"""The HTTP server: routes from the one table, middlewares in their order, connections that cannot dawdle.

1. The C parser has to be there: the pure-Python one has published request-smuggling faults.
2. A connection that has not sent a complete head within ten seconds is closed, or the body of a request within
   twenty-five more; keep-alive lasts 75 s.
3. HEAD is answered only where the table says so, never by running a GET handler.
4. A handler is cancelled when its client leaves.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web_protocol import RequestHandler

from hfitd.errors import Internal
from hfitd.gateway.core import Gateway
from hfitd.web.again import AGAIN, Again
from hfitd.web.connections import Runner
from hfitd.web.console.rendering import PAGES, make_pages
from hfitd.web.console.routes import CONSOLE_ROUTES
from hfitd.web.context import BODY_SECONDS, GATEWAY, RATE, REQUEST_ID, ROUTE
from hfitd.web.inherited import inherited_socket
from hfitd.web.middleware import answer_errors, authenticate, identify, refuse_oddities
from hfitd.web.openapi import make_document
from hfitd.web.routes import ROUTES
from hfitd.web.sendfile import SENDER, Sender
from hfitd.web.table import Route

HEAD_TIMEOUT_SECONDS = 10.0
BODY_TIMEOUT_SECONDS = 25.0  # and its connection is closed within thirty (H01)
KEEPALIVE_SECONDS = 75.0
MAX_HEADER_BYTES = 8190
IDLE_POLL_SECONDS = 0.05


def build_app(
    door: Gateway, routes: Sequence[Route] = ROUTES, *, body_timeout_seconds: float = BODY_TIMEOUT_SECONDS
) -> web.Application:
    """The application around an opened gateway."""
    if HttpRequestParser.__module__ != "aiohttp._http_parser":  # (1)
        raise Internal("aiohttp runs without its C parser; install a wheel for this platform.")
    app = web.Application(middlewares=[identify, answer_errors, refuse_oddities, authenticate])
    app[GATEWAY] = door
    app[BODY_SECONDS] = body_timeout_seconds
    app[SENDER] = Sender()
    app[AGAIN] = Again(door, app[SENDER])
    door.document = json.dumps(make_document(routes, door.version)).encode()
    table: dict[web.AbstractRoute, Route] = {}
    app[PAGES] = make_pages()
    for route in (*routes, *CONSOLE_ROUTES):
        added = app.router.add_route(route.method, route.path, route.handler)  # (3)
        table[added] = route
    app[ROUTE] = table
    app.on_response_prepare.append(_tidy_headers)
    app.on_cleanup.append(_close_sender)
    return app


async def _close_sender(app: web.Application) -> None:
    app[SENDER].close()


async def _tidy_headers(request: web.Request, response: web.StreamResponse) -> None:
    """The request's id on whatever is answered; no version of anything, no sniffing, no framing."""
    response.headers["Server"] = "hfitd"
    if REQUEST_ID in request:
        response.headers.setdefault("X-Request-Id", request[REQUEST_ID])
    response.headers.update(request.get(RATE, {}))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Referrer-Policy", "no-referrer")


class WebServer:
    """The listening socket and its connections."""

    def __init__(
        self,
        door: Gateway,
        *,
        head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS,
        body_timeout_seconds: float = BODY_TIMEOUT_SECONDS,
    ) -> None:
        self._door = door
        self._head_timeout_seconds = head_timeout_seconds
        self._runner = Runner(
            build_app(door, body_timeout_seconds=body_timeout_seconds),
            access_log=None,
            auto_decompress=False,
            handle_signals=False,
            handler_cancellation=True,  # (4)
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            shutdown_timeout=2.0,
        )
        self._watch: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on ``server.listen``, or on what systemd hands over of it; OSError when the address is taken."""
        config = self._door.config.server
        host, _, port = config.listen.rpartition(":")
        await self._runner.setup()
        served, name = self._door.certificate, host.strip("[]")
        tls = served.context if served is not None else None
        given = inherited_socket(os.environ, name, int(port))
        site: web.BaseSite
        if given is not None:
            site = web.SockSite(self._runner, given, ssl_context=tls)
        else:
            site = web.TCPSite(self._runner, name, int(port), ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._watch = asyncio.create_task(self._close_dawdlers(), name="close dawdlers")

    async def wait_idle(self) -> None:
        """Wait until no request is being answered."""
        server = self._runner.server
        while True:
            if server is None or all(connection._current_request is None for connection in server.connections):
                return
            await asyncio.sleep(IDLE_POLL_SECONDS)

    async def stop(self) -> None:
        """Close the socket, then every connection."""
        if self._watch is not None:
            self._watch.cancel()
        await self._runner.cleanup()
        await self._runner.app[AGAIN].close()

    async def _close_dawdlers(self) -> None:
        """(2) Close what has been waiting for a head for too long."""
        waiting: dict[RequestHandler, float] = {}
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._head_timeout_seconds / 4))
            server = self._runner.server
            idle = {c for c in server.connections if is_waiting_for_head(c)} if server is not None else set()
            waiting = {connection: waiting.get(connection, loop.time()) for connection in idle}
            for connection, since in waiting.items():
                if loop.time() - since > self._head_timeout_seconds:
                    connection.force_close()
                    if connection.transport is not None:
                        connection.transport.abort()


def is_waiting_for_head(connection: RequestHandler) -> bool:
    """Whether a connection is open, serves no request and has not been kept alive by a finished one."""
    return connection._current_request is None and not connection._request_count
