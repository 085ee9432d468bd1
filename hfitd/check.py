"""``hfitd check``: really connect to everything that is configured and say what is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hfitd.access.dead_globs import Shapes, find_dead, find_unfit
from hfitd.access.policy import Policy
from hfitd.config.model import Config, ProviderConfig
from hfitd.engines.interface import Engine
from hfitd.engines.table import open_engine
from hfitd.errors import DbUnavailable, HfitError, LoginRefused, NotFound
from hfitd.model import Catalog
from hfitd.offer import keys_folder
from hfitd.store.open import open_store
from hfitd.volumes.folder import open_volume


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    warnings: tuple[str, ...] = ()


async def check_all(config: Config, *, database: str | None, store: bool, volumes: bool) -> list[CheckResult]:
    """Results in the order of the file; ``database`` is a provider's name, ``*`` for all or None for none."""
    chosen = [name for name in config.providers if database in {"*", name}]
    results: list[CheckResult] = []
    if database not in {None, "*"} and not chosen:
        results.append(CheckResult(f"provider {database}", False, "there is no such provider in the configuration"))
    looked = await asyncio.gather(*(_check_provider(config, name) for name in chosen))
    results += [result for result, _ in looked]
    shapes = {name: catalogs for name, (_, catalogs) in zip(chosen, looked, strict=True) if catalogs}
    if shapes:
        results.append(_check_policy(config, Shapes(shapes, whole=len(shapes) == len(config.providers))))
    if volumes:
        results += [_check_volume(config, name) for name in config.volumes]
    if store:
        results.append(await _check_store(config))
    return results


async def _check_provider(config: Config, name: str) -> tuple[CheckResult, list[Catalog]]:
    """What the server says of itself and of the role, and the shapes of its databases."""
    engine = open_engine(config.providers[name])
    try:
        report = await engine.check()
        catalogs = await _read_catalogs(engine)
    except HfitError as error:
        problem = f"{error.message} {_remedy(config.providers[name], error)}"
        return CheckResult(f"provider {name}", False, problem), []
    finally:
        await engine.close()
    warnings = (*report.warnings, *report.excess)
    if report.excess and "db-role" not in config.server.insecure:
        warnings += ('with such a role hfitd does not use the provider, unless server.insecure names "db-role"',)
    return CheckResult(f"provider {name}", True, f"{report.engine} {report.version}", warnings), catalogs


async def _read_catalogs(engine: Engine) -> list[Catalog]:
    """One for each database; on MySQL one catalogue holds them all."""
    names = [None] if engine.dialect.name == "mysql" else await engine.databases()
    catalogs = []
    for name in names:
        async with engine.snapshot(name) as snapshot:
            catalogs.append(await snapshot.catalog())
    return catalogs


def _check_policy(config: Config, shapes: Shapes) -> CheckResult:
    """What of the policy means nothing in these databases, or cannot be kept there."""
    policy = Policy(config.policy, config.roles, b"only to look at the policy")
    warnings = (*find_dead(policy.compiled, shapes), *find_unfit(policy, shapes))
    count = sum(len(catalog.tables) for catalogs in shapes.catalogs.values() for catalog in catalogs)
    return CheckResult("policy", True, f"held against {count} tables", warnings)


def _remedy(provider: ProviderConfig, error: HfitError) -> str:
    """Which keys to look at. The keys' values are not repeated: this may be pasted into a ticket."""
    place = f"[providers.{provider.name}]"
    if isinstance(error, LoginRefused):
        return f"See user and password in {place}, and from where the server lets this user in."
    if isinstance(error, NotFound):
        return f"See database in {place}, and whether the user may connect to it."
    if not isinstance(error, DbUnavailable):
        return f"See {place}; the server's own log may say more."
    if provider.type == "sqlite":
        return f"See path in {place}: a database file that this user may read, in a folder it may read."
    return f"See whether the server runs and can be reached from here, and host, port, tls and tls_ca in {place}."


def _check_volume(config: Config, name: str) -> CheckResult:
    try:
        volume = open_volume(config.volumes[name])
    except HfitError as error:
        return CheckResult(f"volume {name}", False, error.message)
    volume.close()
    return CheckResult(f"volume {name}", True, "can be opened")


async def _check_store(config: Config) -> CheckResult:
    if config.store.url == "embedded:" and (config.server.data_dir / "admin.sock").exists():
        return CheckResult("store", True, "embedded, in use by a running daemon")
    password = config.store.password.reveal() if config.store.password else None
    try:
        store = await open_store(
            config.store.url,
            password=password,
            data_dir=config.server.data_dir,
            keys_dir=keys_folder(config),
            on_tampered=lambda key: None,
        )
        try:
            await store.ping()
        finally:
            await store.close()
    except (HfitError, OSError) as error:
        return CheckResult("store", False, error.message if isinstance(error, HfitError) else "it cannot be opened")
    return CheckResult("store", True, "answers")
