"""Writing a verified archive out as a folder (security design 5.10); tarfile's extraction is not used at all.

1. The whole archive was verified before, from the same open file; what is written is compared with that report again.
2. The folder is fresh, private, beside its later place. Every part of a path is opened relative to the one above it,
   refusing links; every file is created new. Names were accepted by ``names``, once more with this system's rules.
3. Modes are 0644 and 0755, whatever the archive says; no owner, time or attribute is taken from it.
4. Files and folders are synced before the folder gets its name, so a crash never leaves a whole-looking package.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from hfit.package.ahead import made_ahead
from hfit.package.containers import altered, read_container
from hfit.package.names import check_name
from hfit.package.tar_reader import read_members
from hfit.package.verify import Report

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_RELATIVE = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd


def part_prefix(target: Path) -> str:
    """How unfinished folders of ``target`` begin."""
    return f".{target.name}.part-"


@contextlib.contextmanager
def extracted(file: BinaryIO, report: Report, target: Path) -> Iterator[Path]:
    """The archive as a complete, synced folder beside ``target``; whatever is left of it at the end is removed."""
    for inner in report.entries:
        check_name(inner, allow_hidden=True, windows=os.name == "nt")  # 2
    part = Path(tempfile.mkdtemp(prefix=part_prefix(target), dir=target.parent))
    try:
        _write_members(file, report, part)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_members(file: BinaryIO, report: Report, part: Path) -> None:
    with FolderWriter(part) as writer:
        remaining = dict(report.entries)

        def consume(full_path: str, _: int) -> Callable[[bytes], object]:
            return writer.begin(full_path.partition("/")[2])

        with made_ahead(read_container(file)) as pieces:
            for entry in read_members(pieces, consume):
                writer.end()
                if remaining.pop(entry.path.partition("/")[2], None) != entry:  # 1
                    raise altered("It changed while it was being extracted.")
        if remaining:
            raise altered("It changed while it was being extracted.")
    part.chmod(0o755)


class FolderWriter:
    """Creates files below one folder, one at a time; leaving the block syncs the folders."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root_descriptor = os.open(root, _FOLDER) if _RELATIVE else -1
        self._folders: set[str] = set()
        self._file: BinaryIO | None = None

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        if _RELATIVE:
            for folder in sorted(self._folders, reverse=True):
                self._sync(folder)
            os.fsync(self._root_descriptor)  # 4
            os.close(self._root_descriptor)

    def begin(self, inner: str) -> Callable[[bytes], object]:
        """Create the file; gives back what takes its bytes."""
        *folders, name = inner.split("/")
        if _RELATIVE:
            descriptor = self._enter(folders)
            try:
                self._file = os.fdopen(os.open(name, _CREATE, 0o644, dir_fd=descriptor), "wb")  # 2
            finally:
                os.close(descriptor)
            os.fchmod(self._file.fileno(), 0o644)  # 3
        else:
            path = self._root.joinpath(*folders)
            path.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path / name, _CREATE, 0o644), "wb")
        return self._file.write

    def end(self) -> None:
        """Sync and close the file (step 4)."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _enter(self, folders: list[str]) -> int:
        """A descriptor of the folder, made where it is missing; each step refuses links (step 2)."""
        descriptor = os.dup(self._root_descriptor)
        for depth, name in enumerate(folders, start=1):
            inner = "/".join(folders[:depth])
            above = descriptor
            try:
                if inner not in self._folders:
                    os.mkdir(name, 0o755, dir_fd=above)
                    self._folders.add(inner)
                descriptor = os.open(name, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
            os.fchmod(descriptor, 0o755)  # 3
        return descriptor

    def _sync(self, folder: str) -> None:
        descriptor = self._enter(folder.split("/"))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
