"""What a statement may cost, asked of the database's planner before the statement runs.

1. Whatever reads rows through a snapshot of such a provider is estimated first: exports, free queries, prepare steps,
   every level of a subset, counts. There is no other way to its rows, so none can be forgotten.
2. Above ``max_cost`` or ``max_rows`` it is CostRefused, with the planner's numbers and never its text; without the
   numbers where they would tell of rows or values that the reader may not see (``Select.untold``).
3. A statement that was estimated is not estimated again when it runs.

Cost is the planner's own unit on PostgreSQL, and on MySQL and MariaDB the rows that all steps read (contract, ruling
14). SQLite has no estimates: there the statement timeout is the limit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

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
from hfitd.errors import CostRefused
from hfitd.model import Catalog, Receipt, Relation, Sink

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that the planner may expect of one statement; None is no limit."""

    cost: float | None = None
    rows: int | None = None

    def refuse_above(self, estimate: Estimate, *, told: bool = True) -> None:
        """2."""
        cost = estimate.rows if estimate.cost is None else estimate.cost
        if self.cost is not None and cost is not None and cost > self.cost:
            raise _refused(f"cost {cost:.0f} of at most {self.cost:.0f}" if told else "cost more than is allowed")
        if self.rows is not None and estimate.rows is not None and estimate.rows > self.rows:
            raise _refused(
                f"give {estimate.rows} of at most {self.rows} rows" if told else "give more rows than are allowed"
            )


def _refused(what: str) -> CostRefused:
    return CostRefused(f"The export is expected to {what}.", suggestions=("Filter by an indexed column.",))


class CostGuard:
    """An engine whose snapshots keep to a ceiling. Same interface."""

    def __init__(self, engine: Engine, ceiling: Ceiling) -> None:
        self.name = engine.name
        self._engine = engine
        self._ceiling = ceiling

    @property
    def dialect(self) -> Dialect:
        """How it spells things."""
        return self._engine.dialect

    async def databases(self) -> list[str]:
        """Databases that may be read, sorted."""
        return await self._engine.databases()

    @asynccontextmanager
    async def snapshot(self, database: str | None = None, user: str = "") -> AsyncIterator[Snapshot]:
        """A snapshot that runs nothing above the ceiling."""
        async with self._engine.snapshot(database, user) as snapshot:
            yield _CheapSnapshot(snapshot, self._ceiling)

    async def check(self) -> ServerReport:
        """What is there."""
        return await self._engine.check()

    async def close(self) -> None:
        """Close every connection, also those in use."""
        await self._engine.close()


class _CheapSnapshot:
    """1: a snapshot that asks the planner first."""

    def __init__(self, snapshot: Snapshot, ceiling: Ceiling) -> None:
        self.position, self.lag_seconds = snapshot.position, snapshot.lag_seconds
        self._snapshot = snapshot
        self._ceiling = ceiling
        self._passed: list[Select] = []

    async def catalog(self) -> Catalog:
        """See Snapshot."""
        return await self._snapshot.catalog()

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """See Snapshot."""
        return await self._snapshot.describe(select)

    async def estimate(self, select: Select) -> Estimate:
        """See Snapshot; CostRefused above the ceiling."""
        estimate = await self._snapshot.estimate(select)
        self._ceiling.refuse_above(estimate, told=not select.untold)
        self._passed = [*self._passed[1 - _REMEMBERED :], select]
        return estimate

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """See Snapshot."""
        await self._check(select)
        return await self._snapshot.rows(select, limit)

    @asynccontextmanager
    async def batches(self, select: Select, size: int) -> AsyncIterator[AsyncIterator[list[Row]]]:
        """See Snapshot."""
        await self._check(select)
        async with self._snapshot.batches(select, size) as batches:
            yield batches

    @asynccontextmanager
    async def columns(self, select: Select) -> AsyncIterator[AsyncIterator[Columns]]:
        """See Snapshot."""
        await self._check(select)
        async with self._snapshot.columns(select) as pages:
            yield pages

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """See Snapshot."""
        await self._check(select)
        return await self._snapshot.render(select, form, sink)

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """See Snapshot."""
        return await self._snapshot.ddl(relations, options, sink)

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """See Snapshot."""
        return await self._snapshot.outlook(relations, options)

    async def _check(self, select: Select) -> None:
        if not any(select is passed for passed in self._passed):  # 3
            await self.estimate(select)
