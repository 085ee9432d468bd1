"""``hfit volumes``, ``files``, ``download``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hfit.commands.completions import complete_volumes
from hfit.commands.nearest import nearest, volume_look
from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.errors import UsageMistake
from hfit.text import visible

FILTERS = {
    "name": "name:GLOB",
    "mtime": "mtime:DAYS (negative: older)",
    "size": "size:>N, size:<N or size:N",
    "folder": "folder:PATH",
    "sort": "sort:mtime|size|name|path[:asc|desc]",
}
FILTER_HELP = "Filters: " + ", ".join(FILTERS.values()) + ". All must hold; several name: filters are alternatives."


@click.command("volumes", cls=HfitCommand)
def volumes_command() -> None:
    """List the volumes you may see."""
    session = current_session()
    session.printer.document(session.gateway().volumes())


@click.command("files", cls=HfitCommand, epilog=FILTER_HELP)
@click.argument("volume", shell_complete=complete_volumes)
@click.argument("filters", nargs=-1)
def files_command(volume: str, filters: tuple[str, ...]) -> None:
    """List files of a volume, one JSON object a line."""
    session = current_session()
    gateway = session.gateway()
    with nearest(volume_look(gateway, volume)):
        for entry in gateway.files(volume, parse_filters(filters)):
            session.printer.json_line(entry)


@click.command("download", cls=HfitCommand, epilog=FILTER_HELP)
@click.argument("source", metavar="VOLUME:/PATH | VOLUME", shell_complete=complete_volumes)
@click.argument("filters", nargs=-1)
@click.option("-o", "--output", default=None, metavar="FILE|-", help="Where to; - is standard output.")
def download_command(source: str, filters: tuple[str, ...], output: str | None) -> None:
    """Download a file of a volume, or the best match of filters.

    A download that broke goes on where it stopped when the same command runs again. The file gets its name only when
    it is complete and its digest fits.
    """
    from hfit.file_download import download_file  # noqa: PLC0415 - lazy: listing needs none of it

    session = current_session()
    volume, query = _parse_source(source, filters)
    gateway = session.gateway()
    with session.progress(f"{volume}: download") as progress, nearest(volume_look(gateway, volume)):
        if output == "-":
            with tempfile.TemporaryDirectory(prefix="hfit-") as folder:
                done = download_file(gateway, volume, query, Path(folder) / "file", progress)
                with done.path.open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
            _say_masks(done.masks, done.dropped_lines)
            return
        target = Path(output) if output else None
        done = download_file(gateway, volume, query, target, progress)
    if session.printer.json:
        said = {"masks": dict(done.masks), "dropped_lines": done.dropped_lines} if done.masks else {}
        session.printer.document({"path": str(done.path), "size": done.size, "verified": done.verified, **said})
    else:
        session.printer.line(str(done.path))
        _say_masks(done.masks, done.dropped_lines)


def _say_masks(masks: Mapping[str, str], dropped_lines: int) -> None:
    printer = current_session().printer
    if masks:
        parts = ", ".join(part if part == mask else f"{part} ({mask})" for part, mask in masks.items())
        printer.note(f"Masked in this file: {visible(parts)}.")
    if dropped_lines:
        printer.note(f"{dropped_lines} lines that the mask rule does not know were left out.")


def parse_filters(filters: Sequence[str]) -> dict[str, list[str]]:
    """``name:*.log`` and so on as query parameters; UsageMistake for an unknown filter."""
    query: dict[str, list[str]] = {}
    for item in filters:
        name, colon, value = item.partition(":")
        if name not in FILTERS or not colon or not value:
            raise UsageMistake(
                f"'{visible(item, limit=100)}' is not a filter.",
                suggestions=["Filters are: " + ", ".join(FILTERS.values())],
            )
        query.setdefault(name, []).append(value)
    return query


def _parse_source(source: str, filters: Sequence[str]) -> tuple[str, dict[str, str | list[str]]]:
    volume, colon, path = source.partition(":")
    if colon:
        if filters or not path.strip("/"):
            raise UsageMistake(
                "Name one file, VOLUME:/PATH, or a volume and filters.",
                suggestions=["Example: hfit download app_logs 'name:*.log' sort:mtime:desc"],
            )
        return volume, {"path": path.lstrip("/")}
    if not filters:
        raise UsageMistake(
            "Say which file.", suggestions=[f"hfit download {volume}:/PATH", f"hfit download {volume} sort:mtime:desc"]
        )
    return volume, dict(parse_filters(filters))
