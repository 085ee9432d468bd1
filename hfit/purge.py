"""Removing packages whose time is over, and nothing else (contract 8.18).

1. Only what verifies as an unmodified package of a trusted key is removed: a folder with exactly its files, or an
   archive right to the byte. A package that somebody changed is reported and stays, as the change is theirs.
2. No link is followed, neither to look nor to remove; a package is not looked into for others.
3. It goes under the lock of its place, and first gets a name that nobody uses, so no half of it is ever found there.
4. The caller's home folder and the folders one stands in are never removed, whatever they are.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hfit.credentials.pins import Trust
from hfit.errors import HfitClientError, PackageExpired, TargetBusy, nothing_here
from hfit.package.manifest import Manifest, check_expiry
from hfit.package.names import MANIFEST
from hfit.package.place import is_precious, locked
from hfit.package.verify import directory_manifest, verify_package

SUFFIXES = (".tar.gz", ".tar.zst", ".tar", ".archive")  # the last is how the cache keeps them


@dataclass(frozen=True, slots=True)
class Found:
    """A package that has expired. ``problem`` is why it stays, '' when it can go."""

    path: Path
    expires: str
    package_name: str
    size: int
    problem: str = ""

    def document(self, *, removed: bool) -> dict[str, object]:
        """As JSON."""
        return {
            "path": str(self.path),
            "package_name": self.package_name or None,
            "expires": self.expires or None,
            "size": self.size,
            "removed": removed,
            "problem": self.problem or None,
        }


def find_expired(places: Sequence[Path], trust: Trust) -> Iterator[Found]:
    """Every expired package at or below the places. NotFound for a place that does not exist."""
    seen: set[Path] = set()
    for place in places:
        if not os.path.lexists(place):
            raise nothing_here(f"There is nothing at {place}.")
        for path in _candidates(place):
            if path not in seen:
                seen.add(path)
                found = _judge(path, trust)
                if found is not None:
                    yield found


def remove(found: Found, trust: Trust) -> bool:
    """Remove it if it still is what was found; False when another hfit works there or it has changed meanwhile."""
    try:
        with locked(found.path):
            again = _judge(found.path, trust)
            if again is None or again.problem:
                return False
            gone = found.path.with_name(f".{found.path.name}.purged-{secrets.token_hex(4)}")
            found.path.rename(gone)  # 3
            if gone.is_dir():
                shutil.rmtree(gone)
            else:
                gone.unlink()
            return True
    except TargetBusy:
        return False


def _candidates(place: Path) -> Iterator[Path]:
    """Packages by their looks: folders with a manifest, files with an archive's ending (2)."""
    waiting = [place.absolute()]
    while waiting:
        path = waiting.pop()
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            if path.name.endswith(SUFFIXES):
                yield path
        elif stat.S_ISDIR(mode):
            if (path / MANIFEST).is_file() and not (path / "METADATA").is_symlink():
                yield path
                continue
            try:
                entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
            except PermissionError:
                continue
            waiting += [Path(e.path) for e in entries if not e.is_symlink() and (e.is_dir() or e.is_file())]


def _judge(path: Path, trust: Trust) -> Found | None:
    """The expired package there; None for everything that is none, or has not expired, or is of an unknown key."""
    try:
        if path.is_dir():
            manifest = directory_manifest(path, trust, allow_hidden=True)  # what has not expired is not read further
        else:
            manifest = verify_package(path, trust, allow_hidden=True, allow_expired=True).manifest
        check_expiry(manifest)
    except PackageExpired:
        return Found(path, _when(manifest), manifest.package_name, _size(manifest), _problem(path, trust))
    except HfitClientError:
        return None
    return None


def _problem(path: Path, trust: Trust) -> str:
    """Why an expired package stays, or ''."""
    if is_precious(path):
        return "It is your home folder, or a folder that is in use."  # 4
    try:
        verify_package(path, trust, allow_hidden=True, allow_expired=True)
    except HfitClientError as error:
        return error.message  # 1
    return ""


def _when(manifest: Manifest) -> str:
    return manifest.expires.isoformat() if manifest.expires else ""


def _size(manifest: Manifest) -> int:
    return sum(member.size for member in manifest.members.values())
