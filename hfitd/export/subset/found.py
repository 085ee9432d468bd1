"""Rows that a walk has found, by key, each with how it was first reached.

Kept small: a row costs its key's text, one entry of a dict and twelve bytes, about 200 bytes for a key of one short
column and 300 for one of two. A million rows are some 250 MB at worst; ``limits.package_rows`` is what bounds it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from hfitd.engines.interface import Row

Key = str | tuple[str, ...]
NO_STEP = -1


def pack(values: Sequence[str]) -> Key:
    """Values as a key: a single one stands for itself, which saves a tuple."""
    return values[0] if len(values) == 1 else tuple(values)


def unpack(key: Key) -> Row:
    """The values of a key."""
    return (key,) if isinstance(key, str) else key


class FoundRows:
    """The rows of one table in the order they were found.

    A row's ``step`` is twice the edge's number, plus one when it was reached upwards; -1 is a root. ``origin`` is
    the number of the row it was reached from, in the table at the other end of that edge.
    """

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}
        self.steps = array("i")
        self.origins = array("q")
        self.copies: dict[int, int] = {}  # rows beyond the first that share a name

    def __len__(self) -> int:
        """How many names; see ``rows`` for how many rows."""
        return len(self._numbers)

    @property
    def rows(self) -> int:
        """How many rows, equal ones counted one by one."""
        return len(self._numbers) + sum(self.copies.values())

    def find(self, key: Key) -> int | None:
        """The number of a row, or None."""
        return self._numbers.get(key)

    def add(self, key: Key, step: int, origin: int) -> int:
        """A new row; its number."""
        number = self._numbers[key] = len(self._numbers)
        self.steps.append(step)
        self.origins.append(origin)
        return number

    def repeat(self, number: int) -> None:
        """One more row that shares the name of this one."""
        self.copies[number] = self.copies.get(number, 0) + 1

    def keys(self) -> Iterator[Key]:
        """All names in order."""
        return iter(self._numbers)
