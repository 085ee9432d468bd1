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


def sees_operations(request: web.Request) -> bool:
    """Whether who is in at the console would get ``/metrics`` from here."""
    try:
        metrics_guard(request)
    except NotFound:
        return False
    return True
