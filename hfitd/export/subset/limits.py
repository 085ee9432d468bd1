"""Where a subset stops: what passes a limit refuses the export, or is left out if the template asks for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfitd.errors import LimitExceeded
from hfitd.model import Json, TableName


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_rows`` counts the whole subset, ``per_table`` one table, ``max_children`` the rows of one child table that
    one row may have by one key. None is no limit. ``truncate`` leaves out what is beyond, the last by key order."""

    max_rows: int | None = None
    per_table: Mapping[TableName, int] = field(default_factory=dict)
    max_children: int | None = None
    truncate: bool = False


class Meter:
    """Counts against the limits. Parents of what is kept are never left out, but always counted."""

    def __init__(self, limits: Limits, export: str) -> None:
        self._limits = limits
        self._export = export
        self._rows = 0
        self._of: dict[TableName, int] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def takes(self, table: TableName, *, parent: bool) -> bool:
        """Whether one more row may come; LimitExceeded unless the template lets rows be left out."""
        limits, count = self._limits, self._of.get(table, 0)
        own = limits.per_table.get(table)
        passed = ""
        if own is not None and count >= own:
            passed = f"more than the {own} rows of {table} that limits.max_rows_per_table allows"
        elif limits.max_rows is not None and self._rows >= limits.max_rows:
            passed = f"more than {limits.max_rows} rows; {count} of {table} were found before the limit was passed"
        if passed and not limits.truncate:
            raise self._refusal(f"The subset has {passed}.")
        if passed and not parent:
            self._note(table, "max_rows" if own is None or count < own else "max_rows_per_table")
            return False
        self._rows += 1
        self._of[table] = count + 1
        return True

    def takes_child(self, table: TableName, number: int, key: str) -> bool:
        """Whether a row may have a child with this number, from 1, in the table."""
        maximum = self._limits.max_children
        if maximum is None or number <= maximum:
            return True
        if not self._limits.truncate:
            raise self._refusal(
                f"A row has more than the {maximum} rows of {table} by {key} that limits.max_children_per_row allows."
            )
        self._note(table, "max_children_per_row")
        return False

    def report(self) -> list[Json]:
        """What was left out, for the manifest."""
        return [
            {"table": table, "limit": limit, "left_out": count}
            for (table, limit), count in sorted(self._left_out.items())
        ]

    def _note(self, table: TableName, limit: str) -> None:
        self._left_out[str(table), limit] = self._left_out.get((str(table), limit), 0) + 1

    def _refusal(self, message: str) -> LimitExceeded:
        return LimitExceeded(
            message,
            resource=self._export,
            suggestions=("Narrow the roots, follow fewer children, raise the limit, or set on_excess: truncate.",),
        )
