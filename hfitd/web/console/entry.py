"""In and out: the page that takes a ticket, the session that comes of it, the files of the pages."""

from __future__ import annotations

from aiohttp import web

from hfitd.audit.record import AuditRecord
from hfitd.errors import AuthFailed, NotFound
from hfitd.observe.events import LoginDone
from hfitd.web.console.guard import check_origin, read_form, session_of, set_session
from hfitd.web.console.rendering import HEADERS, PAGES, STATIC_TYPES, TRIED, redirect, render
from hfitd.web.context import actor, gateway
from hfitd.web.ranges import client_address

MAX_ENTER = 2048


async def enter_page(request: web.Request) -> web.Response:
    """Where ``hfit web`` leads. The ticket stands behind a #, which browsers send to nobody; a script moves it on."""
    return render(request, "enter.html")


async def enter(request: web.Request) -> web.Response:
    """A session for a ticket."""
    check_origin(request)
    request[TRIED] = ("enter.html", {})
    door, address = gateway(request), client_address(request)
    await door.limits.check_challenge(address)
    fields = await read_form(request, MAX_ENTER)
    email = fields.get("email", "")[:320]
    record = await door.audit.begin(AuditRecord("console.enter", email=email, address=address))
    try:
        session = await door.console.enter(email, fields.get("ticket", ""))
    except AuthFailed:
        await door.audit.end(record, "refused")
        door.observer.event(LoginDone(email, ok=False))
        raise
    await door.audit.end(record, "done")
    door.observer.event(LoginDone(email, ok=True))
    response = redirect("/console")
    set_session(request, response, session)
    return response


async def leave(request: web.Request) -> web.Response:
    """End the session."""
    await gateway(request).console.leave(session_of(request), actor(request))
    response = redirect("/console/enter")
    set_session(request, response, "")
    return response


async def static_file(request: web.Request) -> web.Response:
    """A style, a script, a picture; kept by browsers, for its address changes with it."""
    name = request.match_info["file"]
    content_type = STATIC_TYPES.get(name)
    if content_type is None:
        raise NotFound
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(
        body=request.config_dict[PAGES].files[name], content_type=content_type, charset="utf-8", headers=headers
    )
