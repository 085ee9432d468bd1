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

Where a subset goes through several databases, a table of another one than the subset's own has its ``provider``,
``database`` and ``member``, and a step ``from_member`` or ``to_member`` for that end.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from json.encoder import encode_basestring

from hfitd.export.package.manifest import canonical_json
from hfitd.export.sources import SourceKey
from hfitd.export.subset.edges import Node
from hfitd.export.subset.found import NO_STEP, FoundRows, Key
from hfitd.export.subset.reach import Graph
from hfitd.masks.interface import BoundMask
from hfitd.model import Json, Kind

ROWS_PER_PIECE = 2000


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of one subset. ``members`` are the files of its databases, that of the roots first; ``positions``
    number the rows of tables without a key."""

    members: Mapping[SourceKey, str]
    graph: Graph
    tables: Mapping[Node, FoundRows]
    masks: Mapping[Node, Mapping[str, BoundMask]]
    positions: Mapping[Node, Mapping[Key, int]]

    def pieces(self) -> Iterator[bytes]:
        """The entry as JSON, in pieces the loop can afford."""
        steps = self._steps()
        numbers = {step: number for number, step in enumerate(steps)}
        home = self._home()
        head: dict[str, Json] = {"database": home.database, "member": self.members[home], "provider": home.provider}
        head["steps"] = [self._step(step) for step in steps]
        yield canonical_json(head)[:-1] + b',"tables":['
        for place, node in enumerate(self._reached()):
            own = canonical_json(self._elsewhere(node) | {"key": list(self.graph.identities[node].columns)})
            yield (b"," if place else b"") + own[:-1] + b',"rows":['
            yield from self._rows(node, numbers)
            yield b'],"table":' + canonical_json(str(node)) + b"}"
        yield b"]}"

    def _home(self) -> SourceKey:
        return next(iter(self.members))

    def _elsewhere(self, node: Node) -> dict[str, Json]:
        """Where a table is that is not in the subset's own database. Keys sort before ``rows``."""
        if node.source == self._home():
            return {}
        source = node.source
        return {"database": source.database, "member": self.members[source], "provider": source.provider}

    def _reached(self) -> list[Node]:
        home = self._home()
        return sorted((n for n, found in self.tables.items() if len(found)), key=lambda n: (n.source != home, n))

    def _steps(self) -> list[int]:
        return sorted(set[int]().union(*(found.keys.steps() for found in self.tables.values())) - {NO_STEP})

    def _step(self, step: int) -> Json:
        edge = self.graph.edges[step // 2]
        here, there = (edge.child, edge.parent) if step % 2 else (edge.parent, edge.child)
        entry: dict[str, Json] = {
            "foreign_key": edge.name,
            "from": str(here.node),
            "to": str(there.node),
            "from_columns": list(here.columns),
            "to_columns": list(there.columns),
        }
        for end, node in (("from_member", here.node), ("to_member", there.node)):
            if node.source != self._home():
                entry[end] = self.members[node.source]
        return entry

    def _rows(self, node: Node, numbers: Mapping[int, int]) -> Iterator[bytes]:
        separator = ""
        for keys, steps, origins in self.tables[node].keys.portions(ROWS_PER_PIECE):
            shown, ways = self._keys(node, keys), set(steps)
            if len(ways) == 1 and NO_STEP not in ways:  # the commonest by far: all rows of a piece came one way
                row = f'[[{",".join(["%s"] * len(shown))}],[{numbers[ways.pop()]},%d]],'
                text = (row * len(keys))[:-1] % tuple(chain.from_iterable(zip(*shown, origins, strict=True)))
            else:
                came = {step: f"],[{numbers[step]}," for step in ways if step != NO_STEP}
                text = ",".join(
                    "[[" + ",".join(key) + (f"{came[step]}{origin}]]" if step != NO_STEP else "],null]")
                    for *key, step, origin in zip(*shown, steps, origins, strict=True)
                )
            yield (separator + text).encode()
            separator = ","

    def _keys(self, node: Node, keys: Sequence[Key]) -> list[Sequence[str]]:
        """The columns of keys as JSON strings."""
        identity = self.graph.identities[node]
        if not identity.columns:
            return [[f'"#{self.positions[node][key]}"' for key in keys]]
        masks = [self.masks[node].get(column) for column in identity.columns]
        columns: list[Sequence[str]] = [keys] if len(masks) == 1 else list(zip(*keys, strict=True))  # type: ignore[list-item]  # a single column is no tuple
        if any(masks):
            columns = [
                [show_value(value, item.kind, mask) for value in column]
                for column, item, mask in zip(columns, identity.wanted, masks, strict=True)
            ]
        return [list(map(encode_basestring, column)) for column in columns]


def show_value(value: str, kind: Kind, mask: BoundMask | None) -> str:
    """A value as the data show it."""
    if mask is None:
        return value
    raw = base64.b64decode(value) if kind is Kind.BYTES and not mask.constant else value.encode()
    shown = mask.cover(raw) or b""
    return base64.b64encode(shown).decode("ascii") if kind is Kind.BYTES and not mask.constant else shown.decode()
