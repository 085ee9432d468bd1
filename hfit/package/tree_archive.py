"""Archives of folders: the same containers, headers and names as packages, without a manifest.

1. gzip and zstd end with the seal of packages (``containers``). A plain tar has one block after its end that holds the
   SHA-256 of everything before it.
2. Members stand in the order of their paths, below one folder; so no name comes twice. What is one name for this
   system only, for it has no upper and lower case, is refused when it is written.
3. The seal is of the server's own archive, so it alone tells whether an archive arrived whole; names and members are
   looked at when it is unpacked.
4. What is written goes into a fresh folder, by the rules of ``extract``; it gets its name from the caller, at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hfit.package.ahead import made_ahead
from hfit.package.containers import GZIP_HEADER, PIECE_BYTES, ZSTD_MAGIC, altered, cut_short, read_container
from hfit.package.extract import FolderWriter, part_prefix
from hfit.package.names import check_name
from hfit.package.tar_reader import BLOCK_BYTES, read_members


@dataclass(frozen=True, slots=True)
class TreeReport:
    """What an archive holds: the name of its folder, how many files, how many bytes they have."""

    name: str
    files: int
    size: int


def check_tree(file: BinaryIO, begin: Callable[[str], Callable[[bytes], object]] | None = None) -> TreeReport:
    """Go through the whole archive. PackageIncomplete, PackageInvalid.

    ``begin`` is called with each path inside the folder and gives back who takes its bytes.
    """
    name, before, count, size = "", "", 0, 0

    def consume(path: str, _: int) -> Callable[[bytes], object] | None:
        nonlocal name, before
        folder, slash, inner = check_name(path, allow_hidden=True, windows=os.name == "nt").partition("/")
        if not slash or folder != (name or folder) or inner.encode() <= before.encode():  # 2
            raise altered("Its files are not in order, or not below one folder.")
        name, before = folder, inner
        return begin(inner) if begin else None

    with made_ahead(_pieces(file)) as pieces:
        for entry in read_members(pieces, consume):
            count += 1
            size += entry.size
    if not count:
        raise altered("It holds no file.")
    return TreeReport(name, count, size)


def check_whole(file: BinaryIO) -> None:
    """Whether every byte is as the server made it (1), without unpacking. PackageIncomplete, PackageInvalid."""
    _pieces(file)


@contextlib.contextmanager
def extracted_tree(file: BinaryIO, target: Path) -> Iterator[tuple[Path, TreeReport]]:
    """The archive as a complete, synced folder beside ``target``; whatever is left of it at the end is removed."""
    part = Path(tempfile.mkdtemp(prefix=part_prefix(target), dir=target.parent))
    try:
        with FolderWriter(part) as writer:

            def begin(inner: str) -> Callable[[bytes], object]:
                writer.end()
                try:
                    return writer.begin(inner)
                except (FileExistsError, NotADirectoryError) as error:
                    raise altered("Two of its names are one on this system.") from error

            report = check_tree(file, begin)
            writer.end()
        part.chmod(0o755)
        yield part, report
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    start = file.read(4)
    if start[:2] == GZIP_HEADER[:2] or start == ZSTD_MAGIC:
        return read_container(file)
    return _sealed(file)


def _sealed(file: BinaryIO) -> Iterator[bytes]:
    """A plain tar whose seal is right, without the seal (1)."""
    left = file.seek(0, os.SEEK_END) - BLOCK_BYTES
    if left < 0:
        raise cut_short()
    file.seek(left)
    seal = file.read()
    digest = hashlib.sha256()
    for piece in _read(file, left):
        digest.update(piece)
    if seal != plain_seal(digest.digest()):
        raise cut_short()
    return _read(file, left)


def _read(file: BinaryIO, left: int) -> Iterator[bytes]:
    file.seek(0)
    while left:
        piece = file.read(min(PIECE_BYTES, left))
        if not piece:
            raise cut_short()
        left -= len(piece)
        yield piece


def plain_seal(digest: bytes) -> bytes:
    """The last block of a plain tar with this digest."""
    return f"hfit sha256 {digest.hex()}\n".encode().ljust(BLOCK_BYTES, b"\0")
