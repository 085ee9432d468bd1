"""What handlers reach: the rooms below, opened by ``app`` and handed over once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from hfitd.access.challenge import Challenges
from hfitd.access.limits import Limits
from hfitd.access.package_keys import PackageKeys
from hfitd.access.tokens import TokenKeys, Tokens
from hfitd.audit.log import AuditLog
from hfitd.config.model import Config
from hfitd.export.downloads import Downloads
from hfitd.export.library import Library
from hfitd.export.rows import RowStreams
from hfitd.export.sources import Sources
from hfitd.model import Actor
from hfitd.observe import Observer
from hfitd.store.interface import Store


@dataclass(slots=True)
class Gateway:
    """The composed daemon as its doors see it. ``draining`` refuses new work."""

    config: Config
    version: str
    store: Store
    challenges: Challenges
    tokens: Tokens
    token_keys: TokenKeys
    package_keys: PackageKeys
    limits: Limits
    audit: AuditLog
    observer: Observer
    sources: Callable[[], Sources]
    library: Library
    downloads: Downloads
    row_streams: RowStreams
    draining: bool = False
    document: bytes = field(default=b"")


GATEWAY = web.AppKey("gateway", Gateway)
ACTOR = web.RequestKey("actor", Actor)
BEGAN = web.RequestKey("began", bool)  # the head of a streamed response has left
REQUEST_ID = web.RequestKey("request_id", str)


def gateway(request: web.Request) -> Gateway:
    """The daemon behind this request."""
    return request.config_dict[GATEWAY]


def actor(request: web.Request) -> Actor:
    """Who asks; the guard put it there."""
    return request[ACTOR]
