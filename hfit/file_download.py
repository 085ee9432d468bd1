"""Downloading files of volumes: one by its path, or the best match of filters; resumed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hfit.answers import json_object
from hfit.errors import AnswerMalformed, DigestMismatch, HfitClientError
from hfit.gateway import Gateway
from hfit.package.names import check_name
from hfit.package.place import locked, place_file
from hfit.running_digest import RunningDigest
from hfit.transfer import PartFile, Progress, Record, check_digest, receive
from hfit.transport import Response

Query = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A file in its place. ``verified``: the server announced a digest, and it fits.

    ``masks`` are parts of it that the server has masked, with the names of their masks; ``dropped_lines`` are left out.
    """

    path: Path
    size: int
    verified: bool
    masks: Mapping[str, str] = field(default_factory=dict)
    dropped_lines: int = 0


@dataclass(frozen=True, slots=True)
class _FileSource:
    gateway: Gateway
    volume: str
    query: Query

    def start(self) -> Response:
        return self.gateway.open_file(self.volume, self.query, {})

    def resume(self, record: Record, headers: Mapping[str, str]) -> Response:
        return self.gateway.open_file(self.volume, self.query, headers)


def download_file(
    gateway: Gateway, volume: str, query: Query, output: Path | None, progress: Progress
) -> DownloadedFile:
    """Download one file. ``output`` is a file, a folder to put it in, or None for the current folder.

    A plain file at the target is replaced, in one step and only by a complete file.
    """
    into_folder = output is None or output.is_dir()
    folder = (output or Path.cwd()) if into_folder else (output or Path.cwd()).parent
    folder.mkdir(parents=True, exist_ok=True)
    part = PartFile(folder, [gateway.origin, "file", volume, {key: query[key] for key in sorted(query)}])
    with locked(part.lock_target):
        digest = RunningDigest()
        record, _ = receive(_FileSource(gateway, volume, query), part, progress, listener=digest)
        try:
            verified = check_digest(digest, record.digest)
        except DigestMismatch:
            part.discard()
            raise
        target = folder / _file_name(record, query) if into_folder or output is None else output
        size = part.size()
        place_file(part.path, target)
        part.forget_record()
    return DownloadedFile(target, size, verified, *_masks_of(record))


def _masks_of(record: Record) -> tuple[Mapping[str, str], int]:
    """What the server says it has masked, and how many lines it left out."""
    if not record.masked:
        return {}, 0
    said = json_object(record.masked.encode())
    masks, dropped = said.get("masks"), said.get("dropped_lines")
    if not isinstance(masks, dict) or not isinstance(dropped, int):
        raise AnswerMalformed("The server does not say clearly what it has masked.")
    return {str(part): str(mask) for part, mask in masks.items()}, dropped


def _file_name(record: Record, query: Query) -> str:
    """The base name to save under: that of the asked path, else what the server proposes, if it is harmless."""
    path = query.get("path")
    proposed = (path if isinstance(path, str) else record.file_name).rpartition("/")[2]
    try:
        return check_name(proposed, allow_hidden=isinstance(path, str))
    except HfitClientError as error:
        raise type(error)(
            "The server proposes a file name that is refused.",
            reason=error.reason,
            suggestions=["Choose a name with -o FILE."],
        ) from error
