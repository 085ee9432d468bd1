"""``rows``: one table's rows as a stream, by the same road as a package: plan, audit, check, spool.

NDJSON ends with ``{"_end": {"rows": N, "sha256": "..."}}``, the digest over every byte before that line, so that a
stream that was cut is always noticed; CSV has no such record (ruling 19).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from hfitd.audit.log import AuditToken
from hfitd.audit.record import TableCount
from hfitd.engines.interface import Format
from hfitd.errors import HfitError, NotFound, PermissionDenied, QueryTimeout, ShuttingDown
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


class RowStreams:
    """Starts row streams; each is a job with one reader."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def start(self, actor: Actor, request: RowsRequest) -> Job:
        """A job whose bytes are the rows; returns when nothing can be refused any more."""
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
            await self.delivered(job, "refused", 0)
            if error.code == "EXPORT_REFUSED":
                raise NotFound("There is no such table.", resource=request.table) from error
            raise
        except asyncio.CancelledError:
            job.task.cancel()
            raise
        except HfitError as error:
            await self.delivered(job, "refused" if error.status < 500 else "failed", 0)
            raise
        except Exception:
            await self.delivered(job, "failed", 0)
            raise
        return job

    async def _drive(self, job: Job, actor: Actor, request: RowsRequest, sources: Sources) -> None:
        folder = self._shop.spool.job_folder(job.id)
        try:
            with self._shop.observer.span("rows", {"hfitd.provider": request.provider}):
                async with asyncio.timeout(self._shop.limits.job_timeout_seconds):
                    await self._run(job, actor, request, sources)
        except TimeoutError:
            job.fail(QueryTimeout("The rows took longer than limits.job_timeout allows."))
        except asyncio.CancelledError:
            job.fail(ShuttingDown("The stream was given up; ask again."))
            await self.delivered(job, "aborted_by_client", 0)
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader has to learn of it
            job.fail(error)
        finally:
            if job.error is not None and is_unexpected(job.error):
                self._shop.observer.event(describe_failure(job.error))
            await asyncio.shield(self._shop.spool.remove(folder))

    async def _run(self, job: Job, actor: Actor, request: RowsRequest, sources: Sources) -> None:
        export = request.export()
        keys = ITEM.sources(export, sources)
        async with open_sources(sources, keys, actor.email) as opened:
            catalogs = {key: source.catalog for key, source in opened.items()}
            step = ITEM.plan(export, PlanScope(actor, sources, catalogs))
            job.contents = table_contents(tuple((step.source, table) for table in step.tables))
            job.reader = actor
            await self._shop.quotas.count_tables(actor, job.contents.objects)
            wrote, digest = (request.filter, request.order), self._shop.audit.value_digest
            record = rows_record(actor, job.contents, sources.policy.version, wrote, digest)
            job.audit = await self._shop.audit.begin(record)
            checked = await step.check(RunScope(actor, sources, opened, {}))
            job.path = self._shop.spool.folder / job.id / "rows"
            with self._shop.spool.open_file(job.path) as file:
                sink = SpoolSink(file, self._shop.limits.package_bytes, job.grow)
                job.mark_checked()
                built = await checked.members[0].build(sink)
                job.rows = built.rows or 0
                if request.form is Format.NDJSON:
                    end = {"_end": {"rows": job.rows, "sha256": sink.digest.hexdigest()}}
                    await sink.write(json.dumps(end).encode() + b"\n")
        job.end()

    async def delivered(self, job: Job, outcome: str, sent: int) -> None:
        """Close the audit record of a stream, once, and count what was read for it against its reader's quotas.

        In one go, for who has received everything may leave at any moment.
        """
        token, job.audit = job.audit, None
        if token is not None:
            await asyncio.shield(self._close(token, job, outcome, sent))

    async def _close(self, token: AuditToken, job: Job, outcome: str, sent: int) -> None:
        counts = [TableCount(name, job.rows, sent) for name in job.contents.objects]
        if job.reader is not None and sent:
            await self._shop.quotas.count(job.reader, rows=job.rows, size=sent)
            self._shop.observer.event(RowsSent(job.contents.objects[0].partition("/")[0], job.rows, sent))
        await self._shop.audit.end(token, outcome, rows=job.rows, size=sent, tables=counts)
