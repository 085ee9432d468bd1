"""A progress bar on standard error, for a person at a terminal; imported only then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

REFRESHES_PER_SECOND = 10


@contextlib.contextmanager
def progress_bar(title: str, *, color: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Show received bytes; gives back what takes (received, total)."""
    console = Console(stderr=True, no_color=not color)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
