"""What a package says about itself besides its members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from hfitd.export.sources import OpenSource, SourceKey
from hfitd.model import Json


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source as the manifest names it."""

    key: SourceKey
    engine: str
    version: str
    snapshot: str
    opened: datetime
    lag_seconds: float | None = None  # of a replica, when the snapshot began

    @classmethod
    def of(cls, key: SourceKey, source: OpenSource) -> SourceEntry:
        """What there is to say of an open source."""
        catalog, snapshot = source.catalog, source.snapshot
        return cls(key, catalog.engine, catalog.version, snapshot.position, source.opened, snapshot.lag_seconds)

    def document(self) -> dict[str, Json]:
        """The source as JSON."""
        return {
            "provider": self.key.provider,
            "database": self.key.database,
            "engine": self.engine,
            "version": self.version,
            "snapshot": self.snapshot,
            "lag_seconds": None if self.lag_seconds is None else round(self.lag_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class PackageContext:
    """What a package says about itself besides its members."""

    package_name: str
    template_name: str
    template_text: str
    template_digest: str
    description: str
    parameters: Mapping[str, Json]
    variables: Mapping[str, Mapping[str, Json]]  # name -> {"value", "source"}
    sources: Mapping[SourceKey, SourceEntry]
    policy_version: str
    plan_digest: str
    origin: str
    sign: Callable[[bytes], str]
    approval: Mapping[str, str] | None = None  # the one it was made under
    lifetime_seconds: float | None = None  # None: it does not expire
