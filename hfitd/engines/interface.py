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

from hfitd.masks.interface import Cell, RowCell, Twin
from hfitd.model import Catalog, Column, Json, Kind, Receipt, Relation, Sink, Table, TableName
from hfitd.sql import Sql

Row = tuple[str | None, ...]
Columns = Sequence[Sequence[str | None]]


class Format(enum.StrEnum):
    """How rows are written: the engine's own loadable SQL, CSV (RFC 4180), or one JSON object a line."""

    SQL = "sql"
    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class Output:
    """One column of a result. ``cell`` masks its text in the row stream; ``column`` is its origin when it has one.

    ``row_cell`` masks it with the raw text of another output of the row, the one at the place ``subject``. A ``hidden``
    output is there for that alone: it is in the statement, is never masked and is never written. Hidden ones come last.
    """

    name: str
    cell: Cell | None = None
    column: Column | None = None
    row_cell: RowCell | None = None
    subject: int = -1
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Reads:
    """What a free query may read: ``tables``, and ``sources``, the derived tables in parentheses in their place."""

    tables: frozenset[TableName]
    sources: tuple[Sql, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """The same rows with some masks computed by the database; ``secret`` when it has to be told a key for that."""

    sql: Sql
    outputs: tuple[Output, ...]
    secret: bool


@dataclass(frozen=True, slots=True)
class Further:
    """How one more condition on the rows of ``table`` is appended to a statement: after ``word``."""

    table: TableName
    word: str  # " WHERE " or " AND "


@dataclass(frozen=True, slots=True)
class Select:
    """A checked SELECT. ``into`` is the quoted table a SQL rendering writes to, as it should stand in the file.

    ``columns`` and ``tail`` are the same statement in two parts, its list and what follows, where an engine may list
    something else over the same rows; a free query has neither.
    With ``reads`` the server's plan may hold nothing else; ``estimate`` compares them (SqlRefused). ``untold``: what
    the planner expects may be judged, but not told to who asks, as it is made from values they may not see.
    ``further`` is there when the rows are those of one plain table, as they come: an engine may read them in parts.
    """

    sql: Sql
    outputs: tuple[Output, ...]
    into: str = ""
    reads: Reads | None = None
    served: Served | None = None  # what an engine may render instead
    untold: bool = False
    columns: tuple[Sql, ...] = ()
    tail: Sql = field(default_factory=Sql)
    further: Further | None = None


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
    """``option`` is "", "ifnotexists" or "dropcreate". ``whole`` adds what a schema needs besides tables.

    ``postponed`` constraints (table, name) are left out, or with ``only_postponed`` are all that is written.
    """

    option: str = ""
    whole: bool = False
    postponed: frozenset[tuple[TableName, str]] = frozenset()
    only_postponed: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the source that a package does not carry, or carries as something plainer. Names only what the
    actor may see."""

    what: str  # "trigger", "check", "type", "large objects" ...
    name: str
    table: str
    reason: str

    def document(self) -> dict[str, str]:
        """As plans and manifests have it."""
        return {"what": self.what, "name": self.name, "table": self.table, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Requirement:
    """Something of the source that only some servers can take. Names only what the actor may see.

    ``releases`` are the first release of each product that can (a product that is not named cannot). With ``if_held``
    that is true of rows which hold such a value, and nobody has read them yet.
    """

    what: str  # "type", "generated column", "constraint", "index", "partitions", "sequence", "value" ...
    name: str
    table: str
    releases: tuple[tuple[str, str], ...]  # product ("postgresql", "mysql", "mariadb", "sqlite") and version
    if_held: bool = False

    def document(self) -> dict[str, Json]:
        """As plans and manifests have it."""
        facts: dict[str, Json] = {"what": self.what, "name": self.name, "table": self.table}
        return {**facts, "releases": dict(self.releases), "if_held": self.if_held}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of an export of tables before anything is written.

    ``unchecked`` are constraints (table, name) that old rows may break, so that they have to be made after the rows.
    ``requires`` is what not every server of the engine can take.
    """

    left_out: tuple[LeftOut, ...] = ()
    unchecked: frozenset[tuple[TableName, str]] = frozenset()
    requires: tuple[Requirement, ...] = ()


NOTHING_SAID = Outlook()


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What ``hfitd check`` prints of a provider.

    ``excess`` is what the role can do besides reading (write, FILE, superuser ...): the daemon does not use such a
    provider unless ``server.insecure`` names ``db-role``. ``warnings`` are worth a look and nothing more.
    """

    engine: str
    version: str
    warnings: tuple[str, ...] = field(default=())
    excess: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column or expression that is compared with given values, and the type those values come from.

    ``type_name`` is that of the values, so that they are read as what they were and the engine's own equality
    decides (collations, ``1.000 = 1.0``). ``operator`` is the schema of the equality operator where an engine needs
    to be told (PostgreSQL, types of extensions); "" is the engine's own.
    """

    target: Sql
    type_name: str
    kind: Kind
    operator: str = ""
    collation: str = ""  # of the target, as the catalogue names it
    indexed: bool = False  # the target is a column that an index begins with


@dataclass(frozen=True, slots=True)
class Match:
    """Rows of a table that equal given ones. ``source`` follows the table in FROM, its comma included; ``where`` is the
    condition; ``number`` is the position, from 0, of the given row that equals. ``complete`` says that every equal
    pair comes; otherwise a table's row comes once, with the first given row it equals."""

    source: Sql
    where: Sql
    number: Sql
    complete: bool


class Dialect(Protocol):
    """How an engine spells things. Pure; tested without a server and by round trip with one."""

    name: str  # "postgresql" | "mysql" | "sqlite"
    sqlglot_name: str  # "postgres" | "mysql" | "sqlite"
    fence: str  # appended to a derived table so that the planner cannot push conditions into it
    joins_values: bool  # whether ``match`` joins with the given rows, and is fast for any number of them

    def identifier(self, name: str) -> str:
        """The name quoted, whatever characters it has; ValueError for NUL or an empty name."""

    def literal(self, value: str | None) -> str:
        """A text literal, or NULL, safe under every session setting. For policy constants, not for callers."""

    def typed_literal(self, value: str | None, column: Column) -> str:
        """A literal of the column's type, so that a result keeps its type."""

    def twin(self, column: Column, twin: Twin) -> Sql | None:
        """The mask as an expression over the column that gives the same bytes as its cell; None where the database
        does not compute it. A key in it is a bound value."""

    def fold(self, word: str) -> str:
        """What an unquoted word means."""

    def same_name(self, left: str, right: str) -> bool:
        """Whether two exact names denote the same table or column on this engine."""

    def qualified(self, schema: str, name: str) -> str:
        """A quoted, fully qualified table name."""

    def comparison(self, column: Column, operator: str) -> str:
        """How ``operator`` (``=``, ``<>``, ``<``, ``LIKE`` ...) is written between values of the column's type.

        Always ask it: with an empty search_path a bare ``=`` compares ``citext`` as text. What it gives can bind more
        tightly than the bare operator, so both operands have to be single columns, binds or in parentheses."""

    def row_order(self, relation: Relation) -> Sql:
        """ORDER BY terms for ruling 8.2: the row key, else all columns as text, in binary order, NULLs first.

        Masked columns take part by their raw value only when they belong to the row key."""

    def own_rows(self, table: Table) -> str:
        """The table as it stands in FROM, without the rows of tables that inherit from it."""

    def row_identity(self, table: Table, columns: Sequence[Column]) -> tuple[Wanted, ...]:
        """What names a row of a table without a usable key inside one snapshot: the engine's row number, or a digest of
        these columns; equal rows may then share it."""

    def keys_compare(self, columns: Sequence[Column]) -> bool:
        """Whether values of these key columns, printed and read again, find their own rows."""

    def match_limit(self, width: int) -> int:
        """How many rows of so many values one ``match`` takes with its number asked for."""

    def match(self, wanted: Sequence[Wanted], rows: Sequence[Row], alias: str) -> Match:
        """Rows whose targets equal one of the rows, each without NULLs; values are text as ``batches`` gives it, and
        stay values. ``alias`` begins no name of the table."""

    def among_limit(self, width: int) -> int:
        """How many rows of so many values one ``among`` takes."""

    def among(self, wanted: Sequence[Wanted], rows: Sequence[Row]) -> Sql:
        """The condition that the targets equal one of the rows; like ``match`` where the number does not matter."""

    def as_text(self, expression: Sql) -> Sql:
        """The expression as text, to be compared byte by byte with other text."""

    def json_text(self, column: str, path: Sequence[str | int]) -> Sql:
        """What lies at the path of a JSON column, as text; NULL where nothing does. ``column`` is a name."""


class Snapshot(Protocol):
    """One consistent view of one database. Leaving it early drops the connection and kills the query."""

    position: str  # what the server calls this moment: snapshot id, LSN, GTID, data version
    lag_seconds: float | None  # how far a replica was behind when it began; None: no replica, or not known

    async def catalog(self) -> Catalog:
        """The shape of the database as this snapshot sees it."""

    async def describe(self, select: Select) -> tuple[OutputType, ...]:
        """Types of the outputs without running it; infers and checks the binds (ParamInvalid)."""

    async def estimate(self, select: Select) -> Estimate:
        """What the planner expects, without running it. SqlRefused when it would read more than ``select.reads``."""

    async def rows(self, select: Select, limit: int) -> list[Row]:
        """At most ``limit`` rows as text, masks applied; bytes as base64. For prepare steps."""

    def batches(self, select: Select, size: int) -> AbstractAsyncContextManager[AsyncIterator[list[Row]]]:
        """All rows as text in batches, for the foreign-key walk."""

    def columns(self, select: Select) -> AbstractAsyncContextManager[AsyncIterator[Columns]]:
        """All rows as ``batches`` gives them, in pages of the engine's own size, each a list for every output. No
        other statement may run meanwhile."""

    async def render(self, select: Select, form: Format, sink: Sink) -> Receipt:
        """Write all rows to the sink in the given form, masks applied, in the engine's fastest way."""

    async def ddl(self, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
        """Write statements that create these relations in an empty database; foreign keys among them last."""

    async def outlook(self, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
        """What a package of these relations will not hold: of their definitions, or with None of their rows."""


class Engine(Protocol):
    """One provider."""

    name: str

    @property
    def dialect(self) -> Dialect:
        """How it spells things."""

    async def databases(self) -> list[str]:
        """Databases that may be read, sorted."""

    def snapshot(self, database: str | None = None, user: str = "") -> AbstractAsyncContextManager[Snapshot]:
        """Open a snapshot of the database (default: the provider's). Busy when every connection is taken for too long;
        ``user`` is whom it is for, so that each user gets a share of the connections."""

    async def check(self) -> ServerReport:
        """Connect and say what is there; DbUnavailable when it is not."""

    async def close(self) -> None:
        """Close every connection, also those in use."""
