"""``hfit.lock``: which package each entry of ``hfit.toml`` was the last time; TOML, for version control.

The same entries always give the same bytes, so that the file changes only when a package does. ``size`` counts the
bytes of the files that the package digest covers; ``request_digest`` tells an entry that was asked for otherwise.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hfit.errors import IntegrityFailed, PackageInvalid
from hfit.package.manifest import Manifest
from hfit.package.names import TIMESTAMPS
from hfit.refresh.project import Wanted
from hfit.text import visible

HEAD = "# Written by `hfit refresh`. Keep it in version control; do not edit it.\nversion = 1\n"
VERSION = 1
MAX_FILE_BYTES = 16 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Locked:
    """One entry. ``request_digest`` is empty in a file that was written by hand."""

    template_digest: str
    package_digest: str
    size: int
    request_digest: str = ""

    def fits(self, wanted: Wanted) -> bool:
        """Whether the entry is for what ``hfit.toml`` asks for today."""
        return self.request_digest in ("", wanted.request_digest)


def lock_entry(manifest: Manifest, wanted: Wanted) -> Locked:
    """What is written for a package that is in its place. PackageInvalid without a template digest."""
    template = manifest.document.get("template")
    digest = template.get("digest") if isinstance(template, dict) else None
    if not isinstance(digest, str):
        raise PackageInvalid("The manifest of the package does not say which template made it.")
    size = sum(member.size for member in manifest.members.values() if member.path != TIMESTAMPS)
    return Locked(digest, manifest.package_digest, size, wanted.request_digest)


def read_lock(path: Path) -> dict[str, Locked]:
    """The entries by package name; empty without a file. IntegrityFailed when it is not a lock file of ours."""
    try:
        with path.open("rb") as file:
            data = tomllib.loads(file.read(MAX_FILE_BYTES).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, visible(error)) from error
    if data.get("version", VERSION) != VERSION:
        raise _damaged(path, "It is of a version that this hfit does not know.")
    tables = data.get("packages", {})
    if not isinstance(tables, dict):
        raise _damaged(path, "Its packages are not a table.")
    return {name: _entry(path, name, table) for name, table in tables.items()}


def write_lock(path: Path, entries: Mapping[str, Locked]) -> bool:
    """Replace the file atomically; False when it already holds exactly this."""
    text = lock_text(entries).encode()
    try:
        if path.read_bytes() == text:
            return False
    except FileNotFoundError:
        pass
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return True


def lock_text(entries: Mapping[str, Locked]) -> str:
    """The one spelling of these entries: sorted by name, one key a line."""
    return HEAD + "".join(_table(name, entry) for name, entry in sorted(entries.items()))


def _table(name: str, entry: Locked) -> str:
    lines = [
        f"\n[packages.{_key(name)}]",
        f"template_digest = {json.dumps(entry.template_digest)}",
        f'package_digest = "{entry.package_digest}"',
        f"size = {entry.size}",
    ]
    if entry.request_digest:
        lines.append(f"request_digest = {json.dumps(entry.request_digest)}")
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _entry(path: Path, name: str, table: object) -> Locked:
    fields = table if isinstance(table, dict) else {}
    template, package, size = fields.get("template_digest"), fields.get("package_digest"), fields.get("size")
    request = fields.get("request_digest", "")
    texts = isinstance(template, str) and isinstance(package, str) and isinstance(request, str)
    if not texts or not _DIGEST.fullmatch(str(package)) or not isinstance(size, int) or isinstance(size, bool):
        raise _damaged(path, f"The entry of '{visible(name, limit=100)}' is not complete.")
    return Locked(str(template), str(package), size, str(request))


def _damaged(path: Path, reason: str) -> IntegrityFailed:
    return IntegrityFailed(
        f"{path} is damaged.",
        reason=reason,
        suggestions=["Take it from version control, or remove it and run: hfit refresh"],
    )
