"""Samples of a database's tables for ``hfitd policy scan``: few rows, short cells, little time, read only.

1. The statement is of our own words and the catalogue's names; nothing a caller wrote is in it.
2. A table gives at most ``ROWS`` rows of at most ``CHARACTERS`` characters a cell; binary columns give nothing.
3. A table has ``SECONDS``; one that does not answer in time, or refuses, is judged by its names alone and named.
4. Views are not read: what a view costs nobody knows.
5. The values stay in the process: what leaves it are counts (``access.survey``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hfitd.engines.interface import Dialect, Engine, Output, Row, Select
from hfitd.errors import HfitError
from hfitd.model import Catalog, Column, Kind, Table, TableName
from hfitd.sql import join, text

ROWS = 200
CHARACTERS = 2000
SECONDS = 5.0
_SPREAD_FROM = 100_000  # rows from which PostgreSQL is asked for a sample of all pages instead of the first ones
_READ_KINDS = frozenset({"table", "partitioned", "foreign"})


@dataclass(frozen=True, slots=True)
class Samples:
    """What was read of a database: values by table and column, NULLs left out, and the tables that gave nothing."""

    catalog: Catalog
    values: Mapping[TableName, Mapping[str, Sequence[str]]]
    failed: tuple[TableName, ...] = ()


@dataclass(slots=True)
class _Reading:
    waiting: list[Table]
    values: dict[TableName, dict[str, list[str]]] = field(default_factory=dict)
    failed: list[TableName] = field(default_factory=list)


async def read_samples(engine: Engine, database: str) -> Samples:
    """Sample every table of the database. Raises what opening it raises."""
    async with engine.snapshot(database) as snapshot:
        catalog = await snapshot.catalog()
    reading = _Reading([table for _, table in sorted(catalog.tables.items()) if table.kind in _READ_KINDS])
    while reading.waiting:
        await _read_on(engine, database, reading)  # a failed statement ends a snapshot, so the next table needs another
    return Samples(catalog, reading.values, tuple(reading.failed))


async def _read_on(engine: Engine, database: str, reading: _Reading) -> None:
    async with engine.snapshot(database) as snapshot:
        while reading.waiting:
            table = reading.waiting.pop(0)
            columns = [column for column in table.columns if column.readable and column.kind is not Kind.BYTES]
            if not columns:
                continue
            try:
                async with asyncio.timeout(SECONDS):  # 3
                    rows = await snapshot.rows(_select(table, columns, engine.dialect), ROWS)
            except (HfitError, TimeoutError):
                reading.failed.append(table.name)
                return
            reading.values[table.name] = _by_column(columns, rows)


def _select(table: Table, columns: Sequence[Column], dialect: Dialect) -> Select:
    cells = [
        text("substr(") + dialect.as_text(text(dialect.identifier(column.name))) + text(f", 1, {CHARACTERS})")  # 2
        for column in columns
    ]
    sql = text("SELECT ") + join(", ", cells) + text(f" FROM {dialect.own_rows(table)}{_spread(table, dialect)}")
    return Select(sql + text(f" LIMIT {ROWS}"), tuple(Output(f"c{number}") for number in range(len(columns))))


def _spread(table: Table, dialect: Dialect) -> str:
    """PostgreSQL can look at pages of the whole table; about ten times the rows are asked for, for pages differ."""
    rows = table.estimated_rows or 0
    if dialect.name != "postgresql" or table.kind == "foreign" or rows < _SPREAD_FROM:
        return ""
    return f" TABLESAMPLE SYSTEM ({min(100.0, 1000.0 * ROWS / rows):.4f})"


def _by_column(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, list[str]]:
    return {
        column.name: [cell for row in rows if (cell := row[number]) is not None]
        for number, column in enumerate(columns)
    }
