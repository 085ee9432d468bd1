"""What a configuration offers: engines, volumes and policy, opened, closed, and exchanged at SIGHUP.

1. A reload takes over providers, volumes, policy and roles. What the file changes elsewhere waits for a new start, and
   the log names it.
2. A file with mistakes, or one whose sources cannot be opened, changes nothing and is named in the log.
3. Jobs under way keep the sources they began with; those are closed when no job can be left.
4. The certificate of TLS is read again from the files the start named; one that cannot be served is a mistake (2).
5. Reloads happen one after the other, so that the last signal is the last word.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hfitd.access.compiled import policy_mistakes
from hfitd.access.policy import Policy
from hfitd.config.load import load_config
from hfitd.config.model import Config
from hfitd.engines.places import AllPlaces
from hfitd.errors import ConfigError, HfitError, Mistake
from hfitd.export.review.rules import rules_of
from hfitd.export.sources import Sources
from hfitd.gateway.core import Gateway, Reload
from hfitd.gateway.guards import open_guarded
from hfitd.observe.events import ErrorRaised
from hfitd.observe.observer import Observer
from hfitd.observe.process import CertificateLoaded, ConfigReloaded
from hfitd.store.secret import load_secret
from hfitd.volumes.folder import open_volume
from hfitd.volumes.interface import Volume
from hfitd.volumes.masked.rules import find_rule_mistakes, rules_digest
from hfitd.volumes.walkers import Walkers

PROVIDER_CLOSE_SECONDS = 5.0
RELOADED = ("providers", "volumes", "policy", "roles")


@dataclass(slots=True)
class Current:
    """What a reload replaces."""

    config: Config
    sources: Sources
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)


def keys_folder(config: Config) -> Path:
    """Where an installation's keys lie."""
    return config.server.keys_dir or config.server.data_dir / "keys"


def refuse_mistakes(config: Config) -> None:
    """ConfigError for what the loader cannot know: masks, globs, formats, patterns, paths; all of it at once."""
    mistakes = [Mistake("policy", mistake) for mistake in policy_mistakes(config.policy, config.roles)]
    mistakes += find_rule_mistakes(config.volumes, tuple(config.providers))
    if mistakes:
        raise ConfigError(mistakes)


def open_sources_of(config: Config, places: AllPlaces, walkers: Walkers, observer: Observer) -> Sources:
    """Engines, volumes and policy of a configuration; connects to nothing."""
    refuse_mistakes(config)
    key = config.policy.mask_key
    mask_key = key.reveal().encode() if key else load_secret(keys_folder(config) / "mask.key")
    return Sources(
        engines={
            name: open_guarded(provider, config.server, places, observer) for name, provider in config.providers.items()
        },
        default_databases={name: p.database or "main" for name, p in config.providers.items()},
        volumes=_open_volumes(config, mask_key, walkers),
        policy=Policy(config.policy, config.roles, mask_key, file_rules=rules_digest(config.volumes)),
        identity=_identity(config, mask_key),
        rules=rules_of(config),
    )


def _open_volumes(config: Config, mask_key: bytes, walkers: Walkers) -> dict[str, Volume]:
    """All of them or, with Unavailable, none."""
    opened: dict[str, Volume] = {}
    try:
        for name, volume in config.volumes.items():
            opened[name] = open_volume(volume, mask_key, walkers=walkers)
    except BaseException:
        for volume_before in opened.values():
            volume_before.close()
        raise
    return opened


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


async def reload_sources(door: Gateway, current: Current, path: Path, environ: Mapping[str, str]) -> None:
    """Take over providers, volumes, policy and roles of the file."""
    async with current.reloading:  # 5
        try:
            config = await asyncio.to_thread(load_config, path, environ)
            renewed = await asyncio.to_thread(door.certificate.read) if door.certificate is not None else None  # 4
            fresh = await asyncio.to_thread(open_sources_of, config, door.places, door.walkers, door.observer)
        except ConfigError as error:
            _refuse(door, tuple(f"{m.key}: {m.message}" for m in error.mistakes))
            return
        except HfitError as error:
            _refuse(door, (f"{error.resource}: {error.message}" if error.resource else error.message,))
            return
        except Exception as error:  # noqa: BLE001 - a signal has nobody to answer to; the old sources go on
            door.observer.event(ErrorRaised("INTERNAL", error))
            _refuse(door, ("it cannot be used; the log has the cause",))
            return
        restart = changed_sections(door.config, config)
        old, current.sources, current.config = current.sources, fresh, config
        taken = {name: getattr(config, name) for name in RELOADED}
        door.config = dataclasses.replace(door.config, **taken)
        if door.certificate is not None and renewed is not None:
            door.certificate.take(renewed)
            door.observer.event(CertificateLoaded(renewed.ends))
        door.reload = Reload(time.time(), restart=restart)
        door.observer.event(ConfigReloaded(restart=restart))  # 1
        asyncio.get_running_loop().call_later(  # 3
            door.config.limits.job_timeout_seconds, lambda: asyncio.ensure_future(close_sources(old))
        )


def _refuse(door: Gateway, mistakes: tuple[str, ...]) -> None:
    """2."""
    door.reload = Reload(time.time(), mistakes=mistakes)
    door.observer.event(ConfigReloaded(mistakes))


def changed_sections(running: Config, written: Config) -> tuple[str, ...]:
    """Keys that differ and are not taken over by a reload, as ``section.key``."""
    found = []
    for section in dataclasses.fields(running):
        if section.name in RELOADED:
            continue
        before, after = getattr(running, section.name), getattr(written, section.name)
        found += [
            f"{section.name}.{key.name.removesuffix('_seconds')}"
            for key in dataclasses.fields(before)
            if getattr(before, key.name) != getattr(after, key.name)
        ]
    return tuple(found)
