"""Is this package whole, unaltered and signed by a trusted key? For archives and for extracted folders.

An archive is verified to the byte:

1. container, headers, padding and end are re-derived (``containers``, ``tar_reader``); nothing follows;
2. members stand in the one order, below one folder, with manifest and signature last;
3. manifest and signature are right (``manifest``);
4. the members are exactly those of the manifest, in size and digest.

A folder is verified as far as a folder can be: manifest and signature, every listed file with size and digest, no other
file, no link. Times, modes and empty folders are not part of a package.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hfit.credentials.pins import Trust
from hfit.errors import PackageIncomplete, PackageInvalid, nothing_here
from hfit.package.ahead import made_ahead
from hfit.package.containers import PIECE_BYTES, altered, read_container
from hfit.package.manifest import MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, Manifest, check_expiry, read_manifest
from hfit.package.names import MANIFEST, SIGNATURE, check_name, order_key
from hfit.package.tar_reader import MAX_MEMBERS, Entry, read_members
from hfit.text import visible

_LIMITS = {MANIFEST: MAX_MANIFEST_BYTES, SIGNATURE: MAX_SIGNATURE_BYTES}
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Report:
    """A package that passed. ``entries`` has every file below the package's folder, manifest and signature included."""

    path: Path
    kind: str  # "archive" | "directory"
    manifest: Manifest
    entries: Mapping[str, Entry]

    def document(self) -> dict[str, object]:
        """The report as JSON."""
        manifest = self.manifest
        return {
            "path": str(self.path),
            "kind": self.kind,
            "package_name": manifest.package_name,
            "package_digest": manifest.package_digest,
            "server": manifest.server,
            "key_fingerprint": manifest.key.fingerprint,
            "created": manifest.created,
            "expires": manifest.expires.isoformat() if manifest.expires else None,
            "members": len(manifest.members),
            "size": sum(member.size for member in manifest.members.values()),
        }


def verify_package(
    path: Path, trust: Trust, *, allow_hidden: bool = False, allow_expired: bool = False
) -> Report:
    """Verify an archive or a folder; raises IntegrityFailed (or a child of it), PackageExpired or NotFound."""
    if path.is_dir():
        report = verify_directory(path, trust, allow_hidden=allow_hidden)
    else:
        try:
            with path.open("rb") as file:
                report = verify_archive(file, path, trust, allow_hidden=allow_hidden)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise nothing_here(f"There is no package at {path}.") from error
    if not allow_expired:
        check_expiry(report.manifest)
    return report


@dataclass(frozen=True, slots=True)
class Scan:
    """An archive whose form is right (steps 1 and 2): what is in it, and not yet whether that is to be believed."""

    root: str
    manifest: bytes
    signature: bytes
    entries: Mapping[str, Entry]


def verify_archive(file: BinaryIO, path: Path, trust: Trust, *, allow_hidden: bool = False) -> Report:
    """Verify an open archive (steps 1 to 4)."""
    return judge(scan_archive(file), path, trust, allow_hidden=allow_hidden)


def scan_archive(file: BinaryIO) -> Scan:
    """Steps 1 and 2."""
    with made_ahead(read_container(file)) as pieces:
        return scan_pieces(pieces)


def scan_pieces(pieces: Iterator[bytes]) -> Scan:
    """Steps 1 and 2 for the tar inside."""
    captured: dict[str, bytearray] = {}
    entries: dict[str, Entry] = {}
    root, previous = "", (0, b"")

    def capture(full_path: str, size: int) -> Callable[[bytes], object] | None:
        inner = full_path.partition("/")[2]
        if inner not in _LIMITS:
            return None
        if size > _LIMITS[inner]:
            raise altered("Its manifest is too long.")
        captured[inner] = bytearray()
        return captured[inner].extend

    for entry in read_members(pieces, capture):  # 1
        folder, _, inner = entry.path.partition("/")
        root = root or folder
        key = order_key(inner)
        if folder != root or not inner or (entries and key <= previous):  # 2
            raise altered("Its members are not in order, below one folder, each once.")
        previous = key
        entries[inner] = entry
    if MANIFEST not in captured or SIGNATURE not in captured:
        raise PackageIncomplete("The package has no manifest, so it is not complete.")
    return Scan(root, bytes(captured[MANIFEST]), bytes(captured[SIGNATURE]), entries)


def judge(scan: Scan, path: Path, trust: Trust, *, allow_hidden: bool = False) -> Report:
    """Steps 3 and 4, and that the folder has its name."""
    manifest = read_manifest(scan.manifest, scan.signature, trust, allow_hidden=allow_hidden)
    if scan.root != manifest.package_name:  # 2
        raise altered("Its folder has another name than the manifest says.")
    _compare(manifest, scan.entries)  # 4
    return Report(path, "archive", manifest, scan.entries)


def directory_manifest(directory: Path, trust: Trust, *, allow_hidden: bool = False) -> Manifest:
    """The signed manifest of an extracted package, whatever became of its files; raises as ``verify_directory``."""
    data = _read_small(directory / MANIFEST, MAX_MANIFEST_BYTES)
    signature = _read_small(directory / SIGNATURE, MAX_SIGNATURE_BYTES)
    return read_manifest(data, signature, trust, allow_hidden=allow_hidden)


def verify_directory(directory: Path, trust: Trust, *, allow_hidden: bool = False) -> Report:
    """Verify an extracted package."""
    manifest = directory_manifest(directory, trust, allow_hidden=allow_hidden)
    found: dict[str, Path] = {}
    for path, inner in _walk(directory):
        if inner not in manifest.members and inner not in _LIMITS:
            raise PackageInvalid(
                f"The folder holds a file that is not of the package: '{visible(inner, limit=200)}'.",
                suggestions=["Move it elsewhere, or download the package again."],
            )
        found[inner] = path
    missing = sorted(manifest.members.keys() - found.keys())
    if missing:
        raise PackageIncomplete(
            f"A file of the package is missing: '{visible(missing[0], limit=200)}'.",
            suggestions=["Download the package again."],
        )
    entries = {inner: _digest(path, inner) for inner, path in found.items()}
    _compare(manifest, entries)
    return Report(directory, "directory", manifest, entries)


def _compare(manifest: Manifest, entries: Mapping[str, Entry]) -> None:
    for path in sorted(manifest.members.keys() | (entries.keys() - _LIMITS.keys())):
        member, entry = manifest.members.get(path), entries.get(path)
        if member is None or entry is None or (member.size, member.sha256) != (entry.size, entry.sha256):
            what = "is not in the manifest" if member is None else "is missing" if entry is None else "was changed"
            raise PackageInvalid(
                f"A file of the package {what}: '{visible(path, limit=200)}'.",
                suggestions=["Download the package again."],
            )


def _walk(directory: Path) -> Iterator[tuple[Path, str]]:
    """Every file below the folder; links and special files are refused, folders are not entered through links."""
    waiting, count = [(directory, "")], 0
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as listing:
            for item in listing:
                count += 1
                inner = prefix + item.name
                if count > MAX_MEMBERS * 2:
                    raise PackageInvalid("The folder holds far more files than a package can.")
                if item.is_dir(follow_symlinks=False):
                    check_name(inner, allow_hidden=True)
                    waiting.append((Path(item.path), inner + "/"))
                elif item.is_file(follow_symlinks=False):
                    yield Path(item.path), inner
                else:
                    raise PackageInvalid(
                        f"The folder holds a link or special file: '{visible(inner, limit=200)}'.",
                        suggestions=["A package holds plain files only; download it again."],
                    )


def _open_plain(path: Path) -> BinaryIO:
    file = os.fdopen(os.open(path, os.O_RDONLY | _NOFOLLOW), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise PackageInvalid(f"{path} is not a plain file.")
    return file


def _read_small(path: Path, limit: int) -> bytes:
    try:
        with _open_plain(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise PackageIncomplete(
            f"{path.parent.parent} is not a whole package: it has no readable {path.parent.name}/{path.name}.",
            suggestions=["Name the folder that holds METADATA, or an archive."],
        ) from error
    if len(data) > limit:
        raise altered("Its manifest is too long.")
    return data


def _digest(path: Path, inner: str) -> Entry:
    digest, size = hashlib.sha256(), 0
    with _open_plain(path) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return Entry(inner, size, digest.hexdigest())
