"""Progress on standard error, for a person at a terminal; imported only then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

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
