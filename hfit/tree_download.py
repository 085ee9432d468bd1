"""Downloading a folder of a volume: one archive, checked to its last byte, then a folder or the archive itself.

The archive is made while it is sent, so a broken download starts anew. Nothing gets the target's name before all of it
was checked; the seal at its end says that nothing is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hfit.errors import AnswerMalformed, PackageInvalid
from hfit.gateway import Gateway
from hfit.package.place import check_folder, clear_leftovers, locked, place_file, place_folder
from hfit.package.tree_archive import TreeReport, check_whole, extracted_tree
from hfit.package_download import EXTENSIONS
from hfit.transfer import PartFile, Progress, Record, receive
from hfit.transport import Response


@dataclass(frozen=True, slots=True)
class TreeRequest:
    """What is wanted: a folder of a volume ('' is all of it), filters by kind, and in which form."""

    volume: str
    folder: str = ""
    filters: Mapping[str, list[str]] | None = None
    output: Path | None = None
    archive: bool = False
    compression: str = "gzip"
    force: bool = False


@dataclass(frozen=True, slots=True)
class DownloadedTree:
    """A folder or an archive in its place; ``size`` is the bytes of its files, or of the archive; ``files`` how many it
    holds, ``masked_files`` how many of them are masked."""

    path: Path
    files: int
    size: int
    masked_files: int = 0


@dataclass(frozen=True, slots=True)
class TreeNote:
    """What the archive has to be: the name of its folder, and how many files the server announced."""

    name: str
    files: int

    def check(self, report: TreeReport) -> None:
        """Refuse another archive."""
        if (report.name, report.files) != (self.name, self.files):
            raise PackageInvalid("The archive is not the one that the server announced.")


@dataclass(slots=True)
class _TreeSource:
    gateway: Gateway
    request: TreeRequest
    files: int = 0
    masked_files: int = 0

    def start(self) -> Response:
        request = self.request
        query = {"recursive": "1", "path": request.folder, "compression": request.compression}
        response = self.gateway.open_file(request.volume, {**query, **(request.filters or {})}, {})
        self.files, self.masked_files = (
            _number(response, name) for name in ("x-hfit-files", "x-hfit-masked-files")
        )
        return response

    def resume(self, record: Record, headers: Mapping[str, str]) -> Response:
        raise AssertionError("an answer without an ETag is not gone on with")


def download_tree(gateway: Gateway, request: TreeRequest, progress: Progress) -> DownloadedTree:
    """Download, check and place a folder. ``output`` is the new folder, or the archive or a folder to put it in.

    TargetOccupied when something is at the target already, unless it is an empty folder, an archive's earlier file, or
    ``force`` is set.
    """
    folder = _place_of(request)
    folder.mkdir(parents=True, exist_ok=True)
    name = request.folder.rpartition("/")[2] or request.volume
    target = _target_of(request, name)
    if not request.archive:
        check_folder(target, force=request.force)
    filters = {kind: sorted(values) for kind, values in sorted((request.filters or {}).items())}
    part = PartFile(folder, [gateway.origin, "tree", request.volume, request.folder, filters, request.compression])
    source = _TreeSource(gateway, request)
    with locked(part.lock_target):
        try:
            receive(source, part, progress, pauses_seconds=())
            if request.archive:
                size = _put_archive(part.path, target)
            else:
                size = _put_folder(request, part.path, target, TreeNote(name, source.files)).size
        finally:
            part.discard()
    return DownloadedTree(target, source.files, size, source.masked_files)


def _place_of(request: TreeRequest) -> Path:
    """The folder in which the archive arrives."""
    if request.output is None:
        return Path.cwd()
    return request.output if request.archive and request.output.is_dir() else request.output.absolute().parent


def _target_of(request: TreeRequest, name: str) -> Path:
    if request.output is not None and not (request.archive and request.output.is_dir()):
        return request.output
    return (request.output or Path.cwd()) / (name + EXTENSIONS[request.compression] if request.archive else name)


def _put_archive(part: Path, target: Path) -> int:
    with part.open("rb") as file:
        check_whole(file)
    size = part.stat().st_size
    place_file(part, target)
    return size


def _put_folder(request: TreeRequest, part: Path, target: Path, note: TreeNote) -> TreeReport:
    with part.open("rb") as file, locked(target):
        clear_leftovers(target)
        with extracted_tree(file, target) as (made, report):
            note.check(report)
            place_folder(made, target, force=request.force)
    return report


def _number(response: Response, name: str) -> int:
    said = response.headers.get(name, "")
    if not said.isascii() or not said.isdigit() or len(said) > 15:
        raise AnswerMalformed("The server does not say how many files it sends.")
    return int(said)
