"""How large, how often, and what a row of the results is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from benchmarks.measure import Series

if TYPE_CHECKING:
    from benchmarks.stage import Stage


@dataclass(frozen=True)
class Sizes:
    """How much data there is. Everything is generated, from ``seed``."""

    rounds: int
    rows: int
    tables: int
    table_rows: int
    file_bytes: int
    crowd_bytes: int  # of the file that fifty clients want at once
    files: int
    slow_readers: int
    seconds: float  # of the rows that last as long as one lets them
    curve: tuple[int, ...]  # rows of the tables of the scaling section
    clients: tuple[int, ...]
    packages: tuple[int, ...]  # tables of its packages
    scale: float  # of the tables of TPC-H
    seed: int = 7


QUICK = Sizes(
    rounds=2, rows=100_000, tables=20, table_rows=2_000, file_bytes=256 << 20, crowd_bytes=256 << 20, files=50_000,
    slow_readers=200, seconds=2.0, curve=(1_000, 10_000, 100_000), clients=(1, 10, 100), packages=(1, 10, 100),
    scale=0.1,
)  # fmt: skip
FULL = Sizes(
    rounds=5, rows=1_200_000, tables=20, table_rows=20_000, file_bytes=2 << 30, crowd_bytes=1 << 30, files=1_000_000,
    slow_readers=1_000, seconds=10.0, curve=(1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    clients=(1, 10, 100, 1_000, 5_000), packages=(1, 10, 100, 1_000), scale=0.1,
)  # fmt: skip


class Goal(Enum):
    """How the two sides become the figure that is held against the bar."""

    SPEED = "peer's time / ours; more is better"
    RATE = "ours / peer's; more is better"
    COST = "ours / peer's; less is better"
    VALUE = "ours; less is better"

    @property
    def more_is_better(self) -> bool:
        """Which way the bar counts."""
        return self in (Goal.SPEED, Goal.RATE)


class CannotRun(Exception):
    """Why a row has no figure here."""


@dataclass(frozen=True)
class Result:
    """The series of a row. ``ours`` and perhaps ``peer`` are what the figure is made of."""

    series: Mapping[str, Series]
    note: str = ""
    unit: str = "s"


@dataclass(frozen=True)
class Benchmark:
    """A row. ``bar`` and ``aim`` are of the goals; ``measure`` says in its docstring what is run."""

    name: str
    title: str
    peer: str
    goal: Goal
    bar: float
    aim: float
    measure: Callable[[Stage], Result]
    unit: str = "x"


@dataclass(frozen=True)
class Row:
    """A benchmark that ran, or the reason why not."""

    benchmark: Benchmark
    result: Result | None
    reason: str = ""
    load: float = field(default=0.0)  # of the machine when it began

    @property
    def figure(self) -> float | None:
        """What is held against the bar."""
        if self.result is None:
            return None
        ours, peer = self.result.series["ours"], self.result.series.get("peer")
        if self.benchmark.goal is Goal.VALUE or peer is None:
            return ours.median()
        if self.benchmark.goal is Goal.SPEED:
            return peer.median() / ours.median()
        return ours.median() / peer.median() if peer.median() else float("inf")

    @property
    def met(self) -> bool | None:
        """Whether "at least" is reached."""
        if self.figure is None:
            return None
        better = self.benchmark.goal.more_is_better
        return self.figure >= self.benchmark.bar if better else self.figure <= self.benchmark.bar
