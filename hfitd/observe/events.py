"""Everything the daemon ever says about itself. A room that wants to say more adds a class here.

Fields are numbers and names of configured things. No field takes SQL, a row value, a token, a host or a path of the
server; ``key`` of a store record and ``email`` are names. An exception is carried whole, ``logs`` decides what of it
may be written.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hfitd.observe.process import (
    CertificateLoaded,
    ConfigReloaded,
    InsecureSetting,
    LoopHeld,
    LoopLag,
    Observed,
    Started,
    Stopped,
    Stopping,
    WalkerLost,
)


@dataclass(frozen=True, slots=True)
class RequestDone(Observed):
    """A request was answered. ``route`` is the pattern, never the path; ``code`` the error code or empty."""

    method: str
    route: str
    status: int
    seconds: float
    size: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class LoginDone(Observed):
    """A login succeeded or failed; ``reason`` is for the operator only, the caller learns nothing of it."""

    email: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PackageDone(Observed):
    """A package job ended. ``outcome`` is "done", "failed" or "cancelled"."""

    template: str
    outcome: str
    rows: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RowsSent(Observed):
    """Rows left the daemon outside a package."""

    provider: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class PackageSent(Observed):
    """So much of a package, new or kept, has left the daemon."""

    level: ClassVar[int] = logging.DEBUG
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class FileSent(Observed):
    """So much of a volume's file has left the daemon."""

    level: ClassVar[int] = logging.DEBUG
    volume: str
    size: int


@dataclass(frozen=True, slots=True)
class CacheAsked(Observed):
    """A finished package was looked for."""

    level: ClassVar[int] = logging.DEBUG
    hit: bool


@dataclass(frozen=True, slots=True)
class ExtractionStarted(Observed):
    """A job reads its sources; single flight means one of these for many askers."""

    level: ClassVar[int] = logging.DEBUG
    template: str


@dataclass(frozen=True, slots=True)
class ExtractionJoined(Observed):
    """An asker joined a job that was running already."""

    level: ClassVar[int] = logging.DEBUG
    template: str


@dataclass(frozen=True, slots=True)
class QueueChanged(Observed):
    """How many wait for and hold a place of ``name``, now."""

    level: ClassVar[int] = logging.DEBUG
    name: str
    waiting: int
    running: int


@dataclass(frozen=True, slots=True)
class PlaceTaken(Observed):
    """Somebody got a place of ``name`` after this long."""

    level: ClassVar[int] = logging.DEBUG
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class QuotaRefused(Observed):
    """A request was refused because ``quota`` is used up."""

    quota: str


@dataclass(frozen=True, slots=True)
class TablesCarriedOff(Observed):
    """Somebody asked for more distinct tables in an hour than ``limits.tables_per_hour``."""

    level: ClassVar[int] = logging.CRITICAL
    email: str


@dataclass(frozen=True, slots=True)
class AuditLag(Observed):
    """How many audit records the slowest sink has not taken yet, now."""

    level: ClassVar[int] = logging.DEBUG
    records: int


@dataclass(frozen=True, slots=True)
class ConnectionsChanged(Observed):
    """How many connections to a provider are in use, now."""

    level: ClassVar[int] = logging.DEBUG
    provider: str
    open: int


@dataclass(frozen=True, slots=True)
class DatabaseTime(Observed):
    """A provider worked for us. ``operation`` is one of a few words: "catalog", "render", "estimate" ..."""

    level: ClassVar[int] = logging.DEBUG
    provider: str
    operation: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StoreTime(Observed):
    """The store worked for us. ``operation`` is the name of a method of ``store.interface.Store``."""

    level: ClassVar[int] = logging.DEBUG
    operation: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AuditTime(Observed):
    """A record of the audit log became durable, or could not, after this long."""

    level: ClassVar[int] = logging.DEBUG
    seconds: float


@dataclass(frozen=True, slots=True)
class SourcesAsked(Observed):
    """What store and providers said when they were asked; states are those of ``GET /ready``."""

    level: ClassVar[int] = logging.DEBUG
    store: str
    providers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ErrorRaised(Observed):
    """Something failed that nobody asked for; ``error`` goes to the log without its values."""

    level: ClassVar[int] = logging.ERROR
    code: str
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class AuditState(Observed):
    """The audit log can be written, or not; ``problem`` says why not in a word, ``lag`` is records not yet sunk."""

    level: ClassVar[int] = logging.WARNING
    ready: bool
    problem: str = ""
    lag: int = 0


@dataclass(frozen=True, slots=True)
class SinkDropped(Observed):
    """A sink of the audit log did not take this many records; the local chain has them."""

    level: ClassVar[int] = logging.WARNING
    sink: str
    records: int


@dataclass(frozen=True, slots=True)
class StoreTampered(Observed):
    """A record of the store was not written by this installation and is treated as absent."""

    level: ClassVar[int] = logging.CRITICAL
    key: str


@dataclass(frozen=True, slots=True)
class AccessDecided(Observed):
    """An access request has a new ``outcome``: pending, granted, denied, cancelled, revoked or reviewed."""

    outcome: str
    role: str
    request: str


@dataclass(frozen=True, slots=True)
class GlassBroken(Observed):
    """Somebody took a role without an answer; another person has to review it."""

    level: ClassVar[int] = logging.CRITICAL
    email: str
    role: str
    request: str


@dataclass(frozen=True, slots=True)
class ProviderSilent(Observed):
    """A provider could not be asked at start; ``problem`` is the message of one of our own errors."""

    level: ClassVar[int] = logging.WARNING
    provider: str
    problem: str


@dataclass(frozen=True, slots=True)
class ResidueSeen(Observed):
    """A package held something of this kind that its masks should have covered; ``kind`` is one of a few words."""

    level: ClassVar[int] = logging.WARNING
    template: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class TemplatesChecked(Observed):
    """All kept templates were held against the live catalogues and the policy: how many there are of each status."""

    ok: int
    unclassified: int
    broken: int
    unknown: int


@dataclass(frozen=True, slots=True)
class TemplateFound(Observed):
    """One template's status of that check: "ok", "unclassified", "broken", or "unknown" as a source did not answer."""

    level: ClassVar[int] = logging.DEBUG
    template: str
    status: str


@dataclass(frozen=True, slots=True)
class TemplateBroken(Observed):
    """A template that its owner cannot run any more; ``code`` and ``where`` are those of its first problem."""

    level: ClassVar[int] = logging.WARNING
    template: str
    owner: str
    code: str
    where: str


@dataclass(frozen=True, slots=True)
class TracesLost(Observed):
    """So many spans could not be given to the collector of ``[traces]``; nothing else suffers."""

    level: ClassVar[int] = logging.WARNING
    spans: int


@dataclass(frozen=True, slots=True)
class StoreFailed(Observed):
    """The store did not answer."""

    level: ClassVar[int] = logging.WARNING


Event = (
    Started
    | CertificateLoaded
    | Stopping
    | Stopped
    | ConfigReloaded
    | InsecureSetting
    | RequestDone
    | LoginDone
    | PackageDone
    | RowsSent
    | PackageSent
    | FileSent
    | CacheAsked
    | ExtractionStarted
    | ExtractionJoined
    | QueueChanged
    | PlaceTaken
    | QuotaRefused
    | TablesCarriedOff
    | AuditLag
    | ConnectionsChanged
    | DatabaseTime
    | StoreTime
    | AuditTime
    | SourcesAsked
    | LoopLag
    | LoopHeld
    | WalkerLost
    | ErrorRaised
    | AuditState
    | SinkDropped
    | StoreTampered
    | AccessDecided
    | GlassBroken
    | ProviderSilent
    | ResidueSeen
    | TemplatesChecked
    | TemplateFound
    | TemplateBroken
    | TracesLost
    | StoreFailed
)
