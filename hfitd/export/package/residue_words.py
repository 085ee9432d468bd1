"""Words, fields and personal forms in a piece of a member, whatever its format, as bytes and fast.

A *word* has no blanks, quotes or separators; a *field* is what stands between two separators and has a blank in it, as
a name or a street does. What escapes inside a format (a doubled quote, a backslash) ends them, which loses a few and
invents none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hfitd.access.checksums import is_card, is_iban
from hfitd.access.personal_values import BANK, CARD, EMAIL, PHONE, SECRET, classes_within

_SEPARATORS = bytes(range(32)) + b",;\"'`\\|<>(){}[]="
_TO_NUL = bytes.maketrans(_SEPARATORS, bytes(len(_SEPARATORS)))
_SHORTEST, _LONGEST = 6, 64
_BEFORE_AT = re.compile(rb"[\w.%+'-]+\Z")
_LONGEST_BEFORE_AT = 64
_FROM_AT = re.compile(rb"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w.-])")
_NUMBERS = re.compile(rb"[0-9](?:[ -]?[0-9]){12,}")
_FEWEST_DIGITS = 13
_LONGEST_NUMBER = 34  # of ISO 13616, the longer of the two
# What a byte is to a number: a digit, something between digits, or its end
_OF_NUMBERS = bytes(48 if 48 <= byte <= 57 else 45 if byte in b" -" else 0 for byte in range(256))
_DATE_AND_HOUR = b"\x000000-00-00-00\x00"
_IBANS = re.compile(rb"[A-Z]{2}[0-9]{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{0,3}\b")
# What a byte is to an IBAN: a capital, a digit, another part of a word, or nothing
_SHAPES = bytes(
    65 if 65 <= byte <= 90 else 48 if 48 <= byte <= 57 else 97 if 97 <= byte <= 122 or byte == 95 else 0
    for byte in range(256)
)
_PHONES = re.compile(rb"\+[1-9][0-9 ()./-]{6,20}[0-9]")
# How a secret begins, by a byte of it that is rare: most pieces have none of these, and one byte is sought much faster
SECRET_STARTS = (
    (b"$", (b"$2", b"$argon2")),
    (b"_", (b"ghp_", b"k_live_")),
    (b"A", (b"PRIVATE KEY-----", b"AKIA")),
    (b"J", (b".eyJ",)),
    (b"x", (b"xox",)),
    (b"l", (b"glpat-",)),
)
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
        yield from ((EMAIL, found) for found in _emails(unit) if not found.lower().endswith(_RESERVED))
    if b"+" in unit:
        yield from ((PHONE, found[0]) for found in _PHONES.finditer(unit) if _digits(found[0]) >= 8)
    yield from ((CARD, number) for number in _cards(unit) if _passes(is_card, number))
    yield from ((BANK, number) for number in _accounts(unit) if _passes(is_iban, number))
    if any(rare in unit and any(start in unit for start in starts) for rare, starts in SECRET_STARTS):
        text = unit.decode("utf-8", "replace")
        yield from ((SECRET, b"") for kind in classes_within(text) if kind == SECRET)


def _emails(unit: bytes) -> Iterator[bytes]:
    """Addresses, from each ``@`` in both directions; none begins inside the one before."""
    position = end = 0
    while (position := unit.find(b"@", position)) >= 0:
        domain = _FROM_AT.match(unit, position)
        start = max(0, position - _LONGEST_BEFORE_AT - 1)
        local = _BEFORE_AT.search(unit, start, position) if domain else None
        if domain and local and local.start() >= end and position - local.start() <= _LONGEST_BEFORE_AT:
            yield local[0] + domain[0]
            end = domain.end()
        position += 1


def _cards(unit: bytes) -> Iterator[bytes]:
    """Runs of thirteen digits or more, single blanks and dashes between them. Most of what is no run is passed by
    without the pattern, which tries at every digit; a date before an hour, the commonest, without a look at each."""
    shapes = unit.translate(_OF_NUMBERS).replace(_DATE_AND_HOUR, bytes(len(_DATE_AND_HOUR)))
    shapes = shapes.replace(b"-", b"0")
    shortest = b"0" * _FEWEST_DIGITS
    start = shapes.find(shortest)
    while start >= 0:
        end = shapes.find(b"\x00", start)
        run = unit[start : end if end >= 0 else len(unit)]
        if len(run.translate(None, b" -")) >= _FEWEST_DIGITS:
            yield from _NUMBERS.findall(run)
        start = shapes.find(shortest, start + len(run))


def _accounts(unit: bytes) -> Iterator[bytes]:
    """What begins like an IBAN, with two letters and two digits that no word goes on into."""
    shapes = unit.translate(_SHAPES)
    position = shapes.find(b"AA")  # much rarer than what it begins
    if position < 0:
        return
    while (position := shapes.find(b"AA00", position)) >= 0:
        inside = position and shapes[position - 1]
        found = None if inside else _IBANS.match(unit, position)
        if found is not None:
            yield found[0]
        position = found.end() if found is not None else position + 1


def _passes(check: Callable[[str], bool], number: bytes) -> bool:
    bare = number.translate(None, b" -")
    return len(bare) <= _LONGEST_NUMBER and check(bare.decode("ascii"))


def _digits(text: bytes) -> int:
    return len(text) - len(text.translate(None, b"0123456789"))
