"""What a line of the audit log says, and how it is spelled.

A line is one JSON object in ASCII with sorted keys and no blanks, so there is one spelling of every record and no
value can end the line or reach a terminal: newlines, escapes, U+2028 and lone surrogates are ``\\uXXXX`` and come back
unchanged (D02). A long text or list keeps its beginning, its length and the SHA-256 of the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import cast

MAX_TEXT = 4096
MAX_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who wants what. Empty fields are left out of the line.

    ``action`` is a grant's action or a word for what is no grant: "login", "admin.user.add". ``columns`` are full
    names, ``masks`` say which mask covers which of them, ``raw`` which of them are given without theirs.
    ``parameters`` are digests of values, ``statement`` is a text with its literals replaced by
    ``AuditLog.value_digest``; no field may hold a value, a token, a nonce or a password.
    """

    action: str
    email: str = ""
    key_fingerprint: str = ""
    token_id: str = ""
    address: str = ""
    objects: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    policy_version: str = ""
    template_digest: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    statement: str = ""
    request_id: str = ""
    reason: str = ""
    os_uid: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableCount:
    """How much of one object (``PROVIDER/SCHEMA/TABLE``) was read: rows, and bytes where they are known apart."""

    object: str
    rows: int
    size: int = 0


def record_fields(record: AuditRecord) -> dict[str, object]:
    """The fields of a record that say something, shortened."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    return {name: shorten(value) for name, value in values.items() if value not in ("", (), {}, None)}


def shorten(value: object) -> object:
    """The value as JSON takes it; what is too long becomes its beginning with length and digest of the rest."""
    if isinstance(value, str):
        if len(value) <= MAX_TEXT:
            return value
        rest = hashlib.sha256(value[MAX_TEXT:].encode("utf-8", "surrogatepass")).hexdigest()
        return {"beginning": value[:MAX_TEXT], "length": len(value), "rest_sha256": rest}
    if isinstance(value, Mapping):
        pairs = cast(Mapping[str, object], value)
        if len(pairs) <= MAX_ITEMS and all(len(key) <= MAX_TEXT for key in pairs):
            return {key: shorten(item) for key, item in pairs.items()}
        return shorten([[key, item] for key, item in sorted(pairs.items())])
    if isinstance(value, Sequence):
        items = [shorten(item) for item in cast(Sequence[object], value[:MAX_ITEMS])]
        if len(value) <= MAX_ITEMS:
            return items
        rest = hashlib.sha256(canonical(list(value[MAX_ITEMS:]))).hexdigest()
        return {"beginning": items, "length": len(value), "rest_sha256": rest}
    return value


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
