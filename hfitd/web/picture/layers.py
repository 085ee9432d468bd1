"""Boxes in columns, so that connected ones stand near each other: the layered layout of Sugiyama, Tagawa and Toda.

1. Every box has its column given: how far it is from a root.
2. An edge over several columns goes through points between them, which take part in the layout as boxes of no height.
3. The order within a column is improved by sweeps: each box goes to the mean place of its neighbours (barycentre).
4. The heights are the best in the sense of least squares that keep order and distances: each box wants the mean of its
   neighbours, and boxes that collide move as one block (pool adjacent violators).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SWEEPS = 8
POINT = 14.0  # the room that an edge takes between two boxes


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is: the middle height of each box, and of each edge the heights of its points on the way, by
    column. Heights begin at 0."""

    middles: Mapping[str, float]
    ways: Sequence[Sequence[tuple[int, float]]]
    height: float


@dataclass(slots=True)
class _Grid:
    columns: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    near: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    size: dict[str, float] = field(default_factory=dict)
    ways: list[list[tuple[int, str]]] = field(default_factory=list)

    def order(self) -> dict[str, int]:
        """The place of everything in its column."""
        return {name: place for column in self.columns.values() for place, name in enumerate(column)}


def lay_out(columns: Mapping[str, int], sizes: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> Layout:
    """Lay out boxes by name with their column and height, gaps included; ``edges`` name their ends."""
    grid = _make_grid(columns, sizes, edges)
    for number in range(SWEEPS):
        _sweep(grid, forward=number % 2 == 0)
    middles = _heights(grid)
    low = min((middles[name] - grid.size[name] / 2 for name in middles), default=0.0)
    middles = {name: middle - low for name, middle in middles.items()}
    ways = [[(column, middles[point]) for column, point in way] for way in grid.ways]
    height = max((middles[name] + grid.size[name] / 2 for name in middles), default=0.0)
    return Layout({name: middles[name] for name in columns}, ways, height)


def _make_grid(columns: Mapping[str, int], sizes: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> _Grid:
    grid = _Grid(size=dict(sizes))
    for name, column in columns.items():
        grid.columns[column].append(name)
    for number, (first, last) in enumerate(edges):
        low, high = sorted((first, last), key=lambda name: columns[name])
        way = []
        before = low
        for column in range(columns[low] + 1, columns[high]):  # 2
            point = f"\0{number}.{column}"
            grid.columns[column].append(point)
            grid.size[point] = POINT
            _join(grid, before, point)
            way.append((column, point))
            before = point
        if columns[low] != columns[high]:
            _join(grid, before, high)
        grid.ways.append(way if low == first else way[::-1])
    return grid


def _join(grid: _Grid, one: str, other: str) -> None:
    grid.near[one].append(other)
    grid.near[other].append(one)


def _sweep(grid: _Grid, *, forward: bool) -> None:
    """3, looking at the columns before, or behind."""
    numbers = sorted(grid.columns)
    place = grid.order()
    column_of = {name: number for number, column in grid.columns.items() for name in column}
    for number in numbers if forward else reversed(numbers):
        wanted = {}
        for name in grid.columns[number]:
            seen = [place[other] for other in grid.near[name] if (column_of[other] < number) == forward]
            wanted[name] = sum(seen) / len(seen) if seen else float(place[name])
        grid.columns[number].sort(key=lambda name: wanted[name])
        place |= {name: position for position, name in enumerate(grid.columns[number])}


def _heights(grid: _Grid) -> dict[str, float]:
    """4."""
    middles: dict[str, float] = {}
    for column in grid.columns.values():
        middles |= dict(zip(column, _apart([0.0] * len(column), [grid.size[name] for name in column]), strict=True))
    for turn in range(SWEEPS):
        for number in sorted(grid.columns, reverse=turn % 2 == 1):
            names = grid.columns[number]
            wanted = [
                sum(middles[other] for other in near) / len(near) if (near := grid.near[name]) else middles[name]
                for name in names
            ]
            middles |= dict(zip(names, _apart(wanted, [grid.size[name] for name in names]), strict=True))
    return middles


def _apart(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The middles nearest to the wanted ones, in order, no two closer than their sizes allow."""
    offsets, offset, before = [], 0.0, 0.0
    for size in sizes:
        offset += (before + size) / 2
        offsets.append(offset)
        before = size
    blocks: list[tuple[float, int]] = []  # mean, how many
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, many = blocks.pop()
            mean, count = (other * many + mean * count) / (many + count), many + count
        blocks.append((mean, count))
    starts = [mean for mean, count in blocks for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]
