"""``hfit refresh``: every package of the project brought up to date, each on its own.

1. A package that fails leaves its folder and its lock entry as they were, and the others go on.
2. What the folder (else the cache) holds is told to the server by digest, so an unchanged package is not sent.
3. ``locked``: the digest of ``hfit.lock`` and no other; from the folder or the cache without any request, else from the
   server; the lock file is not written. ``check``: nothing of the project is written; only the cache fills.
4. What stands in a package's place and is no unmodified package is left alone, unless ``force`` says to replace it.
"""

from __future__ import annotations

import dataclasses
import enum
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hfit.errors import (
    DigestMismatch,
    HfitClientError,
    IntegrityFailed,
    PackageExpired,
    TargetOccupied,
)
from hfit.package.manifest import Manifest
from hfit.package.place import locked
from hfit.package.verify import Report, verify_package
from hfit.package_download import PackageRequest
from hfit.refresh.fetch import Fetcher, install
from hfit.refresh.lock import Locked, lock_entry, read_lock, write_lock
from hfit.refresh.project import Project, Wanted
from hfit.text import visible
from hfit.told import NOBODY, Told

# The worst first: a damaged or exchanged package outweighs a refusal, that a failing server, and so on.
SEVERITY = (5, 6, 3, 4, 2, 1)


class Mode(enum.Enum):
    """What a run may do."""

    UPDATE = "update"
    LOCKED = "locked"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one package: ``new``, ``updated``, ``untouched`` or ``failed``."""

    wanted: Wanted
    result: str
    entry: Locked | None = None
    transferred: bool = False
    error: HfitClientError | None = None

    def document(self) -> dict[str, object]:
        """As JSON."""
        entry = self.entry
        return {
            "name": self.wanted.name,
            "result": self.result,
            "path": str(self.wanted.into),
            "package_digest": entry.package_digest if entry else None,
            "template_digest": entry.template_digest if entry else None,
            "size": entry.size if entry else None,
            "transferred": self.transferred,
            "error": self.error.document() if self.error else None,
        }


def refresh(
    project: Project,
    chosen: Sequence[Wanted],
    fetcher: Fetcher,
    *,
    mode: Mode,
    jobs: int,
    done: Callable[[Outcome], None],
    force: bool = False,
    begun: Callable[[Wanted], Told] = lambda _: NOBODY,
) -> list[Outcome]:
    """Refresh the chosen packages, at most ``jobs`` at once; ``done`` hears of each. Outcomes are in the file's order.
    ``begun`` hears, in another thread, that it is one's turn, and says who is told how far that is.

    Raises only what concerns the whole run: a damaged lock file, another ``hfit refresh`` in the same project.
    """
    if mode is not Mode.UPDATE:
        return _run(chosen, _Work(fetcher, read_lock(project.lock_path), mode, force, begun), jobs, done)
    with locked(project.lock_path):
        entries = read_lock(project.lock_path)
        outcomes: list[Outcome] = []
        try:
            return _run(chosen, _Work(fetcher, entries, mode, force, begun), jobs, _both(outcomes.append, done))
        finally:  # also what was in place before an interruption is locked
            fresh = {item.wanted.name: item.entry for item in outcomes if item.entry and not item.error}
            kept = {name: entry for name, entry in {**entries, **fresh}.items() if name in project.packages}
            write_lock(project.lock_path, kept)


def exit_code(outcomes: Sequence[Outcome], mode: Mode) -> int:
    """The worst of what went wrong; 1 when a check found something that would change."""
    codes = {item.error.exit_code for item in outcomes if item.error}
    worst = next((code for code in SEVERITY if code in codes), 0)
    changes = any(item.result != "untouched" for item in outcomes)
    return worst or int(mode is Mode.CHECK and changes)


def _both(one: Callable[[Outcome], object], other: Callable[[Outcome], object]) -> Callable[[Outcome], None]:
    def call(outcome: Outcome) -> None:
        one(outcome)
        other(outcome)

    return call


def _run(chosen: Sequence[Wanted], work: _Work, jobs: int, done: Callable[[Outcome], None]) -> list[Outcome]:
    """Threads that end with the process, so that an interruption does not wait for a slow server."""
    waiting: queue.SimpleQueue[Wanted | None] = queue.SimpleQueue()
    finished: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    count = min(jobs, len(chosen))
    for item in (*chosen, *[None] * count):
        waiting.put(item)

    def serve() -> None:
        while (wanted := waiting.get()) is not None:
            finished.put(work.outcome(wanted))

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    outcomes = {}
    for _ in chosen:
        outcome = finished.get()
        outcomes[outcome.wanted.name] = outcome
        done(outcome)
    for thread in threads:
        thread.join()
    return [outcomes[wanted.name] for wanted in chosen]


@dataclass(frozen=True, slots=True)
class _Work:
    """What one run does with a package."""

    fetcher: Fetcher
    entries: Mapping[str, Locked]
    mode: Mode
    force: bool
    begun: Callable[[Wanted], Told]

    def outcome(self, wanted: Wanted) -> Outcome:
        """Step 1: whatever goes wrong with one package stays with it."""
        try:
            told = self.begun(wanted)
            return self._locked(wanted, told) if self.mode is Mode.LOCKED else self._updated(wanted, told)
        except HfitClientError as error:
            return Outcome(wanted, "failed", error=error)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            return Outcome(wanted, "failed", error=HfitClientError(f"{error.strerror or error}{where}."))
        except Exception as error:  # noqa: BLE001 - the last net of a thread
            reason = f"{type(error).__name__}: {visible(error)}"
            return Outcome(wanted, "failed", error=HfitClientError("hfit itself failed.", reason=reason))

    def _updated(self, wanted: Wanted, told: Told) -> Outcome:
        is_new, here = _is_free(wanted.into), self._installed(wanted)
        entry = self.entries.get(wanted.name)
        known = here or self._cached(wanted)
        found: list[Report] = []

        def use(report: Report) -> None:
            found.append(report)
            if self.mode is Mode.UPDATE and not _same(here, report):
                install(report, wanted.into, self.fetcher.trust(), force=self.force)

        digest = known.manifest.package_digest if known else ""
        sent = self.fetcher.fetch(_request(wanted), digest, use, told)
        if sent:
            report = found[-1]
        else:
            if known is None:
                raise IntegrityFailed("The server says that nothing changed, but there is no earlier package here.")
            report = known
            if here is None and self.mode is Mode.UPDATE:
                install(report, wanted.into, self.fetcher.trust(), force=self.force)
        fresh = lock_entry(report.manifest, wanted)
        result = "new" if is_new else "untouched" if _same(here, report) and fresh == entry else "updated"
        return Outcome(wanted, result, fresh, sent)

    def _locked(self, wanted: Wanted, told: Told) -> Outcome:
        entry = self.entries.get(wanted.name)
        if entry is None or not entry.fits(wanted):
            what = "has no entry for it" if entry is None else "was written for another template or other parameters"
            raise DigestMismatch(f"hfit.lock {what}.", suggestions=[f"Run: hfit refresh {wanted.name}"])
        result, here = "new" if _is_free(wanted.into) else "updated", self._installed(wanted)
        if here is not None and here.manifest.package_digest == entry.package_digest:
            _check_lock(here.manifest, entry, wanted)
            return Outcome(wanted, "untouched", entry)
        report = self.fetcher.cache.find(self.fetcher.origin, entry.package_digest, self.fetcher.trust())

        def use(report: Report) -> None:
            _check_lock(report.manifest, entry, wanted)
            install(report, wanted.into, self.fetcher.trust(), force=self.force)

        if report is not None:
            use(report)
            return Outcome(wanted, result, entry)
        self.fetcher.fetch(_request(wanted), "", use, told)
        return Outcome(wanted, result, entry, transferred=True)

    def _installed(self, wanted: Wanted) -> Report | None:
        """The unmodified package in its place; None when there is nothing, or one that may simply be replaced."""
        target = wanted.into
        if _is_free(target):
            return None
        try:
            if target.is_symlink() or not target.is_dir():
                raise IntegrityFailed("It is not a folder.")
            report = verify_package(target, self.fetcher.trust(), allow_hidden=True)
        except PackageExpired:
            return None
        except IntegrityFailed as error:
            if self.force:  # 4
                return None
            hint = [f"Move {target} away, or remove it, and run the command again; or replace it with --force."]
            if self.mode is Mode.LOCKED:
                message = f"{target} is not what hfit.lock has."
                raise DigestMismatch(message, reason=error.message, suggestions=hint) from error
            reason = f"It is not an unmodified package: {error.message}"
            raise TargetOccupied(f"{target} is not replaced.", reason=reason, suggestions=hint) from error
        return report if report.manifest.server == self.fetcher.origin else None

    def _cached(self, wanted: Wanted) -> Report | None:
        """Step 2: what the lock file has, else what the same request gave last."""
        entry = self.entries.get(wanted.name)
        digest = entry.package_digest if entry and entry.fits(wanted) else ""
        recalled = self.fetcher.cache.recall(self.fetcher.origin, wanted.request_digest)
        return self.fetcher.cached(digest) or self.fetcher.cached(recalled)


def _is_free(target: Path) -> bool:
    return not target.is_symlink() and (not target.exists() or (target.is_dir() and not any(target.iterdir())))


def _request(wanted: Wanted) -> PackageRequest:
    return PackageRequest(wanted.template, wanted.params, compression=wanted.compression)


def _same(here: Report | None, report: Report) -> bool:
    return here is not None and here.manifest.package_digest == report.manifest.package_digest


def _check_lock(manifest: Manifest, entry: Locked, wanted: Wanted) -> None:
    """Step 3. DigestMismatch with both digests."""
    found = lock_entry(manifest, wanted)
    if dataclasses.replace(entry, request_digest=wanted.request_digest) != found:
        raise DigestMismatch(
            f"The package is not the one of hfit.lock: {found.package_digest[:16]}, not {entry.package_digest[:16]}.",
            reason="The data, the template or the policy has changed since it was locked.",
            suggestions=[f"See what would change: hfit refresh --check {wanted.name}", "Accept it: hfit refresh"],
        )
