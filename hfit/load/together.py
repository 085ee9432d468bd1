"""Loading several targets as one: all of them or none, as far as their engines can.

1. Every guard of every target has passed before the first change. What one database gets from several providers goes
   through one connection.
2. PostgreSQL and SQLite are written first, then MySQL, whose definitions no rollback takes back. Every transaction
   stays open until all rows of all targets are written and checked.
3. Then each connection is asked whether it is still there, and the transactions are committed one after the other.
4. A failure rolls back whatever is open; the error says which targets are changed all the same, and how.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hfit.errors import HfitClientError, LoadFailed
from hfit.load.guards import check_target
from hfit.load.interface import Loader, LoadReport, Mode, Options, Progress, Script, Target
from hfit.load.openers import open_loader

LOCK_SECONDS = 30.0
_ORDER = ("postgresql", "sqlite", "mysql")  # 2


@dataclass(frozen=True, slots=True)
class Job:
    """What one provider's members do to one target."""

    target: Target
    script: Script
    mode: Mode


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all jobs of a load. ``explicit``: the user named the mode; ``lock_seconds``: how long to wait."""

    explicit: bool
    allow_dangling: bool = False
    dry_run: bool = False
    lock_seconds: float = LOCK_SECONDS


@dataclass(frozen=True, slots=True)
class _Place:
    """One database with everything that goes there."""

    loader: Loader
    target: Target
    jobs: list[Job] = field(default_factory=list)


async def load_together(jobs: Sequence[Job], rules: Rules, progress: Progress) -> list[LoadReport]:
    """Do all jobs, or none (steps 1 to 4); a report for each, in their order."""
    async with contextlib.AsyncExitStack() as stack:
        places = await _open_all(jobs, rules, stack)
        for place in places:
            for job in place.jobs:
                with _told_apart(place, places):
                    await check_target(place.loader, job.target, job.script, job.mode, explicit=rules.explicit)  # 1
        notes: dict[str, tuple[str, ...]] = {}
        if not rules.dry_run:
            notes = await _write_all(places, rules, progress)
        return [_report(job, notes.get(job.script.provider, ()), dry_run=rules.dry_run) for job in jobs]


async def _open_all(jobs: Sequence[Job], rules: Rules, stack: contextlib.AsyncExitStack) -> list[_Place]:
    places: dict[tuple[str, ...], _Place] = {}
    for job in sorted(jobs, key=lambda item: _ORDER.index(item.target.engine)):
        key = job.target.place
        if key not in places:
            loader = await open_loader(job.target, rules.lock_seconds)
            stack.push_async_callback(loader.close)
            places[key] = _Place(loader, job.target)
        places[key].jobs.append(job)
    return list(places.values())


@contextlib.contextmanager
def _told_apart(place: _Place, places: Sequence[_Place]) -> Iterator[None]:
    """Where there are several targets, an error says which one it is about."""
    try:
        yield
    except HfitClientError as error:
        if len(places) > 1:
            error.message = f"{place.target}: {error.message}"
        raise


async def _write_all(places: Sequence[_Place], rules: Rules, progress: Progress) -> dict[str, tuple[str, ...]]:
    committed: list[_Place] = []
    try:
        notes = await _fill_all(places, rules, progress)
        if len(places) > 1:
            for place in places:
                with _told_apart(place, places):
                    await place.loader.check_open()  # 3
        for place in places:
            with _told_apart(place, places):
                late = await place.loader.commit()
            committed.append(place)
            notes[place.jobs[0].script.provider] += late
        return notes
    except HfitClientError as error:
        error.reason = " ".join(filter(None, (error.reason, await _undo(places, committed))))
        raise
    except BaseException as error:  # an interruption: what is left is told by whoever reports it
        error.add_note(await _undo(places, committed))
        raise


async def _fill_all(places: Sequence[_Place], rules: Rules, progress: Progress) -> dict[str, tuple[str, ...]]:
    """Step 2."""
    total = sum(sum(job.script.rows.values()) for place in places for job in place.jobs)
    written = 0
    notes = {}
    for engines in (("postgresql", "sqlite"), ("mysql",)):
        chosen = [(place.loader, job) for place in places for job in place.jobs if job.target.engine in engines]
        for loader, job in chosen:
            if job.mode is Mode.CREATE:
                with _versions_told(loader, job.script):
                    await loader.define(job.script)
        for loader, job in chosen:
            options = Options(job.mode, rules.allow_dangling)
            with _versions_told(loader, job.script):
                notes[job.script.provider] = await loader.fill(job.script, options, _shifted(progress, written, total))
            written += sum(job.script.rows.values())
    return notes


@contextlib.contextmanager
def _versions_told(loader: Loader, script: Script) -> Iterator[None]:
    """What a target refuses that is older than the source, or another product, is refused for that, more often than
    not."""
    try:
        yield
    except LoadFailed as error:
        if script.source is not None and not loader.server.takes(script.source):
            told = f"The package was made from {script.source}; {loader.server} may not know all that it holds."
            error.suggestions = (*error.suggestions, told)
        raise


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


async def _undo(places: Sequence[_Place], committed: Sequence[_Place]) -> str:
    """Step 4: roll back what is open; in words, what is left."""
    left = []
    for place in places:
        if place in committed:
            left.append((place, "It is loaded, and stays so."))
        elif told := await place.loader.roll_back():
            left.append((place, told))
    if not left:
        return "The target was not changed." if len(places) == 1 else "No target was changed."
    if len(places) == 1:
        return left[0][1]
    return " ".join([*(f"{place.target}: {told}" for place, told in left), "Nothing else was changed."])


def _report(job: Job, notes: tuple[str, ...], *, dry_run: bool) -> LoadReport:
    rows = {table.label: job.script.rows[table] for table in job.script.filled}
    return LoadReport(job.script.provider, str(job.target), job.mode.value, rows, notes, dry_run, _steps(job))


def _steps(job: Job) -> tuple[str, ...]:
    """What is done, in order, for a person who asks before."""
    script, mode = job.script, job.mode
    steps = []
    if mode is Mode.CREATE:
        steps += [
            f"{part.path}: create {', '.join(map(str, part.creates))}" if part.creates else f"{part.path}: define"
            for part in script.parts
            if part.is_ddl
        ]
    filled = ", ".join(map(str, script.filled))
    if mode is Mode.REPLACE and filled:
        steps.append(f"delete all rows of {filled}")
    verb = "insert or update, by primary key," if mode is Mode.UPSERT else "insert"
    for part in script.parts:
        if part.tables:
            steps.append(f"{part.path}: {verb} into {', '.join(map(str, part.tables))}")
    return (*steps, "check keys and count rows")
