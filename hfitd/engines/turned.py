"""Rows turned into columns: what goes through many rows looks at one column after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from operator import itemgetter

from hfitd.engines.interface import Columns, Row

COLUMN_ROWS = 4000


def columns_of(rows: Sequence[Row]) -> list[list[str | None]]:
    """At least one row as its columns; ``zip(*rows)`` would make an iterator of every row."""
    return [list(map(itemgetter(place), rows)) for place in range(len(rows[0]))]


@asynccontextmanager
async def turned(
    batches: AbstractAsyncContextManager[AsyncIterator[list[Row]]],
) -> AsyncIterator[AsyncIterator[Columns]]:
    """Batches of rows as pages of columns."""
    async with batches as pages:
        yield _each(pages)


async def _each(pages: AsyncIterator[list[Row]]) -> AsyncIterator[Columns]:
    async for rows in pages:
        if rows:
            yield columns_of(rows)
