"""One byte range (RFC 9110, section 14) and the address of the caller behind trusted proxies."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from hfitd.errors import RangeInvalid
from hfitd.web.context import gateway

SINGLE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``stop`` (exclusive) of ``size``; ``partial`` asks for 206."""

    start: int
    stop: int
    size: int
    partial: bool

    @property
    def content_range(self) -> str:
        """The header's value."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


def wanted_span(request: web.Request, size: int, etag: str) -> Span:
    """The bytes that a request asks for; see ``span_of``."""
    return span_of(request.headers, size, etag)


def span_of(headers: Mapping[str, str], size: int, etag: str) -> Span:
    """The bytes asked for: all of them when there is no Range, several ranges, or a stale If-Range.

    RangeInvalid (416) when the one range lies outside.
    """
    whole = Span(0, size, size, partial=False)
    header = headers.get("Range")
    if header is None or headers.get("If-Range", etag) != etag:
        return whole
    match = SINGLE.fullmatch(header.strip())
    if match is None or match[0] == "bytes=-":
        return whole  # several ranges or another unit: the whole is always a right answer
    first, last = match[1], match[2]
    if not first:
        start, stop = max(0, size - int(last)), size
        if int(last) == 0:
            raise RangeInvalid(resource=f"bytes */{size}")
    else:
        start = int(first)
        stop = min(int(last) + 1, size) if last else size
    if start >= size or start >= stop:
        raise RangeInvalid(resource=f"bytes */{size}")
    return Span(start, stop, size, partial=True)


def client_address(request: web.Request) -> str:
    """The caller's address; ``X-Forwarded-For`` counts only from proxies that the configuration names.

    A proxy may add its hop to the header or in a line of its own, below what its client wrote: all lines are one list,
    read from its end. What is no address was written by no proxy, so nothing before it is believed.
    """
    peer, proxies = request.remote or "", gateway(request).config.server.trusted_proxies
    if not proxies:
        return peer
    trusted = [ipaddress.ip_network(entry) for entry in proxies]
    if not _within(peer, trusted):
        return peer
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    for hop in reversed([_without_port(hop.strip()) for hop in hops if hop.strip()]):
        if not _is_address(hop):
            return peer
        if not _within(hop, trusted):
            return hop
    return peer


def _without_port(hop: str) -> str:
    """``192.0.2.1`` of ``192.0.2.1:80``, ``2001:db8::1`` of ``[2001:db8::1]:80``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in network for network in networks)
