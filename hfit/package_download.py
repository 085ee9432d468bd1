"""From a template's name to a verified package on this machine.

1. The archive goes into a hidden part file; nothing of it is used before the whole of it is verified, which is done
   while it arrives where that is possible.
2. It must be signed by a pinned key of the very server that was asked. A key that a pinned one endorsed is learned.
3. Then it is extracted beside its place and renamed, or kept as an archive, or its SQL goes to standard output.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hfit.building import Watch, following
from hfit.credentials.pins import Trust, learn_keys, parse_offered_keys, read_pins
from hfit.errors import HfitClientError, IntegrityFailed, KeyUntrusted, PackageInvalid, UsageMistake
from hfit.gateway import Gateway, Parameters
from hfit.package.arriving import ArrivingArchive, arriving
from hfit.package.extract import extracted
from hfit.package.manifest import MAX_MANIFEST_BYTES, Member, check_expiry
from hfit.package.names import MANIFEST
from hfit.package.place import check_target, clear_leftovers, locked, place, place_file
from hfit.package.verify import Report, judge, scan_archive, verify_package
from hfit.told import NOBODY, Told
from hfit.transfer import PartFile, Record, receive
from hfit.transport import Response

EXTENSIONS: Mapping[str, str] = {"gzip": ".tar.gz", "zstd": ".tar.zst", "none": ".tar"}
MAX_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """What to download and where to. ``output`` None is the package's own name in the current folder."""

    template_name: str
    parameters: Parameters = ()
    output: Path | None = None
    archive: bool = False
    compression: str = "gzip"
    refresh: bool = False
    force: bool = False
    allow_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A package that is in its place. ``unchanged``: the earlier copy was still right, nothing was transferred."""

    path: Path
    report: Report
    package_id: str = ""
    cache: str = ""
    unchanged: bool = False

    def document(self) -> dict[str, object]:
        """As JSON."""
        extra = {"package_id": self.package_id, "cache": self.cache, "unchanged": self.unchanged}
        return {**self.report.document(), "path": str(self.path), **extra}


@dataclass(frozen=True, slots=True)
class _PackageSource:
    gateway: Gateway
    request: PackageRequest
    watch: Watch
    known_digest: str = ""

    def start(self) -> Response:
        request = self.request
        self.watch.begin()
        response = self.gateway.open_package(
            request.template_name,
            request.parameters,
            compression=request.compression,
            refresh=request.refresh,
            known_digest=self.known_digest,
            watch=self.watch.name,
        )
        if response.status == 200 and response.content_length is None:
            self.watch.answered(response.headers.get("x-hfit-package", ""))
        else:
            self.watch.end()
        return response

    def resume(self, record: Record, headers: Mapping[str, str]) -> Response:
        return self.gateway.reopen_package(record.package_id, headers)


def download_package(gateway: Gateway, request: PackageRequest, told: Told = NOBODY) -> Downloaded:
    """Download, verify and place a package. Raises what its parts raise; nothing half-done gets the target's name."""
    folder = request.output.parent if request.output else Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    trust = Trust(read_pins(gateway.settings.config_dir))
    if request.output is not None:
        check_target(request.output, trust, force=request.force, archive=request.archive)
    known = None if request.refresh else _known_package(gateway.origin, request, folder, trust)
    part = _part(gateway, request, folder)
    with locked(part.lock_target):
        if request.refresh:
            part.discard()
        digest = known.manifest.package_digest if known else ""
        with arriving(part.path) as archive:
            with following(gateway, told) as watch:
                source = _PackageSource(gateway, request, watch, digest)
                record, status = receive(source, part, told.arriving, listener=archive)
            if status == 304:
                if known is None:
                    raise PackageInvalid("The server says that nothing changed, but there is no earlier package here.")
                return Downloaded(known.path, known, unchanged=True)
            with part.path.open("rb") as file:
                try:
                    report, trust = _verify(gateway, request, file, part.path, archive)
                except IntegrityFailed:
                    part.discard()
                    raise
                if not request.archive:
                    target = request.output or Path.cwd() / report.manifest.package_name
                    _put_folder(request, file, report, target, trust)
        if request.archive:
            target = request.output or Path.cwd() / (report.manifest.package_name + EXTENSIONS[request.compression])
            with locked(target):
                check_target(target, trust, force=request.force, archive=True)
                place_file(part.path, target)
        part.discard()
    return Downloaded(target, report, record.package_id, record.cache)


@contextlib.contextmanager
def fetched_archive(
    gateway: Gateway, request: PackageRequest, folder: Path, known_digest: str, told: Told = NOBODY
) -> Iterator[Report | None]:
    """A verified archive in ``folder``, under a name of its own, for the block to take away; steps 1 and 2.

    None when the server says that ``known_digest`` is still the digest of what it would send. What the block leaves is
    removed; a broken download stays, for the next run to go on with.
    """
    part = _part(gateway, request, folder)
    with locked(part.lock_target), arriving(part.path) as archive:
        with following(gateway, told) as watch:
            source = _PackageSource(gateway, request, watch, known_digest)
            _, status = receive(source, part, told.arriving, listener=archive)
        if status == 304:
            yield None
            return
        try:
            with part.path.open("rb") as file:
                report, _ = _verify(gateway, request, file, part.path, archive)
            yield report
        finally:
            part.discard()


def stream_sql(
    gateway: Gateway, request: PackageRequest, provider: str | None, out: BinaryIO, told: Told = NOBODY
) -> Report:
    """Write the SQL of a package to ``out`` in load order; everything is verified before the first byte."""
    with tempfile.TemporaryDirectory(prefix="hfit-") as temporary:
        part = _part(gateway, request, Path(temporary))
        with arriving(part.path) as archive:
            with following(gateway, told) as watch:
                receive(_PackageSource(gateway, request, watch), part, told.arriving, listener=archive)
            with part.path.open("rb") as file:
                report, _ = _verify(gateway, request, file, part.path, archive)
                members = sql_members(report, provider)
                with extracted(file, report, Path(temporary) / "package") as folder:
                    for member in members:
                        with (folder / member.path).open("rb") as source:
                            shutil.copyfileobj(source, out)
    return report


def sql_members(report: Report, provider: str | None) -> list[Member]:
    """The loadable SQL members of one provider, in load order. UsageMistake when it is not clear which provider."""
    members = [m for m in report.manifest.members.values() if m.path.endswith(".sql") and m.load_order is not None]
    providers = sorted({member.provider or "" for member in members})
    if provider is not None and provider not in providers:
        raise UsageMistake(
            f"The package has no SQL of the provider '{provider}'.", suggestions=["It has: " + ", ".join(providers)]
        )
    if provider is None and len(providers) > 1:
        raise UsageMistake(
            "The package has SQL of several providers; one database cannot take it all.",
            suggestions=["Choose one: " + ", ".join(f"--provider {name}" for name in providers)],
        )
    chosen = [member for member in members if provider is None or member.provider == provider]
    if not chosen:
        raise UsageMistake("The package has no SQL to load.", suggestions=["Download it without --stream-sql."])
    return sorted(chosen, key=lambda member: (member.load_order or 0, member.path.encode()))


def _part(gateway: Gateway, request: PackageRequest, folder: Path) -> PartFile:
    parameters = request.parameters
    plain = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
    return PartFile(folder, [gateway.origin, "package", request.template_name, plain, request.compression])


def _verify(
    gateway: Gateway, request: PackageRequest, file: BinaryIO, path: Path, archive: ArrivingArchive
) -> tuple[Report, Trust]:
    """Steps 1 and 2; ``archive`` has followed the file while it arrived."""
    config_dir = gateway.settings.config_dir
    trust = Trust(read_pins(config_dir))
    scan = archive.finish(file) or scan_archive(file)
    try:
        report = judge(scan, path, trust, allow_hidden=request.allow_hidden)
    except KeyUntrusted:
        if not learn_keys(config_dir, gateway.origin, parse_offered_keys(gateway.package_keys())):
            raise
        trust = Trust(read_pins(config_dir))
        report = judge(scan, path, trust, allow_hidden=request.allow_hidden)
    if report.manifest.server != gateway.origin:
        raise PackageInvalid(
            "The package was made by another server than the one that was asked.",
            reason=f"You asked {gateway.origin}, the package is of {report.manifest.server}.",
        )
    check_expiry(report.manifest)
    return report, trust


def _put_folder(request: PackageRequest, file: BinaryIO, report: Report, target: Path, trust: Trust) -> None:
    """Step 3."""
    with locked(target):
        clear_leftovers(target)
        check_target(target, trust, force=request.force)
        with extracted(file, report, target) as folder:
            place(folder, target, trust, force=request.force)


def _known_package(origin: str, request: PackageRequest, folder: Path, trust: Trust) -> Report | None:
    """An unmodified earlier package of the same template, whose digest is worth telling the server."""
    if request.output is not None:
        candidates = [request.output]
    elif request.archive:
        candidates = []
    else:
        candidates = _candidates(origin, request, folder)
    for candidate in candidates:
        if candidate.is_symlink() or not candidate.exists():
            continue
        try:
            report = verify_package(candidate, trust, allow_hidden=request.allow_hidden)
        except HfitClientError:
            continue
        right_name = request.output is not None or report.manifest.package_name == candidate.name
        if report.manifest.server == origin and right_name:
            return report
    return None


def _candidates(origin: str, request: PackageRequest, folder: Path) -> list[Path]:
    """Folders below ``folder`` that claim the same template and parameters."""
    found = []
    for number, path in enumerate(folder.glob(f"*/{MANIFEST}")):
        if number == MAX_LOOKED_AT:
            break
        document = _claims(path)
        template = document.get("template")
        name = template.get("name") if isinstance(template, dict) else None
        wanted = request.template_name.rpartition(":")[2].partition("@")[0]
        same = name == wanted and document.get("server") == origin
        if same and _same_parameters(document.get("parameters"), request.parameters):
            found.append(path.parent.parent)
    return found[:1]


def _claims(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MAX_MANIFEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _same_parameters(had: object, wanted: Parameters) -> bool:
    """Whether every wanted value is among those the package was made with; the server decides in the end."""
    values: Sequence[object] = list(had.values()) if isinstance(had, dict) else had if isinstance(had, list) else []
    asked = list(wanted.values()) if isinstance(wanted, Mapping) else list(wanted)
    return {str(value) for value in asked} <= {str(value) for value in values}
