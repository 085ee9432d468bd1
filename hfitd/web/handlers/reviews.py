"""Review of templates: read, approve, withdraw."""

from __future__ import annotations

from aiohttp import web

from hfitd.export.review.desk import DEFAULT_SECONDS, Decision
from hfitd.export.review.validity import describe_approval
from hfitd.web.bodies import ApproveBody, ReasonBody, read_optional
from hfitd.web.context import actor, gateway

MAX_BODY = 256 * 1024


async def review_template(request: web.Request) -> web.Response:
    """What there is to approve: the text, what it would do line by line, and what changed since the last approval."""
    roles = request.query.getall("role", [])
    review = await gateway(request).reviews.read(actor(request), request.match_info["name"], roles)
    return web.json_response(review.document())


async def approve_template(request: web.Request) -> web.Response:
    """Approve the text and the plan that the digests name; without digests, what is there now."""
    body = await read_optional(request, ApproveBody, MAX_BODY)
    decision = Decision(
        reason=body.get("reason", ""),
        allow=tuple(body.get("allow", ())),
        max_rows=body.get("max_rows", 0),
        max_bytes=body.get("max_bytes", 0),
        seconds=body.get("duration", DEFAULT_SECONDS),
        roles=tuple(body.get("roles", ())),
        template_digest=body.get("template_digest", ""),
        plan_digest=body.get("plan_digest", ""),
    )
    approval = await gateway(request).reviews.approve(actor(request), request.match_info["name"], decision)
    return web.json_response({"name": approval.name, "owner": approval.owner, **describe_approval(approval)})


async def unapprove_template(request: web.Request) -> web.Response:
    """Withdraw the approval of a template: reviewers, and its owner."""
    body = await read_optional(request, ReasonBody, MAX_BODY)
    approval = await gateway(request).reviews.withdraw(actor(request), request.match_info["name"], body["reason"])
    return web.json_response({"name": approval.name, "owner": approval.owner, "withdrawn": approval.digest})
