"""``hfit refresh``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.errors import HfitClientError, UsageMistake
from hfit.output.refresh import RefreshLines, RefreshTold
from hfit.refresh.cache import open_cache
from hfit.refresh.fetch import Fetcher
from hfit.refresh.project import Project, Wanted, require_project
from hfit.refresh.run import Mode, Outcome, exit_code, refresh
from hfit.settings import Setting, Settings
from hfit.told import Told

DEFAULT_JOBS = 4
MAX_JOBS = 32
_WORDS = {
    Mode.CHECK: {"new": "would be new", "updated": "would change", "untouched": "is up to date"},
    Mode.UPDATE: {"new": "new", "updated": "updated", "untouched": "untouched"},
}
_WORDS[Mode.LOCKED] = _WORDS[Mode.UPDATE]


def complete_packages(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the project's packages; needs no server."""
    try:
        names = require_project(Path.cwd()).packages
    except (HfitClientError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("refresh", cls=HfitCommand)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_packages)
@click.option(
    "--jobs", type=click.IntRange(1, MAX_JOBS), default=DEFAULT_JOBS, help=f"Packages at once. [{DEFAULT_JOBS}]"
)
@click.option("--locked", is_flag=True, default=False, help="Exactly the packages of hfit.lock, otherwise exit 5.")
@click.option("--check", is_flag=True, default=False, help="Only say what would change; exit 1 if something would.")
@click.option("--force", is_flag=True, default=False, help="Replace folders that were changed by hand.")
def refresh_command(*, names: tuple[str, ...], jobs: int, locked: bool, check: bool, force: bool) -> int:
    """Bring all packages of hfit.toml up to date and lock them.

    hfit.toml is looked for here and in the folders above. Without NAMEs all its packages are fetched. A package that
    fails is reported and left as it was; the others go on, and the exit code is that of the worst failure.
    --locked takes what hfit.lock names from the folder or the local cache without asking the server, if it is there.
    """
    if locked and check:
        raise UsageMistake("--locked and --check exclude each other.")
    mode = Mode.LOCKED if locked else Mode.CHECK if check else Mode.UPDATE
    project = require_project(Path.cwd())
    chosen = project.choose(names)
    session = _session_of(project)
    fetcher = Fetcher(session.gateway(), open_cache())
    with _progress(session, len(chosen)) as told:

        def done(outcome: Outcome) -> None:
            told.end(outcome.wanted.name)
            with told.aside():
                _say(session, outcome, mode)

        def begun(wanted: Wanted) -> Told:
            return told.begin(wanted.name)

        outcomes = refresh(project, chosen, fetcher, mode=mode, jobs=jobs, done=done, force=force, begun=begun)
    code = exit_code(outcomes, mode)
    if session.printer.json:
        documents = [outcome.document() for outcome in outcomes]
        session.printer.document({"mode": mode.value, "packages": documents, "exit_code": code})
    failed = sum(outcome.error is not None for outcome in outcomes)
    if failed:
        session.printer.note(f"{failed} of {len(outcomes)} packages failed; they were left as they were.")
    return code


@contextlib.contextmanager
def _progress(session: Session, count: int) -> Iterator[RefreshTold]:
    """Rows at a terminal, lines now and then elsewhere, nothing beside a document."""
    printer = session.printer
    if printer.json:
        yield RefreshTold()
    elif printer.progress_wanted:
        from hfit.output.refresh_rows import refresh_rows  # noqa: PLC0415 - lazy: rich costs 60 ms

        with refresh_rows(count, color=printer.color) as rows:
            yield rows
    else:
        with RefreshLines(count, printer.note).running() as lines:
            yield lines


def _session_of(project: Project) -> Session:
    """The run's session; the project's server counts unless a flag or the environment names another."""
    session = current_session()
    given = session.settings.values.get("server-url")
    if project.server is None or (given is not None and given.source in ("flag", "environment")):
        return session
    values = {**session.settings.values, "server-url": Setting(project.server, "project")}
    return dataclasses.replace(session, settings=Settings(session.settings.config_dir, values))


def _say(session: Session, outcome: Outcome, mode: Mode) -> None:
    printer, wanted = session.printer, outcome.wanted
    if outcome.error is not None:
        printer.note(f"{wanted.name} failed (exit code {outcome.error.exit_code}).")
        printer.error(outcome.error)
    elif not printer.json:
        digest = outcome.entry.package_digest[:16] if outcome.entry else ""
        printer.line(f"{wanted.name}  {_WORDS[mode][outcome.result]}  {digest}")
