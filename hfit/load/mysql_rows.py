"""Rows of literals as our packages have them for MySQL, found and looked through at the speed of C.

1. A statement ends at the first ``);`` and line end before which the quotes are even in number: quotes inside a literal
   are doubled, and so are backslashes, wherever they stand.
2. Without what stands between quotes, and with numbers shortened, a table has few kinds of rows. Each kind is looked at
   once, by an expression that knows literals and commas and nothing else.
3. Digits of hexadecimal literals are whole bytes.

What does not fit may still be good: ``grammar`` knows more spellings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_KINDS = 10_000
_END = b");\n"
_BETWEEN_ROWS = b"),\n("
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_HEXADECIMAL = b"0123456789ABCDEFabcdef"
_NUMBER = rb"[-+]?0++(?:\.0++)?(?:[eE][-+]?0++)?"
_LITERAL = rb"(?:'++|" + _NUMBER + rb"|NULL|X')"
_KIND = re.compile(_LITERAL + rb"(?:," + _LITERAL + rb")*+")


def rows_end(text: bytes, start: int) -> int | None:
    """Where the ``;`` is behind the rows that begin at ``start`` (step 1); None when it is not in ``text``, or the
    statement ends in another way than ours."""
    looked_at, quotes, at = start, 0, start
    while (at := text.find(b";", at + 1)) >= 0:
        if text[at - 1 : at + 2] == _END:
            quotes += text.count(b"'", looked_at, at)
            looked_at = at
            if quotes % 2 == 0:
                return at
    return None


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows, and as bits of their columns where numbers, texts and hexadecimal literals stand."""

    count: int
    bare: int
    quoted: int
    hexed: int


class RowsReader:
    """Looks through the rows of one statement after the other."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, tuple[int, int, int] | None] = {}

    def read(self, text: bytes) -> Rows | None:
        """What stands in rows (steps 2 and 3), or None."""
        backslashes = text.count(b"\\")
        if text[:1] != b"(" or text[-1:] != b")" or backslashes != 2 * (backslashes and text.count(b"\\\\")):
            return None
        pieces = text.split(b"'")
        outside = b"'".join(pieces[::2]).translate(_DIGITS)
        for zeros in (b"00000000", b"000", b"00"):
            outside = outside.replace(zeros, b"0")
        listed = outside[1:-1].split(_BETWEEN_ROWS)
        bare = quoted = hexed = 0
        for kind in set(listed):
            columns = self._columns_of(kind)
            if columns is None or len(pieces) % 2 == 0:
                return None
            bare, quoted, hexed = bare | columns[0], quoted | columns[1], hexed | columns[2]
        if hexed and not _are_bytes(text):
            return None
        return Rows(len(listed), bare, quoted, hexed)

    def _columns_of(self, kind: bytes) -> tuple[int, int, int] | None:
        """Step 2: the columns with numbers, texts and hexadecimal literals as bits; None for no row of literals."""
        if kind not in self._kinds:
            if len(self._kinds) >= MAX_KINDS:
                self._kinds.clear()
            self._kinds[kind] = _columns_of(kind) if _KIND.fullmatch(kind) else None
        return self._kinds[kind]


def _columns_of(kind: bytes) -> tuple[int, int, int]:
    bare = quoted = hexed = 0
    for number, literal in enumerate(kind.split(b",")):
        if literal[:1] == b"'":
            quoted |= 1 << number
        elif literal == b"X'":
            hexed |= 1 << number
        elif literal != b"NULL":
            bare |= 1 << number
    return bare, quoted, hexed


def _are_bytes(text: bytes) -> bool:
    """Step 3. The same letters may stand inside a text, where the quote is doubled: no digits, so no harm. At the end
    of one they are harmless too, but only the second look, which takes longer, knows that."""
    return _all_bytes(text, b"X'") or (_all_bytes(text, b",X'") and _all_bytes(text, b"(X'"))


def _all_bytes(text: bytes, before: bytes) -> bool:
    digits = [after.partition(b"'")[0] for after in text.split(before)[1:]]
    return not any([len(one) % 2 for one in digits]) and not b"".join(digits).translate(None, _HEXADECIMAL)
