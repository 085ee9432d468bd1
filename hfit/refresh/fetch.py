"""Getting one package through the cache, with patience for a server that is busy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hfit.credentials.pins import Trust, read_pins
from hfit.errors import HfitClientError, KeyUntrusted
from hfit.gateway import Gateway
from hfit.package.extract import extracted
from hfit.package.place import check_target, clear_leftovers, locked, place
from hfit.package.verify import Report
from hfit.package_download import PackageRequest, fetched_archive
from hfit.refresh.cache import PackageCache, patiently_locked
from hfit.refresh.project import request_digest
from hfit.told import NOBODY, Told

TRIES = 3  # each with the patience that the gateway has for a package
MAX_PAUSE_SECONDS = 60.0
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Asks one server, keeps what comes in the cache. Threads may share it."""

    gateway: Gateway
    cache: PackageCache
    sleep: Callable[[float], None] = field(default=time.sleep)

    @property
    def origin(self) -> str:
        """The server."""
        return self.gateway.origin

    def trust(self) -> Trust:
        """The keys that are pinned now."""
        return Trust(read_pins(self.gateway.settings.config_dir))

    def cached(self, digest: str) -> Report | None:
        """The archive of that digest in the cache, verified; None also when its key is no longer pinned."""
        try:
            return self.cache.find(self.origin, digest, self.trust()) if digest else None
        except KeyUntrusted:
            return None

    def fetch(
        self, request: PackageRequest, known_digest: str, use: Callable[[Report], None], told: Told = NOBODY
    ) -> bool:
        """Have the package sent unless it is ``known_digest``; False then. ``use`` gets the verified archive.

        What ``use`` accepted goes into the cache. 429 and 503 are waited for as the server says, three times.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return self._fetch_once(request, known_digest, use, told)
            except HfitClientError as error:
                if error.status not in _BUSY or attempt == TRIES:
                    raise
                self.sleep(pause_seconds(error.retry_after_seconds, attempt))
        raise AssertionError("the loop returns or raises")

    def _fetch_once(
        self, request: PackageRequest, known_digest: str, use: Callable[[Report], None], told: Told
    ) -> bool:
        folder = self.cache.server_folder(self.origin)
        asked = request_digest(request.template_name, request.parameters)
        with (
            patiently_locked(folder / asked),
            fetched_archive(self.gateway, request, folder, known_digest, told) as report,
        ):
            if report is not None:
                use(report)
                self.cache.keep(report)
            self.cache.remember(self.origin, asked, known_digest if report is None else report.manifest.package_digest)
            return report is not None


def pause_seconds(retry_after: float | None, attempt: int) -> float:
    """How long to wait: what the server said, else longer each time, and never all clients at the same moment."""
    wanted = 2.0 ** (attempt - 1) if retry_after is None else retry_after
    return min(wanted, MAX_PAUSE_SECONDS) * random.uniform(1.0, 1.25)  # noqa: S311 - spreads load, guards nothing


def install(report: Report, target: Path, trust: Trust, *, force: bool = False) -> None:
    """Extract a verified archive and give it its name; what is no unmodified package there is refused, or replaced with
    ``force``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target):
        clear_leftovers(target)
        check_target(target, trust, force=force)
        with report.path.open("rb") as file, extracted(file, report, target) as folder:
            place(folder, target, trust, force=force)
