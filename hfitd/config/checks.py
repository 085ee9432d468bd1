"""What must hold between the keys of config.toml, beyond the type of each.

1. O13: nothing is served in clear text beyond this machine unless ``insecure`` says "plaintext".
2. F08: a volume is not a pseudo file system (``/proc``, ``/sys``, ``/dev`` ...).
3. A volume neither holds the daemon's own files nor lies within them: keys would be downloads.
4. A mask, a cleared column or a row filter for a provider that does not exist would protect nothing: refused.
5. A row filter is one expression; it cannot end the fence it is put into.
6. What this version cannot keep is refused, never ignored: packages are kept in a folder.
7. A role that can be asked for has somebody who may answer, and only such a role has rules for that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hfitd.config.addresses import is_loopback, normal_origin, split_listen
from hfitd.config.filesystem import is_pseudo_filesystem
from hfitd.config.mistakes import did_you_mean
from hfitd.config.model import Config, PolicyConfig, ProviderConfig, ServerConfig, VolumeConfig
from hfitd.config.rules import column_glob_problem, grant_problem, row_filter_problem, table_glob_problem
from hfitd.errors import Mistake

STORE_SCHEMES = ("redis", "rediss", "redis+sentinel", "redis+cluster", "rediss+sentinel", "rediss+cluster")
MIN_MASK_KEY = 16
# Amazon's rules for the names of buckets; of keys, the characters that every tool takes.
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9!_.*'()-]+)*/?")
_NEEDS_S3 = "needs one more library: pip install 'hot-fixture-tool[server,s3]'"


def find_mistakes(config: Config, raw: Mapping[str, Any]) -> list[Mistake]:
    """Every mistake between keys; ``raw`` tells which entries exist though they are wrong themselves."""
    found = [
        *check_server(config.server),
        *check_urls(config),
        *check_traces(config),
        *check_policy(config.policy, tuple(raw.get("providers") or ())),
    ]
    for provider in config.providers.values():
        found.extend(check_provider(provider))
    found.extend(check_loans(config))
    for volume in config.volumes.values():
        found.extend(check_volume(volume, config.server))
    for role in config.roles.values():
        for number, grant in enumerate(role.grants):
            problem = grant_problem(grant)
            if problem:
                found.append(Mistake(f"roles.{role.name}.grants[{number}]", problem))
    roles = tuple(raw.get("roles") or ())
    for number, rule in enumerate(config.policy.row_filter):
        for name in rule.roles:
            if name != "*" and name not in roles:
                found.append(
                    Mistake(f"policy.row_filter[{number}].roles", f"{name} is no role{did_you_mean(name, roles)}")
                )
    return found


def check_loans(config: Config) -> Iterator[Mistake]:
    """7. What may be asked for, of whom, for how long."""
    for role in config.roles.values():
        key = f"roles.{role.name}"
        for name in role.approvers:
            if name not in config.roles:
                yield Mistake(f"{key}.approvers", f"{name} is no role{did_you_mean(name, tuple(config.roles))}")
        if not role.requestable and (role.approvers or role.break_glass):
            yield Mistake(f"{key}.requestable", "must be true for approvers or break_glass to mean anything")


def check_server(server: ServerConfig) -> Iterator[Mistake]:
    """Where it listens, what it is called, whether it is encrypted."""
    place = split_listen(server.listen)
    if place is None:
        yield Mistake("server.listen", "must be HOST:PORT or [IPv6]:PORT")
    if not server.origin:
        if place is not None:
            yield Mistake("server.origin", "is missing: say by which address clients call this server")
    elif normal_origin(server.origin) is None:
        yield Mistake("server.origin", "must be http(s)://HOST or http(s)://HOST:PORT and nothing more")
    for key, path in (("tls_certificate", server.tls_certificate), ("tls_key", server.tls_key)):
        if path is not None and not path.is_file():
            yield Mistake(f"server.{key}", "there is no such file")
    if (server.tls_certificate is None) != (server.tls_key is None):
        yield Mistake("server.tls_key", "tls_certificate and tls_key go together")
    if "plaintext" not in server.insecure:
        yield from check_plaintext(server)
    for number, network in enumerate(server.trusted_proxies):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            yield Mistake(f"server.trusted_proxies[{number}]", "must be an address or a network such as 10.0.0.0/8")


def check_plaintext(server: ServerConfig) -> Iterator[Mistake]:
    """1. Nothing is served in clear text beyond this machine."""
    place = split_listen(server.listen)
    if place is not None and not is_loopback(place[0]) and server.tls_certificate is None:
        yield Mistake(
            "server.listen",
            "others could read along: give tls_certificate and tls_key, listen on 127.0.0.1 behind a proxy, "
            'or say insecure = ["plaintext"]',
        )
    origin = urlsplit(server.origin) if normal_origin(server.origin) else None
    if origin is not None and origin.scheme == "http" and not is_loopback(origin.hostname or ""):
        yield Mistake("server.origin", 'must be https:// beyond this machine, or say insecure = ["plaintext"]')


def check_urls(config: Config) -> Iterator[Mistake]:
    """Store, artifacts and audit sinks."""
    url = urlsplit(config.store.url) if valid_url(config.store.url) else None
    if url is None or (config.store.url != "embedded:" and (url.scheme not in STORE_SCHEMES or not url.netloc)):
        yield Mistake("store.url", 'must be "embedded:", redis://, rediss://, redis+sentinel:// or redis+cluster://')
    elif url.password and "secrets" not in config.server.insecure:
        yield Mistake("store.url", "must not hold a password: use store.password")
    if _BUCKET.fullmatch(config.artifacts.url):
        if find_spec("obstore") is None:
            yield Mistake("artifacts.url", _NEEDS_S3)
    elif not re.fullmatch(r"file:(/.*)?", config.artifacts.url):  # 6
        yield Mistake("artifacts.url", 'must be "file:", "file:/absolute/folder" or "s3://bucket/prefix"')
    for number, sink in enumerate(config.audit.sinks):
        problem = sink_problem(sink)
        if problem:
            yield Mistake(f"audit.sinks[{number}]", problem)


def check_traces(config: Config) -> Iterator[Mistake]:
    """Where spans go: an address, encrypted beyond this machine (1), and the library that sends them."""
    endpoint = config.traces.endpoint
    if not endpoint:
        return
    parts = urlsplit(endpoint) if valid_url(endpoint) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        yield Mistake("traces.endpoint", "must be http(s)://HOST:PORT/v1/traces of a collector")
        return
    if parts.scheme == "http" and not is_loopback(parts.hostname) and "plaintext" not in config.server.insecure:
        yield Mistake("traces.endpoint", 'must be https:// beyond this machine, or say insecure = ["plaintext"]')
    if find_spec("opentelemetry") is None:
        yield Mistake("traces.endpoint", "needs one more library: pip install 'hot-fixture-tool[server,otel]'")


def sink_problem(sink: str) -> str:
    """What is wrong with the name of an audit sink, or nothing."""
    kind, _, place = sink.partition(":")
    if sink in ("file:", "stdout:") or (kind == "file" and place.startswith("/")):
        return ""
    if _BUCKET.fullmatch(sink):
        return _NEEDS_S3 if find_spec("obstore") is None else ""
    if kind in ("syslog", "syslog+tcp") and split_listen(place) is not None:
        return ""
    forms = '"file:", "file:/a/second/file", "stdout:", "syslog:HOST:PORT", "syslog+tcp:HOST:PORT"'
    return f'must be {forms} or "s3://bucket/prefix"'


def valid_url(url: str) -> bool:
    """Whether the text can be taken apart as a URL."""
    try:
        return bool(urlsplit(url).scheme)
    except ValueError:
        return False


def check_provider(provider: ProviderConfig) -> Iterator[Mistake]:
    """What each engine needs."""
    key = f"providers.{provider.name}"
    if provider.type == "sqlite":
        if provider.path is None:
            yield Mistake(f"{key}.path", "is missing: the SQLite file")
        if provider.user or provider.password or provider.port:
            yield Mistake(key, "a SQLite provider has a path and no user, password or port")
        return
    if provider.path is not None:
        yield Mistake(f"{key}.path", "belongs to SQLite providers only")
    if not provider.user:
        yield Mistake(f"{key}.user", "is missing")
    if provider.type == "postgresql" and not provider.database:
        yield Mistake(f"{key}.database", "is missing")
    if provider.tls_ca is not None and not provider.tls_ca.is_file():
        yield Mistake(f"{key}.tls_ca", "there is no such file")


def check_volume(volume: VolumeConfig, server: ServerConfig) -> Iterator[Mistake]:
    """Where a volume may lie; whether the folder exists is found out by ``hfitd check``."""
    key = f"volumes.{volume.name}"
    if is_pseudo_filesystem(volume.path):  # 2
        yield Mistake(f"{key}.path", "is not a folder of files but a window into the system")
    own = (server.data_dir, server.keys_dir)
    if any(path is not None and overlap(volume.path, path) for path in own):  # 3
        yield Mistake(f"{key}.path", "overlaps the daemon's own data_dir or keys_dir")


def overlap(one: Path, other: Path) -> bool:
    """Whether one folder is the other or lies in it, symbolic links followed."""
    first, second = one.resolve(), other.resolve()
    return first.is_relative_to(second) or second.is_relative_to(first)


def check_policy(policy: PolicyConfig, providers: tuple[str, ...]) -> Iterator[Mistake]:
    """Globs, row filters and the mask key."""
    if policy.mask_key is not None and len(policy.mask_key.reveal()) < MIN_MASK_KEY:
        yield Mistake("policy.mask_key", f"must have at least {MIN_MASK_KEY} characters")
    for number, mask in enumerate(policy.mask):
        for glob in mask.columns:
            yield from check_glob(f"policy.mask[{number}].columns", column_glob_problem(glob), glob, providers)
    for glob in policy.clear:
        yield from check_glob("policy.clear", column_glob_problem(glob), glob, providers)
    for number, rule in enumerate(policy.row_filter):
        key = f"policy.row_filter[{number}]"
        yield from check_glob(f"{key}.table", table_glob_problem(rule.table), rule.table, providers)
        problem = row_filter_problem(rule.where)  # 5
        if problem:
            yield Mistake(f"{key}.where", problem)


def check_glob(key: str, problem: str, glob: str, providers: tuple[str, ...]) -> Iterator[Mistake]:
    """The glob's form, and that some provider is meant by it."""
    if problem:
        yield Mistake(key, f"{glob}: {problem}")
        return
    name = glob.partition("/")[0]
    if not any(fnmatchcase(provider, name) for provider in providers):  # 4
        yield Mistake(key, f"{name} is no provider{did_you_mean(name, providers)}")
