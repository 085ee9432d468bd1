"""A package on its way to one person, and what is said of it when it has arrived or was broken off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from hfitd.access.reservation import Reservation
from hfitd.audit.log import AuditToken
from hfitd.audit.record import TableCount
from hfitd.export.job import Job
from hfitd.export.workshop import Workshop
from hfitd.model import Actor
from hfitd.observe.events import PackageSent


@dataclass(slots=True)
class Delivery:
    """A finished file, or a job that is still writing it."""

    job: Job
    package_id: str
    audit: AuditToken
    cached: bool
    actor: Actor
    reservation: Reservation
    _rows: int | None = None  # given so far of a file that was not finished when it was begun

    @property
    def etag(self) -> str:
        """``"<package id>"`` (ruling 12)."""
        return f'"{self.package_id}"'

    def rows_in(self, sent: int) -> int:
        """How many rows went with so many bytes; of a file that was not finished, those of the members given."""
        artifact = self.job.artifact
        if self._rows is not None or artifact is None:
            return self._rows or 0
        return round(artifact.rows * min(sent / artifact.size, 1.0)) if artifact.size else artifact.rows

    async def hold(self, size: int) -> None:
        """Before so many bytes of the finished file leave: set them aside of the reader's day; RateLimited."""
        await self.reservation.hold(rows=self.rows_in(size), size=size)

    async def read(self) -> AsyncGenerator[bytes, None]:
        """The file as it grows, each piece set aside before it is given; RateLimited where the day's quota ends."""
        position = 0
        async with aclosing(self.job.read()) as pieces:
            async for piece in pieces:
                position += len(piece)
                rows = self.job.rows_done  # of all members that this piece may hold the end of
                await self.reservation.hold(rows=rows, size=position, growing=True)
                self._rows = rows
                yield piece


async def close_delivery(shop: Workshop, delivery: Delivery, outcome: str, sent: int, code: str = "") -> None:
    """Count what was given out against the quotas, and end its audit record; also when the caller is cancelled."""
    await asyncio.shield(_close(shop, delivery, outcome, sent, code))


async def close_again(
    shop: Workshop, delivery: Delivery, outcome: str, requests: Sequence[str], sent: int, *, code: str = ""
) -> None:
    """The same for several answers with one finished package, under the one record that ``delivery`` holds."""
    artifact = delivery.job.artifact
    assert artifact is not None
    rows = round(artifact.rows * sent / artifact.size) if artifact.size else artifact.rows * len(requests)
    shop.observer.event(PackageSent(rows, sent))
    await shop.audit.end(
        delivery.audit,
        outcome,
        rows=rows,
        size=sent,
        package_digest=artifact.package_digest,
        code=code,
        tables=artifact.contents.counts if sent else (),
        requests=requests,
    )


async def _close(shop: Workshop, delivery: Delivery, outcome: str, sent: int, code: str) -> None:
    artifact = delivery.job.artifact
    counts: Sequence[TableCount] = artifact.contents.counts if artifact is not None and sent else ()
    rows = delivery.rows_in(sent)
    shop.observer.event(PackageSent(rows, sent))
    await delivery.reservation.settle(rows=rows, size=sent)
    await shop.audit.end(
        delivery.audit,
        outcome,
        rows=rows,
        size=sent,
        package_digest=artifact.package_digest if artifact else "",
        code=code,
        tables=counts,
    )
