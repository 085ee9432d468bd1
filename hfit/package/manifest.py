"""The signed table of contents of a package, and what may be believed of it.

1. The signature covers the exact bytes, and its key must be trusted for the server that the manifest names.
2. The bytes are the one canonical JSON of their value, so that there is one manifest per content.
3. Every member is named once, acceptably (``names``), with size and digest; the package digest is what they add up to.
4. What expires is refused after its time (contract 8.18).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfit.credentials.pins import Trust
from hfit.credentials.ssh_wire import PublicKey
from hfit.credentials.sshsig import PACKAGE_NAMESPACE, verify_signature
from hfit.errors import PackageExpired, PackageInvalid
from hfit.package.names import MANIFEST, SIGNATURE, TIMESTAMPS, check_distinct, check_name
from hfit.text import visible

FORMAT = 1
MAX_MANIFEST_BYTES = 32 << 20
MAX_SIGNATURE_BYTES = 32 << 10
MAX_SIZE = 1 << 50
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the package as the manifest has it."""

    path: str
    size: int
    sha256: str
    provider: str | None
    load_order: int | None
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest whose form is right; ``key`` made the signature and was trusted."""

    package_name: str
    package_digest: str
    server: str
    created: str
    expires: dt.datetime | None
    members: Mapping[str, Member]
    document: Mapping[str, object]
    key: PublicKey


def read_manifest(data: bytes, signature: bytes, trust: Trust, *, allow_hidden: bool = False) -> Manifest:
    """Check signature, trust and form. PackageInvalid or KeyUntrusted; expiry is ``check_expiry``'s."""
    try:
        key = verify_signature(data, signature, PACKAGE_NAMESPACE)  # 1
    except (ValueError, UnicodeDecodeError) as error:
        raise PackageInvalid(
            "The signature of the package is not valid.", reason=visible(error), suggestions=["Download it again."]
        ) from error
    document = _canonical(data)
    server = _text(document, "server")
    trust.check(key, server)  # 1
    if document.get("format") != FORMAT:
        raise PackageInvalid(
            "The package has a format that this hfit does not know.", suggestions=["Install a newer hfit."]
        )
    members = _members(document, allow_hidden=allow_hidden)
    name = check_name(_text(document, "package_name"), allow_hidden=True)
    if "/" in name:
        raise _malformed("package_name")
    manifest = Manifest(
        package_name=name,
        package_digest=_text(document, "package_digest"),
        server=server,
        created=_text(document, "created"),
        expires=_time(document.get("expires")),
        members=members,
        document=document,
        key=key,
    )
    if package_digest(list(members.values())) != manifest.package_digest:  # 3
        raise PackageInvalid("The package digest does not fit the files that the manifest lists.")
    return manifest


def check_expiry(manifest: Manifest, now: dt.datetime | None = None) -> None:
    """Refuse a package whose time is over (step 4)."""
    if manifest.expires is not None and manifest.expires <= (now or dt.datetime.now(dt.UTC)):
        raise PackageExpired(
            f"The package expired at {manifest.expires.isoformat()}.",
            suggestions=["Download it again, and remove this copy."],
        )


def package_digest(members: Sequence[Member]) -> str:
    """Contract 8.1: what two packages of equal content have in common."""
    counted = sorted((member for member in members if member.path != TIMESTAMPS), key=lambda item: item.path.encode())
    return hashlib.sha256("".join(f"{item.sha256}  {item.path}\n" for item in counted).encode()).hexdigest()


def _canonical(data: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(data)
        again = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _malformed("JSON") from error
    if again != data or not isinstance(document, dict):  # 2
        raise PackageInvalid("The manifest is not written in its one canonical form.")
    return document


def _members(document: Mapping[str, object], *, allow_hidden: bool) -> dict[str, Member]:
    listed = document.get("members")
    if not isinstance(listed, list):
        raise _malformed("members")
    members = [_member(item, allow_hidden=allow_hidden) for item in listed]
    check_distinct([*(member.path for member in members), MANIFEST, SIGNATURE])  # 3
    return {member.path: member for member in members}


def _member(item: object, *, allow_hidden: bool) -> Member:
    if not isinstance(item, dict):
        raise _malformed("members")
    path, size, sha256 = item.get("path"), item.get("size"), item.get("sha256")
    provider, order = item.get("provider"), item.get("load_order")
    whole = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE
    named = isinstance(path, str) and isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None
    if not (whole and named) or not isinstance(provider, str | None) or not isinstance(order, int | None):
        raise _malformed("members")
    return Member(check_name(str(path), allow_hidden=allow_hidden), int(str(size)), str(sha256), provider, order, item)


def _text(document: Mapping[str, object], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise _malformed(key)
    return value


def _time(value: object) -> dt.datetime | None:
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise _malformed("expires") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _malformed(what: str) -> PackageInvalid:
    return PackageInvalid("The manifest of the package is malformed.", reason=f"Its '{what}' is missing or wrong.")
