"""Progress on standard error, for a person at a terminal; imported only then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

REFRESHES_PER_SECOND = 10
Told = Callable[[int, int | None], None]


class RowSpeedColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """As ``12,345 rows/s``; nothing before there is a rate."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} rows/s")


class LeftColumn(TimeRemainingColumn):
    """How long it will take; while the whole is unknown, how long it has taken."""

    def render(self, task: Task) -> Text:
        """``0:00:12 left`` or ``0:00:12``."""
        if task.total is None:
            return TimeElapsedColumn().render(task)
        return super().render(task).append(" left")


@contextlib.contextmanager
def progress_bar(title: str, *, color: bool, unit: str = "bytes") -> Iterator[Callable[[int, int | None], None]]:
    """Show how much is done, at what rate and for how long still, in ``bytes`` or ``rows``.

    Gives what takes (done, total).
    """
    amounts: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
    if unit == "rows":
        amounts = (MofNCompleteColumn(), RowSpeedColumn())
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *amounts, LeftColumn())
    with _progress(*columns, color=color) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class AmountColumn(ProgressColumn):
    """How much and how fast, in the unit of the task: bytes, or rows of which the whole is about known."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = (DownloadColumn(), TransferSpeedColumn())

    def render(self, task: Task) -> Text:
        """As ``1.2/3.4 MB 1.0 MB/s`` or ``12,345 of about 100,000 rows 8,123 rows/s``."""
        if task.fields["unit"] == "bytes":
            return Text(" ").join(column.render(task) for column in self._bytes)
        whole = "" if task.total is None else f" of about {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{whole} rows {row_rate(task):,.0f} rows/s")


class PackageLeftColumn(LeftColumn):
    """How long it will take; of rows, which come in bursts, by their rate since the beginning."""

    def render(self, task: Task) -> Text:
        """``0:00:12 left`` or ``0:00:12``."""
        rate = row_rate(task)
        if task.fields["unit"] == "bytes" or task.total is None or not rate:
            return super().render(task)
        return Text(f"{timedelta(seconds=round((task.total - task.completed) / rate))} left")


def row_rate(task: Task) -> float:
    """Rows a second since the command began; 0 at its beginning."""
    return task.completed / task.elapsed if task.elapsed else 0.0


@contextlib.contextmanager
def package_bars(name: str, *, color: bool) -> Iterator[tuple[Told, Told]]:
    """Show what arrives of a package, and above it how far the server is with making it, once that is known.

    Gives two functions of (done, total): bytes that arrived, and rows that are written.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), AmountColumn(), PackageLeftColumn())
    with _progress(*columns, color=color) as bar:
        building = bar.add_task(f"{name}: build", total=None, visible=False, unit="rows")
        arriving = bar.add_task(f"{name}: download", total=None, unit="bytes")

        def built(done: int, total: int | None) -> None:
            bar.update(building, completed=done, total=total, visible=True)

        yield lambda done, total: bar.update(arriving, completed=done, total=total), built


@contextlib.contextmanager
def spinner(title: str, *, color: bool) -> Iterator[None]:
    """Show that something is waited for, and since when."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _progress(*columns, color=color) as bar:
        bar.add_task(title, total=None)
        yield


def _progress(*columns: ProgressColumn, color: bool) -> Progress:
    console = Console(stderr=True, no_color=not color)
    return Progress(*columns, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True)
