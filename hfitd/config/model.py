"""The configuration as frozen values. Section and key names are those of contract section 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hfitd.model import Json, MaskRule


class Secret:
    """A text that never shows itself: repr, str, format and pickle hide it; only ``reveal`` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """``[server]``: where it listens, who it says it is, where its files are."""

    listen: str = "127.0.0.1:8765"
    origin: str = "http://127.0.0.1:8765"  # without default port; part of every signed login
    data_dir: Path = Path("/var/lib/hfitd")
    keys_dir: Path | None = None  # default <data_dir>/keys
    instance: str = ""  # default: a name made once, in <data_dir>/instance
    admin_socket: Path | None = None  # default <data_dir>/admin.sock
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    shutdown_grace_seconds: float = 30.0
    metrics: str = "loopback"  # "loopback" | "token" | "public"
    template_check_seconds: float = 86400.0  # between two checks of all kept templates; 0: never
    insecure: frozenset[str] = frozenset()  # of "secrets", "plaintext", "db-role"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """``[store]``: ``embedded:`` or a Redis URL."""

    url: str = "embedded:"
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class ArtifactsConfig:
    """``[artifacts]``: finished packages."""

    url: str = "file:"  # below data_dir; "file:/shared/dir"; "s3://bucket/prefix"
    ttl_seconds: float = 3600.0
    max_bytes: int = 20 * 1024**3


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """``[auth]``."""

    token_ttl_seconds: float = 900.0
    challenge_ttl_seconds: float = 60.0
    console_idle_seconds: float = 1800.0
    console_ttl_seconds: float = 28800.0
    max_attempts: int = 10
    lockout_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """``[limits]``: per user, unless said otherwise."""

    requests_per_minute: int = 600
    concurrent_packages: int = 4
    package_rows: int = 1_000_000
    package_bytes: int = 1024**3
    job_timeout_seconds: float = 600.0
    orphan_grace_seconds: float = 30.0
    queue_length: int = 20  # who may wait for a connection of one provider
    queue_timeout_seconds: float = 30.0
    packages_per_day: int = 0  # 0: no quota
    rows_per_day: int = 0
    bytes_per_day: int = 0
    tables_per_hour: int = 0  # distinct ones; beyond that an alarm
    package_lifetime_seconds: float = 0.0  # what stands as "expires" in the manifest; 0: packages do not expire
    request_lifetime_seconds: float = 7 * 86400.0  # access requests that nobody answers
    requests_per_hour: int = 30  # access requests


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """``[audit]``: sinks besides which the local chain always exists."""

    sinks: tuple[str, ...] = ("file:",)
    folder: Path | None = None  # default <data_dir>/audit


@dataclass(frozen=True, slots=True)
class LogConfig:
    """``[log]``."""

    level: str = "info"
    format: str = "json"


@dataclass(frozen=True, slots=True)
class TracesConfig:
    """``[traces]``: where spans are sent; nowhere without an endpoint."""

    endpoint: str = ""  # OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces
    ratio: float = 1.0  # of all traces that are kept


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """``[providers.NAME]``: one database server."""

    name: str
    type: str  # "postgresql" | "mysql" | "sqlite"
    host: str = "127.0.0.1"
    port: int = 0  # 0: the engine's default
    user: str = ""
    password: Secret | None = None
    database: str = ""  # default database; "main" for sqlite
    databases: tuple[str, ...] = ()  # further ones that may be read; globs
    tls: str = "verify-full"  # "disable" | "require" | "verify-full"
    tls_ca: Path | None = None
    path: Path | None = None  # sqlite
    max_connections: int = 4
    statement_timeout_seconds: float = 30.0
    max_cost: float | None = None
    max_rows: int | None = None  # of one result, by the planner's estimate
    max_lag_seconds: float | None = None
    require_approved: bool = False


@dataclass(frozen=True, slots=True)
class VolumeMask:
    """One ``[[volumes.NAME.mask]]``: files (globs on the base name, or on the path when they hold ``/``) whose
    content has personal parts. A matching file is never served as it lies on the disk."""

    files: tuple[str, ...]
    format: str  # "csv" | "ndjson" | "json" | "log"
    columns: Mapping[str, MaskRule] = field(default_factory=dict)  # csv column, key of a document or named group
    paths: Mapping[str, MaskRule] = field(default_factory=dict)  # JSON path
    pattern: str = ""  # log: a regular expression with named groups
    delimiter: str = ","  # csv
    unmatched: str = "drop"  # log: lines that the pattern does not fit; "drop" | "refuse" | "keep"


@dataclass(frozen=True, slots=True)
class VolumeConfig:
    """``[volumes.NAME]``: one folder."""

    name: str
    path: Path
    allowed_extensions: tuple[str, ...] = ()  # ".log", lower case; empty: all
    max_file_size: int | None = None  # bytes
    hidden_files: bool = False
    follow_symlinks: bool = False  # inside the root only
    masks: tuple[VolumeMask, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskPolicy:
    """One ``[[policy.mask]]``: column globs ``PROVIDER/SCHEMA/TABLE.COLUMN`` and what covers them."""

    columns: tuple[str, ...]
    mask: str
    options: Mapping[str, Json] = field(default_factory=dict)
    filterable: str = ""


@dataclass(frozen=True, slots=True)
class RowFilterPolicy:
    """One ``[[policy.row_filter]]``: which rows of ``table`` (glob) the roles may see."""

    table: str
    roles: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """``[policy]``."""

    unclassified: str = "deny"  # "deny" | "mask" | "allow"
    unclassified_all: bool = False
    mask_key: Secret | None = None
    mask: tuple[MaskPolicy, ...] = ()
    clear: tuple[str, ...] = ()  # globs of [[policy.clear]]
    row_filter: tuple[RowFilterPolicy, ...] = ()
    residual_scan: str = "alarm"  # "alarm" | "refuse" | "off"


@dataclass(frozen=True, slots=True)
class RoleConfig:
    """``[roles.NAME]``: grants ``ACTION:OBJECT``; a leading ``!`` denies and wins."""

    name: str
    grants: tuple[str, ...]
    require_approved: bool = False
    requestable: bool = False  # may be asked for, for a while
    approvers: tuple[str, ...] = ()  # roles whose people may answer; empty: those who have this role themselves
    max_duration_seconds: float = 8 * 3600.0  # of a loan
    break_glass: bool = False  # may be taken without an answer, to be reviewed afterwards


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    artifacts: ArtifactsConfig = ArtifactsConfig()
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    audit: AuditConfig = AuditConfig()
    log: LogConfig = LogConfig()
    traces: TracesConfig = TracesConfig()
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    volumes: Mapping[str, VolumeConfig] = field(default_factory=dict)
    policy: PolicyConfig = PolicyConfig()
    roles: Mapping[str, RoleConfig] = field(default_factory=dict)
