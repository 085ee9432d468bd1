"""What stands in a free query where its author wrote a table: a derived table of what the actor may see.

1. Only visible columns are in it, by the catalogue's names (S05, S21).
2. A constant mask is its literal; a keyed mask is a NULL of the column's type, so that no condition, join, order,
   group, function or error can ask about the raw value (S22 to S26).
3. The raw value of a keyed column, or of the subject of its mask, is added only when it is reached for, under a name
   no text can have.
4. The row filter is inside, fenced (S27).
5. Rows of heirs are read through their own table, for that has grants, masks and filters of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hfitd.engines.interface import Dialect
from hfitd.export.query.columns import mask_of
from hfitd.export.query.scopes import Field, Raw, Source
from hfitd.masks.interface import BoundMask
from hfitd.model import MaskedColumn, Relation, TableName
from hfitd.sql import Sql, text


class DerivedTable:
    """One use of a relation in a query."""

    def __init__(
        self, relation: Relation, dialect: Dialect, masks: Mapping[str, BoundMask], fresh_name: Callable[[], str]
    ) -> None:
        self._relation = relation
        self._dialect = dialect
        self._masks = masks
        self._fresh_name = fresh_name
        self._reached: dict[str, str] = {}
        self._visible = [item for item in relation.columns if not item.column.invisible]

    @property
    def name(self) -> TableName:
        """The table it stands for."""
        return self._relation.table.name

    def source(self, name: str, schema: str | None) -> Source:
        """It as an entry of FROM."""
        return Source(name, tuple(self._field(item) for item in self._visible), schema)

    def sql(self) -> Sql:
        """The derived table in parentheses; to be asked when everything that is needed was reached."""
        listed = [self._column(item) for item in self._visible]
        listed += [
            f"{self._dialect.identifier(column)} AS {self._dialect.identifier(alias)}"
            for column, alias in self._reached.items()  # 3
        ]
        source = self._dialect.own_rows(self._relation.table)  # 5
        start = f"(SELECT {', '.join(listed)} FROM {source}"  # noqa: S608 - 1
        if self._relation.row_filter is None:
            return text(f"{start})")
        return text(f"{start} WHERE (") + self._relation.row_filter + text(f") {self._dialect.fence})")  # 4

    def _field(self, item: MaskedColumn) -> Field:
        mask = mask_of(item, self._masks)
        special = item.column if item.column.operators else None
        name, subject = item.column.name, mask.subject if mask is not None else ""
        if mask is None or mask.constant:
            return Field(name, item.column, special=special)
        raw = Raw(
            lambda: self._reach(name), mask.cell, mask.row_cell, (lambda: self._reach(subject)) if subject else None
        )
        return Field(name, item.column, raw, special)

    def _reach(self, column: str) -> str:
        if column not in self._reached:
            self._reached[column] = self._fresh_name()
        return self._reached[column]

    def _column(self, item: MaskedColumn) -> str:
        column, mask = item.column, mask_of(item, self._masks)
        name = self._dialect.identifier(column.name)
        if mask is None:
            return name
        return f"{self._dialect.typed_literal(mask.literal if mask.constant else None, column)} AS {name}"  # 2
