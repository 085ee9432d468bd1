"""What an operator would look at by hand on this machine when ``hfitd`` does not work, or before it has to.

Files and their modes, keys, disks, the end of the audit log, the clock, descriptors, the running daemon. ``check`` asks
the sources. Nothing is changed, and no secret is printed.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import ssl
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from hfitd.access.certificates import days_left, end_of_certificate, state_of_certificate
from hfitd.admin.wire import ask_daemon
from hfitd.audit.keys import load_public_key
from hfitd.audit.tail import newest_records
from hfitd.audit.verify import verify_audit
from hfitd.config.model import Config
from hfitd.errors import HfitError
from hfitd.offer import keys_folder

OK, WARN, FAIL = "ok", "warn", "FAIL"
CLOCK_SECONDS = 30.0  # what two instances may differ by (security promise R17)
DESCRIPTORS = 4096
FREE_SHARE = 0.1
FREE_BYTES = 1024**3
VERIFIED_BYTES = 256 * 1024**2  # more takes longer than somebody waits for a doctor
ASK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it is, and what to do when it is not well."""

    check: str
    state: str  # OK | WARN | FAIL
    words: str
    advice: str = ""


def examine(config: Config, path: Path) -> Iterator[Finding]:
    """All that can be seen from this machine, for the configuration in the file ``path``."""
    yield _look_at_configuration(path)
    yield from _look_at_folders(config)
    yield from _look_at_disks(config)
    yield _look_at_descriptors()
    yield from _look_at_audit(config)
    yield _look_at_daemon(config)
    yield from _look_at_clock(config)
    yield from _look_at_certificates(config)


def _look_at_configuration(path: Path) -> Finding:
    status = path.stat()
    if status.st_mode & 0o022 or status.st_uid not in {0, os.geteuid()}:
        return Finding(
            "configuration", FAIL, "others than its owner, root or hfitd may change it, and with it who may see what",
            "Give it to root: chown root:hfitd, chmod 0640.",
        )  # fmt: skip
    return Finding("configuration", OK, "only root or its owner may change it")


def _look_at_folders(config: Config) -> Iterator[Finding]:
    keys = keys_folder(config)
    for name, folder in (("data_dir", config.server.data_dir), ("keys_dir", keys)):
        if not folder.is_dir():
            yield Finding(name, WARN, "does not exist yet", "hfitd makes it at its first start.")
        elif problem := _too_open([folder]):
            yield Finding(name, FAIL, problem, "Set it to mode 0700, owned by the user of hfitd.")
        else:
            yield Finding(name, OK, "is private")
    if keys.is_dir():
        files = [item for item in keys.iterdir() if item.is_file()]
        problem = _too_open(files)
        advice = "Set them to mode 0600. Who may have read a key: rotate it (hfitd key rotate)."
        yield Finding("keys", FAIL if problem else OK, problem or f"{len(files)} files, all private", advice)


def _too_open(paths: Iterable[Path]) -> str:
    """How many of them somebody else may read or owns, or nothing."""
    bad = 0
    for path in paths:
        status = path.lstat()
        bad += bool(stat.S_IMODE(status.st_mode) & 0o077) or status.st_uid not in {0, os.geteuid()}
    return f"{bad} can be read by others, or belong to somebody else" if bad else ""


def _look_at_disks(config: Config) -> Iterator[Finding]:
    audit = config.audit.folder or config.server.data_dir / "audit"
    kept = config.artifacts.url.removeprefix("file:") if config.artifacts.url.startswith("file:") else ""
    places = {"spool": config.server.data_dir, "audit": audit}
    if kept:
        places["packages"] = Path(kept)
    for name, folder in places.items():
        there = next(place for place in (folder, *folder.parents) if place.exists())
        usage = shutil.disk_usage(there)
        needed = max(FREE_BYTES, 2 * config.limits.package_bytes if name == "spool" else 0)
        words = f"{usage.free / 1024**3:.1f} GiB free ({usage.free / usage.total:.0%})"
        if usage.free < needed:
            yield Finding(f"disk of {name}", FAIL, words, f"Free it: {needed / 1024**3:.0f} GiB may be needed at once.")
        elif usage.free < FREE_SHARE * usage.total:
            yield Finding(f"disk of {name}", WARN, words, "Without space no audit record, and without that no data.")
        else:
            yield Finding(f"disk of {name}", OK, words)


def _look_at_descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS:
        advice = "Set LimitNOFILE=65536 in the unit (this shell's own limit was looked at)."
        return Finding("descriptors", WARN, f"at most {soft}; each reader of a package needs two", advice)
    return Finding("descriptors", OK, "enough" if soft == resource.RLIM_INFINITY else f"{soft}")


def _look_at_audit(config: Config) -> Iterator[Finding]:
    folder = config.audit.folder or config.server.data_dir / "audit"
    key = keys_folder(config) / "audit.pub"
    segments = list(folder.glob("*.jsonl")) if folder.is_dir() else []
    if not segments or not key.is_file():
        yield Finding("audit", WARN, "no record yet", "hfitd writes the first one when it starts.")
        return
    size = sum(path.stat().st_size for path in segments)
    if size > VERIFIED_BYTES:
        yield Finding("audit", OK, f"{size / 1024**2:.0f} MiB; too much to follow now", "Run: hfitd audit verify")
        return
    try:
        report = verify_audit(folder, load_public_key(key))
    except HfitError as error:
        yield Finding("audit", FAIL, error.message, "Look at the folder's owner and mode.")
        return
    if report.problems:
        yield Finding("audit", FAIL, str(report.problems[0]), "Run: hfitd audit verify. Keep the folder as it is.")
    else:
        yield Finding("audit", OK, f"{report.records} records, the chain is whole")


def _look_at_daemon(config: Config) -> Finding:
    path = config.server.admin_socket or config.server.data_dir / "admin.sock"
    try:
        status = ask_daemon(path, "status", {}, ASK_SECONDS)
    except HfitError as error:
        return Finding("daemon", WARN, error.message, "Start it: systemctl start hfitd, or hfitd serve.")
    assert isinstance(status, dict)
    told = status.get("reload")
    if isinstance(told, dict) and told["mistakes"]:
        return Finding("daemon", FAIL, "the last reload was refused", "The log names what is wrong; correct the file.")
    if isinstance(told, dict) and told["needs_restart"]:
        return Finding("daemon", WARN, "the file holds changes that need a restart", "Restart it.")
    if status["store"] != "ok" or status["audit"] != "ok":
        return Finding("daemon", FAIL, f"store {status['store']}, audit {status['audit']}", "See docs/runbook.md.")
    return Finding("daemon", OK, f"version {status['version']}, {status['instances']} instances")


def _look_at_clock(config: Config) -> Iterator[Finding]:
    """Against the newest audit record, and against whoever answers at the origin: this daemon or a load balancer."""
    advice = "Let the clock be set by NTP (timedatectl). Logins, tokens and expiry depend on it."
    newest = _newest_record(config)
    if newest is not None and newest - time.time() > CLOCK_SECONDS:
        yield Finding("clock", FAIL, "is behind the newest audit record", advice)
        return
    try:
        with urllib.request.urlopen(f"{config.server.origin}/health", timeout=ASK_SECONDS) as answer:  # noqa: S310
            there = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (OSError, ValueError, TypeError, urllib.error.URLError):
        yield Finding("origin", WARN, "does not answer from here", "See server.origin, the load balancer, and its TLS.")
        return
    apart = abs(there - time.time())
    words = f"{apart:.0f} s apart from whoever answers at the origin"
    yield Finding("clock", FAIL if apart > CLOCK_SECONDS else OK, words, advice)


def _look_at_certificates(config: Config) -> Iterator[Finding]:
    """The one that hfitd has, and the one at the origin, which may be a load balancer's."""
    name, path = "certificate", config.server.tls_certificate
    if path is not None:
        try:
            yield _certificate(name, end_of_certificate(path))
        except (OSError, ValueError):
            yield Finding(name, FAIL, "cannot be read", "Look at server.tls_certificate.")
    origin = urlsplit(config.server.origin)
    if origin.scheme == "https" and origin.hostname is not None:
        name = "certificate at the origin"
        try:
            yield _certificate(name, _end_at(origin.hostname, origin.port or 443))
        except ssl.SSLCertVerificationError as error:
            yield Finding(name, FAIL, f"is not accepted: {error.verify_message}", "Clients will not accept it either.")
        except (OSError, ValueError):
            pass  # that nobody answers is a finding of its own


def _end_at(host: str, port: int) -> float:
    with (
        socket.create_connection((host, port), ASK_SECONDS) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
    ):
        return float(ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"])))


def _certificate(name: str, ends: float) -> Finding:
    left = days_left(ends, time.time())
    words = f"ended {-left:.0f} days ago" if left <= 0 else f"ends in {left:.0f} days"
    state = {"ok": OK, "ends soon": WARN, "expired": FAIL}[state_of_certificate(ends, time.time())]
    return Finding(name, state, words, "Renew it, then restart hfitd; a load balancer needs its own reload.")


def _newest_record(config: Config) -> float | None:
    folder = config.audit.folder or config.server.data_dir / "audit"
    if not folder.is_dir():
        return None
    found = newest_records(folder, 1)
    return datetime.fromisoformat(str(found[-1]["time"])).timestamp() if found else None
