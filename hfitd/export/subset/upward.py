"""References upwards along one edge: those to ask about, those answered, and how many rows refer to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress

from hfitd.export.subset.edges import Edge
from hfitd.export.subset.found import FoundRows, Key, KeyStore, KeyTable, unpack
from hfitd.export.subset.reach import Graph


def key_order(edge: Edge, graph: Graph) -> tuple[int, ...] | None:
    """Where the parent's row key stands in the values of an edge; None when they are something else."""
    identity = None if edge.cut else graph.identities[edge.parent.node]
    if identity is None or not edge.plain or edge.crosses or not identity.columns or edge.parent.only is not None:
        return None
    if sorted(identity.columns) != sorted(edge.parent.columns):
        return None
    return tuple(edge.parent.columns.index(column) for column in identity.columns)


def arrange(keys: Sequence[Key], order: tuple[int, ...]) -> Sequence[Key]:
    """Values in another order."""
    if order == tuple(range(len(order))):
        return keys
    return [tuple(str(values[place]) for place in order) for values in map(unpack, keys)]


class Upward:
    """The references of one edge.

    A value is asked for once: one that leads to a row is known by that row where the values are its key, else it is
    remembered here, as are all that lead to nothing.
    """

    def __init__(self, edge: Edge, graph: Graph, parents: FoundRows | None, store: KeyStore) -> None:
        self.edge = edge
        self.dangling = 0
        self.order = key_order(edge, graph)
        self._parents = parents
        self._store = store
        self._pending = store.table()  # values with the first row that has them and how many rows do
        self._answers = store.table()  # values with whether there is a parent

    def refer(self, values: Sequence[Key], rows: Sequence[int]) -> None:
        """Each of these rows refers to its value."""
        if self.edge.cut:
            self.dangling += len(values)
            return
        first = dict(zip(reversed(values), reversed(rows), strict=True))
        self._refer_once(Counter(values), first)

    def _refer_once(self, counts: Counter[Key], first: dict[Key, int]) -> None:
        keys: Sequence[Key] = list(counts)
        if self.edge.across is not None:
            keys = self._spell(keys, counts, first)
        keys = list(compress(keys, self.sift(keys, list(map(counts.__getitem__, keys)))))
        there = self._pending.find(keys)
        known = [number for number in there if number is not None]
        if known:
            more = [counts[key] for key, number in zip(keys, there, strict=True) if number is not None]
            self._pending.raise_second(known, more)
            keys = [key for key, number in zip(keys, there, strict=True) if number is None]
        self._pending.add(keys, list(map(first.__getitem__, keys)), list(map(counts.__getitem__, keys)))

    def _spell(self, keys: Sequence[Key], counts: Counter[Key], first: dict[Key, int]) -> Sequence[Key]:
        """Values in the one spelling of both databases; what has none leads nowhere."""
        across, spelt = self.edge.across, dict[Key, None]()
        assert across is not None
        for key in keys:
            one = across.spell(str(key), child=True)
            if one is None:
                self.dangling += counts[key]
                continue
            if one != key:
                counts[one] += counts[key]
                first[one] = min(first.get(one, first[key]), first[key])
            spelt[one] = None
        return list(spelt)

    def sift(self, keys: Sequence[Key], counts: Sequence[int]) -> list[bool]:
        """Which values are open; those that are answered are counted."""
        known = self.order is not None and self._parents is not None and len(self._parents) > 0
        if known and self.order is not None and self._parents is not None:
            is_open = [number is None for number in self._parents.keys.find(arrange(keys, self.order))]
        else:
            is_open = [True] * len(keys)
        if not len(self._answers):
            return is_open
        numbers = self._answers.find(keys)
        answered = [place for place, number in enumerate(numbers) if number is not None and is_open[place]]
        answers = self._answers.first_of([number for number in numbers if number is not None])
        there = dict(zip((place for place, number in enumerate(numbers) if number is not None), answers, strict=True))
        for place in answered:
            is_open[place] = False
            self.dangling += 0 if there[place] else counts[place]
        return is_open

    def take_pending(self) -> KeyTable | None:
        """What has to be asked now; what is referred to from here on is for the next level."""
        if not len(self._pending):
            return None
        taken, self._pending = self._pending, self._store.table()
        return taken

    def settle(self, keys: Sequence[Key], counts: Sequence[int], *, found: Sequence[bool]) -> None:
        """Whether these values have a parent; ``counts`` are the rows that have them."""
        self.dangling += sum(count for count, there in zip(counts, found, strict=True) if not there)
        if self.order is None:
            self._answers.add(keys, [int(there) for there in found], [0] * len(keys))
        else:
            missing = list(compress(keys, [not there for there in found]))
            self._answers.add(missing, [0] * len(missing), [0] * len(missing))
