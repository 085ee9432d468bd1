"""The manifest: what a package holds, where it came from, under which policy; signed and last.

Canonical JSON: keys sorted, no blanks, UTF-8. The package digest is SHA-256 over ``<sha256>  <path>\\n`` lines sorted
by path bytes, of all members but those three that carry times or the digest itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hfitd.model import Json

MANIFEST = "METADATA/manifest.json"
SIGNATURE = "METADATA/manifest.sig"
TIMESTAMPS = "METADATA/timestamps.json"
SIGNATURE_NAMESPACE = "hfit-package@hfitd.v1"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table inside a member; ``masks`` maps columns to mask names, ``size`` are its bytes, for the audit log."""

    table: str
    rows: int
    masks: Mapping[str, str]
    size: int = 0


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """One member as the manifest lists it."""

    path: str
    size: int
    sha256: str
    kind: str  # "ddl" | "data" | "rows" | "file" | "metadata"
    rows: int | None = None
    provider: str | None = None
    engine: str | None = None
    table: str | None = None
    load_order: int | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[TableEntry, ...] = ()
    details: Mapping[str, Json] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """The member as JSON."""
        document: dict[str, Json] = {"path": self.path, "size": self.size, "sha256": self.sha256, "kind": self.kind}
        optional: dict[str, Json] = {
            "rows": self.rows,
            "provider": self.provider,
            "engine": self.engine,
            "table": self.table,
            "load_order": self.load_order,
        }
        document.update({name: value for name, value in optional.items() if value is not None})
        document["masks"] = dict(self.masks)
        if self.tables:
            document["tables"] = [{"table": t.table, "rows": t.rows, "masks": dict(t.masks)} for t in self.tables]
        document.update(self.details)
        return document


def canonical_json(value: Json) -> bytes:
    """The one spelling of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def package_digest(members: Iterable[MemberEntry]) -> str:
    """Digest of the content that the same template, parameters, policy and data always give (hex)."""
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda entry: entry.path.encode()):
        if member.path not in {TIMESTAMPS, MANIFEST, SIGNATURE}:
            digest.update(f"{member.sha256}  {member.path}\n".encode())
    return digest.hexdigest()
