"""Packages for tests: fetched once a session, shared by the processes of pytest-xdist.

1. A marker that names a package of ``hfit.toml`` and gives no parameters means that package; with an entry in
   ``hfit.lock`` it is exactly the locked one, without any request when the cache has it. Any other marker names a
   template of the server.
2. The server is asked once per session and request. It is told what the cache has, so an unchanged package is not sent.
3. ``offline`` asks nobody: what the request gave last has to be in the cache.
4. The folder of a session appears whole or not at all; whoever comes first makes it, the others wait.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hfit.errors import DigestMismatch, HfitClientError, NotFound
from hfit.gateway import Gateway
from hfit.package.verify import Report
from hfit.package_download import PackageRequest
from hfit.refresh.cache import open_cache, patiently_locked
from hfit.refresh.fetch import Fetcher, install
from hfit.refresh.lock import Locked, lock_entry, read_lock
from hfit.refresh.project import Project, Wanted, find_project, read_project
from hfit.settings import Setting, Settings, load_settings
from hfit.transport import parse_origin


@dataclass(frozen=True, slots=True)
class Options:
    """What pytest was told. Empty means: as for ``hfit`` itself."""

    root: Path
    server: str = ""
    config_dir: str = ""
    offline: bool = False
    isolation: str = "database"


@dataclass(frozen=True, slots=True)
class FixturePackages:
    """The packages of one session, extracted below ``folder``."""

    fetcher: Fetcher
    project: Project | None
    folder: Path
    offline: bool
    _failed: dict[str, HfitClientError] = field(default_factory=dict)

    def find(self, name: str, params: Mapping[str, object]) -> Path:
        """The verified package of a marker. A failure is not tried again in this process."""
        wanted, entry = self._wanted(name, params)
        key = hashlib.sha256(f"{self.fetcher.origin} {wanted.request_digest}".encode()).hexdigest()[:20]
        if key in self._failed:
            raise self._failed[key]
        try:
            return self._shared(key, wanted, entry)
        except HfitClientError as error:
            self._failed[key] = error
            raise

    def _wanted(self, name: str, params: Mapping[str, object]) -> tuple[Wanted, Locked | None]:
        """Step 1."""
        wanted = self.project.packages.get(name) if self.project and not params else None
        if wanted is None or self.project is None:
            return Wanted(name, name, params, Path()), None
        entry = read_lock(self.project.lock_path).get(name)
        if entry is not None and not entry.fits(wanted):
            raise DigestMismatch(
                f"hfit.lock was written for another template or other parameters of '{name}'.",
                suggestions=[f"Run: hfit refresh {name}"],
            )
        return wanted, entry

    def _shared(self, key: str, wanted: Wanted, entry: Locked | None) -> Path:
        """Steps 2 to 4."""
        place = self.folder / key
        place.mkdir(parents=True, exist_ok=True)
        ready = place / "ready.json"
        with patiently_locked(place / "package"):
            if ready.exists():
                return place / str(json.loads(ready.read_text("utf-8"))["folder"])
            made: list[Path] = []

            def use(report: Report) -> None:
                if entry is not None:
                    _check_lock(report, wanted, entry)
                target = place / report.manifest.package_name
                install(report, target, self.fetcher.trust())
                made.append(target)

            self._obtain(wanted, entry, use)
            ready.write_text(json.dumps({"folder": made[-1].name}), "utf-8")
            return made[-1]

    def _obtain(self, wanted: Wanted, entry: Locked | None, use: Callable[[Report], None]) -> None:
        origin = self.fetcher.origin
        digest = entry.package_digest if entry else self.fetcher.cache.recall(origin, wanted.request_digest)
        known = self.fetcher.cached(digest)
        if known is not None and (entry or self.offline):
            use(known)
        elif self.offline:
            raise NotFound(
                f"The package of '{wanted.name}' is not in the local cache, and hfit_offline is set.",
                suggestions=["Run the tests once with the server at hand."],
            )
        else:
            request = PackageRequest(wanted.template, wanted.params, compression=wanted.compression)
            sent = self.fetcher.fetch(request, known.manifest.package_digest if known else "", use)
            if not sent and known is not None:
                use(known)


def open_packages(options: Options, folder: Path) -> FixturePackages:
    """Settings from the environment, then pytest's options, then ``hfit.toml``, then the user's settings."""
    path = find_project(options.root)
    project = read_project(path) if path else None
    settings = load_settings(Path(options.config_dir).expanduser() if options.config_dir else None)
    server = options.server or (project.server if project else None)
    given = settings.values.get("server-url")
    if server and (given is None or given.source != "environment"):
        values = {**settings.values, "server-url": Setting(str(parse_origin(server)), "project")}
        settings = Settings(settings.config_dir, values)
    return FixturePackages(Fetcher(Gateway(settings=settings), open_cache()), project, folder, options.offline)


def _check_lock(report: Report, wanted: Wanted, entry: Locked) -> None:
    found = lock_entry(report.manifest, wanted)
    if (found.package_digest, found.template_digest) != (entry.package_digest, entry.template_digest):
        raise DigestMismatch(
            f"The server now has another package for '{wanted.name}' than hfit.lock.",
            suggestions=[f"Accept it: hfit refresh {wanted.name}"],
        )
