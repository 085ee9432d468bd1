"""The review of a template: its text, what it would do, what changed; to approve it and to withdraw that."""

from __future__ import annotations

from aiohttp import web

from hfitd.export.review.desk import DEFAULT_SECONDS, Decision
from hfitd.web.console.fields import read_duration, read_whole
from hfitd.web.console.guard import FORM
from hfitd.web.console.rendering import TRIED, redirect, render, segment
from hfitd.web.context import actor, gateway


async def review_page(request: web.Request) -> web.Response:
    """What a reviewer reads."""
    return render(request, "review.html", await _values(request))


async def approve(request: web.Request) -> web.Response:
    """Approve what was read: the digests stand in the form."""
    form, name = request[FORM], request.match_info["name"]
    request[TRIED] = ("review.html", await _values(request))
    decision = Decision(
        reason=form.get("reason", ""),
        allow=tuple(line for line in form.get("allow", "").splitlines() if line.strip()),
        max_rows=read_whole(form.get("max_rows", ""), "max_rows"),
        seconds=read_duration(form.get("duration", "")) or DEFAULT_SECONDS,
        template_digest=form.get("template_digest", ""),
        plan_digest=form.get("plan_digest", ""),
    )
    await gateway(request).reviews.approve(actor(request), name, decision)
    return redirect(f"/console/templates/{segment(name)}")


async def withdraw(request: web.Request) -> web.Response:
    """End the approval."""
    name = request.match_info["name"]
    await gateway(request).reviews.withdraw(actor(request), name, request[FORM].get("reason", ""))
    return redirect(f"/console/templates/{segment(name)}")


async def _values(request: web.Request) -> dict[str, object]:
    review = await gateway(request).reviews.read(actor(request), request.match_info["name"])
    return {"review": review.document(), "given": request.get(FORM, {})}
