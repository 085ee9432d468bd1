"""Whether a run may happen: where review is required, an approval has to hold for this very run (T13).

1. The approval is the latest of the template, was not withdrawn and has not expired.
2. It names the digest of the text that runs: one changed byte and there is none.
3. The policy is the one it was read under, and what the run would do is no more than what was read (``reading``).
4. Every parameter is one it allows.
5. Its budget of rows and bytes is kept: the answer waits until the package is whole, so that a status can still refuse.

Only an approval that holds is worth anything: without one, a free query needs ``query`` again, and where review is
required nothing is read at all. The message says which step failed, and never a value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from hfitd.errors import ApprovalRequired, ExportRefused
from hfitd.export.items.interface import PlanScope
from hfitd.export.plan import Plan, make_plan, needed_sources
from hfitd.export.requests import PackageRequest
from hfitd.export.review.reading import beyond, read_plan
from hfitd.export.review.validity import describe_approval
from hfitd.export.sources import OpenSource, SourceKey, Sources
from hfitd.model import Action, Json


def require_approval(request: PackageRequest, sources: Sources) -> None:
    """ApprovalRequired when review is required for this run and no approval holds."""
    why = why_required(request, sources)
    if why and request.approval is None:
        raise refusal(request, why)


def why_required(request: PackageRequest, sources: Sources) -> str:
    """Why this run needs an approval, in words; '' when it needs none."""
    providers = {key.provider for key in needed_sources(request.template, sources)}
    return sources.rules.why(request.actor, providers)


def refusal(request: PackageRequest, why: str) -> ApprovalRequired:
    """The error, with what to do next."""
    full = f"{request.stored.owner}:{request.stored.name}"
    suggestions = [f"A reviewer reads and approves it with: hfit pkg-tmpl approve {full}"]
    if request.approved_digest:
        suggestions.append(f"The text that was approved still runs as: {full}@{request.approved_digest}")
    return ApprovalRequired(
        f"This template has to be approved before it can run, as {why}; {request.unapproved}.",
        resource=request.stored.name,
        suggestions=suggestions,
    )


async def plan_run(
    request: PackageRequest, sources: Sources, opened: Mapping[SourceKey, OpenSource], *, only_plan: bool = False
) -> tuple[PackageRequest, Plan]:
    """The plan, and the request with its approval only if that covers the plan (3); ApprovalRequired.

    In a thread: parsing the longest free queries takes longer than the loop may wait (R15).
    """
    catalogs = {key: source.catalog for key, source in opened.items()}

    def make(request: PackageRequest) -> Plan:
        scope = PlanScope(request.actor, sources, catalogs, request.approval is not None)
        return make_plan(request.template, request.stored.owner, scope)

    try:
        plan = await asyncio.to_thread(make, request)
    except ExportRefused as error:
        why = why_required(request, sources)
        if why and request.approval is None:  # what is refused may be a free query that only an approval allows
            raise refusal(request, why) from error
        raise
    if request.approval is None:
        return request, plan
    actor, policy = request.actor, sources.policy
    found = read_plan(plan, catalogs, lambda volume: policy.may_enter(actor, Action.RAW, volume))
    problem = beyond(request.approval.plan, found)
    if not problem:
        return request, plan
    request = replace(request, approval=None, unapproved=problem)
    if not only_plan:
        require_approval(request, sources)
    return request, await asyncio.to_thread(make, request)


def describe_gate(request: PackageRequest, sources: Sources) -> Json:
    """How the plan of a run shows its approval."""
    why = why_required(request, sources)
    document: dict[str, Json] = {"required": bool(why), "why": why or None, "problem": request.unapproved or None}
    return {**document, **describe_approval(request.approval)} if request.approval else document
