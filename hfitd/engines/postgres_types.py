"""What PostgreSQL's types are to us: their kind, their spelling without modifiers, and which texts they take.

A bound value is converted strictly: only the spellings that PostgreSQL itself prints are let through, so that
``now``, ``0x2A``, ``1_000`` or a table name as a ``regclass`` never mean something on the server.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hfitd.errors import ParamInvalid
from hfitd.model import Kind

TYPES_SQL = """
WITH RECURSIVE chain (oid, base, typmod, depth) AS (
    SELECT t.oid, t.oid, -1, 0 FROM pg_catalog.pg_type t WHERE t.oid = ANY ($1::pg_catalog.oid[])
    UNION ALL
    SELECT c.oid, t.typbasetype, t.typtypmod, c.depth + 1
    FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.base WHERE t.typtype = 'd'
)
SELECT DISTINCT ON (c.oid) c.oid::pg_catalog.int8 AS oid, pg_catalog.format_type(c.oid, -1) AS spelled, c.typmod,
    b.typname::pg_catalog.text AS name, n.nspname::pg_catalog.text AS schema, b.typtype::pg_catalog.text AS sort
FROM chain c JOIN pg_catalog.pg_type b ON b.oid = c.base JOIN pg_catalog.pg_namespace n ON n.oid = b.typnamespace
ORDER BY c.oid, c.depth DESC
"""
"""Types by OID with their base beneath every domain; ``format_type(oid, -1)`` is the name that never truncates
(``bpchar`` and not ``character``, which would be ``character(1)``)."""

NAMED_TYPES_SQL = """
SELECT name, pg_catalog.to_regtype(name)::pg_catalog.oid::pg_catalog.int8 AS oid
FROM pg_catalog.unnest($1::pg_catalog.text[]) AS given (name)
"""


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """A type: how to write it in a cast, and what it is beneath its domains."""

    oid: int
    spelled: str
    name: str  # typname of the base
    schema: str
    sort: str  # pg_type.typtype of the base
    typmod: int = -1  # that the innermost domain fixes

    @property
    def kind(self) -> Kind:
        """The kind of its values."""
        if self.sort == "e" or self.name == "citext":
            return Kind.TEXT
        return _KINDS.get(self.name, Kind.OTHER) if self.schema == "pg_catalog" else Kind.OTHER

    @property
    def operators(self) -> str:
        """The schema of its operators when they are not built in. Enums, ranges and rows use the built-in ones; an
        array of such a type does too, but then fails loudly rather than compare its elements as something else."""
        return self.schema if self.sort == "b" and self.schema != "pg_catalog" else ""

    @property
    def is_array(self) -> bool:
        """Whether it is an array, whose text can be long."""
        return self.spelled.endswith("[]") or self.name.startswith("_")


def type_infos(records: Iterable[Mapping[str, object]]) -> dict[int, TypeInfo]:
    """Rows of ``TYPES_SQL`` by OID."""
    infos = (
        TypeInfo(
            oid=int(str(record["oid"])),
            spelled=str(record["spelled"]),
            name=str(record["name"]),
            schema=str(record["schema"]),
            sort=str(record["sort"]),
            typmod=int(str(record["typmod"])),
        )
        for record in records
    )
    return {info.oid: info for info in infos}


def max_length(info: TypeInfo, typmod: int) -> int | None:
    """Characters (bits for bit types) the type holds; None is unbounded. A character typmod counts 4 header bytes."""
    modifier = typmod if typmod >= 0 else info.typmod
    if modifier < 0 or info.schema != "pg_catalog":
        return None
    if info.name in {"varchar", "bpchar"}:
        return modifier - 4
    return modifier if info.name in {"bit", "varbit"} else None


def checked_value(value: str, info: TypeInfo, label: str) -> str:
    """The text to bind for a value of this type; ParamInvalid naming ``label``, never the value."""
    if "\0" in value or not _is_unicode(value):
        raise invalid_value(label, info)
    if info.schema != "pg_catalog" or info.sort != "b":
        return value
    if info.name == "bytea":
        return _bytes_value(value, label, info)
    limits = _INTEGERS.get(info.name)
    if limits is not None:
        if not _INTEGER.fullmatch(value) or not limits[0] <= int(value) <= limits[1]:
            raise invalid_value(label, info)
        return value
    pattern = _PATTERNS.get(info.name)
    if pattern is not None and not pattern.fullmatch(value):
        raise invalid_value(label, info)
    return value


def is_proved(info: TypeInfo) -> bool:
    """Whether ``checked_value`` is all the checking a value needs, so that the server need not be asked."""
    return info.schema == "pg_catalog" and (info.name in _INTEGERS or info.name in _PROVED)


def invalid_value(label: str, info: TypeInfo | None = None) -> ParamInvalid:
    """The refusal of one bound value."""
    name = f'"{label}"' if label else "A value"
    kind = f" for type {info.spelled}" if info else ""
    return ParamInvalid(f"{name} is not valid{kind}.", resource=label or None)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes_value(value: str, label: str, info: TypeInfo) -> str:
    r"""Base64 as ``rows`` prints it, or the server's own ``\x`` form; a backslash is not in base64."""
    if value.startswith("\\x"):
        if not _HEX.fullmatch(value):
            raise invalid_value(label, info)
        return value
    try:
        return "\\x" + base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        raise invalid_value(label, info) from None


_DATE = r"\d{4,7}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-4]):[0-5]\d(?::(?:[0-5]\d|60)(?:\.\d{1,6})?)?"
_ZONE = r"(?:Z|[+-]\d\d(?::?\d\d(?::\d\d)?)?)"
_STAMP = rf"{_DATE}(?:[ T]{_CLOCK})?"
_FLOAT = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|-?Infinity|NaN", re.ASCII)
_OID_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_HEX = re.compile(r"\\x(?:[0-9a-fA-F]{2})*")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)
_INTEGERS: Mapping[str, tuple[int, int]] = {
    "int2": (-(2**15), 2**15 - 1),
    "int4": (-(2**31), 2**31 - 1),
    "int8": (-(2**63), 2**63 - 1),
    "oid": (0, 2**32 - 1),
}
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "numeric": re.compile(r"-?\d{1,2000}(?:\.\d{1,2000})?(?:[eE][+-]?\d{1,3})?|-?Infinity|NaN", re.ASCII),
    "float4": _FLOAT,
    "float8": _FLOAT,
    "bool": re.compile(r"true|false|t|f"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "date": re.compile(rf"{_DATE}(?: BC)?|-?infinity", re.ASCII),
    "time": re.compile(_CLOCK, re.ASCII),
    "timetz": re.compile(rf"{_CLOCK}{_ZONE}", re.ASCII),
    "timestamp": re.compile(rf"{_STAMP}(?: BC)?|-?infinity", re.ASCII),
    "timestamptz": re.compile(rf"{_STAMP}{_ZONE}?(?: BC)?|-?infinity", re.ASCII),
    "xid": _OID_NUMBER,
    "cid": _OID_NUMBER,
} | dict.fromkeys(
    # Their text is looked up in the catalogue, which would tell what exists there.
    ("regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator", "regrole", "regnamespace",
     "regcollation", "regconfig", "regdictionary"),
    _OID_NUMBER,
)  # fmt: skip
_PROVED = frozenset(("bool", "uuid", "text", "varchar", "bpchar", "bytea"))
_KINDS: Mapping[str, Kind] = {
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "oid": Kind.INTEGER,
    "numeric": Kind.NUMBER,
    "float4": Kind.NUMBER,
    "float8": Kind.NUMBER,
    "bool": Kind.BOOLEAN,
    "bytea": Kind.BYTES,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "timetz": Kind.TIME,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMP,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "uuid": Kind.UUID,
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "bpchar": Kind.TEXT,
    "char": Kind.TEXT,
    "name": Kind.TEXT,
    "xml": Kind.TEXT,
}
