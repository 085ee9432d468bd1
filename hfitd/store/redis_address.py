"""Where a Redis is, read from ``store.url``.

    redis://[user@]host[:6379][/db]                         one server
    rediss://...                                            the same over TLS, certificate and name checked
    redis+sentinel://host[:26379],host.../service[/db]      the primary that the sentinels name
    redis+cluster://host[:6379],host...                     a cluster
    rediss+sentinel://, rediss+cluster://                   over TLS

``?ca=/path.pem`` names the certificate authority. A password in the URL is accepted only where none is configured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

_SCHEME = re.compile(r"redis(?P<tls>s?)(\+(?P<mode>sentinel|cluster))?")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed URL. ``mode`` is "single", "sentinel" or "cluster", ``service`` the sentinels' name of the primary."""

    mode: str
    hosts: tuple[tuple[str, int], ...]
    service: str = ""
    database: int = 0
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca: str | None = None

    def __repr__(self) -> str:
        return f"RedisAddress(mode={self.mode!r}, hosts={self.hosts!r})"


def parse_redis_url(url: str, password: str | None = None) -> RedisAddress:
    """Read the URL; ValueError says what is wrong with it and never repeats a password."""
    parts = urlsplit(url)
    scheme = _SCHEME.fullmatch(parts.scheme)
    if scheme is None:
        raise ValueError("store.url has to begin with embedded:, redis://, redis+sentinel:// or redis+cluster://")
    mode = scheme["mode"] or "single"
    credentials, _, places = parts.netloc.rpartition("@")
    user, _, own_password = credentials.partition(":")
    hosts = _parse_hosts(places, 26379 if mode == "sentinel" else 6379)
    if mode == "single" and len(hosts) > 1:
        raise ValueError("store.url names several hosts; use redis+sentinel:// or redis+cluster://")
    service, database = _parse_path(mode, parts.path)
    query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    if set(query) - {"ca"} or parts.fragment:
        raise ValueError("store.url knows one option only: ?ca=/path.pem")
    return RedisAddress(
        mode=mode,
        hosts=hosts,
        service=service,
        database=database,
        user=unquote(user) or None,
        password=password if password is not None else unquote(own_password) or None,
        tls=bool(scheme["tls"]),
        ca=query["ca"][0] if query else None,
    )


def _parse_hosts(places: str, default_port: int) -> tuple[tuple[str, int], ...]:
    hosts = []
    for place in places.split(","):
        match = _HOST.fullmatch(place)
        port = int(match["port"] or default_port) if match else 0
        if match is None or not 0 < port < 65536:
            raise ValueError("store.url needs a host name, with a port from 1 to 65535 if any")
        hosts.append((match["host"].strip("[]"), port))
    return tuple(hosts)


def _parse_path(mode: str, path: str) -> tuple[str, int]:
    pieces = [unquote(piece) for piece in path.split("/")[1:] if piece]
    service = pieces.pop(0) if mode == "sentinel" and pieces else ""
    if mode == "sentinel" and not service:
        raise ValueError("store.url needs the service the sentinels watch: redis+sentinel://host/service")
    if not pieces:
        return service, 0
    if len(pieces) > 1 or mode == "cluster" or re.fullmatch(r"[0-9]{1,4}", pieces[0]) is None:
        raise ValueError("store.url may end with one database number, a cluster has none")
    return service, int(pieces[0])
