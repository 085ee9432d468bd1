"""What the doors reach: the rooms below, opened by ``app`` and handed over once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hfitd.access.certificates import ServedCertificate
from hfitd.access.challenge import Challenges
from hfitd.access.console import ConsoleSessions
from hfitd.access.limits import Limits
from hfitd.access.package_keys import PackageKeys
from hfitd.access.quotas import Quotas
from hfitd.access.token_keys import TokenKeys
from hfitd.access.tokens import Tokens
from hfitd.audit.log import AuditLog
from hfitd.config.model import Config
from hfitd.engines.places import AllPlaces
from hfitd.export.downloads import Downloads
from hfitd.export.library import Library
from hfitd.export.masked_files import MaskedFiles
from hfitd.export.review.desk import Reviews
from hfitd.export.rows import RowStreams
from hfitd.export.sources import Sources
from hfitd.gateway.digests import FileDigests
from hfitd.gateway.loans import LoanDesk
from hfitd.gateway.readiness import Readiness
from hfitd.gateway.template_checks import TemplateChecks
from hfitd.observe.observer import Observer
from hfitd.store.fleet import Fleet
from hfitd.store.interface import Store
from hfitd.store.users import Users
from hfitd.volumes.walkers import Walkers


@dataclass(frozen=True, slots=True)
class Reload:
    """The last answer to SIGHUP: when (seconds since 1970), what was wrong, and what waits for a new start."""

    at: float
    mistakes: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


@dataclass(slots=True)
class Gateway:
    """The composed daemon as its doors see it. ``draining`` refuses new work; ``config`` is what runs, with what a
    reload has replaced."""

    config: Config
    version: str
    store: Store
    users: Users
    challenges: Challenges
    tokens: Tokens
    console: ConsoleSessions
    token_keys: TokenKeys
    package_keys: PackageKeys
    limits: Limits
    quotas: Quotas
    places: AllPlaces
    fleet: Fleet
    walkers: Walkers
    audit: AuditLog
    observer: Observer
    sources: Callable[[], Sources]
    library: Library
    reviews: Reviews
    template_checks: TemplateChecks
    loans: LoanDesk
    downloads: Downloads
    row_streams: RowStreams
    readiness: Readiness
    file_digests: FileDigests
    masked_files: MaskedFiles
    draining: bool = False
    document: bytes = field(default=b"")
    started: float = field(default_factory=time.time)
    reload: Reload | None = None
    certificate: ServedCertificate | None = None  # None without TLS here
