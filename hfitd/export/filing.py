"""What is written down of a package: what decides its bytes, what stands in it about itself, its entry in the index."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from hfitd.export.artifacts import Artifact
from hfitd.export.contents import planned_contents
from hfitd.export.job import Job
from hfitd.export.package.build import Finished
from hfitd.export.package.context import PackageContext, SourceEntry
from hfitd.export.plan import Plan
from hfitd.export.prepare import Variable, parameter_json
from hfitd.export.preview import shown_variables
from hfitd.export.requests import PackageRequest
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.workshop import Workshop
from hfitd.model import Json

RENDERER_VERSION = 4  # raise it when the same rows would be written as other bytes


def what_decides(
    request: PackageRequest, sources: Sources, variables: Mapping[str, Variable], shop: Workshop
) -> dict[str, Json]:
    """Everything that decides the bytes (ruling 18). The signer is part of it, times are not."""
    return {
        "renderer": RENDERER_VERSION,
        "format": request.codec.name,
        "template": request.template.digest,
        "owner": request.stored.owner,
        "approval": request.approval.digest if request.approval else None,
        "lifetime": request.lifetime_seconds(shop.limits),
        "policy": sources.policy.version,
        "roles": sorted(request.actor.roles),
        "sources": sources.identity,
        "variables": {name: variable.value for name, variable in variables.items()},
        "origin": shop.origin,
    }


def package_context(
    request: PackageRequest,
    plan: Plan,
    variables: Mapping[str, Variable],
    entries: Mapping[SourceKey, SourceEntry],
    shop: Workshop,
) -> PackageContext:
    """What a package says of itself."""
    return PackageContext(
        package_name=request.package_name(variables),
        template_name=request.template.name,
        template_text=request.template.text,
        template_digest=request.template.digest,
        description=request.template.description,
        parameters={parameter.name: parameter_json(parameter) for parameter in request.parameters},
        variables={name: variables[name].document() for name in shown_variables(request, variables)},
        sources=entries,
        policy_version=plan.policy_version,
        plan_digest=plan.digest,
        approval=None if request.approval is None else request.approval.document(),
        lifetime_seconds=request.lifetime_seconds(shop.limits),
        origin=shop.origin,
        sign=shop.sign,
    )


def index_entry(job: Job, key: str, request: PackageRequest, finished: Finished, shop: Workshop) -> Artifact:
    """The finished package of a job under its cache key."""
    plan, now = job.plan, time.time()
    lifetime = request.lifetime_seconds(shop.limits) or math.inf
    assert plan is not None
    return Artifact(
        id=job.id,
        cache_key=key,
        file_name=job.id + job.codec.suffix,
        package_name=job.package_name,
        compression=job.codec.name,
        template=request.stored.name,
        plan_digest=plan.digest,
        package_digest=finished.package_digest,
        size=finished.size,
        sha256=finished.sha256,
        rows=sum(member.rows or 0 for member in finished.members),
        effective=job.effective,
        contents=planned_contents(plan).with_counts(finished.members, plan.tables),
        created=now,
        expires=now + min(shop.artifacts.ttl_seconds, lifetime),
        approval=None if request.approval is None else request.approval.document(),
    )
