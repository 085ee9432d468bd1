"""``rows``: one table's rows as a stream, by the same road as a package: plan, audit, check, spool.

NDJSON ends with ``{"_end": {"rows": N, "sha256": "..."}}``, the digest over every byte before that line, so that a
stream that was cut is always noticed; CSV has no such record (ruling 19).

Rows and bytes are set aside of the reader's day piece by piece, each before it is given: a stream that does not fit is
refused when that shows at its first piece, else cut.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from hfitd.access.reservation import Reservation
from hfitd.audit.log import AuditToken
from hfitd.audit.record import TableCount
from hfitd.engines.interface import Format
from hfitd.errors import DbUnavailable, HfitError, NotFound, PermissionDenied, QueryTimeout, ShuttingDown
from hfitd.export.again import run_job
from hfitd.export.browse import list_databases
from hfitd.export.contents import table_contents
from hfitd.export.items.interface import PlanScope, RunScope
from hfitd.export.items.rows import RowsItem
from hfitd.export.job import Job
from hfitd.export.package.codec import CODECS
from hfitd.export.record import describe_failure, is_unexpected, rows_record
from hfitd.export.sources import Sources, open_sources
from hfitd.export.spool import SpoolSink
from hfitd.export.template.model import Export, TableData
from hfitd.export.workshop import Workshop
from hfitd.model import Actor
from hfitd.observe.events import RowsSent
from hfitd.observe.logs import name_job

ITEM = RowsItem()


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Which rows, in which form."""

    provider: str
    database: str
    table: str
    form: Format
    filter: str = ""
    order: str = ""
    limit: int | None = None

    def export(self) -> Export:
        """The request as the one-item plan that it is."""
        data = TableData(self.provider, self.table, self.filter, self.order, self.database, self.limit)
        return Export(f"rows.{self.form.value}", "table-data", data)


class _LineCounter:
    """Rows in the bytes that were given so far: lines that end outside quotes, without the head of a CSV."""

    def __init__(self, form: Format) -> None:
        self._csv = form is Format.CSV
        self._quoted = False
        self._lines = 0

    def count(self, piece: bytes) -> int:
        """The rows after this piece."""
        if self._csv:
            for number, part in enumerate(piece.split(b'"')):
                self._quoted ^= number > 0
                self._lines += 0 if self._quoted else part.count(b"\n")
        else:  # JSON has no line feed inside a value
            self._lines += piece.count(b"\n")
        return max(self._lines - self._csv, 0)


@dataclass(slots=True)
class RowStream:
    """A stream on its way to its reader: the job, and how much of it was given."""

    job: Job
    reservation: Reservation
    lines: _LineCounter
    rows: int = 0

    async def read(self) -> AsyncGenerator[bytes, None]:
        """The bytes, each piece set aside before it is given; RateLimited where the day's quota ends."""
        size = 0
        async with aclosing(self.job.read()) as pieces:
            async for piece in pieces:
                size += len(piece)
                rows = self.lines.count(piece)
                if self.job.rows is not None:
                    rows = min(rows, self.job.rows)  # the end record is a line, too
                await self.reservation.hold(rows=rows, size=size, growing=not self.job.done)
                self.rows = rows
                yield piece


class RowStreams:
    """Starts row streams; each is a job with one reader."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def start(self, actor: Actor, request: RowsRequest) -> RowStream:
        """A stream of the rows; returns when nothing of the request can be refused any more."""
        sources = self._shop.sources()
        await self._shop.quotas.check(actor)
        if request.database not in await list_databases(sources, actor, request.provider):
            raise NotFound("There is no such database.", resource=request.database)
        sources.rules.refuse_direct(actor, (request.provider,))
        job = Job("", CODECS["none"], 0.0)
        name_job(job.id)
        job.task = asyncio.create_task(self._drive(job, actor, request, sources), name=f"rows {job.id}")
        try:
            await job.checked()
        except PermissionDenied as error:
            await self._end(job, "refused")
            if error.code == "EXPORT_REFUSED":
                raise NotFound("There is no such table.", resource=request.table) from error
            raise
        except asyncio.CancelledError:
            job.task.cancel()
            raise
        except HfitError as error:
            await self._end(job, "refused" if error.status < 500 else "failed")
            raise
        except Exception:
            await self._end(job, "failed")
            raise
        return RowStream(job, self._shop.quotas.reserve(actor), _LineCounter(request.form))

    async def _drive(self, job: Job, actor: Actor, request: RowsRequest, sources: Sources) -> None:
        async def run(folder: Path) -> None:
            await self._run(job, actor, request, sources, folder=folder)

        async def lost(error: DbUnavailable) -> None:
            self._shop.observer.event(describe_failure(error))
            await self._end(job, "failed", error.code)

        try:
            with self._shop.observer.span("rows", {"hfitd.provider": request.provider}):
                async with asyncio.timeout(self._shop.limits.job_timeout_seconds):
                    await run_job(job, self._shop.spool, run, lost)
        except TimeoutError:
            job.fail(QueryTimeout("The rows took longer than limits.job_timeout allows."))
        except asyncio.CancelledError:
            job.fail(ShuttingDown("The stream was given up; ask again."))
            await self._end(job, "aborted_by_client")
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader has to learn of it
            job.fail(error)
        finally:
            if job.error is not None and is_unexpected(job.error):
                self._shop.observer.event(describe_failure(job.error))
            await asyncio.shield(self._shop.spool.remove(self._shop.spool.folder / job.id))

    async def _run(self, job: Job, actor: Actor, request: RowsRequest, sources: Sources, *, folder: Path) -> None:
        export = request.export()
        keys = ITEM.sources(export, sources)
        async with open_sources(sources, keys, actor.email) as opened:
            catalogs = {key: source.catalog for key, source in opened.items()}
            step = ITEM.plan(export, PlanScope(actor, sources, catalogs))
            job.contents = table_contents(tuple((step.source, table) for table in step.tables))
            await self._shop.quotas.count_tables(actor, job.contents.objects)
            wrote, digest = (request.filter, request.order), self._shop.audit.value_digest
            record = rows_record(actor, job.contents, sources.policy.version, wrote, digest)
            job.audit = await self._shop.audit.begin(record)
            checked = await step.check(RunScope(actor, sources, opened, {}))
            job.path = folder / "rows"
            with self._shop.spool.open_file(job.path) as file:
                sink = SpoolSink(file, self._shop.limits.package_bytes, job.grow)
                job.mark_checked()
                built = await checked.members[0].build(sink)
                job.rows = built.rows or 0
                if request.form is Format.NDJSON:
                    end = {"_end": {"rows": job.rows, "sha256": sink.digest.hexdigest()}}
                    await sink.write(json.dumps(end).encode() + b"\n")
        job.end()

    async def delivered(self, stream: RowStream, outcome: str, sent: int, code: str = "") -> None:
        """Close the audit record of a stream, once, and count what was given of it against its reader's quotas.

        In one go, for who has received everything may leave at any moment.
        """
        token, stream.job.audit = stream.job.audit, None  # at once: the job, now without a reader, would end it, too
        await asyncio.shield(self._settle(stream, token, outcome, sent, code))

    async def _settle(
        self, stream: RowStream, token: AuditToken | None, outcome: str, sent: int, code: str
    ) -> None:
        job, rows = stream.job, stream.rows if sent else 0
        await stream.reservation.settle(rows=rows, size=sent)
        if sent:
            self._shop.observer.event(RowsSent(job.contents.objects[0].partition("/")[0], rows, sent))
        if token is not None:
            counts = [TableCount(name, rows, sent) for name in job.contents.objects]
            await self._shop.audit.end(token, outcome, rows=rows, size=sent, code=code, tables=counts)

    async def _end(self, job: Job, outcome: str, code: str = "") -> None:
        """Close the record of a job that has no stream, or whose reader left before it had one."""
        token, job.audit = job.audit, None
        if token is not None:
            counts = [TableCount(name, 0, 0) for name in job.contents.objects]
            await asyncio.shield(self._shop.audit.end(token, outcome, code=code, tables=counts))
