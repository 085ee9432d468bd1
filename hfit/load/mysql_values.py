"""Values of MySQL in one spelling, read from INSERT statements of our packages and from a target, for ``verify``.

Text is its UTF-8 bytes, bytes are bytes. Floats are compared as doubles (as single floats where the column is one),
decimals and everything else by the text that the server prints.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hfit.load.interface import Canon, Cells

_CELL = re.compile(
    rb"(?:(NULL)|'((?:[^']++|'')*+)'|(?:_[a-z0-9]+ )?[xX]'([0-9A-Fa-f]*)'|([^,()']+))([,)])\s*,?\s*\(?", re.S
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a column is read from the target, and how its cells are made comparable."""

    select: str
    canon: Canon


def read_values(text: bytes, start: int) -> Iterator[Cells]:
    """The rows behind VALUES."""
    row: list[bytes | None] = []
    at = text.index(b"(", start) + 1
    for null, quoted, digits, plain, end in _CELL.findall(text[at:]):
        if null:
            row.append(None)
        elif plain:
            row.append(plain)
        else:
            row.append(bytes.fromhex(digits.decode("ascii")) if digits else _single(quoted))
        if end == b")":
            yield tuple(row)
            row = []


def _single(quoted: bytes) -> bytes:
    return quoted.replace(b"''", b"'").replace(b"\\\\", b"\\")


def same(cell: bytes) -> bytes:
    """As it stands."""
    return cell


def as_double(cell: bytes) -> bytes:
    """A number as the double it is."""
    return struct.pack(">d", float(cell))


def as_single(cell: bytes) -> bytes:
    """A number as the single float it is."""
    return struct.pack(">f", float(cell))
