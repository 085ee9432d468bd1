"""Addresses in the configuration: what may be listened on, and what the server calls itself."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def split_listen(listen: str) -> tuple[str, int] | None:
    """Host and port of ``HOST:PORT`` or ``[IPv6]:PORT``; None when it is neither. Port 0 is any free one."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", listen)
    if match is None or int(match[3]) > 65535:
        return None
    return match[1] or match[2], int(match[3])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether the host means every interface, which no client can call us by."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def normal_origin(origin: str) -> str | None:
    """``scheme://host[:port]`` in lower case without default port; None when it is no origin."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not host or not origin.isascii() or re.search(r"[\s\\]", origin):
        return None
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}")


def origin_of(listen: str, *, encrypted: bool) -> str | None:
    """What a server is called that listens there, when the file does not say; None for a wildcard."""
    place = split_listen(listen)
    if place is None or is_wildcard(place[0]):
        return None
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    return normal_origin(f"{'https' if encrypted else 'http'}://{host}:{place[1]}")
