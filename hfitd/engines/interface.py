"""A database server we may read, and only read. One file per engine, one line in ``engines/table.py``.

Every statement an engine runs on behalf of a caller arrives as a ``Select``: composed text from the builders of
``export/query`` and values apart. ``describe``, ``estimate``, ``rows`` and ``render`` run inside one read-only,
repeatable-read snapshot. Drivers' errors leave an engine only as errors of ``hfitd.errors``, and never with the
server's text in the message.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from hfitd.masks.interface import Cell
from hfitd.model import Catalog, Column, Kind, Receipt, Relation, Sink
from hfitd.sql import Sql

Row = tuple[str | None, ...]


class Format(enum.StrEnum):
    """How rows are written: the engine's own loadable SQL, CSV (RFC 4180), or one JSON object a line."""

    SQL = "sql"
    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class Output:
    """One column of a result. ``cell`` masks its text in the row stream; ``column`` is its origin when it has one."""

    name: str
    cell: Cell | None = None
    column: Column | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """A checked SELECT. ``into`` is the quoted table a SQL rendering writes to, as it should stand in the file."""

    sql: Sql
    outputs: tuple[Output, ...]
    into: str = ""


@dataclass(frozen=True, slots=True)
class OutputType:
    """What the database says an output is."""

    type_name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the planner expects. None where the engine does not say."""

    rows: int | None
    cost: float | None
    size: int | None = None  # bytes


@dataclass(frozen=True, slots=True)
class DdlOptions:
    """``option`` is "", "ifnotexists" or "dropcreate". ``whole`` adds what a schema needs besides tables."""

    option: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What ``hfitd check`` prints of a provider."""

    engine: str
    version: str
    warnings: tuple[str, ...] = field(default=())  # the role can write, has FILE, is superuser ...


class Dialect(Protocol):
    """How an engine spells things. Pure; tested without a server and by round trip with one."""

    name: str  # "postgresql" | "mysql" | "sqlite"
    sqlglot_name: str  # "postgres" | "mysql" | "sqlite"
    fence: str  # appended to a derived table so that the planner cannot push conditions into it

    def identifier(self, name: str) -> str:
        """The name quoted, whatever characters it has; ValueError for NUL or an empty name."""

    def literal(self, value: str | None) -> str:
        """A text literal, or NULL, safe under every session setting. For policy constants, not for callers."""

    def typed_literal(self, value: str | None, column: Column) -> str:
        """A literal of the column's type, so that a result keeps its type."""

    def fold(self, word: str) -> str:
        """What an unquoted word means."""

    def same_name(self, left: str, right: str) -> bool:
        """Whether two exact names denote the same table or column on this engine."""

    def qualified(self, schema: str, name: str) -> str:
        """A quoted, fully qualified table name."""

    def row_order(self, relation: Relation) -> Sql:
        """ORDER BY terms for ruling 8.2: the row key, else all columns as text, in binary order, NULLs first.

        Masked columns take part by their raw value only when they belong to the row key."""


class Snapshot(Protocol):
    """One consistent view of one database. Leaving it early drops the connection and kills the query."""

    position: str  # what the server calls this moment: snapshot id, LSN, GTID, data version

    async def catalog(self) -> Catalog:
        """The shape of the database as this snapshot sees it."""

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """Types of the outputs without running it; infers and checks the binds (ParamInvalid)."""

    async def estimate(self, select: Select) -> Estimate:
        """What the planner expects, without running it."""

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """At most ``limit`` rows as text, masks applied; bytes as base64. For prepare steps."""

    def batches(self, select: Select, size: int) -> AbstractAsyncContextManager[AsyncIterator[list[Row]]]:
        """All rows as text in batches, for the foreign-key walk."""

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """Write all rows to the sink in the given form, masks applied, in the engine's fastest way."""

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """Write statements that create these relations in an empty database; foreign keys among them last."""


class Engine(Protocol):
    """One provider."""

    name: str

    @property
    def dialect(self) -> Dialect:
        """How it spells things."""

    async def databases(self) -> list[str]:
        """Databases that may be read, sorted."""

    def snapshot(self, database: str | None = None) -> AbstractAsyncContextManager[Snapshot]:
        """Open a snapshot of the database (default: the provider's). Busy when every connection is taken."""

    async def check(self) -> ServerReport:
        """Connect and say what is there; DbUnavailable when it is not."""

    async def close(self) -> None:
        """Close every connection, also those in use."""
