"""Access requests: to ask, to answer, to give back; and templates that wait for a second person."""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiohttp import web

from hfitd.errors import NotFound
from hfitd.gateway.wishes import Wish, describe_request
from hfitd.model import Action, Json
from hfitd.web.console.fields import read_duration
from hfitd.web.console.guard import FORM
from hfitd.web.console.rendering import TRIED, redirect, render
from hfitd.web.context import actor, gateway


async def requests_page(request: web.Request) -> web.Response:
    """The visitor's own requests, those to answer, and templates to review."""
    return render(request, "requests.html", await _values(request, {}))


async def ask_access(request: web.Request) -> web.Response:
    """Ask for a role or a template."""
    form = request[FORM]
    request[TRIED] = ("requests.html", await _values(request, form))
    wish = Wish(
        form.get("name", ""),
        form.get("reason", ""),
        read_duration(form.get("duration", "")),
        form.get("ticket", ""),
        form.get("break_glass") == "1",
    )
    await gateway(request).loans.ask(actor(request), wish)
    return redirect("/console/requests")


async def answer_access(request: web.Request) -> web.Response:
    """Approve, deny, revoke or review a request."""
    form, desk, person = request[FORM], gateway(request).loans, actor(request)
    request[TRIED] = ("requests.html", await _values(request, {}))
    request_id, reason = request.match_info["id"], form.get("reason", "")
    answer = request.match_info["answer"]
    if answer == "approve":
        await desk.approve(person, request_id, reason=reason, seconds=read_duration(form.get("duration", "")))
    elif answer == "deny":
        await desk.deny(person, request_id, reason=reason)
    elif answer == "revoke":
        await desk.revoke(person, request_id, reason=reason)
    elif answer == "review":
        await desk.review(person, request_id, note=reason)
    else:
        raise NotFound
    return redirect("/console/requests")


async def _values(request: web.Request, form: Mapping[str, str]) -> dict[str, object]:
    door, person = gateway(request), actor(request)
    shown = [describe_request(item, time.time()) for item in await door.loans.visible(person)]
    policy = door.sources().policy
    waiting = [
        item
        for item in await door.library.summaries(person)
        if isinstance(item, Mapping) and _waits(item) and item["owner"] != person.email
        and policy.may(person, Action.TEMPLATE_APPROVE, str(item["name"]))
    ]  # fmt: skip
    return {
        "mine": [item for item in shown if item["email"] == person.email],
        "others": [item for item in shown if item["email"] != person.email],
        "waiting": waiting,
        "given": form,
    }


def _waits(item: Mapping[str, Json]) -> bool:
    return item["state"] != "approved"
