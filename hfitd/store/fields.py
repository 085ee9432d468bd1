"""Strict reading of the JSON objects that records hold: exact fields, exact types, no duplicates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from hfitd.errors import StoreUnavailable


def dump_fields(fields: Mapping[str, object]) -> bytes:
    """The object as canonical JSON."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load_fields(value: bytes, shape: Mapping[str, type]) -> dict[str, object]:
    """The object with exactly the fields of ``shape``; StoreUnavailable for anything else.

    A record that cannot be read fully is not read partly: half a user could be one without his restrictions.
    """
    try:
        return check_fields(json.loads(value, object_pairs_hook=_without_duplicates), shape)
    except (ValueError, RecursionError) as error:
        raise StoreUnavailable("A record of the store cannot be read by this version.") from error


def check_fields(value: object, shape: Mapping[str, type]) -> dict[str, object]:
    """The same for an object that is parsed already; ValueError."""
    if not isinstance(value, dict) or value.keys() != shape.keys():
        raise ValueError("not an object of these fields")
    if any(type(value[name]) is not kind for name, kind in shape.items()):
        raise ValueError("a field of another type")
    return value


def timestamp_now() -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def timestamp_of(seconds: float) -> str:
    """A moment in seconds since 1970 as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=0).isoformat()


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field stands twice")
    return value
