"""The composition root: knows every room, opens and closes all, in an order that is its own reverse.

What a reload exchanges is in ``offer``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path

from hfitd.access.certificates import ServedCertificate
from hfitd.access.challenge import Challenges
from hfitd.access.console import ConsoleSessions
from hfitd.access.package_keys import PackageKeys
from hfitd.access.token_keys import TokenKeys
from hfitd.access.tokens import Tokens
from hfitd.admin.commands import AdminDesk
from hfitd.admin.server import AdminServer
from hfitd.audit.keys import load_instance_name
from hfitd.audit.log import AuditLog, AuditNotice
from hfitd.audit.record import AuditRecord
from hfitd.config.load import load_config
from hfitd.config.model import Config
from hfitd.export.artifacts import Artifacts
from hfitd.export.board import Board
from hfitd.export.depots import artifact_folder, open_depot
from hfitd.export.downloads import Downloads
from hfitd.export.flights import Flights
from hfitd.export.library import Library
from hfitd.export.masked_files import MaskedFiles
from hfitd.export.record import actor_record
from hfitd.export.requests import Shelf
from hfitd.export.review.desk import Reviews
from hfitd.export.rows import RowStreams
from hfitd.export.spool import Spool
from hfitd.export.workshop import Workshop
from hfitd.gateway.core import Gateway
from hfitd.gateway.digests import FileDigests
from hfitd.gateway.fair_share import FairThreads
from hfitd.gateway.guards import Guards, make_guards
from hfitd.gateway.heap import give_back_memory, use_few_heaps
from hfitd.gateway.housekeeping import keep_tidy
from hfitd.gateway.loans import LoanDesk
from hfitd.gateway.measured_store import MeasuredStore
from hfitd.gateway.readiness import Readiness
from hfitd.gateway.role_guard import refuse_excess
from hfitd.gateway.template_checks import TemplateChecks
from hfitd.model import Actor
from hfitd.observe.events import AuditState, AuditTime, SinkDropped, StoreTampered, TablesCarriedOff, TracesLost
from hfitd.observe.lag import watch_loop_lag
from hfitd.observe.logs import configure_logging
from hfitd.observe.observer import Observer
from hfitd.observe.process import CertificateLoaded, InsecureSetting, Started, Stopped, Stopping, WalkerLost
from hfitd.observe.tracing import open_tracer
from hfitd.offer import Current, close_sources, keys_folder, open_sources_of, reload_sources
from hfitd.store.access import AccessRequests
from hfitd.store.approvals import Approvals
from hfitd.store.formats import Upkeep
from hfitd.store.interface import Store
from hfitd.store.open import open_store
from hfitd.store.secret import load_secret
from hfitd.store.templates import Templates
from hfitd.store.users import Users
from hfitd.volumes.walkers import Walkers
from hfitd.web.server import WebServer


def installed_version() -> str:
    """The version of this distribution."""
    return distribution_version("hot-fixture-tool")


def audit_folder(config: Config) -> Path:
    """Where the chain of this instance is, perhaps beside those of others."""
    return config.audit.folder or config.server.data_dir / "audit"


def admin_socket_path(config: Config) -> Path:
    """Where the admin verbs reach the daemon."""
    return config.server.admin_socket or config.server.data_dir / "admin.sock"


class Alarms:
    """Puts what must not be overlooked in the log and on the audit record, as soon as that is open."""

    def __init__(self, observer: Observer) -> None:
        self.audit: AuditLog | None = None
        self._observer = observer
        self._writing: set[asyncio.Task[None]] = set()

    def store_tampered(self, key: str) -> None:
        """A record of the store was not written by this installation (O04)."""
        self._observer.event(StoreTampered(key))
        self._note(AuditRecord("alarm.store_tampered", objects=(key,)), "STORE_TAMPERED")

    def tables_carried_off(self, actor: Actor, quota: str) -> None:
        """Somebody asks for one table after the other."""
        self._observer.event(TablesCarriedOff(actor.email))
        self._note(actor_record("alarm.tables_carried_off", actor, quota=quota), "RATE_LIMITED")

    def _note(self, record: AuditRecord, code: str) -> None:
        if self.audit is not None:
            task = asyncio.create_task(self.audit.note(record, "alarm", code=code))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything else stands on: keys, store, audit, and the sources that a reload replaces."""

    token_keys: TokenKeys
    package_keys: PackageKeys
    store: Store
    audit: AuditLog
    guards: Guards
    walkers: Walkers
    current: Current
    observer: Observer


@asynccontextmanager
async def open_ground(config: Config, observer: Observer) -> AsyncIterator[Ground]:
    """Keys are loaded, the store and the audit log opened, the sources prepared; closed in reverse order."""
    data_dir, keys_dir = config.server.data_dir, keys_folder(config)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    instance = config.server.instance or load_instance_name(data_dir)
    async with AsyncExitStack() as stack:
        token_keys, package_keys = TokenKeys.load(keys_dir), PackageKeys.load(keys_dir)
        alarms = Alarms(observer)
        opened = await open_store(
            config.store.url,
            password=config.store.password.reveal() if config.store.password else None,
            data_dir=data_dir,
            keys_dir=keys_dir,
            on_tampered=alarms.store_tampered,
        )
        stack.push_async_callback(opened.close)
        store = MeasuredStore(opened, observer)
        audit = await AuditLog.open(
            audit_folder(config),
            instance=instance,
            keys_dir=keys_dir,
            sinks=config.audit.sinks,
            plaintext="plaintext" in config.server.insecure,
            on_notice=lambda notice: observer.event(_audit_event(notice)),
            on_written=lambda seconds: observer.event(AuditTime(seconds)),
        )
        stack.push_async_callback(audit.close)
        alarms.audit = audit
        guards = make_guards(config, store, instance, observer, alarms.tables_carried_off)
        walkers = Walkers(lambda reason: observer.event(WalkerLost(reason)))
        stack.push_async_callback(walkers.close)
        current = Current(config, open_sources_of(config, guards.places, walkers, observer))
        stack.push_async_callback(lambda: close_sources(current.sources))
        yield Ground(token_keys, package_keys, store, audit, guards, walkers, current, observer)


def make_workshop(config: Config, ground: Ground) -> Workshop:
    """What every job works with."""
    artifacts = Artifacts(
        ground.store,
        artifact_folder(config),
        load_secret(keys_folder(config) / "artifact.key"),
        ttl_seconds=config.artifacts.ttl_seconds,
        max_bytes=config.artifacts.max_bytes,
        depot=open_depot(config),
    )
    return Workshop(
        sources=lambda: ground.current.sources,
        artifacts=artifacts,
        flights=Flights(ground.store),
        board=Board(ground.store, lambda: ground.guards.fleet.size),
        approvals=Approvals(ground.store),
        spool=Spool(config.server.data_dir / "spool"),
        audit=ground.audit,
        observer=ground.observer,
        limits=config.limits,
        quotas=ground.guards.quotas,
        slot=ground.guards.limits.package_slot,
        origin=config.server.origin,
        sign=ground.package_keys.sign,
    )


@asynccontextmanager
async def open_gateway(config: Config, observer: Observer) -> AsyncIterator[tuple[Gateway, Current]]:
    """Everything behind the doors, closed again in reverse order."""
    async with open_ground(config, observer) as ground:
        workshop = make_workshop(config, ground)
        downloads, masked_files = Downloads(workshop), MaskedFiles(workshop)
        users, requests = Users(ground.store), AccessRequests(ground.store)
        origin, store = config.server.origin, ground.store
        tokens = Tokens(ground.token_keys, users, store, origin, config.auth.token_ttl_seconds)
        library = Library(Shelf(Templates(store), workshop.approvals), workshop.sources)
        reviews = Reviews(library, users, workshop.sources, ground.audit)
        door = Gateway(
            config=config,
            version=installed_version(),
            store=store,
            users=users,
            challenges=Challenges(store, users, config.auth, origin),
            tokens=tokens,
            console=ConsoleSessions(store, tokens, config.auth),
            token_keys=ground.token_keys,
            package_keys=ground.package_keys,
            limits=ground.guards.limits,
            quotas=ground.guards.quotas,
            places=ground.guards.places,
            fleet=ground.guards.fleet,
            walkers=ground.walkers,
            audit=ground.audit,
            observer=observer,
            sources=workshop.sources,
            library=library,
            reviews=reviews,
            template_checks=TemplateChecks(
                library.shelf.templates,
                users,
                reviews,
                store=store,
                instance=ground.audit.instance,
                observer=observer,
            ),
            loans=LoanDesk(requests, users, tokens, workshop, templates=library.templates, limits=ground.guards.limits),
            downloads=downloads,
            row_streams=RowStreams(workshop),
            readiness=Readiness(ground.guards.places, observer),
            file_digests=FileDigests(),
            masked_files=masked_files,
        )
        beating = asyncio.create_task(ground.guards.fleet.keep_beating(), name="fleet")
        tidying = asyncio.create_task(keep_tidy(workshop.artifacts, requests), name="housekeeping")
        mending = asyncio.create_task(Upkeep(store, ground.guards.fleet).run(), name="upkeep of the store")
        checking = asyncio.create_task(
            door.template_checks.keep_checking(config.server.template_check_seconds), name="template checks"
        )
        try:
            yield door, ground.current
        finally:
            tidying.cancel()
            mending.cancel()
            checking.cancel()
            await masked_files.close()
            await downloads.close()
            beating.cancel()
            await ground.guards.fleet.leave()


def _audit_event(notice: AuditNotice) -> AuditState | SinkDropped:
    if notice.kind == "sink_dropped":
        return SinkDropped(notice.detail, notice.records)
    return AuditState(notice.kind == "ready", notice.detail)


async def serve(path: Path, environ: Mapping[str, str], *, ready: asyncio.Event | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    use_few_heaps()
    config = load_config(path, environ)
    configure_logging(config.log.level, config.log.format)
    asyncio.get_running_loop().set_default_executor(FairThreads(min(32, (os.cpu_count() or 1) + 4)))
    await run_daemon(config, path, environ, ready=ready)


@asynccontextmanager
async def observing(config: Config) -> AsyncIterator[Observer]:
    """An observer, with traces when the configuration wants them; spans that wait are sent at its end."""
    observer = Observer()
    observer.tracer = open_tracer(
        config.traces.endpoint,
        config.traces.ratio,
        version=installed_version(),
        instance=config.server.instance or str(os.getpid()),
        on_lost=lambda spans: observer.event(TracesLost(spans)),
    )
    for name in sorted(config.server.insecure):
        observer.event(InsecureSetting(name))
    try:
        yield observer
    finally:
        await asyncio.to_thread(observer.tracer.close)


def _keep_start_out_of_collections() -> None:
    """What was made until now lives as long as the process. Left in, it would be gone through again and again while
    a job makes many objects: a quarter of a subset's CPU."""
    gc.collect()
    gc.freeze()


async def run_daemon(
    config: Config, path: Path, environ: Mapping[str, str], *, ready: asyncio.Event | None = None
) -> None:
    """Open the doors, wait for a signal, drain, close."""
    async with observing(config) as observer, open_gateway(config, observer) as (door, current):
        await refuse_excess(current.sources.engines.values(), observer)
        stop, hurry = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            (hurry if stop.is_set() else stop).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        reloads: set[asyncio.Task[None]] = set()  # a loop keeps no task alive by itself

        def reload() -> None:
            task = asyncio.create_task(reload_sources(door, current, path, environ), name="reload")
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        web = WebServer(door)
        admin = AdminServer(admin_socket_path(config), AdminDesk(door))
        lag = asyncio.create_task(watch_loop_lag(observer), name="loop lag")
        giving_back = asyncio.create_task(give_back_memory(), name="memory")
        if config.server.tls_certificate is not None:
            door.certificate = ServedCertificate(config.server.tls_certificate, config.server.tls_key)
            observer.event(CertificateLoaded(door.certificate.ends))
        await web.start()
        await admin.start()
        _keep_start_out_of_collections()
        observer.event(Started(door.version, f"{os.getpid()}-{secrets.token_hex(2)}"))
        if ready is not None:
            ready.set()
        try:
            await stop.wait()
        finally:
            door.draining = True
            observer.event(Stopping(door.downloads.running))
            await drain(door, web, hurry)
            lost = door.downloads.running
            await admin.stop()
            await web.stop()
            lag.cancel()
            giving_back.cancel()
            observer.event(Stopped(lost))


async def drain(door: Gateway, web: WebServer, hurry: asyncio.Event) -> None:
    """Let jobs and those who read finish, for ``shutdown_grace`` at most; ``hurry`` is the second signal."""
    grace = door.config.server.shutdown_grace_seconds

    async def finish() -> None:
        await door.downloads.drain(grace)
        await web.wait_idle()

    waits = {asyncio.create_task(finish()), asyncio.create_task(hurry.wait())}
    await asyncio.wait(waits, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
