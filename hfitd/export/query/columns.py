"""What a SELECT over one relation lists, and how each of it is masked.

1. A column without a mask stands there by its name. A masked column without its mask is an error, not a raw column.
2. A constant mask is a literal: the raw value is not read.
3. Any other mask is a raw column whose output carries the cell that masks it before it leaves the engine. The subject
   of a mask follows behind, hidden: it is read, given to that mask, and never written.
4. Where the engine can compute a mask, the list comes a second time with that expression, for the engine to choose.
   Both make the same bytes. Only plain tables are served: nothing that somebody else wrote runs beside a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect, Output
from hfitd.errors import Internal
from hfitd.masks.interface import BoundMask, HashTwin
from hfitd.model import MaskedColumn, Relation
from hfitd.sql import Sql, join, text


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of columns with what comes out of them. ``secret``: some expression holds the key of a mask."""

    columns: tuple[Sql, ...]
    outputs: tuple[Output, ...]
    secret: bool = False

    @property
    def sql(self) -> Sql:
        """The list."""
        return join(", ", self.columns)


@dataclass(frozen=True, slots=True)
class Columns:
    """The list as it is masked in the row stream, and as the database can mask it, if it can. ``subjects`` are the
    names of columns that are read besides the visible ones."""

    streamed: Listed
    served: Listed | None
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    sql: Sql
    output: Output


def mask_of(item: MaskedColumn, masks: Mapping[str, BoundMask]) -> BoundMask | None:
    """The mask of a column; Internal when a rule has none (1)."""
    mask = masks.get(item.column.name)
    if mask is None and item.rule is not None:
        raise Internal("A masked column came without its mask.")
    if mask is not None and not mask.constant and mask.cell is None and mask.row_cell is None:
        raise Internal("A mask has neither a constant nor a cell.")
    return mask


def list_columns(
    shown: Sequence[MaskedColumn], relation: Relation, dialect: Dialect, masks: Mapping[str, BoundMask]
) -> Columns:
    """The columns in this order, then the subjects of their masks."""
    bound = [mask_of(item, masks) for item in shown]
    subjects = tuple(dict.fromkeys(mask.subject for mask in bound if mask is not None and mask.subject))
    places = {name: len(shown) + number for number, name in enumerate(subjects)}
    beside = [_subject(name, number, relation, dialect) for number, name in enumerate(subjects)]
    makers = [
        _Maker(number, item, mask, relation, dialect)
        for number, (item, mask) in enumerate(zip(shown, bound, strict=True))
    ]
    streamed = [maker.streamed(places) for maker in makers]
    served = [maker.served() for maker in makers]
    if not any(served):
        return Columns(_joined([*streamed, *beside]), None, subjects)
    secret = any(
        mask is not None and isinstance(mask.twin, HashTwin) and one is not None
        for mask, one in zip(bound, served, strict=True)
    )
    mixed = [one or other for one, other in zip(served, streamed, strict=True)]
    listed = replace(_joined([*mixed, *beside]), secret=secret)
    return Columns(_joined([*streamed, *beside]), listed, subjects)


def _joined(items: Sequence[_Item]) -> Listed:
    return Listed(tuple(item.sql for item in items), tuple(item.output for item in items))


@dataclass(frozen=True, slots=True)
class _Maker:
    """One visible column."""

    number: int
    item: MaskedColumn
    mask: BoundMask | None
    relation: Relation
    dialect: Dialect

    def streamed(self, places: Mapping[str, int]) -> _Item:
        """As it is masked in the row stream; ``places`` are those of the subjects."""
        column, mask = self.item.column, self.mask
        name = self.dialect.identifier(column.name)
        if mask is None:
            return _Item(text(name), Output(column.name, None, column))
        if mask.constant:  # 2
            literal = text(self.dialect.typed_literal(mask.literal, column))
            return _Item(self._named(literal), Output(column.name, None, column))
        subject = places.get(mask.subject, -1)
        return _Item(text(name), Output(column.name, mask.cell, column, mask.row_cell, subject))  # 3

    def served(self) -> _Item | None:
        """As the database masks it; None where it does not."""
        if self.mask is None or self.mask.twin is None or self.relation.table.kind != "table":  # 4
            return None
        spelled = self.dialect.twin(self.item.column, self.mask.twin)
        if spelled is None:
            return None
        return _Item(self._named(spelled), Output(self.item.column.name, None, self.item.column))

    def _named(self, expression: Sql) -> Sql:
        """The expression under the column's name; one that is a key column's would take its place in ORDER BY."""
        name = self.item.column.name
        alias = f"hfit_mask_{self.number}" if name in self.relation.table.row_key else name
        return expression + text(f" AS {self.dialect.identifier(alias)}")


def _subject(name: str, number: int, relation: Relation, dialect: Dialect) -> _Item:
    column = relation.table.column(name)
    if column is None:
        raise Internal("The subject of a mask is no column of its table.")
    listed = text(f"{dialect.identifier(name)} AS {dialect.identifier(f'hfit_subject_{number}')}")
    return _Item(listed, Output(name, None, column, hidden=True))
