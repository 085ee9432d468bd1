"""Words, fields and personal forms in a piece of a member, whatever its format, as bytes and fast.

A *word* has no blanks, quotes or separators; a *field* is what stands between two separators and has a blank in it, as
a name or a street does. What escapes inside a format (a doubled quote, a backslash) ends them, which loses a few and
invents none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hfitd.access.personal_values import BANK, CARD, EMAIL, PHONE, SECRET, classes_within

_SEPARATORS = bytes(range(32)) + b",;\"'`\\|<>(){}[]="
_TO_NUL = bytes.maketrans(_SEPARATORS, bytes(len(_SEPARATORS)))
_SHORTEST, _LONGEST = 6, 64
_EMAIL_AROUND = re.compile(rb"(?<![\w.%+'-])[\w.%+'-]{1,64}+@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w.-])")
_NUMBERS = re.compile(rb"[0-9](?:[ -]?[0-9]){12,}")
_IBANS = re.compile(rb"\b[A-Z]{2}[0-9]{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{0,3}\b")
_PHONES = re.compile(rb"\+[1-9][0-9 ()./-]{6,20}[0-9]")
_SECRET_STARTS = (b"PRIVATE KEY-----", b"$2", b"$argon2", b"AKIA", b"ghp_", b"xox", b"k_live_", b"glpat-", b".eyJ")
# RFC 2606 and 6761: nobody has an address there, and our own masks make theirs there
_RESERVED = (b"example.com", b"example.net", b"example.org", b".example", b".test", b".invalid", b"localhost")


def read_words(unit: bytes) -> list[bytes]:
    """Words and fields that are long enough to say something, and no longer than a value that is kept."""
    pieces = unit.translate(_TO_NUL).split(b"\x00")
    fields = [piece for piece in pieces if b" " in piece]
    found = [piece for piece in pieces if _SHORTEST <= len(piece) <= _LONGEST]
    found += [word for piece in fields for word in piece.split(b" ") if _SHORTEST <= len(word) <= _LONGEST]
    return found


def find_forms(unit: bytes) -> Iterator[tuple[str, bytes]]:
    """What has the form of something personal: its class, and itself, to be compared and forgotten."""
    if b"@" in unit:
        for found in _EMAIL_AROUND.finditer(unit):
            if not found[0].lower().endswith(_RESERVED):
                yield EMAIL, found[0]
    if b"+" in unit:
        yield from ((PHONE, found[0]) for found in _PHONES.finditer(unit) if _digits(found[0]) >= 8)
    for pattern, kind in ((_NUMBERS, CARD), (_IBANS, BANK)):
        for found in pattern.finditer(unit):
            if len(found[0]) <= _LONGEST and kind in classes_within(found[0].decode("ascii").strip()):
                yield kind, found[0]
    if any(start in unit for start in _SECRET_STARTS):
        text = unit.decode("utf-8", "replace")
        yield from ((SECRET, b"") for kind in classes_within(text) if kind == SECRET)


def _digits(text: bytes) -> int:
    return sum(48 <= byte <= 57 for byte in text)
