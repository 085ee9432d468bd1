"""An engine that says how long its database worked for us. Same interface; nothing else changes.

The time that a rendering waits for its sink is not the database's and is not counted. Nor is the time for a place,
which ``places`` tells of.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from hfitd.engines.interface import (
    Columns,
    DdlOptions,
    Dialect,
    Engine,
    Estimate,
    Format,
    Outlook,
    OutputType,
    Row,
    Select,
    ServerReport,
    Snapshot,
)
from hfitd.model import Catalog, Receipt, Relation, Sink
from hfitd.observe.events import DatabaseTime
from hfitd.observe.observer import Observer

T = TypeVar("T")


class _Watch:
    """A stop watch around one operation; ``paused`` seconds are not counted."""

    def __init__(self, observer: Observer, provider: str, operation: str) -> None:
        self._observer = observer
        self._names = provider, operation
        self.paused = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._observer.event(DatabaseTime(*self._names, max(time.monotonic() - self._started - self.paused, 0.0)))


class _PausingSink:
    """A sink whose own time stops the watch."""

    def __init__(self, sink: Sink, watch: _Watch) -> None:
        self._sink = sink
        self._watch = watch

    async def write(self, data: bytes) -> None:
        """See Sink."""
        started = time.monotonic()
        try:
            await self._sink.write(data)
        finally:
            self._watch.paused += time.monotonic() - started


class MeasuredEngine:
    """See Engine."""

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self.name = engine.name
        self._engine = engine
        self._observer = observer

    @property
    def dialect(self) -> Dialect:
        """How it spells things."""
        return self._engine.dialect

    async def databases(self) -> list[str]:
        """Databases that may be read, sorted."""
        with _Watch(self._observer, self.name, "databases"):
            return await self._engine.databases()

    @asynccontextmanager
    async def snapshot(self, database: str | None = None, user: str = "") -> AsyncIterator[Snapshot]:
        """A snapshot whose questions are measured."""
        async with self._engine.snapshot(database, user) as snapshot:
            yield _MeasuredSnapshot(snapshot, self.name, self._observer)

    async def check(self) -> ServerReport:
        """What is there."""
        with _Watch(self._observer, self.name, "check"):
            return await self._engine.check()

    async def close(self) -> None:
        """Close every connection, also those in use."""
        await self._engine.close()


class _MeasuredSnapshot:
    """See Snapshot."""

    def __init__(self, snapshot: Snapshot, provider: str, observer: Observer) -> None:
        self.position, self.lag_seconds = snapshot.position, snapshot.lag_seconds
        self._snapshot = snapshot
        self._provider = provider
        self._observer = observer

    async def catalog(self) -> Catalog:
        """See Snapshot."""
        with self._watch("catalog"):
            return await self._snapshot.catalog()

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """See Snapshot."""
        with self._watch("describe"):
            return await self._snapshot.describe(select)

    async def estimate(self, select: Select) -> Estimate:
        """See Snapshot."""
        with self._watch("estimate"):
            return await self._snapshot.estimate(select)

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """See Snapshot."""
        with self._watch("rows"):
            return await self._snapshot.rows(select, limit)

    @asynccontextmanager
    async def batches(self, select: Select, size: int) -> AsyncIterator[AsyncIterator[list[Row]]]:
        """See Snapshot; what is done with a batch is not counted."""
        with self._watch("batches") as watch:
            async with self._snapshot.batches(select, size) as batches:
                yield _each(batches, watch)

    @asynccontextmanager
    async def columns(self, select: Select) -> AsyncIterator[AsyncIterator[Columns]]:
        """See Snapshot; what is done with a page is not counted."""
        with self._watch("columns") as watch:
            async with self._snapshot.columns(select) as pages:
                yield _each(pages, watch)

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """See Snapshot."""
        with self._watch("render") as watch:
            return await self._snapshot.render(select, form, _PausingSink(sink, watch))

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """See Snapshot."""
        with self._watch("ddl") as watch:
            return await self._snapshot.ddl(relations, options, _PausingSink(sink, watch))

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """See Snapshot."""
        with self._watch("outlook"):
            return await self._snapshot.outlook(relations, options)

    def _watch(self, operation: str) -> _Watch:
        return _Watch(self._observer, self._provider, operation)


async def _each(batches: AsyncIterator[T], watch: _Watch) -> AsyncIterator[T]:
    async for batch in batches:
        left = time.monotonic()
        try:
            yield batch
        finally:
            watch.paused += time.monotonic() - left
