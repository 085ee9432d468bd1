"""The composition root: knows every room, opens and closes all, in an order that is its own reverse.

Reload (SIGHUP) replaces providers, volumes and policy; a bad file keeps what is and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path

from hfitd.access.challenge import Challenges
from hfitd.access.limits import Limits
from hfitd.access.package_keys import PackageKeys
from hfitd.access.policy import Policy, policy_mistakes
from hfitd.access.token_keys import TokenKeys
from hfitd.access.tokens import Tokens
from hfitd.admin.commands import AdminDesk
from hfitd.admin.server import AdminServer
from hfitd.audit.log import AuditLog, AuditNotice
from hfitd.audit.record import AuditRecord
from hfitd.config.load import load_config
from hfitd.config.model import Config, ProviderConfig, ServerConfig
from hfitd.engines.interface import Engine
from hfitd.engines.table import open_engine
from hfitd.errors import ConfigError, Mistake
from hfitd.export.artifacts import Artifacts
from hfitd.export.downloads import Downloads
from hfitd.export.library import Library
from hfitd.export.rows import RowStreams
from hfitd.export.sources import Sources
from hfitd.export.spool import Spool
from hfitd.export.workshop import Workshop
from hfitd.gateway.core import Gateway
from hfitd.gateway.digests import FileDigests
from hfitd.gateway.readiness import Readiness
from hfitd.gateway.role_guard import GuardedEngine, refuse_excess
from hfitd.observe.events import (
    AuditState,
    ConfigReloaded,
    InsecureSetting,
    SinkDropped,
    Started,
    Stopped,
    Stopping,
    StoreTampered,
)
from hfitd.observe.lag import watch_loop_lag
from hfitd.observe.logs import configure_logging
from hfitd.observe.observer import Observer
from hfitd.store.interface import Store
from hfitd.store.open import open_store
from hfitd.store.secret import load_secret
from hfitd.store.templates import Templates
from hfitd.store.users import Users
from hfitd.volumes.folder import open_volume
from hfitd.web.server import WebServer

PROVIDER_CLOSE_SECONDS = 5.0


def installed_version() -> str:
    """The version of this distribution."""
    return distribution_version("hot-fixture-tool")


def keys_folder(config: Config) -> Path:
    """Where an installation's keys lie."""
    return config.server.keys_dir or config.server.data_dir / "keys"


def admin_socket_path(config: Config) -> Path:
    """Where the admin verbs reach the daemon."""
    return config.server.admin_socket or config.server.data_dir / "admin.sock"


@dataclass(slots=True)
class Current:
    """What a reload replaces."""

    config: Config
    sources: Sources

    def max_costs(self) -> Mapping[str, float | None]:
        """The cost ceiling of each provider."""
        return {name: provider.max_cost for name, provider in self.config.providers.items()}


def open_sources_of(config: Config, keys_dir: Path) -> Sources:
    """Engines, volumes and policy of a configuration; connects to nothing."""
    mistakes = policy_mistakes(config.policy, config.roles)
    if mistakes:
        raise ConfigError([Mistake("policy", mistake) for mistake in mistakes])
    key = config.policy.mask_key
    mask_key = key.reveal().encode() if key else load_secret(keys_dir / "mask.key")
    return Sources(
        engines={name: open_provider(provider, config.server) for name, provider in config.providers.items()},
        default_databases={name: p.database or "main" for name, p in config.providers.items()},
        volumes={name: open_volume(volume) for name, volume in config.volumes.items()},
        policy=Policy(config.policy, config.roles, mask_key),
        identity=_identity(config, mask_key),
    )


def open_provider(provider: ProviderConfig, server: ServerConfig) -> Engine:
    """Its engine, guarded against a role that can do more than read unless ``server.insecure`` allows that (O13)."""
    engine = open_engine(provider)
    return engine if "db-role" in server.insecure else GuardedEngine(engine)


def _identity(config: Config, mask_key: bytes) -> str:
    """Digest of what the sources are and give, so that a package from before a change is never served after it."""
    providers = [
        [p.name, p.type, p.host, p.port, p.user, p.database, list(p.databases), str(p.path)]
        for p in config.providers.values()
    ]
    volumes = [repr(volume) for volume in config.volumes.values()]  # every rule of it decides which files there are
    key_id = hashlib.sha256(b"key id" + mask_key).hexdigest()
    return hashlib.sha256(json.dumps([sorted(providers), sorted(volumes), key_id]).encode()).hexdigest()


async def close_sources(sources: Sources) -> None:
    """Close engines and volumes; an engine that does not answer is left after a while."""
    for engine in sources.engines.values():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROVIDER_CLOSE_SECONDS):
                await engine.close()
    for volume in sources.volumes.values():
        volume.close()


class Alarms:
    """Puts what must not be overlooked in the log and on the audit record, as soon as that is open."""

    def __init__(self, observer: Observer) -> None:
        self.audit: AuditLog | None = None
        self._observer = observer
        self._writing: set[asyncio.Task[None]] = set()

    def store_tampered(self, key: str) -> None:
        """A record of the store was not written by this installation (O04)."""
        self._observer.event(StoreTampered(key))
        if self.audit is not None:
            record = AuditRecord("alarm.store_tampered", objects=(key,))
            task = asyncio.create_task(self.audit.note(record, "alarm", code="STORE_TAMPERED"))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything else stands on: keys, store, audit, and the sources that a reload replaces."""

    token_keys: TokenKeys
    package_keys: PackageKeys
    store: Store
    audit: AuditLog
    current: Current
    observer: Observer


@asynccontextmanager
async def open_ground(config: Config, observer: Observer) -> AsyncIterator[Ground]:
    """Keys are loaded, the store and the audit log opened, the sources prepared; closed in reverse order."""
    data_dir, keys_dir = config.server.data_dir, keys_folder(config)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        token_keys, package_keys = TokenKeys.load(keys_dir), PackageKeys.load(keys_dir)
        alarms = Alarms(observer)
        store = await open_store(
            config.store.url,
            password=config.store.password.reveal() if config.store.password else None,
            data_dir=data_dir,
            keys_dir=keys_dir,
            on_tampered=alarms.store_tampered,
        )
        stack.push_async_callback(store.close)
        audit = await AuditLog.open(
            data_dir / "audit",
            instance="local",
            keys_dir=keys_dir,
            sinks=config.audit.sinks,
            on_notice=lambda notice: observer.event(_audit_event(notice)),
        )
        stack.push_async_callback(audit.close)
        alarms.audit = audit
        current = Current(config, open_sources_of(config, keys_dir))
        stack.push_async_callback(lambda: close_sources(current.sources))
        yield Ground(token_keys, package_keys, store, audit, current, observer)


def make_workshop(config: Config, ground: Ground, limits: Limits) -> Workshop:
    """What every job works with."""
    artifacts = Artifacts(
        ground.store,
        _artifact_folder(config),
        load_secret(keys_folder(config) / "artifact.key"),
        ttl_seconds=config.artifacts.ttl_seconds,
        max_bytes=config.artifacts.max_bytes,
    )
    return Workshop(
        sources=lambda: ground.current.sources,
        max_costs=ground.current.max_costs,
        artifacts=artifacts,
        spool=Spool(config.server.data_dir / "spool"),
        audit=ground.audit,
        observer=ground.observer,
        limits=config.limits,
        slot=limits.package_slot,
        origin=config.server.origin,
        sign=ground.package_keys.sign,
    )


@asynccontextmanager
async def open_gateway(config: Config, observer: Observer) -> AsyncIterator[tuple[Gateway, Current]]:
    """Everything behind the doors, closed again in reverse order."""
    async with open_ground(config, observer) as ground:
        limits = Limits(ground.store, config.limits, config.auth)
        workshop = make_workshop(config, ground, limits)
        downloads = Downloads(workshop)
        users = Users(ground.store)
        origin, store = config.server.origin, ground.store
        door = Gateway(
            config=config,
            version=installed_version(),
            store=store,
            users=users,
            challenges=Challenges(store, users, config.auth, origin),
            tokens=Tokens(ground.token_keys, users, store, origin, config.auth.token_ttl_seconds),
            token_keys=ground.token_keys,
            package_keys=ground.package_keys,
            limits=limits,
            audit=ground.audit,
            observer=observer,
            sources=workshop.sources,
            library=Library(Templates(store), workshop.sources),
            downloads=downloads,
            row_streams=RowStreams(workshop),
            readiness=Readiness(),
            file_digests=FileDigests(),
        )
        try:
            yield door, ground.current
        finally:
            await downloads.close()


def _audit_event(notice: AuditNotice) -> AuditState | SinkDropped:
    if notice.kind == "sink_dropped":
        return SinkDropped(notice.detail, notice.records)
    return AuditState(notice.kind == "ready", notice.detail)


def _artifact_folder(config: Config) -> Path:
    path = config.artifacts.url.removeprefix("file:")
    return Path(path) if path else config.server.data_dir / "artifacts"


async def reload_sources(door: Gateway, current: Current, path: Path, environ: Mapping[str, str]) -> None:
    """Take over providers, volumes and policy of the file; a bad file changes nothing."""
    try:
        config = await asyncio.to_thread(load_config, path, environ)
        fresh = await asyncio.to_thread(open_sources_of, config, keys_folder(config))
    except ConfigError as error:
        door.observer.event(ConfigReloaded(tuple(f"{m.key}: {m.message}" for m in error.mistakes)))
        return
    old, current.sources, current.config = current.sources, fresh, config
    door.observer.event(ConfigReloaded())
    asyncio.get_running_loop().call_later(
        config.limits.job_timeout_seconds, lambda: asyncio.ensure_future(close_sources(old))
    )


async def serve(path: Path, environ: Mapping[str, str], *, ready: asyncio.Event | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    config = load_config(path, environ)
    configure_logging(config.log.level, config.log.format)
    await run_daemon(config, path, environ, ready=ready)


async def run_daemon(
    config: Config, path: Path, environ: Mapping[str, str], *, ready: asyncio.Event | None = None
) -> None:
    """Open the doors, wait for a signal, drain, close."""
    observer = Observer()
    for name in sorted(config.server.insecure):
        observer.event(InsecureSetting(name))
    async with open_gateway(config, observer) as (door, current):
        await refuse_excess(current.sources.engines.values(), observer)
        stop, hurry = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            (hurry if stop.is_set() else stop).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        loop.add_signal_handler(
            signal.SIGHUP, lambda: asyncio.ensure_future(reload_sources(door, current, path, environ))
        )
        web = WebServer(door)
        admin = AdminServer(admin_socket_path(config), AdminDesk(door))
        lag = asyncio.create_task(watch_loop_lag(observer), name="loop lag")
        await web.start()
        await admin.start()
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
