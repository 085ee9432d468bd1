"""``METADATA/graph.json``: how every row of a subset was reached, for ``hfit explain``.

.. code-block:: text

    {"format": 1, "subsets": [{
        "member": "case.sql", "provider": "shop", "database": "shop",
        "steps": [{"foreign_key": "rental_customer_id_fkey", "from": "public.customer", "to": "public.rental",
                   "from_columns": ["customer_id"], "to_columns": ["customer_id"]}],
        "tables": [{"table": "public.rental", "key": ["rental_id"], "rows": [[["76"], [0, 12]]]}]}]}

A row is its key and its way: null for a root, else the number of a step and the number of the row, from 0, in the
rows of that step's ``from`` table. Following the ways ends at a root. Keys are as the data have them: in the order
of the key's columns, masked by their column's mask, bytes as base64. A table without a key has ``"key": []`` and rows
named ``#n``: the n-th row of the table in the member; of equal rows the first.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.export.package.manifest import canonical_json
from hfitd.export.subset.found import NO_STEP, FoundRows, Key, unpack
from hfitd.export.subset.reach import Graph
from hfitd.masks.interface import BoundMask
from hfitd.model import Json, Kind, TableName

ROWS_PER_PIECE = 1000


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of one subset. ``positions`` number the rows of tables without a key."""

    member: str
    provider: str
    database: str
    graph: Graph
    tables: Mapping[TableName, FoundRows]
    masks: Mapping[TableName, Mapping[str, BoundMask]]
    positions: Mapping[TableName, Mapping[Key, int]]

    def pieces(self) -> Iterator[bytes]:
        """The entry as JSON, in pieces the loop can afford."""
        steps = self._steps()
        numbers = {step: number for number, step in enumerate(steps)}
        head: dict[str, Json] = {"database": self.database, "member": self.member, "provider": self.provider}
        head["steps"] = [self._step(step) for step in steps]
        yield canonical_json(head)[:-1] + b',"tables":['
        for place, table in enumerate(self._reached()):
            yield (b"," if place else b"") + b'{"key":' + canonical_json(list(self.graph.identities[table].columns))
            yield b',"rows":['
            yield from self._rows(table, numbers)
            yield b'],"table":' + canonical_json(str(table)) + b"}"
        yield b"]}"

    def _reached(self) -> list[TableName]:
        return sorted(table for table, found in self.tables.items() if len(found))

    def _steps(self) -> list[int]:
        return sorted({step for found in self.tables.values() for step in set(found.steps)} - {NO_STEP})

    def _step(self, step: int) -> Json:
        edge = self.graph.edges[step // 2]
        here, there = (edge.child, edge.parent) if step % 2 else (edge.parent, edge.child)
        return {
            "foreign_key": edge.name,
            "from": str(here.table),
            "to": str(there.table),
            "from_columns": list(here.columns),
            "to_columns": list(there.columns),
        }

    def _rows(self, table: TableName, numbers: Mapping[int, int]) -> Iterator[bytes]:
        found, piece, separator = self.tables[table], list[Json](), b""
        for number, key in enumerate(found.keys()):
            step = found.steps[number]
            way: Json = None if step == NO_STEP else [numbers[step], found.origins[number]]
            piece.append([list(self._key(table, key)), way])
            if len(piece) == ROWS_PER_PIECE:
                yield separator + canonical_json(piece)[1:-1]
                piece, separator = [], b","
        if piece:
            yield separator + canonical_json(piece)[1:-1]

    def _key(self, table: TableName, key: Key) -> Sequence[str]:
        identity = self.graph.identities[table]
        if not identity.columns:
            return (f"#{self.positions[table][key]}",)
        masks = self.masks[table]
        kinds = [item.kind for item in identity.wanted]
        return [
            show_value(str(value), kind, masks.get(column))
            for column, kind, value in zip(identity.columns, kinds, unpack(key), strict=True)
        ]


def show_value(value: str, kind: Kind, mask: BoundMask | None) -> str:
    """A value as the data show it."""
    if mask is None:
        return value
    if mask.cell is None:
        return mask.literal or ""
    if kind is Kind.BYTES:
        return base64.b64encode(mask.cell(base64.b64decode(value))).decode("ascii")
    return mask.cell(value.encode()).decode()
