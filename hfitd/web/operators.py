"""Who may see how the process does: ``/metrics`` and the operations page of the console, by ``server.metrics``."""

from __future__ import annotations

from aiohttp import web

from hfitd.errors import NotFound
from hfitd.web.context import gateway
from hfitd.web.ranges import client_address
from hfitd.web.table import Guard


def metrics_guard(request: web.Request) -> Guard:
    """What ``/metrics`` asks of this request; NotFound when it is not for its address."""
    rule = gateway(request).config.server.metrics
    if rule == "public":
        return Guard.PUBLIC
    if rule == "loopback" and client_address(request) in {"127.0.0.1", "::1"}:
        return Guard.PUBLIC
    if rule == "loopback":
        raise NotFound
    return Guard.TOKEN


def require_operator(request: web.Request) -> None:
    """The operations page is for who would get ``/metrics`` here; NotFound.

    A proxy on this machine may keep ``/metrics`` to itself and let the console through: where only this machine may
    look, what was forwarded does not come from it, whatever address it has.
    """
    metrics_guard(request)
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"))
    if forwarded and gateway(request).config.server.metrics == "loopback":
        raise NotFound


def sees_operations(request: web.Request) -> bool:
    """Whether there is an operations page for this request."""
    try:
        require_operator(request)
    except NotFound:
        return False
    return True
