"""The sources of a package: engines and volumes, and the snapshots that one request holds of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hfitd.access.policy import Policy
from hfitd.engines.interface import Dialect, Engine, Snapshot
from hfitd.errors import ExportRefused
from hfitd.export.review.rules import ReviewRules
from hfitd.model import Catalog
from hfitd.volumes.interface import Volume


@dataclass(frozen=True, slots=True, order=True)
class SourceKey:
    """One database of one provider: the unit of consistency."""

    provider: str
    database: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What the configuration offers now; a reload makes a new one."""

    engines: Mapping[str, Engine]
    default_databases: Mapping[str, str]
    volumes: Mapping[str, Volume]
    policy: Policy
    identity: str = ""  # digest of what the providers and volumes point to
    rules: ReviewRules = field(default_factory=ReviewRules)

    @property
    def version(self) -> str:
        """What is offered under which policy; another one after every change that a reload brings."""
        return f"{self.policy.version} {self.identity}"

    def key(self, provider: str, database: str | None, export: str) -> SourceKey:
        """The source of an export; ExportRefused names the export alone, whatever is missing."""
        if provider not in self.engines:
            raise ExportRefused(resource=export)
        return SourceKey(provider, database or self.default_databases[provider])

    def dialect(self, provider: str) -> Dialect:
        """How this provider's engine spells things."""
        return self.engines[provider].dialect


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source inside its snapshot."""

    snapshot: Snapshot
    catalog: Catalog
    opened: datetime


@asynccontextmanager
async def open_sources(
    sources: Sources, keys: Iterable[SourceKey], user: str = ""
) -> AsyncIterator[Mapping[SourceKey, OpenSource]]:
    """Open one snapshot per source for a user, in a fixed order so that two requests cannot wait for each other."""
    async with AsyncExitStack() as stack:
        opened: dict[SourceKey, OpenSource] = {}
        for key in sorted(set(keys)):
            snapshot = await stack.enter_async_context(sources.engines[key.provider].snapshot(key.database, user))
            moment = datetime.now(UTC)
            opened[key] = OpenSource(snapshot, await snapshot.catalog(), moment)
        yield opened
