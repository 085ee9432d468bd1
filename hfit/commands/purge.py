"""``hfit purge``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.credentials.pins import trust_of
from hfit.errors import PackageInvalid
from hfit.purge import Found, find_expired, remove
from hfit.refresh.cache import cache_folder


@click.command("purge", cls=HfitCommand)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, default=False, help="Say what would be removed, remove nothing.")
@click.option("--all-expired", is_flag=True, default=False, help="Do not ask.")
@click.option("--key", default=None, metavar="FILE|FINGERPRINT", help="Trust this key instead of the pinned ones.")
def purge_command(paths: tuple[Path, ...], dry_run: bool, all_expired: bool, key: str | None) -> None:
    """Remove expired packages.

    Looks at and below each PATH (the current folder when there is none) and in hfit's own cache. Only unmodified
    packages of a trusted key are removed, folders and archives; on a terminal it asks before. A package that has
    expired and was changed stays, and the exit code is 5.
    """
    session = current_session()
    trust = trust_of(session.settings.config_dir, key)
    cache = cache_folder(os.environ)
    places = [*(paths or (Path.cwd(),)), *([cache] if cache.is_dir() else [])]
    found = list(find_expired(places, trust))
    going = [item for item in found if not item.problem]
    removed: set[Path] = set()
    if going and not dry_run and _agreed(session, going, sure=all_expired):
        removed = {item.path for item in going if remove(item, trust)}
    _report(session, found, removed, dry_run=dry_run)
    altered = [item for item in found if item.problem]
    if altered:
        raise PackageInvalid(
            f"{len(altered)} expired packages stay, because they are not as they were downloaded.",
            reason=f"{altered[0].path}: {altered[0].problem}",
            suggestions=["Remove them yourself."],
        )


def _agreed(session: Session, going: list[Found], *, sure: bool) -> bool:
    if sure or session.printer.json or not sys.stdin.isatty():
        return True
    for item in going:
        session.printer.note(f"{item.path} (expired {item.expires})")
    return click.confirm(f"Remove {len(going)} expired packages?", err=True)


def _report(session: Session, found: list[Found], removed: set[Path], *, dry_run: bool) -> None:
    if session.printer.json:
        session.printer.document([item.document(removed=item.path in removed) for item in found])
        return
    for item in found:
        word = "removed" if item.path in removed else "would go" if dry_run and not item.problem else "stays"
        session.printer.line(f"{word}  {item.path}")
    size = sum(item.size for item in found if item.path in removed)
    session.printer.note(f"{len(removed)} packages removed, {size} bytes of files.")
