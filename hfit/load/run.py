"""Loading a package, and comparing a target with one: the order of things, for the commands and for Python.

1. The package is verified to the byte before anything else: signature, digests, expiry.
2. Every member is read once; every guard of every target has passed (``guards``) before the first change.
3. All targets are loaded, or none as far as their engines can (``together``).
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hfit.credentials.pins import Trust
from hfit.errors import PackageInvalid, TargetDiffers
from hfit.load.compare import Canons, Sides, find_difference, spelt
from hfit.load.guards import choose_mode
from hfit.load.interface import Cells, Loader, LoadReport, Progress, Script, TableRef, TableState, Target
from hfit.load.openers import open_loader
from hfit.load.plan import check_dangling, choose_targets, loadable_members, read_plan
from hfit.load.target import check_host
from hfit.load.together import LOCK_SECONDS, Job, Rules, load_together
from hfit.package.extract import extracted
from hfit.package.verify import Report, verify_archive, verify_package

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load and where to. ``into`` is by provider; "" takes the one that is left. ``mode`` None: the default."""

    path: Path
    into: Mapping[str, Target]
    mode: str | None = None
    allow_remote: bool = False
    allow_dangling: bool = False
    dry_run: bool = False
    databases: Mapping[str, str] = field(default_factory=dict)
    allow_hidden: bool = False
    lock_seconds: float = LOCK_SECONDS
    only_named: bool = False  # leave out providers that ``into`` does not name


def load_package(request: LoadRequest, trust: Trust, progress: Progress) -> list[LoadReport]:
    """Load a package; a report per provider. Raises what its parts raise: see ``hfit.errors``."""
    rules = Rules(request.mode is not None, request.allow_dangling, request.dry_run, request.lock_seconds)
    with _jobs(request, trust) as jobs:
        return _wait_for(load_together(jobs, rules, progress))


def verify_target(request: LoadRequest, trust: Trust) -> dict[str, int]:
    """Compare every table of the package with the target, row by row; rows per table. TargetDiffers names the first
    difference."""
    with _jobs(request, trust) as jobs:
        return _wait_for(_compare_all(jobs, request.lock_seconds))


@contextlib.contextmanager
def _jobs(request: LoadRequest, trust: Trust) -> Iterator[list[Job]]:
    report = verify_package(request.path, trust, allow_hidden=request.allow_hidden)  # 1
    loadables = loadable_members(report.manifest)
    if request.only_named and "" not in request.into:
        loadables = [item for item in loadables if item.provider in request.into] or loadables
    check_dangling(loadables, allowed=request.allow_dangling)
    chosen = choose_targets(loadables, request.into)
    for _, target in chosen:
        check_host(target, allow_remote=request.allow_remote)
    with _folder(report, trust, allow_hidden=request.allow_hidden) as folder:
        scripts = [
            (target, read_plan(loadable, folder, request.databases, prove=request.dry_run))
            for loadable, target in chosen
        ]
        yield [Job(target, script, choose_mode(request.mode, script)) for target, script in scripts]


@contextlib.contextmanager
def _folder(report: Report, trust: Trust, *, allow_hidden: bool) -> Iterator[Path]:
    """The package as a folder; an archive is unpacked beside nothing and removed afterwards."""
    if report.kind == "directory":
        yield report.path
        return
    with tempfile.TemporaryDirectory(prefix="hfit-load-") as temporary, report.path.open("rb") as file:
        again = verify_archive(file, report.path, trust, allow_hidden=allow_hidden)
        if again.manifest != report.manifest:
            raise PackageInvalid("The package was replaced while it was being read.")
        with extracted(file, again, Path(temporary) / "package") as folder:
            yield folder


async def _compare_all(jobs: Sequence[Job], lock_seconds: float) -> dict[str, int]:
    rows: dict[str, int] = {}
    for job in jobs:
        async with contextlib.AsyncExitStack() as stack:
            loader = await open_loader(job.target, lock_seconds)
            stack.push_async_callback(loader.close)
            states = await loader.inspect(list(job.script.filled))
            for table, columns in job.script.filled.items():
                await _compare(loader, job.script, table, columns, states.get(table))
                rows[table.label] = job.script.rows[table]
    return rows


async def _compare(
    loader: Loader, script: Script, table: TableRef, columns: tuple[str, ...], state: TableState | None
) -> None:
    if state is None:
        raise TargetDiffers(f"The target has no table {table.label}.", resource=table.label)
    if missing := [name for name in columns if name not in state.columns]:
        raise TargetDiffers(f"{table.label} of the target has no column {missing[0]}.", resource=table.label)
    if not columns and not script.rows[table]:
        if state.has_rows:
            raise TargetDiffers(f"{table.label} holds rows, the package has none.", resource=table.label)
        return
    canons = await loader.canons(table, columns, script.masked.get(table, frozenset()))
    whole = bool(state.primary_key) and set(state.primary_key) <= set(columns)
    key = state.primary_key if whole else columns
    sides = Sides(
        columns,
        [columns.index(name) for name in key],
        lambda: _package_rows(loader, script, table, canons),
        lambda: _target_rows(loader, table, columns, canons),
        loader.show,
    )
    difference = await find_difference(sides)
    if difference is not None:
        named = ", ".join(key) if whole else "row"
        where = f" where {named} is {difference.key}" if difference.key else ""
        raise TargetDiffers(
            f"{table.label} differs{where}: {difference.what}.",
            resource=table.label,
            suggestions=["Load the package again with --mode replace."],
        )


def _package_rows(loader: Loader, script: Script, table: TableRef, canons: Canons) -> Iterable[Cells]:
    for part in script.parts:
        if table in part.tables:
            for cells in loader.package_rows(script, part, table):
                yield spelt(cells, canons)


async def _target_rows(
    loader: Loader, table: TableRef, columns: Sequence[str], canons: Canons
) -> AsyncIterator[Cells]:
    async for cells in loader.target_rows(table, columns):
        yield spelt(cells, canons)


def _wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end, also where the caller's thread runs a loop already (a test of an asynchronous program)."""
    if asyncio._get_running_loop() is None:
        return asyncio.run(work)
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="hfit-load")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
