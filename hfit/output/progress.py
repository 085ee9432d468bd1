"""A progress bar on standard error, for a person at a terminal; imported only then."""

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
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

REFRESHES_PER_SECOND = 10


@contextlib.contextmanager
def progress_bar(title: str, *, color: bool, unit: str = "bytes") -> Iterator[Callable[[int, int | None], None]]:
    """Show how much is done, in ``bytes`` or in ``rows``; gives back what takes (done, total)."""
    console = Console(stderr=True, no_color=not color)
    amounts: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
    if unit == "rows":
        amounts = (MofNCompleteColumn(), TextColumn("rows"))
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *amounts,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
