"""``hfit volumes``, ``files``, ``download``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hfit.commands.completions import complete_files, complete_filters, complete_volumes
from hfit.commands.nearest import file_look, nearest, volume_look
from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.errors import UsageMistake
from hfit.text import visible

if TYPE_CHECKING:
    from hfit.tree_download import TreeRequest

FILTERS = {
    "name": "name:GLOB",
    "mtime": "mtime:DAYS (negative: older)",
    "size": "size:>N, size:<N or size:N",
    "folder": "folder:PATH",
    "sort": "sort:mtime|size|name|path[:asc|desc]",
}
COMPRESSIONS = ["gzip", "zstd", "none"]
TREE_FILTERS = {"name", "mtime", "size"}
FILTER_HELP = "Filters: " + ", ".join(FILTERS.values()) + ". All must hold; several name: filters are alternatives."


@click.command("volumes", cls=HfitCommand)
def volumes_command() -> None:
    """List the volumes you may see."""
    session = current_session()
    session.printer.document(session.gateway().volumes())


@click.command("files", cls=HfitCommand, epilog=FILTER_HELP)
@click.argument("volume", shell_complete=complete_volumes)
@click.argument("filters", nargs=-1, shell_complete=complete_filters)
def files_command(volume: str, filters: tuple[str, ...]) -> None:
    """List files of a volume, one JSON object a line."""
    session = current_session()
    gateway = session.gateway()
    with nearest(volume_look(gateway, volume)):
        for entry in gateway.files(volume, parse_filters(filters)):
            session.printer.json_line(entry)


@click.command("download", cls=HfitCommand, epilog=FILTER_HELP)
@click.argument("source", metavar="VOLUME:/PATH | VOLUME", shell_complete=complete_files)
@click.argument("filters", nargs=-1, shell_complete=complete_filters)
@click.option("-o", "--output", default=None, metavar="PATH|-", help="Where to; - is standard output.")
@click.option("-r", "--recursive", is_flag=True, default=False, help="A folder, VOLUME:/PATH/, with all below it.")
@click.option("--extract/--archive", "extract", default=True, help="With -r: a folder, or its archive. [extract]")
@click.option("--compression", type=click.Choice(COMPRESSIONS), default=None, help="With -r: of it. [gzip]")
@click.option("--force", is_flag=True, default=False, help="With -r: replace whatever stands at the target.")
def download_command(
    *,
    source: str,
    filters: tuple[str, ...],
    output: str | None,
    recursive: bool,
    extract: bool,
    compression: str | None,
    force: bool,
) -> None:
    """Download a file of a volume, the best match of filters, or with -r a folder.

    A download of a file that broke goes on where it stopped when the same command runs again. The file gets its name
    only when it is complete and its digest fits.

    A folder comes as one archive of the files that you may read; filters name:, mtime: and size: leave some out. It is
    extracted into a new folder of its name, or with --archive kept as a file, when all of it has been checked. Times,
    modes and empty folders are not kept: the same files give the same bytes.

    \b
    hfit download app_logs:/app/2026-01-31.log
    hfit download app_logs 'name:*.log' sort:mtime:desc
    hfit download -r app_logs:/app/ 'name:*.log' mtime:7
    """
    session = current_session()
    if recursive:
        _download_tree(session, _tree_request(source, filters, compression, archive=not extract, force=force), output)
    elif not extract or compression or force:
        raise UsageMistake("--archive, --compression and --force go with -r.")
    else:
        _download_file(session, source, filters, output)


def _download_file(session: Session, source: str, filters: tuple[str, ...], output: str | None) -> None:
    from hfit.file_download import download_file  # noqa: PLC0415 - lazy: listing needs none of it

    volume, query = _parse_source(source, filters)
    gateway = session.gateway()
    looks = [volume_look(gateway, volume)]
    looks += [file_look(gateway, volume, path)] if isinstance(path := query.get("path"), str) else []
    with session.progress(f"{volume}: download") as progress, nearest(*looks):
        if output == "-":
            with tempfile.TemporaryDirectory(prefix="hfit-") as folder:
                done = download_file(gateway, volume, query, Path(folder) / "file", progress)
                _write_out(done.path)
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


def _download_tree(session: Session, request: TreeRequest, output: str | None) -> None:
    from hfit.tree_download import download_tree  # noqa: PLC0415 - lazy, as above

    gateway = session.gateway()
    look = volume_look(gateway, request.volume)
    with session.progress(f"{request.volume}: download") as progress, nearest(look):
        if output == "-":
            with tempfile.TemporaryDirectory(prefix="hfit-") as folder:
                wanted = replace(request, output=Path(folder) / "tree", archive=True)
                done = download_tree(gateway, wanted, progress)
                _write_out(done.path)
            _say_masked_files(done.masked_files)
            return
        done = download_tree(gateway, replace(request, output=Path(output) if output else None), progress)
    if session.printer.json:
        session.printer.document(
            {"path": str(done.path), "files": done.files, "size": done.size, "masked_files": done.masked_files}
        )
    else:
        session.printer.line(str(done.path))
        session.printer.note(f"{done.files} files, whole and unaltered.")
        _say_masked_files(done.masked_files)


def _write_out(path: Path) -> None:
    """Only what was checked to its end gets here."""
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)


def _say_masked_files(count: int) -> None:
    if count:
        current_session().printer.note(f"Parts of {count} of them are masked.")


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


def _tree_request(
    source: str, filters: Sequence[str], compression: str | None, *, archive: bool, force: bool
) -> TreeRequest:
    from hfit.tree_download import TreeRequest  # noqa: PLC0415 - lazy, as above

    volume, _, path = source.partition(":")
    chosen = parse_filters(filters)
    if not TREE_FILTERS.issuperset(chosen):
        raise UsageMistake(
            "A folder is named by its path; its filters are name:, mtime: and size:.",
            suggestions=["Example: hfit download -r app_logs:/app/ 'name:*.log' mtime:7"],
        )
    packed = compression or COMPRESSIONS[0]
    return TreeRequest(volume, path.strip("/"), chosen, archive=archive, compression=packed, force=force)


def _parse_source(source: str, filters: Sequence[str]) -> tuple[str, dict[str, str | list[str]]]:
    volume, colon, path = source.partition(":")
    if colon:
        if filters or not path.strip("/"):
            raise UsageMistake(
                "Name one file, VOLUME:/PATH, or a volume and filters.",
                suggestions=["Example: hfit download app_logs 'name:*.log' sort:mtime:desc", "-r takes a folder."],
            )
        return volume, {"path": path.lstrip("/")}
    if not filters:
        raise UsageMistake(
            "Say which file.", suggestions=[f"hfit download {volume}:/PATH", f"hfit download {volume} sort:mtime:desc"]
        )
    return volume, dict(parse_filters(filters))
