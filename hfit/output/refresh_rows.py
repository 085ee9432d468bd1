"""How far ``hfit refresh`` is, at a terminal: the whole, and every package that is under way; imported only then."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from hfit.output.progress import AmountColumn, PackageLeftColumn, progress_on_stderr, task_of
from hfit.output.refresh import RefreshTold, Tally
from hfit.told import Planning, Told


@contextlib.contextmanager
def refresh_rows(whole: int, *, color: bool) -> Iterator[RefreshTold]:
    """Rows while the block runs."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), AmountColumn(), PackageLeftColumn())
    with progress_on_stderr(*columns, color=color) as bar:
        yield RefreshRows(whole, bar)


class RefreshRows(RefreshTold):
    """Threads may share it."""

    def __init__(self, whole: int, bar: Progress) -> None:
        self._tally, self._bar, self._changing = Tally(whole), bar, threading.Lock()
        self._whole = bar.add_task("refresh", total=whole, unit="words", words=self._tally.words)
        self._rows: dict[str, TaskID] = {}

    def begin(self, name: str) -> Told:
        """See RefreshTold."""
        with self._changing:
            self._tally.begin(name)
            self._rows[name] = self._bar.add_task(name, total=None, unit="plan", planning=None)

        def arriving(done: int, total: int | None) -> None:
            self._show(name, "download", "bytes", done, total)

        def building(done: int, total: int | None) -> None:
            self._show(name, "build", "rows", done, total)

        def planning(told: Planning) -> None:
            self._show(name, "plan", "plan", told.share or 0.0, None if told.share is None else 1.0, told)

        return Told(arriving, building, planning)

    def end(self, name: str) -> None:
        """See RefreshTold."""
        with self._changing:
            self._tally.end(name)
            if name in self._rows:
                self._bar.remove_task(self._rows.pop(name))
            self._bar.update(self._whole, completed=self._tally.amount)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """See RefreshTold; both may be the same terminal."""
        with self._changing:
            self._bar.stop()
            try:
                yield
            finally:
                self._bar.start()

    def _show(  # noqa: PLR0917 - one row
        self, name: str, step: str, unit: str, done: float, total: float | None, planning: Planning | None = None
    ) -> None:
        """A step that begins has its own rate. What arrives while the gateway still writes is no step of its own."""
        with self._changing:
            row = self._rows.get(name)
            if row is None:
                return
            task = task_of(self._bar, row)
            if task.fields["unit"] == "rows" and unit == "bytes" and total is None:
                return
            if task.fields["unit"] != unit:
                self._bar.reset(row, description=f"{name}: {step}", unit=unit)
            task.total = total
            self._bar.update(row, completed=done, planning=planning)
            if unit != "plan":
                self._tally.set_part(name, round(done), None if total is None else round(total))
            self._bar.update(self._whole, completed=self._tally.amount)
