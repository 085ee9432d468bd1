"""The nouns that travel between rooms: frozen values, standard library only."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hfitd.sql import Sql

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class Action(enum.StrEnum):
    """What a grant can allow. Objects of an action are named in contract section 3."""

    ROWS = "rows"
    QUERY = "query"
    DDL = "ddl"
    RAW = "raw"
    FILES_LIST = "files.list"
    FILES_READ = "files.read"
    TEMPLATE_RUN = "template.run"
    TEMPLATE_EDIT = "template.edit"
    TEMPLATE_SHARE = "template.share"
    TEMPLATE_APPROVE = "template.approve"
    AUDIT_READ = "audit.read"


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one object: ``PROVIDER/SCHEMA/TABLE[.COLUMN]``, ``VOLUME/PATH`` or a template name."""

    action: Action
    object: str


@dataclass(frozen=True, slots=True)
class Loan:
    """A role that somebody has for a while: until ``ends`` (seconds since 1970), by the access request ``request``."""

    role: str
    ends: float
    request: str
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: an authenticated user with the roles the store gives them now, those on loan among them."""

    email: str
    roles: tuple[str, ...]
    key_fingerprint: str = ""
    token_id: str = ""
    address: str = ""
    loans: tuple[Loan, ...] = ()


class Kind(enum.StrEnum):
    """What a column's values are, as far as rendering and masking care."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"  # decimals and floats; printed verbatim, NaN and Infinity as strings in JSON
    BOOLEAN = "boolean"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    JSON = "json"
    UUID = "uuid"
    OTHER = "other"  # arrays, ranges, geometry ...: the engine's own text


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table of one database. ``schema`` is the schema on PostgreSQL, the database on MySQL, ``main`` on SQLite."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the engine's catalogue describes it."""

    name: str
    type_name: str  # the engine's own spelling: "character varying(20)", "int(10) unsigned"
    kind: Kind
    nullable: bool = True
    default: str | None = None  # the engine's expression text
    generated: str = ""  # "" | "stored" | "virtual"
    identity: str = ""  # "" | "always" | "default" | "auto_increment"
    max_length: int | None = None  # characters (bytes for BYTES); None is unbounded
    collation: str | None = None
    invisible: bool = False
    expression: str = ""  # MySQL: what a generated column computes; PostgreSQL has it in ``default``
    operators: str = ""  # PostgreSQL: the schema of the type's operators when the type is an extension's (citext)
    members: tuple[str, ...] = ()  # of an enumeration
    checks: tuple[str, ...] = ()  # CHECK constraints over it alone, as the engine prints them
    readable: bool = True  # whether the database role may SELECT it; what it may not is known by name only


@dataclass(frozen=True, slots=True)
class Key:
    """A primary or unique key; column order matters."""

    name: str
    columns: tuple[str, ...]
    primary: bool
    nullable: bool = False  # some column may be NULL, so the key does not identify every row


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A declared reference from ``table.columns`` to ``target.target_columns``, in column order."""

    name: str
    table: TableName
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    match_full: bool = False
    deferrable: bool = False
    validated: bool = True
    on_delete: str = ""
    on_update: str = ""
    operators: tuple[str, ...] = ()  # PostgreSQL: the schema of each column's equality operator


@dataclass(frozen=True, slots=True)
class Table:
    """A table, view or partitioned table with its columns in the engine's order."""

    name: TableName
    kind: str  # "table" | "view" | "partitioned" | "partition" | "foreign" | "sequence"
    columns: tuple[Column, ...]
    keys: tuple[Key, ...] = ()
    estimated_rows: int | None = None
    estimated_bytes: int | None = None
    parents: tuple[TableName, ...] = ()  # partition roots or inherited tables
    reads: frozenset[tuple[TableName, str]] = frozenset()  # columns that a view computes from; rather too many

    def column(self, name: str) -> Column | None:
        """The column of exactly that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key in key order; empty when there is none."""
        return next((key.columns for key in self.keys if key.primary), ())

    @property
    def row_key(self) -> tuple[str, ...]:
        """What orders and names a row: the primary key, else a NOT NULL unique key, else nothing."""
        if self.primary_key:
            return self.primary_key
        return next((key.columns for key in self.keys if not key.nullable), ())


@dataclass(frozen=True, slots=True)
class Sequence_:
    """A sequence and, when a column owns it, which."""

    name: TableName
    owned_by: tuple[TableName, str] | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything a database says about its shape at one moment."""

    engine: str  # "postgresql" | "mysql" | "mariadb" | "sqlite"
    version: str
    database: str
    default_schema: str  # what an unqualified table name means
    tables: Mapping[TableName, Table]
    foreign_keys: tuple[ForeignKey, ...] = ()
    sequences: tuple[Sequence_, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskRule:
    """A mask bound to a column by the policy: which one, with which options."""

    mask: str
    options: Mapping[str, Json] = field(default_factory=dict)
    filterable: str = ""  # "" | "equality"


@dataclass(frozen=True, slots=True)
class MaskedColumn:
    """A column as one actor may see it; ``rule`` None means as it is, ``raw`` that a grant of ``raw`` made it so."""

    column: Column
    rule: MaskRule | None = None
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as one actor may see it. Only ``access.policy`` makes these, a test holds it:

    whoever reads rows needs a Relation, so a raw table cannot be expressed above the engines.
    ``columns`` are the granted ones that are not dropped, in table order. ``row_filter`` is policy SQL over
    the table's raw columns (no binds of callers) that every read has to fence in.
    """

    provider: str
    table: Table
    columns: tuple[MaskedColumn, ...]
    row_filter: Sql | None = None

    def column(self, name: str) -> MaskedColumn | None:
        """The visible column of exactly that name, or None."""
        return next((item for item in self.columns if item.column.name == name), None)


@dataclass(frozen=True, slots=True)
class TableNeed:
    """What of a table the database role has to read: ``columns`` in table order; none when its definition is enough."""

    table: Table
    columns: tuple[str, ...]
    defined: bool = False  # somebody may have its definition


class Sink(Protocol):
    """Where rendered bytes go. Awaiting ``write`` is the back-pressure."""

    async def write(self, data: bytes) -> None:
        """Take the bytes; returns when there is room for more."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a rendering put out."""

    rows: int
    size: int  # bytes
