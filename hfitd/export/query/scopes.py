"""What names mean inside a query: sources with their columns, scopes within scopes.

A ``Source`` is what FROM offers under one name. Its fields are only what the actor may see; a keyed masked column is
a field whose SQL value is NULL and whose raw value can be *reached*: asked for, the source adds one more column
under a name that no text can have, for the select list of the outermost query alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hfitd.engines.interface import Dialect
from hfitd.errors import NotFound, SqlRefused
from hfitd.export.query.spelling import same_column
from hfitd.masks.interface import Cell, RowCell
from hfitd.model import Column

Reach = Callable[[], str]  # makes a raw value a column of the source and names it


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw value behind a keyed column and the mask that covers it, with the subject that the mask looks at."""

    reach: Reach
    cell: Cell | None = None
    row_cell: RowCell | None = None
    subject: Reach | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A column as a query can name it. ``origin`` is the catalogue's column it shows unchanged, if it does."""

    name: str
    origin: Column | None = None
    raw: Raw | None = None  # of a keyed masked column
    special: Column | None = None  # a column of the type it has, when that type brings its own operators


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of FROM. ``schema`` is set for a table that has no alias."""

    name: str
    fields: tuple[Field, ...]
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a column means: the field, and the source it is reached through (None for a merged USING column)."""

    field: Field
    source: Source | None
    own: bool  # of the scope that asked, not of one around it


@dataclass(slots=True)
class Scope:
    """The names of one SELECT; ``parent`` is the query around it."""

    dialect: Dialect
    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    merged: list[Field] = field(default_factory=list)  # USING columns
    star: list[tuple[Source | None, Field]] = field(default_factory=list)  # what * stands for, in order
    group: int = 0  # where in ``star`` the current comma-separated part of FROM begins

    def add(self, source: Source) -> None:
        """One more entry of FROM; two of one name are refused."""
        if any(self.dialect.same_name(source.name, known.name) for known in self.sources):
            raise SqlRefused("Two tables of a query have the same name.", resource=source.name)
        self.sources.append(source)

    def find(self, name: str, table: str | None, schema: str | None) -> Found | None:
        """The meaning of a column here or in a query around it; SqlRefused when there are two."""
        scope: Scope | None = self
        while scope is not None:
            found = scope._find_here(name, table, schema)
            if found is not None:
                return Found(found[1], found[0], scope is self)
            scope = scope.parent
        return None

    def _find_here(self, name: str, table: str | None, schema: str | None) -> tuple[Source | None, Field] | None:
        if table is None:
            merged = [item for item in self.merged if same_column(self.dialect, item.name, name)]
            if merged:
                return None, merged[0]
        matches: list[tuple[Source | None, Field]] = []
        for source in self.sources:
            if table is not None and not self.dialect.same_name(source.name, table):
                continue
            if schema is not None and (source.schema is None or not self.dialect.same_name(source.schema, schema)):
                continue
            matches += [(source, item) for item in source.fields if same_column(self.dialect, item.name, name)]
        if len(matches) > 1:
            raise SqlRefused("A column of the query is ambiguous; name its table.", resource=name)
        return matches[0] if matches else None

    def source(self, table: str) -> Source:
        """The entry of FROM of that name in this scope alone; NotFound."""
        for source in self.sources:
            if self.dialect.same_name(source.name, table):
                return source
        raise no_such_name(table)

    def merge(self, names: Sequence[str], joined: Source) -> None:
        """``JOIN ... USING (names)``: one column of each name, first in ``*``; NotFound when a side lacks it."""
        rest = self.star[self.group :]
        front: list[tuple[Source | None, Field]] = []
        for name in names:
            left = [item for _, item in rest if same_column(self.dialect, item.name, name)]
            right = [item for item in joined.fields if same_column(self.dialect, item.name, name)]
            if len(left) != 1 or len(right) != 1:
                raise no_such_name(name)
            if left[0].special or right[0].special:
                raise SqlRefused(
                    "JOIN ... USING cannot compare columns of this type.", resource=name, suggestions=("Use ON.",)
                )
            plain = Field(left[0].name, left[0].origin)
            self.merged = [item for item in self.merged if item.name != plain.name] + [plain]
            front.append((None, plain))

        def kept(items: Iterable[tuple[Source | None, Field]]) -> list[tuple[Source | None, Field]]:
            return [pair for pair in items if not any(same_column(self.dialect, pair[1].name, name) for name in names)]

        self.star[self.group :] = front + kept(rest) + kept((joined, item) for item in joined.fields)


def no_such_name(name: str) -> NotFound:
    """The answer for what is missing and for what is not granted: the same."""
    return NotFound("The query names a table or column that does not exist or is not granted to you.", resource=name)
