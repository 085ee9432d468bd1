"""Access requests: a role or a template for a while."""

from __future__ import annotations

import time

from aiohttp import web

from hfitd.gateway.wishes import Wish, describe_request
from hfitd.store.access import AccessRequest
from hfitd.web.bodies import AccessBody, GrantBody, ReasonBody, ReviewBody, read_json, read_optional
from hfitd.web.context import actor, gateway

MAX_BODY = 8192


async def list_requests(request: web.Request) -> web.Response:
    """Your own requests and those you may answer, the newest first."""
    found = await gateway(request).loans.visible(actor(request))
    return web.json_response([describe_request(item, time.time()) for item in found])


async def request_access(request: web.Request) -> web.Response:
    """Ask for a requestable role, or for the right to run a template; ``break_glass`` takes effect at once."""
    body = await read_json(request, AccessBody, MAX_BODY)
    wish = Wish(body["name"], body["reason"], body.get("duration"), body["ticket"], body["break_glass"])
    return _answer(await gateway(request).loans.ask(actor(request), wish), status=201)


async def show_request(request: web.Request) -> web.Response:
    """One request of yours, or one you may answer."""
    return _answer(await gateway(request).loans.show(actor(request), _id(request)))


async def approve_request(request: web.Request) -> web.Response:
    """Lend what was asked for from now on, for ``duration`` if that is shorter."""
    body = await read_optional(request, GrantBody, MAX_BODY)
    desk = gateway(request).loans
    granted = await desk.approve(actor(request), _id(request), reason=body["reason"], seconds=body.get("duration"))
    return _answer(granted)


async def deny_request(request: web.Request) -> web.Response:
    """Say no, with the reason that the person who asked will read."""
    body = await read_optional(request, ReasonBody, MAX_BODY)
    return _answer(await gateway(request).loans.deny(actor(request), _id(request), reason=body["reason"]))


async def revoke_request(request: web.Request) -> web.Response:
    """End a loan, or take back a request of yours."""
    body = await read_optional(request, ReasonBody, MAX_BODY)
    return _answer(await gateway(request).loans.revoke(actor(request), _id(request), reason=body["reason"]))


async def review_request(request: web.Request) -> web.Response:
    """Say what the review of a broken glass found; never by who broke it."""
    body = await read_json(request, ReviewBody, MAX_BODY)
    return _answer(await gateway(request).loans.review(actor(request), _id(request), note=body["note"]))


def _id(request: web.Request) -> str:
    return request.match_info["id"]


def _answer(found: AccessRequest, status: int = 200) -> web.Response:
    return web.json_response(describe_request(found, time.time()), status=status)
