"""What an export type is.

An ``Item`` turns one export of a template into a ``Step``: names resolved, rights and masks decided, nothing opened.
A ``Step`` is checked against open snapshots, where it may still refuse, and then gives its members, each of which
renders itself into a sink. A new export type is one file here and one line in ``table.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hfitd.engines.interface import NOTHING_SAID, Dialect, Outlook
from hfitd.export.package.manifest import TableEntry
from hfitd.export.sources import OpenSource, SourceKey, Sources
from hfitd.export.spool import Scratch
from hfitd.export.template.model import Export
from hfitd.model import Actor, Catalog, Json, Sink, TableName

Walking = Callable[[Callable[[], int], int | None], None]


@dataclass(frozen=True, slots=True)
class PlanScope:
    """What planning may look at: who asks, what is configured, the shapes of the databases."""

    actor: Actor
    sources: Sources
    catalogs: Mapping[SourceKey, Catalog]
    approved: bool = False  # somebody else has reviewed this very template

    def dialect(self, key: SourceKey) -> Dialect:
        """How the source's engine spells things."""
        return self.sources.dialect(key.provider)


@dataclass(frozen=True, slots=True)
class RunScope:
    """What a run may look at: open snapshots and the values of all variables."""

    actor: Actor
    sources: Sources
    opened: Mapping[SourceKey, OpenSource]
    values: Mapping[str, str | None]
    postponed: Mapping[SourceKey, frozenset[tuple[TableName, str]]] = field(default_factory=dict)  # see ``cycles``
    max_rows: int | None = None  # of the whole package
    walk: bool = True  # False: only estimate, read no row
    scratch: Scratch = field(default_factory=Scratch)
    walking: Walking = lambda _, __: None  # told of a walk: what says how many rows it has found, and the expected


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """A foreign key of a table of a subset. ``followed`` is "both" to parents and children, "parents" to parents alone,
    "cut" not at all, because the template excludes its target."""

    name: str
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    followed: str
    source: SourceKey  # of the target


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table that a step reads; ``path`` says how the step gets there from its root."""

    name: TableName
    columns: tuple[str, ...]
    masks: Mapping[str, str]
    path: tuple[str, ...] = ()
    estimated_rows: int | None = None
    estimated_bytes: int | None = None
    row_filter: str = ""  # digest of the policy's row filter; empty: every row
    raw: tuple[str, ...] = ()  # columns that only a grant gives without their mask
    guessed: tuple[str, ...] = ()  # masked columns whose raw values a filter asks about
    source: SourceKey | None = None  # None: the step's
    keys: tuple[KeyPlan, ...] = ()  # of a table of a subset, as the subset follows them

    @property
    def table(self) -> str:
        """The name as listings print it."""
        return str(self.name)


@dataclass(frozen=True, slots=True)
class Built:
    """What a member turned out to hold."""

    rows: int | None = None
    tables: tuple[TableEntry, ...] = ()
    modtime: float | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)  # of a file; tables say it beforehand


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the package to be. Those of one source are built in their order, one after another but for those that
    stand ``apart``: building one needs nothing of what building another finds."""

    path: str
    kind: str  # "ddl" | "data" | "constraints" | "rows" | "file"
    build: Callable[[Sink], Awaitable[Built]]
    source: SourceKey | None = None
    table: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    after: frozenset[str] = frozenset()  # tables that have to be loaded before this member
    details: Mapping[str, Json] = field(default_factory=dict)  # more for the manifest
    apart: bool = False
    may_refuse: bool = False  # only building it tells whether it can be had, so the head of the package waits


class Ways(Protocol):
    """How the rows of a subset were reached, for ``METADATA/graph.json``."""

    def pieces(self) -> Iterator[bytes]:
        """One entry of ``subsets`` as canonical JSON, in pieces the loop can afford."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A step that passed its check: its members and what the sources expect of them."""

    members: tuple[Member, ...]
    tables: tuple[TablePlan, ...]
    ways: Ways | None = None  # how the rows of a subset were reached
    outlook: Outlook = NOTHING_SAID  # what of the source its members will not hold, and what they ask of a target


class Step(Protocol):
    """A planned export."""

    @property
    def export(self) -> Export:
        """The export as the template has it."""

    @property
    def source(self) -> SourceKey | None:
        """The database it reads, if any."""

    @property
    def tables(self) -> tuple[TablePlan, ...]:
        """The tables it reads, with what the catalogue expects of them."""

    def variables(self) -> frozenset[str]:
        """Variables whose values it needs."""

    async def check(self, scope: RunScope) -> Checked:
        """Describe and estimate every query, list every file; refuse now or never."""


class Item(Protocol):
    """An export type."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """Databases that have to be open before it can be planned."""

    def plan(self, export: Export, scope: PlanScope) -> Step:
        """Decide names, rights and masks; ExportRefused names the export and no more."""
