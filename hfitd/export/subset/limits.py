"""Where a subset stops: what passes a limit refuses the export, or is left out if the template asks for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfitd.errors import LimitExceeded
from hfitd.export.sources import SourceKey
from hfitd.export.subset.edges import Node
from hfitd.model import Json


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_rows`` counts the whole subset, ``per_table`` one table, ``max_children`` the rows of one child table that
    one row may have by one key. None is no limit. ``truncate`` leaves out what is beyond, the last by key order."""

    max_rows: int | None = None
    per_table: Mapping[Node, int] = field(default_factory=dict)
    max_children: int | None = None
    truncate: bool = False


class Meter:
    """Counts against the limits. Parents of what is kept are never left out, but always counted."""

    def __init__(self, limits: Limits, export: str) -> None:
        self._limits = limits
        self._export = export
        self._rows = 0
        self._of: dict[Node, int] = {}
        self._left_out: dict[tuple[Node, str], int] = {}

    @property
    def max_children(self) -> int | None:
        """How many rows of one child table one row may have by one key."""
        return self._limits.max_children

    @property
    def rows(self) -> int:
        """How many rows were taken so far."""
        return self._rows

    def take(self, node: Node, count: int, *, parent: bool) -> int:
        """How many of so many more rows may come; LimitExceeded unless the template lets rows be left out."""
        limits, before = self._limits, self._of.get(node, 0)
        own, of_all = limits.per_table.get(node), limits.max_rows
        room_here = count if own is None else max(0, own - before)
        room = count if of_all is None else max(0, of_all - self._rows)
        allowed = min(count, room_here, room)
        if allowed < count:
            here = own is not None and room_here <= room
            if not limits.truncate:
                if here:
                    raise self._refusal(
                        f"The subset has more than the {own} rows of {node} that limits.max_rows_per_table allows."
                    )
                raise self._refusal(
                    f"The subset has more than {of_all} rows; {before + allowed} of {node} were found before the limit"
                    " was passed."
                )
            if parent:
                allowed = count
            else:
                self._note(node, "max_rows_per_table" if here else "max_rows", count - allowed)
        self._rows += allowed
        self._of[node] = before + allowed
        return allowed

    def take_child(self, node: Node, number: int, key: str) -> bool:
        """Whether a row may have a child with this number, from 1, in the table."""
        maximum = self._limits.max_children
        if maximum is None or number <= maximum:
            return True
        if not self._limits.truncate:
            raise self._refusal(
                f"A row has more than the {maximum} rows of {node} by {key} that limits.max_children_per_row allows."
            )
        self._note(node, "max_children_per_row", 1)
        return False

    def has_left_out(self, node: Node) -> bool:
        """Whether rows of a table were left out."""
        return any(of == node for of, _ in self._left_out)

    def report(self, source: SourceKey) -> list[Json]:
        """What was left out of the tables of one database, for the manifest."""
        return [
            {"table": str(node), "limit": limit, "left_out": count}
            for (node, limit), count in sorted(self._left_out.items())
            if node.source == source
        ]

    def _note(self, node: Node, limit: str, count: int) -> None:
        self._left_out[node, limit] = self._left_out.get((node, limit), 0) + count

    def _refusal(self, message: str) -> LimitExceeded:
        return LimitExceeded(
            message,
            resource=self._export,
            suggestions=("Narrow the roots, follow fewer children, raise the limit, or set on_excess: truncate.",),
        )
