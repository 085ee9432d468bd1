"""A package on its way to one person, and what is said of it when it has arrived or was broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hfitd.audit.log import AuditToken
from hfitd.audit.record import TableCount
from hfitd.export.job import Job
from hfitd.export.workshop import Workshop
from hfitd.model import Actor
from hfitd.observe.events import PackageSent


@dataclass(frozen=True, slots=True)
class Delivery:
    """A finished file, or a job that is still writing it."""

    job: Job
    package_id: str
    audit: AuditToken
    cached: bool
    actor: Actor

    @property
    def etag(self) -> str:
        """``"<package id>"`` (ruling 12)."""
        return f'"{self.package_id}"'

    def rows_in(self, sent: int) -> int:
        """How many rows went with so many bytes; of a file that is not finished, those of its finished members."""
        artifact = self.job.artifact
        if artifact is None:
            return self.job.rows_done if sent else 0
        return round(artifact.rows * min(sent / artifact.size, 1.0)) if artifact.size else artifact.rows


async def close_delivery(shop: Workshop, delivery: Delivery, outcome: str, sent: int) -> None:
    """Count what was given out against the quotas, and end its audit record; also when the caller is cancelled."""
    await asyncio.shield(_close(shop, delivery, outcome, sent))


async def _close(shop: Workshop, delivery: Delivery, outcome: str, sent: int) -> None:
    artifact = delivery.job.artifact
    counts: Sequence[TableCount] = artifact.contents.counts if artifact is not None and sent else ()
    rows = delivery.rows_in(sent)
    shop.observer.event(PackageSent(rows, sent))
    await shop.quotas.count(delivery.actor, rows=rows, size=sent)
    await shop.audit.end(
        delivery.audit,
        outcome,
        rows=rows,
        size=sent,
        package_digest=artifact.package_digest if artifact else "",
        tables=counts,
    )
