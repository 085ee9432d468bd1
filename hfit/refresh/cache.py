"""Verified archives of earlier downloads, by server and package digest, in the user's cache folder.

1. The folder is private: ``HFIT_CACHE_DIR``, else ``packages`` below the system's cache folder for hfit.
2. Nothing read from it is believed: the archive is verified to the byte, its signature against the pins of today, and
   it must be the package of that server and digest, not expired. What does not pass is removed and counts as absent.
3. It holds at most ``HFIT_CACHE_SIZE`` bytes (default 2GB); what was not used for longest goes first. A package that is
   larger than the whole is used once and goes with the next.
4. Every file appears under its name whole, so processes may share the cache; what a run left unfinished is for the next
   run to go on with, and goes after a day.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from hfit.credentials.pins import Trust
from hfit.credentials.private_files import prepare_directory, write_private
from hfit.errors import IntegrityFailed, NotFound, PackageExpired, TargetBusy, UsageMistake
from hfit.package.place import locked, place_file
from hfit.package.verify import Report, verify_package

DEFAULT_BYTES = 2 << 30
UNFINISHED_SECONDS = 86_400
LOCK_SECONDS = 900.0
LOCK_PAUSE_SECONDS = 0.05
_SIZE = re.compile(r"(\d{1,15})\s*(B|KB|MB|GB|TB)?", re.I)
_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_DIGEST = re.compile(r"[0-9a-f]{64}")


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the cache is (step 1)."""
    given = environment.get("HFIT_CACHE_DIR")
    return Path(given).expanduser().absolute() if given else Path(platformdirs.user_cache_dir("hfit", appauthor=False))


def cache_bytes(environment: Mapping[str, str]) -> int:
    """How much it may hold: a number of bytes, or ``500MB`` (powers of 1024). UsageMistake for anything else."""
    text = environment.get("HFIT_CACHE_SIZE", "").strip()
    if not text:
        return DEFAULT_BYTES
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageMistake("HFIT_CACHE_SIZE is a size, such as 500MB or 2GB.")
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def open_cache(environment: Mapping[str, str] | None = None) -> PackageCache:
    """The cache of this user. PolicyRefused when others may write into its folder."""
    environment = os.environ if environment is None else environment
    cache = PackageCache(cache_folder(environment), cache_bytes(environment))
    prepare_directory(cache.folder)
    return cache


@contextlib.contextmanager
def patiently_locked(target: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Like ``locked``, but waits for whoever works there. TargetBusy after ``seconds``."""
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(target))
                break
            except TargetBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOCK_PAUSE_SECONDS)
        yield


@dataclass(frozen=True, slots=True)
class PackageCache:
    """Archives in ``folder``, ``max_bytes`` together."""

    folder: Path
    max_bytes: int

    def server_folder(self, origin: str) -> Path:
        """Where the packages of a server are; made if it is missing."""
        path = self.folder / "packages" / hashlib.sha256(origin.encode()).hexdigest()[:16]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def find(self, origin: str, digest: str, trust: Trust) -> Report | None:
        """The verified archive of that digest, or None (step 2). KeyUntrusted stays an error of its own."""
        path = self._path(origin, digest)
        try:
            report = verify_package(path, trust, allow_hidden=True)
        except NotFound:
            return None
        except (IntegrityFailed, PackageExpired) as error:
            if error.code == "KEY_UNTRUSTED":
                raise
            path.unlink(missing_ok=True)
            return None
        if (report.manifest.package_digest, report.manifest.server) != (digest, origin):
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return report

    def keep(self, report: Report) -> Report:
        """Take over a verified archive that lies in ``server_folder`` and make room (step 3)."""
        path = self._path(report.manifest.server, report.manifest.package_digest)
        place_file(report.path, path)
        path.chmod(0o600)
        os.utime(path)
        self._make_room(path)
        return Report(path, report.kind, report.manifest, report.entries)

    def remember(self, origin: str, request: str, digest: str) -> None:
        """Note which package a request gave last, for the next run to tell the server."""
        write_private(self.server_folder(origin) / f"{request}.last", digest.encode())

    def recall(self, origin: str, request: str) -> str:
        """The digest that ``remember`` noted, or nothing."""
        try:
            text = (self.server_folder(origin) / f"{request}.last").read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        return text if _DIGEST.fullmatch(text) else ""

    def _path(self, origin: str, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise IntegrityFailed("A package digest is 64 hexadecimal digits.")
        return self.server_folder(origin) / f"{digest}.archive"

    def _make_room(self, newest: Path) -> None:
        """Steps 3 and 4. Another process may remove the same files at the same time."""
        found: list[tuple[float, int, Path]] = []
        for path in (self.folder / "packages").glob("*/*"):
            with contextlib.suppress(OSError):
                state = path.lstat()
                if path.suffix == ".archive":
                    found.append((state.st_mtime, state.st_size, path))
                elif state.st_mtime < time.time() - UNFINISHED_SECONDS and path.suffix != ".last":
                    path.unlink()
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.max_bytes:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size
