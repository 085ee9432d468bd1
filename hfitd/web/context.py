"""What handlers find on an application and a request.

There is one application, so ``request.app`` has all of it; ``config_dict`` would make a chain of one at every look.
"""

from __future__ import annotations

from aiohttp import web

from hfitd.export.sources import Sources
from hfitd.gateway.core import Gateway
from hfitd.model import Actor
from hfitd.web.table import Route

GATEWAY = web.AppKey("gateway", Gateway)
BODY_SECONDS = web.AppKey("body_seconds", float)  # a body that takes longer is refused
ACTOR = web.RequestKey("actor", Actor)
OFFERED = web.RequestKey("offered", Sources)  # what was configured before anything was decided
ROUTE = web.AppKey("route_table", dict[web.AbstractRoute, Route])
TOKEN = web.RequestKey("token", str)
BEGAN = web.RequestKey("began", bool)  # the head of a streamed response has left
SENT = web.RequestKey("sent", tuple[int, int])  # status and size of a response that is complete
RATE = web.RequestKey("rate", dict[str, str])  # the X-RateLimit headers of every answer to this request
LEFT = web.RequestKey("left", int)  # bytes of a body that have been handed to the connection so far
BROKE = web.RequestKey("broke", tuple[int, str])  # status and code of what failed after the head had left
ERROR_CODE = web.RequestKey("error_code", str)
REQUEST_ID = web.RequestKey("request_id", str)


def gateway(request: web.Request) -> Gateway:
    """The daemon behind this request."""
    return request.app[GATEWAY]


def actor(request: web.Request) -> Actor:
    """Who asks; the guard put it there."""
    return request[ACTOR]


def route_of(request: web.Request) -> Route | None:
    """The row of the route table, or None for an unknown path."""
    return request.app[ROUTE].get(request.match_info.route)
