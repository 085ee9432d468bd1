"""What the residual scan of a package found, told to the audit log, the metrics and the log."""

from __future__ import annotations

import asyncio

from hfitd.audit.record import AuditRecord
from hfitd.export.job import Job
from hfitd.export.package.residue import count_alarms, describe_alarms
from hfitd.export.requests import PackageRequest
from hfitd.export.workshop import Workshop
from hfitd.observe.events import ResidueSeen


async def tell_residue(shop: Workshop, job: Job, request: PackageRequest) -> None:
    """Put the findings of a built or refused package on record; nothing when there are none. AuditUnavailable."""
    alarms = job.residue.found
    if not alarms:
        return
    for kind, count in count_alarms(alarms).items():
        shop.observer.event(ResidueSeen(request.template.name, kind, count))
    record = AuditRecord(
        "alarm.residue",
        email=request.actor.email,
        template_digest=request.template.digest,
        objects=tuple(dict.fromkeys(alarm.member for alarm in alarms)),
        details={"template": request.stored.name, "findings": describe_alarms(alarms)},
    )
    outcome = "refused" if job.residue.refuses else "alarm"
    await asyncio.shield(shop.audit.note(record, outcome, code="RESIDUE_FOUND"))
