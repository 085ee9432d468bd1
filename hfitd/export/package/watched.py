"""A snapshot whose renderings the residual scan listens to, and whose rows are counted. The rest passes through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from hfitd.engines.interface import Columns, DdlOptions, Estimate, Format, Outlook, OutputType, Row, Select, Snapshot
from hfitd.export.package.pace import Pace, PacedSink
from hfitd.export.package.residue import Residue
from hfitd.export.sources import OpenSource, SourceKey
from hfitd.model import Catalog, Receipt, Relation, Sink


class WatchedSnapshot:
    """Same interface as the snapshot it stands for, of this provider."""

    def __init__(self, snapshot: Snapshot, provider: str, residue: Residue, pace: Pace) -> None:
        self.position, self.lag_seconds = snapshot.position, snapshot.lag_seconds
        self._snapshot = snapshot
        self._provider = provider
        self._residue = residue
        self._pace = pace

    async def catalog(self) -> Catalog:
        """The shape of the database."""
        return await self._snapshot.catalog()

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """Types of the outputs."""
        return await self._snapshot.describe(select)

    async def estimate(self, select: Select) -> Estimate:
        """What the planner expects."""
        return await self._snapshot.estimate(select)

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """A few rows."""
        return await self._snapshot.rows(select, limit)

    def batches(self, select: Select, size: int) -> AbstractAsyncContextManager[AsyncIterator[list[Row]]]:
        """All rows in batches."""
        return self._snapshot.batches(select, size)

    def columns(self, select: Select) -> AbstractAsyncContextManager[AsyncIterator[Columns]]:
        """All rows as columns."""
        return self._snapshot.columns(select)

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """All rows to the sink; what is masked on the way is noted."""
        counted, receipt = PacedSink(sink, self._pace), None
        try:
            receipt = await self._snapshot.render(self._residue.watch(select, self._provider, sink), form, counted)
            return receipt
        finally:
            self._pace.end_statement(counted.written, receipt)

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """Definitions."""
        return await self._snapshot.ddl(relations, options, sink)

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """What is left out."""
        return await self._snapshot.outlook(relations, options)


def watch_sources(opened: Mapping[SourceKey, OpenSource], residue: Residue, pace: Pace) -> dict[SourceKey, OpenSource]:
    """The same sources, each rendering listened to and counted."""
    return {
        key: replace(source, snapshot=WatchedSnapshot(source.snapshot, key.provider, residue, pace))
        for key, source in opened.items()
    }
