"""``hfitd audit``: what was given to whom, and whether the record of it is whole.

``tail`` and ``search`` ask the daemon, so that reading is on record; ``tail --follow`` then reads the files as they
grow; ``verify`` needs nothing but the files and the public key.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hfitd.cli_admin import DEFAULT_DATA, ask, load_configuration, place_of, place_options

PAGE = 200
COLUMNS = ("time", "email", "action", "objects", "raw", "rows", "bytes", "outcome", "package_digest")


@click.group()
def audit() -> None:
    """What was given to whom."""


@audit.command("tail")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@click.option("--email", default=None, help="Only this user's.")
@click.option("--follow", "-f", is_flag=True, help="Go on with records as they are written; needs --config.")
@place_options
def audit_tail(limit: int, email: str | None, follow: bool, **place: Path | None) -> None:
    """Print the newest records, oldest first."""
    for record in ask(**place_of(place), command="audit.tail", limit=limit, email=email):
        click.echo(json.dumps(record))
    if not follow:
        return
    from hfitd.audit.tail import follow_records
    from hfitd.errors import HfitError

    folder, _ = _places(place["config_path"])
    try:
        for record in follow_records(folder):
            if email in (None, record.get("email")):
                click.echo(json.dumps(record))
    except HfitError as error:
        click.echo(error.message, err=True)
        sys.exit(1)


@audit.command("search")
@click.option(
    "--table", "--object", "about", default=None, help="Glob on PROVIDER/SCHEMA/TABLE, SCHEMA.TABLE or TABLE."
)
@click.option("--email", default=None, help="Only of this person.")
@click.option("--action", default=None, help="Glob on the action, such as package or rows.")
@click.option("--since", default=None, help="2026-01-31, 2026-01-31T12:00 (UTC) or 30d, 12h, 90m ago.")
@click.option("--until", default=None, help="Before this time.")
@click.option("--raw", is_flag=True, help="Only where columns were given without their mask.")
@click.option("--package", default=None, help="An id or a digest of a package.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="At most this many.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How.")
@place_options
def audit_search(about: str | None, raw: bool, limit: int | None, form: str, **rest: Any) -> None:
    """Who got what: one line for each operation, in the order in which they ended."""
    place = {name: rest.pop(name) for name in ("config_path", "socket_path")}
    found = _pages(place, {**rest, "object": about, "raw": raw or None}, limit)
    if form == "json":
        for entry in found:
            click.echo(json.dumps(entry))
        return
    click.echo("\t".join(COLUMNS))
    for entry in found:
        click.echo("\t".join(_cell(name, entry) for name in COLUMNS))


@audit.command("verify")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False)
@click.option("--key", "key_path", type=click.Path(path_type=Path, exists=True), default=None, help="Public key file.")
@click.option(
    "--checkpoints",
    type=click.File("r", errors="replace"),
    multiple=True,
    help="Lines that another sink has kept (a file or -): they show what is missing at the end. May be repeated.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="HFITD_CONFIG",
    default=None,
    help="The daemon's configuration, which names folder and key (also HFITD_CONFIG).",
)
def audit_verify(
    directory: Path | None, key_path: Path | None, checkpoints: tuple[Any, ...], config_path: Path | None
) -> None:
    """Follow every chain of an audit folder, offline; exit 1 names the first bad record."""
    from hfitd.audit.keys import load_public_key
    from hfitd.audit.verify import verify_audit
    from hfitd.errors import HfitError

    folder, keys_dir = _places(config_path)
    if directory is not None:
        folder, keys_dir = directory, directory.parent / "keys"
    try:
        public = load_public_key(key_path or keys_dir / "audit.pub")
        report = verify_audit(folder, public, witnesses=(line for file in checkpoints for line in file))
    except HfitError as error:
        click.echo(error.message, err=True)
        sys.exit(1)
    for problem in report.problems:
        click.echo(str(problem), err=True)
    click.echo(f"{report.records} records of {len(report.instances)} instances: {'ok' if report.ok else 'DAMAGED'}")
    sys.exit(0 if report.ok else 1)


def add_audit_verbs(main: click.Group) -> None:
    """Hang the group on the main command."""
    main.add_command(audit)


def _pages(
    place: Mapping[str, Path | None], question: Mapping[str, Any], limit: int | None
) -> Iterator[dict[str, Any]]:
    after, left = "", limit
    while left is None or left > 0:
        page = ask(
            place["config_path"],
            place["socket_path"],
            "audit.search",
            **question,
            after=after or None,
            limit=PAGE if left is None else min(PAGE, left),
        )
        yield from page["entries"]
        left, after = None if left is None else left - len(page["entries"]), page["after"]
        if not after:
            return


def _cell(name: str, entry: Mapping[str, Any]) -> str:
    value = entry.get(name, "")
    if isinstance(value, dict):  # a long list, shortened
        value = [*value.get("beginning", []), "..."]
    if name == "package_digest":
        value = str(value)[:12]
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return json.dumps(text)[1:-1] if not text.isprintable() else text


def _places(config_path: Path | None) -> tuple[Path, Path]:
    """The folder of the chain and that of the keys."""
    config = load_configuration(config_path)
    data_dir = config.server.data_dir if config else DEFAULT_DATA
    keys_dir = config.server.keys_dir if config else None
    folder = config.audit.folder if config else None
    return folder or data_dir / "audit", keys_dir or data_dir / "keys"
