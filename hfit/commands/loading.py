"""``hfit load``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.credentials.pins import trust_of
from hfit.load.interface import LoadReport, Mode
from hfit.load.run import LoadRequest, load_package
from hfit.load.target import parse_databases, parse_intos
from hfit.load.together import LOCK_SECONDS
from hfit.output.printer import Printer


@click.command("load", cls=HfitCommand)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--into", "intos", multiple=True, required=True, metavar="[PROVIDER=]URL", help="The target database.")
@click.option("--mode", type=click.Choice([mode.value for mode in Mode]), default=None, help="See below.")
@click.option("--allow-remote", is_flag=True, default=False, help="The target may be another host.")
@click.option("--allow-dangling", is_flag=True, default=False, help="Rows may refer to rows that are not there.")
@click.option("--map-database", "databases", multiple=True, metavar="OLD=NEW", help="MySQL: OLD goes into NEW.")
@click.option("--dry-run", is_flag=True, default=False, help="Check all, say what would be done.")
@click.option(
    "--lock-timeout", "lock_seconds", type=click.FloatRange(1, 86_400), default=LOCK_SECONDS, metavar="SECONDS",
    help=f"How long to wait for a lock of somebody else. [{LOCK_SECONDS:g}]",
)  # fmt: skip
@click.option("--key", default=None, metavar="FILE|FINGERPRINT", help="Trust this key instead of the pinned ones.")
@click.option("--allow-hidden", is_flag=True, default=False, help="Accept files whose names begin with a dot.")
def load_command(
    *,
    path: Path,
    intos: tuple[str, ...],
    mode: str | None,
    allow_remote: bool,
    allow_dangling: bool,
    databases: tuple[str, ...],
    dry_run: bool,
    lock_seconds: float,
    key: str | None,
    allow_hidden: bool,
) -> None:
    """Load a package into PostgreSQL, MySQL/MariaDB or SQLite.

    PATH is an archive or an extracted folder; it is verified first. URLs are postgresql://user@host/database,
    mysql://user@host/database, sqlite:///file.db; PGPASSWORD and MYSQL_PWD are used where a URL has no password.

    \b
    create   runs the package's DDL; its tables must be absent (default with DDL)
    data     fills existing, empty tables (default without DDL)
    replace  deletes the rows of the package's tables first
    upsert   inserts or updates by primary key

    PostgreSQL and SQLite are loaded all or nothing, several targets too; a failure on MySQL says what was created. Exit
    6 when a guard refuses: another host, another engine, rows that the mode does not speak of. A package of several
    providers takes --into PROVIDER=URL for each. CSV and NDJSON are not loaded.
    """
    session = current_session()
    request = LoadRequest(
        path=path,
        into=parse_intos(intos, os.environ),
        mode=mode,
        allow_remote=allow_remote,
        allow_dangling=allow_dangling,
        dry_run=dry_run,
        databases=parse_databases(databases),
        allow_hidden=allow_hidden,
        lock_seconds=lock_seconds,
    )
    with session.progress(f"{path.name}: load", unit="rows") as progress:
        reports = load_package(request, trust_of(session.settings.config_dir, key), progress)
    if session.printer.json:
        session.printer.document({"loads": [report.document() for report in reports]})
        return
    for report in reports:
        _show(session.printer, report)


def _show(printer: Printer, report: LoadReport) -> None:
    printer.table(["table", "rows"], list(report.rows.items()))
    for note in report.notes:
        printer.warn(note)
    if report.dry_run:
        for step in report.steps:
            printer.note(f"Would be done in {report.target}: {step}")
    done = "would be loaded" if report.dry_run else "loaded"
    printer.note(f"{sum(report.rows.values())} rows {done} into {report.target} (mode {report.mode}).")
