"""Downloads: from a request to bytes, by way of one extraction that all equal requests share.

The order of a request (contract, ruling 13):

1. the template and its parameters are valid and the actor may run it (``requests``);
2. an equal request in flight is joined; an equal finished package is served, unless ``refresh`` is asked;
3. otherwise snapshots open, the catalogue is read, the plan is made: rights, names, masks;
4. audit ``begin`` is durable;
5. prepare queries run, guarded; with their values the finished packages are looked at once more;
6. every step is checked: described, estimated, listed. Up to here a status can refuse;
7. the job renders, and audit ``end`` closes the record whatever happens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hfitd.audit.record import AuditRecord
from hfitd.errors import (
    DbUnavailable,
    HfitError,
    Internal,
    NotFound,
    QueryTimeout,
    ShuttingDown,
    StoreUnavailable,
)
from hfitd.export.again import run_job
from hfitd.export.artifacts import Artifact, effective_policy, no_package
from hfitd.export.contents import planned_contents
from hfitd.export.delivery import Delivery, close_again, close_delivery
from hfitd.export.filing import index_entry, package_context, what_decides
from hfitd.export.items.interface import Member, RunScope
from hfitd.export.job import Job
from hfitd.export.members import check_members, check_steps
from hfitd.export.package.build import Finished, PackageBuild
from hfitd.export.package.codec import CODECS
from hfitd.export.package.context import PackageContext, SourceEntry
from hfitd.export.package.part import Budget
from hfitd.export.package.residue import Residue
from hfitd.export.package.watched import watch_sources
from hfitd.export.plan import Plan, describe_plan, needed_sources
from hfitd.export.prepare import Variable, resolve_variables
from hfitd.export.preview import expect_step, shown_name, shown_variables
from hfitd.export.progress import Progress
from hfitd.export.record import describe_end, describe_failure, is_unexpected, package_record, reopen_record
from hfitd.export.requests import PackageRequest
from hfitd.export.residual import tell_residue
from hfitd.export.review.gate import describe_gate, plan_run, require_approval
from hfitd.export.sources import OpenSource, SourceKey, Sources, open_sources
from hfitd.export.spool import Scratch
from hfitd.export.workshop import Workshop
from hfitd.model import Actor, Json
from hfitd.observe.events import CacheAsked, ExtractionJoined, ExtractionStarted
from hfitd.observe.logs import name_job
from hfitd.store.approvals import Approval

COMPRESSION_THREADS = 2


class Downloads:
    """Starts, joins and remembers jobs of this process."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._executor = ThreadPoolExecutor(COMPRESSION_THREADS, "compress")
        self._by_key: dict[str, Job] = {}
        self._by_id: dict[str, Job] = {}
        self.extractions = 0
        self.artifacts = workshop.artifacts
        self.board = workshop.board
        self._flights = workshop.flights

    async def plan(self, request: PackageRequest, *, prepare: bool) -> Json:
        """What a download would do, without reading a data row; QueryTimeout."""
        async with self.board.planning(request.actor.email, request.watch) as progress:
            try:
                async with asyncio.timeout(self._shop.limits.job_timeout_seconds):
                    return await self._plan(request, progress, prepare=prepare)
            except TimeoutError as error:
                raise QueryTimeout("The plan took longer than limits.job_timeout allows.") from error

    async def _plan(self, request: PackageRequest, progress: Progress, *, prepare: bool) -> Json:
        sources = self._shop.sources()
        async with open_sources(sources, needed_sources(request.template, sources), request.actor.email) as opened:
            request, plan = await plan_run(request, sources, opened, only_plan=not prepare)
            variables = request.known_variables()
            run = self._run_scope(request.actor, sources, opened, variables)
            if prepare:
                token = await self._shop.audit.begin(self._record(request, "plan", plan))
                outcome = "failed"
                try:
                    variables = await resolve_variables(plan, request.parameters, run)
                    outcome = "done"
                finally:
                    await asyncio.shield(self._shop.audit.end(token, outcome))
                run = self._run_scope(request.actor, sources, opened, variables)
            expected = await check_steps(plan.steps, progress, lambda step: expect_step(step, run, variables))
        document = describe_plan(plan, expected, shown_variables(request, variables), shown_name(request, variables))
        return document | {"approval": describe_gate(request, sources)}

    async def start(self, request: PackageRequest) -> Delivery:
        """Get a delivery for the request; returns when nothing can be refused any more (steps 2 to 6)."""
        sources = self._shop.sources()
        require_approval(request, sources)
        await self._shop.quotas.check(request.actor)
        await self._shop.quotas.count_package(request.actor)
        key = self._cache_key(request, sources, request.known_variables())
        job = await self._find_job(key, request, sources)
        joined = job is not None
        if job is not None and not job.cached:
            self._shop.observer.event(ExtractionJoined(request.stored.name))
        if job is None:
            job = self._start_job(key, request, sources)
        if not job.done:
            self.board.name(job.id, request.actor.email, request.watch)
        with job.reading():
            await job.checked()
            if request.known_digest:
                await job.wait()
            package_id = job.artifact.id if job.artifact else job.id
            name_job(package_id)
            await self._shop.artifacts.grant(package_id, request.actor)
            record = self._record(request, "package", job.plan, job.artifact)
            await self._shop.quotas.count_tables(request.actor, record.objects)
            audit = await self._shop.audit.begin(record)
        self._shop.observer.event(CacheAsked(joined or job.cached))
        reservation = self._shop.quotas.reserve(request.actor)
        return Delivery(job, package_id, audit, joined or job.cached, request.actor, reservation)

    async def look(self, package_id: str, actor: Actor) -> Job:
        """A package the actor obtained before, still being written or finished, with nothing given out; NotFound for
        everybody else."""
        version = self._shop.sources().version
        job = self._by_id.get(package_id)
        if job is None:
            job = self._finished_job(await self._open_finished(package_id, actor, version))
        elif job.effective != effective_policy(version, actor) or not await self._shop.artifacts.granted(job.id, actor):
            raise no_package(package_id)
        else:
            await job.checked()
        await self._check_approval(job, package_id)
        return job

    async def reopen(self, package_id: str, actor: Actor) -> Delivery:
        """The same, to be given again."""
        name_job(package_id)
        job = await self.look(package_id, actor)
        await self._shop.quotas.check(actor)
        audit = await self._shop.audit.begin(reopen_record(actor, package_id, job.artifact))
        return Delivery(job, package_id, audit, True, actor, self._shop.quotas.reserve(actor))

    async def is_elsewhere(self, package_id: str, actor: Actor) -> bool:
        """Whether it is a package of the actor's that another instance is, or was, still writing."""
        if package_id in self._by_id:
            return False
        try:
            await self.artifacts.open_for(package_id, actor, self._shop.sources().version)
        except NotFound:
            return await self.artifacts.granted(package_id, actor)
        return False

    async def _open_finished(self, package_id: str, actor: Actor, version: str) -> Artifact:
        """A finished package; one that another instance is still writing is waited for."""
        try:
            return await self.artifacts.open_for(package_id, actor, version)
        except NotFound:
            if not await self.artifacts.granted(package_id, actor):
                raise
        failure = await self._flights.landed(package_id)
        if failure:
            raise Internal(f"The package could not be finished ({failure}).", resource=package_id)
        return await self.artifacts.open_for(package_id, actor, version)

    def _record(
        self, request: PackageRequest, action: str, plan: Plan | None, artifact: Artifact | None = None
    ) -> AuditRecord:
        return package_record(request, action, self._shop.audit.value_digest, plan, artifact)

    async def _check_approval(self, job: Job, package_id: str) -> None:
        """A package made under an approval is given again while that approval stands."""
        named = job.artifact.approval if job.artifact else job.approval.document() if job.approval else None
        if named is not None and not await self._shop.approvals.stands(named, time.time()):
            raise no_package(package_id)

    async def close(self) -> None:
        """Cancel what still runs."""
        tasks = [job.task for job in self._by_id.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._executor.shutdown(wait=True)

    async def content(self, artifact: Artifact) -> bytes | None:
        """See ``Artifacts.content``."""
        return await self._shop.artifacts.content(artifact)

    @property
    def running(self) -> int:
        """How many jobs are under way."""
        return len(self._by_id)

    async def delivered(self, delivery: Delivery, outcome: str, sent: int, code: str = "") -> None:
        """Close the audit record of a delivery and count it."""
        await close_delivery(self._shop, delivery, outcome, sent, code)

    async def delivered_again(
        self, delivery: Delivery, outcome: str, requests: Sequence[str], sent: int, *, code: str = ""
    ) -> None:
        """The same for several answers with a finished package."""
        await close_again(self._shop, delivery, outcome, requests, sent, code=code)

    async def drain(self, grace_seconds: float) -> None:
        """Let running jobs finish for a while."""
        tasks = [job.task for job in self._by_id.values() if job.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)

    async def _find_job(self, key: str, request: PackageRequest, sources: Sources) -> Job | None:
        """(2) An equal request in flight, or an equal finished package whose variables need no source."""
        job = self._by_key.get(key)
        if job is not None and not request.refresh:
            return job
        if request.refresh or request.asks_sources:
            return None
        artifact = await self._shop.artifacts.find(key)
        if artifact is None:
            return self._by_key.get(key)
        return self._finished_job(artifact)

    def _finished_job(self, artifact: Artifact) -> Job:
        job = Job(artifact.cache_key, CODECS[artifact.compression], self._shop.limits.orphan_grace_seconds)
        self._adopt(job, artifact)
        return job

    def _start_job(self, key: str, request: PackageRequest, sources: Sources) -> Job:
        job = Job(key, request.codec, self._shop.limits.orphan_grace_seconds)
        job.effective = effective_policy(sources.version, request.actor)
        self._by_key[key] = job
        self._by_id[job.id] = job
        job.task = asyncio.create_task(self._post(job, request, sources), name=f"job {job.id}")
        return job

    async def _post(self, job: Job, request: PackageRequest, sources: Sources) -> None:
        async with self.board.posted(job.id, job.progress):
            await self._drive(job, request, sources)

    async def _drive(self, job: Job, request: PackageRequest, sources: Sources) -> None:
        """Run a job to its end; the only place where one ends."""
        name_job(job.id)
        try:
            named = {"hfitd.template": request.stored.name, "hfitd.package": job.id}
            with self._shop.observer.span("package", named):
                async with asyncio.timeout(self._shop.limits.job_timeout_seconds):
                    await self._fly(job, request, sources)
        except TimeoutError as error:
            job.fail(_caused(QueryTimeout("The package took longer than limits.job_timeout allows."), error))
        except asyncio.CancelledError:
            job.fail(ShuttingDown("The download was given up; ask again."))
        except Exception as error:  # noqa: BLE001 - whatever it was, the readers have to learn of it
            job.fail(error)
        finally:
            if self._by_key.get(job.key) is job:
                del self._by_key[job.key]
            await asyncio.shield(self._tell_failure(job))
            self._by_id.pop(job.id, None)
            self._shop.observer.event(describe_end(job, request.stored.name))
            if job.error is not None and is_unexpected(job.error):
                self._shop.observer.event(describe_failure(job.error))
            await asyncio.shield(self._shop.spool.remove(self._shop.spool.folder / job.id))

    async def _lost(self, error: DbUnavailable) -> None:
        self._shop.observer.event(describe_failure(error))

    async def _tell_failure(self, job: Job) -> None:
        """Whoever saw it begin learns at every instance how it ended; one that was given up may be asked for anew."""
        if job.error is not None and job.path is not None and not isinstance(job.error, ShuttingDown):
            await self._flights.failed(job.id, job.error.code if isinstance(job.error, HfitError) else Internal().code)

    async def _fly(self, job: Job, request: PackageRequest, sources: Sources) -> None:
        """Build it, unless another instance does or just has: then its package is this job's."""

        async def run(folder: Path) -> None:
            await self._run(job, request, sources, folder)

        share = not request.refresh
        async with self._flights.lead(job.key, job.id, self.artifacts.finished, share=share) as waited_for:
            finished = waited_for
            if finished is None and share and not request.asks_sources:
                finished = await self.artifacts.find(job.key)
            if finished is not None:
                self._adopt(job, finished)
                return
            async with self._shop.slot(request.actor):
                await run_job(job, self._shop.spool, run, self._lost)

    async def _run(self, job: Job, request: PackageRequest, sources: Sources, folder: Path) -> None:
        async with open_sources(sources, needed_sources(request.template, sources), request.actor.email) as held:
            with self._shop.observer.span("plan"):
                request, plan = await plan_run(request, sources, held)
            job.plan, job.approval = plan, request.approval
            job.residue = Residue(sources.policy.residual_scan, masks=any(table.masks for _, table in plan.tables))
            opened = watch_sources(held, job.residue, job.progress.pace)
            await self._shop.quotas.count_tables(request.actor, planned_contents(plan).objects)
            audit = await self._shop.audit.begin(self._record(request, "package.build", plan))
            outcome, scratch = "failed", Scratch(folder)
            try:
                run = self._run_scope(request.actor, sources, opened, request.known_variables())
                variables = await resolve_variables(plan, request.parameters, run)
                key = self._cache_key(request, sources, variables)
                if await self._use_finished(job, key, request):
                    outcome = "cached"
                    return
                run = replace(self._run_scope(request.actor, sources, opened, variables), scratch=scratch)
                members = await check_members(plan, run, self._shop.observer, job.progress)
                entries = {key: SourceEntry.of(key, source) for key, source in opened.items()}
                context = package_context(request, plan, variables, entries, self._shop)
                try:
                    finished = await self._build(job, members, context, folder, request.approval)
                finally:
                    await tell_residue(self._shop, job, request)
                outcome = "done"
            finally:
                scratch.close()
                await asyncio.shield(self._shop.audit.end(audit, outcome))
        await self._file_away(job, key, request, finished, folder)

    async def _use_finished(self, job: Job, key: str, request: PackageRequest) -> bool:
        """(5) The finished package for the values that the prepare steps found, if there is one."""
        if request.refresh or not request.asks_sources:
            return False
        artifact = await self._shop.artifacts.find(key)
        if artifact is not None:
            self._adopt(job, artifact)
        return artifact is not None

    def _adopt(self, job: Job, artifact: Artifact) -> None:
        """What was built before is what the job was for."""
        job.path = self.artifacts.path(artifact)
        job.package_name, job.effective = artifact.package_name, artifact.effective
        job.finish(artifact, cached=True)

    async def _build(
        self, job: Job, members: Sequence[Member], context: PackageContext, folder: Path, approval: Approval | None
    ) -> Finished:
        budget = Budget(self._shop.limits.package_bytes, self._shop.limits.package_rows, approval)
        build = PackageBuild(
            folder,
            job.codec,
            executor=self._executor,
            budget=budget,
            grown=job.grow,
            member_done=job.add_member,
            residue=job.residue,
        )
        job.path = folder / "archive"
        job.package_name = context.package_name
        self.extractions += 1
        self._shop.observer.event(ExtractionStarted(context.template_name))
        with self._shop.spool.open_file(job.path) as file:
            may_refuse = budget.approved or job.residue.refuses or any(member.may_refuse for member in members)
            if not may_refuse:  # else the head waits
                job.mark_checked()
            # not synced to the disk: the digest is checked before the file is served again after a crash
            return await build.run(members, context, file)

    async def _file_away(self, job: Job, key: str, request: PackageRequest, finished: Finished, folder: Path) -> None:
        artifact = index_entry(job, key, request, finished, self._shop)
        await asyncio.to_thread(self._shop.artifacts.publish, folder / "archive", artifact)
        job.path = self._shop.artifacts.path(artifact)  # the spool's name of the file is still there, too
        try:
            await self._shop.artifacts.add(artifact)  # before anybody has it whole and asks another instance for it
        except StoreUnavailable as error:  # who waits for it gets it; only later requests will build it again (R8)
            self._shop.observer.event(describe_failure(error))
        job.finish(artifact)

    def _run_scope(
        self,
        actor: Actor,
        sources: Sources,
        opened: Mapping[SourceKey, OpenSource],
        variables: Mapping[str, Variable],
    ) -> RunScope:
        values = {name: variable.value for name, variable in variables.items()}
        return RunScope(actor, sources, opened, values, max_rows=self._shop.limits.package_rows)

    def _cache_key(self, request: PackageRequest, sources: Sources, variables: Mapping[str, Variable]) -> str:
        return self.artifacts.cache_key(what_decides(request, sources, variables, self._shop))


def _caused(error: HfitError, cause: BaseException) -> HfitError:
    error.__cause__ = cause
    return error
