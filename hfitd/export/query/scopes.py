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
from hfitd.export.query.spelling import column_key
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
    merged: dict[str, Field] = field(default_factory=dict)  # USING columns, by key
    star: list[tuple[Source | None, Field]] = field(default_factory=list)  # what * stands for, in order
    group: int = 0  # where in ``star`` the current comma-separated part of FROM begins
    _named: dict[str, list[tuple[Source, Field]]] = field(default_factory=dict)  # what columns there are, by key

    def add(self, source: Source) -> None:
        """One more entry of FROM; two of one name are refused."""
        if any(self.dialect.same_name(source.name, known.name) for known in self.sources):
            raise SqlRefused("Two tables of a query have the same name.", resource=source.name)
        self.sources.append(source)
        for item in source.fields:
            self._named.setdefault(column_key(self.dialect, item.name), []).append((source, item))

    def has(self, name: str) -> bool:
        """Whether a source has a column of that name."""
        return column_key(self.dialect, name) in self._named

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
        key, same = column_key(self.dialect, name), self.dialect.same_name
        if table is None and key in self.merged:
            return None, self.merged[key]
        matches = [
            (source, item)
            for source, item in self._named.get(key, ())
            if (table is None or same(source.name, table))
            and (schema is None or (source.schema is not None and same(source.schema, schema)))
        ]
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
        keys = [column_key(self.dialect, name) for name in names]
        lefts, rights = self._by_key(item for _, item in rest), self._by_key(joined.fields)
        for name, key in zip(names, keys, strict=True):
            left, right = lefts.get(key, []), rights.get(key, [])
            if len(left) != 1 or len(right) != 1:
                raise no_such_name(name)
            if left[0].special or right[0].special:
                raise SqlRefused(
                    "JOIN ... USING cannot compare columns of this type.", resource=name, suggestions=("Use ON.",)
                )
            plain = Field(left[0].name, left[0].origin)
            self.merged[key] = plain
            front.append((None, plain))

        def kept(items: Iterable[tuple[Source | None, Field]]) -> list[tuple[Source | None, Field]]:
            return [pair for pair in items if column_key(self.dialect, pair[1].name) not in once]

        once = frozenset(keys)
        self.star[self.group :] = front + kept(rest) + kept((joined, item) for item in joined.fields)

    def _by_key(self, fields: Iterable[Field]) -> dict[str, list[Field]]:
        found: dict[str, list[Field]] = {}
        for item in fields:
            found.setdefault(column_key(self.dialect, item.name), []).append(item)
        return found


def no_such_name(name: str) -> NotFound:
    """The answer for what is missing and for what is not granted: the same."""
    return NotFound("The query names a table or column that does not exist or is not granted to you.", resource=name)
