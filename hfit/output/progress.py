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
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from hfit.told import Planning, Told

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
    with progress_on_stderr(*columns, color=color) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class AmountColumn(ProgressColumn):
    """How much and how fast, in the unit of the task: bytes, rows of which the whole is about known, or a plan's."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = (DownloadColumn(), TransferSpeedColumn())

    def render(self, task: Task) -> Text:
        """As ``1.2/3.4 MB 1.0 MB/s`` or ``12,345 of about 100,000 rows 8,123 rows/s``; nothing before it began. Of the
        unit ``words`` it is what the task's own ``words`` say."""
        if task.fields["unit"] == "bytes":
            return Text(" ").join(column.render(task) for column in self._bytes)
        if task.fields["unit"] == "words":
            return Text(task.fields["words"]())
        if task.fields["unit"] == "plan":
            planning = task.fields["planning"]
            return Text("" if planning is None else plan_words(planning, task.elapsed or 0.0))
        whole = "" if task.total is None else f" of about {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{whole} rows {row_rate(task):,.0f} rows/s")


class PackageLeftColumn(LeftColumn):
    """How long it will take; of rows and plans, which come in bursts, by their rate since the beginning."""

    def render(self, task: Task) -> Text:
        """``0:00:12 left`` or ``0:00:12``."""
        if task.fields["unit"] == "bytes":
            return super().render(task)
        if task.fields["unit"] == "words":
            return Text("")
        rate = row_rate(task)
        if task.total is None or not rate:
            return TimeElapsedColumn().render(task)
        return Text(f"{timedelta(seconds=round((task.total - task.completed) / rate))} left")


def row_rate(task: Task) -> float:
    """Rows a second since its beginning; 0 there."""
    return task.completed / task.elapsed if task.elapsed else 0.0


def plan_words(planning: Planning, seconds: float) -> str:
    """As ``1 of 3 exports, 4 of 12 tables, 12,345 rows found, 8,123 rows/s``; tables have a rate before there are
    rows, and exports where there are no tables."""
    exports, tables = f"{planning.exports} of {planning.expected_exports} exports", ""
    if planning.expected_tables:
        tables = f", {planning.tables:,} of {planning.expected_tables:,} tables"
    if planning.rows:
        return f"{exports}{tables}, {planning.rows:,} rows found, {planning.rows / max(seconds, 0.1):,.0f} rows/s"
    done, unit = (planning.tables, "tables") if planning.expected_tables else (planning.exports, "exports")
    return f"{exports}{tables}, {done / max(seconds, 0.1):,.1f} {unit}/s"


class PlanTask:
    """The row of a plan: a pulse until something is told, and while nobody knows how much is left."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar = bar
        self.task = bar.add_task(f"{name}: plan", total=None, unit="plan", planning=None)

    def __call__(self, planning: Planning) -> None:
        """Show this."""
        share = planning.share
        self._bar.update(self.task, completed=share or 0.0, planning=planning)
        task_of(self._bar, self.task).total = None if share is None else 1.0


@contextlib.contextmanager
def package_bars(name: str, *, color: bool) -> Iterator[Told]:
    """Show what arrives of a package, and above it how far the server is with its plan, then with making it, once that
    is known."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), AmountColumn(), PackageLeftColumn())
    with progress_on_stderr(*columns, color=color) as bar:
        plan = PlanTask(bar, name)
        bar.update(plan.task, visible=False)
        building = bar.add_task(f"{name}: build", total=None, visible=False, unit="rows")
        arriving = bar.add_task(f"{name}: download", total=None, unit="bytes")

        def planned(planning: Planning) -> None:
            plan(planning)
            bar.update(plan.task, visible=not task_of(bar, building).visible)

        def built(done: int, total: int | None) -> None:
            if not task_of(bar, building).visible:
                bar.reset(building)
            bar.update(plan.task, visible=False)
            bar.update(building, completed=done, total=total, visible=True)

        yield Told(lambda done, total: bar.update(arriving, completed=done, total=total), built, planned)


@contextlib.contextmanager
def plan_bar(name: str, *, color: bool) -> Iterator[Told]:
    """Show how far a plan is, and since when it is waited for."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), AmountColumn(), PackageLeftColumn())
    with progress_on_stderr(*columns, color=color) as bar:
        yield Told(planning=PlanTask(bar, name))


def progress_on_stderr(*columns: ProgressColumn, color: bool) -> Progress:
    """Bars that are gone in the end, and leave what else is written alone."""
    return Progress(
        *columns,
        console=Console(stderr=True, no_color=not color),
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
    )


def task_of(bar: Progress, number: TaskID) -> Task:
    """A row of the bars."""
    return next(task for task in bar.tasks if task.id == number)
