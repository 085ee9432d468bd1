"""Whether a table of the target holds exactly the rows of the package, in bounded memory.

1. Every row is hashed with its key (BLAKE2b, 128 bits) and added, modulo 2^128, to one of 65,536 sums chosen by the
   hash of its key. Equal sums and counts on both sides mean equal rows, whatever their order.
2. Where sums differ, the rows behind them are read once more and balanced key by key, digests only; then the rows of
   the first key in the package's order, else of the first that the package does not have, are read and looked at.
3. Masked columns are compared with outer blanks and the spelling of numbers put aside, for a mask is written as its
   rule says and stored as the column's type prints.
"""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from hfit.load.interface import Canon, Cells
from hfit.text import visible

BUCKETS = 1 << 16
MAX_KEPT_KEYS = 100_000
ROWS_BETWEEN_PAUSES = 2000
_MASK = (1 << 64) - 1

Canons = Sequence[Canon | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference of a table: which row, by key, and in which column."""

    key: str
    what: str


class Sums:
    """Step 1 for one side."""

    def __init__(self, keys: Sequence[int]) -> None:
        self.rows = 0
        self._keys = keys
        self._low, self._high = array("Q", bytes(8 * BUCKETS)), array("Q", bytes(8 * BUCKETS))

    def add(self, cells: Cells) -> None:
        """Count a row."""
        bucket = bucket_of(cells, self._keys)
        digest = _digest(cells)
        self.rows += 1
        self._low[bucket] = (self._low[bucket] + int.from_bytes(digest[:8], "big")) & _MASK
        self._high[bucket] = (self._high[bucket] + int.from_bytes(digest[8:], "big")) & _MASK

    def differing(self, other: Sums) -> frozenset[int]:
        """Buckets whose rows are not the same."""
        pairs = zip(self._low, self._high, other._low, other._high, strict=True)
        return frozenset(
            number for number, (low, high, *others) in enumerate(pairs) if [low, high] != others
        )


def bucket_of(cells: Cells, keys: Sequence[int]) -> int:
    """Which sum a row goes to."""
    return int.from_bytes(_digest(tuple([cells[number] for number in keys]))[:2], "big")


def blur(cell: bytes) -> bytes:
    """Step 3."""
    text = cell.strip(b" ")
    try:
        return str(Decimal(text.decode("ascii")).normalize()).encode()
    except (InvalidOperation, UnicodeDecodeError):
        return text


def spelt(cells: Cells, canons: Canons) -> Cells:
    """The row with cells made comparable."""
    return tuple([
        cell if cell is None or canon is None else canon(cell) for cell, canon in zip(cells, canons, strict=True)
    ])


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a table, readable more than once, cells already comparable. ``show`` is for a person."""

    columns: Sequence[str]
    keys: Sequence[int]
    package: Callable[[], Iterable[Cells]]
    target: Callable[[], AsyncIterator[Cells]]
    show: Callable[[bytes], str]


async def find_difference(sides: Sides) -> Difference | None:
    """Steps 1 and 2; None when the table is equal."""
    ours, theirs = Sums(sides.keys), Sums(sides.keys)
    async for cells in _unhurried(sides.package()):
        ours.add(cells)
    async for cells in sides.target():
        theirs.add(cells)
    buckets = ours.differing(theirs)
    if not buckets and ours.rows == theirs.rows:
        return None
    return await _locate(sides, buckets)


async def _unhurried(rows: Iterable[Cells]) -> AsyncIterator[Cells]:
    """The rows, with pauses in which an interruption is noticed."""
    for number, cells in enumerate(rows):
        if number % ROWS_BETWEEN_PAUSES == 0:
            await asyncio.sleep(0)
        yield cells


async def _locate(sides: Sides, buckets: frozenset[int]) -> Difference:
    """Step 2. By key: the sum of the package's digests less that of the target's; rows cancel out only in equal
    numbers, but for a chance of 2^-128."""
    balance: dict[bytes, int] = {}
    whole = True
    async for cells in _unhurried(sides.package()):
        if bucket_of(cells, sides.keys) in buckets:
            key = _digest(_key(cells, sides))
            if key not in balance and len(balance) == MAX_KEPT_KEYS:
                whole = False
                break
            balance[key] = balance.get(key, 0) + int.from_bytes(_digest(cells), "big")
    extra: Cells | None = None
    async for cells in sides.target():
        if bucket_of(cells, sides.keys) in buckets:
            key = _digest(_key(cells, sides))
            if key in balance:
                balance[key] -= int.from_bytes(_digest(cells), "big")
            elif extra is None:
                extra = _key(cells, sides)
    for key, rest in balance.items():
        if rest:
            return await _look_at(key, sides)
    if extra is not None and whole:
        return Difference(_shown(extra, sides), "the target has a row that the package does not have")
    return Difference("", "rows differ")


async def _look_at(key: bytes, sides: Sides) -> Difference:
    expected: list[Cells] = []
    found: list[Cells] = []
    counts = [0, 0]
    async for cells in _unhurried(sides.package()):
        if _digest(_key(cells, sides)) == key:
            counts[0] += 1
            expected = expected or [cells]  # one is enough: where there are several, they are counted
    async for cells in sides.target():
        if _digest(_key(cells, sides)) == key:
            counts[1] += 1
            found = found or [cells]
    shown = _shown(_key(expected[0], sides), sides)
    if counts == [1, 1]:
        number = next(n for n, (left, right) in enumerate(zip(expected[0], found[0], strict=True)) if left != right)
        return Difference(shown, f"column {sides.columns[number]} differs")
    if not counts[1]:
        return Difference(shown, "the row is missing")
    return Difference(shown, f"the package has {counts[0]} such rows, the target {counts[1]}")


def _key(cells: Cells, sides: Sides) -> Cells:
    return tuple([cells[number] for number in sides.keys])


def _shown(key: Cells, sides: Sides) -> str:
    return visible(", ".join("NULL" if cell is None else sides.show(cell) for cell in key), limit=200)


def _digest(cells: Cells) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    for cell in cells:
        if cell is None:
            state.update(b"\xff" * 8)
        else:
            state.update(len(cell).to_bytes(8, "big"))
            state.update(cell)
    return state.digest()
