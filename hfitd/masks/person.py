"""``person_name`` and ``email``: pseudonyms that look like what they stand for.

Values are folded first (NFC, case, outer blanks), so one person is one pseudonym however the value is spelled. Empty
values stay empty. Addresses are in the domains that RFC 2606 reserves, so nothing can ever be sent to anybody.
"""

from __future__ import annotations

import re
import struct

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import Draw, fold_person, keyed_draw
from hfitd.masks.fitting import flag_option, need_kind, need_length, text_option
from hfitd.masks.interface import Binding, BoundMask, Cell, Mask
from hfitd.masks.words import ENDS, GIVEN, LONGEST_FAMILY, LONGEST_GIVEN, STEMS
from hfitd.model import Column, Kind, MaskRule

_LETTERS = b"abcdefghijkmnpqrstuvwxyz23456789"
_TAG_LENGTH = 13  # of 32 letters: 65 bits, one collision in 70 million runs over a million addresses
# What is drawn for an address: 65 bits of the tag, two letters at a time from a table, as base64.b32encode takes five
# times as long; seven bits that nothing reads and a byte; domain, given name, both parts of the family name.
_FIELDS = struct.Struct(">QBxQQQQ")
_DOMAINS = (b"example.com", b"example.net", b"example.org")
_LONGEST_SHORT = 1 + _TAG_LENGTH + 1 + len(_DOMAINS[0])
_LONGEST_EMAIL = LONGEST_GIVEN + 1 + LONGEST_FAMILY + 1 + _LONGEST_SHORT - 1
_PARTS = {
    "first": LONGEST_GIVEN,
    "last": LONGEST_FAMILY,
    "full": LONGEST_GIVEN + 1 + LONGEST_FAMILY,
}


def _given_name(drawn: bytes) -> str:
    return GIVEN[int.from_bytes(drawn[:8], "big") % len(GIVEN)]


def _family_name(drawn: bytes) -> str:
    stem, end = int.from_bytes(drawn[8:16], "big"), int.from_bytes(drawn[16:24], "big")
    return STEMS[stem % len(STEMS)] + ENDS[end % len(ENDS)]


def _name_cells(first_of: Draw, last_of: Draw) -> dict[str, Cell]:
    def first(value: bytes) -> bytes:
        folded = fold_person(value)
        return _given_name(first_of(folded)).encode() if folded else b""

    def last(value: bytes) -> bytes:
        folded = fold_person(value)
        return _family_name(last_of(folded)).encode() if folded else b""

    def full(value: bytes) -> bytes:
        # the outer words alone, so that "Ann Lee" is made of what "Ann" and "Lee" become in columns of their own
        words = fold_person(value).split()
        return f"{_given_name(first_of(words[0]))} {_family_name(last_of(words[-1]))}".encode() if words else b""

    return {"first": first, "last": last, "full": full}


def _bind_name(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    part = text_option(rule, "part", _part_of(column.name))
    if part not in _PARTS:
        raise MaskDoesNotFit(f"the option part of the mask {rule.mask} is one of {', '.join(_PARTS)}")
    need_length(rule.mask, column, _PARTS[part])
    cells = _name_cells(keyed_draw(binding.key, b"first\0", 24), keyed_draw(binding.key, b"last\0", 24))
    return BoundMask(rule.mask, cell=cells[part])


def _part_of(column: str) -> str:
    name = column.lower()
    if re.search(r"first|given|fore|middle|fname", name):
        return "first"
    return "last" if re.search(r"last|family|sur_?name|lname|maiden", name) else "full"


def _bind_email(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    short = flag_option(rule, "short")
    longest = _LONGEST_SHORT if short else _LONGEST_EMAIL
    need_length(rule.mask, column, longest, "" if short else "give the option short = true, or the mask hash")
    draw = keyed_draw(binding.key, b"email\0")
    pairs = [bytes((one, other)) for one in _LETTERS for other in _LETTERS]
    given = [name.lower().encode() for name in GIVEN]
    stems, ends = [stem.lower().encode() for stem in STEMS], [end.lower().encode() for end in ENDS]

    def cell(value: bytes) -> bytes:
        folded = fold_person(value)
        if not folded:
            return b""
        bits, bit, domain, name, stem, end = _FIELDS.unpack_from(draw(folded))
        tag = b"%s%s%s%s%s%s%c" % (
            pairs[bits >> 54], pairs[bits >> 44 & 1023], pairs[bits >> 34 & 1023], pairs[bits >> 24 & 1023],
            pairs[bits >> 14 & 1023], pairs[bits >> 4 & 1023], _LETTERS[(bits & 15) << 1 | bit >> 7],
        )  # fmt: skip
        if short:
            return b"u%s@%s" % (tag, _DOMAINS[domain % len(_DOMAINS)])
        looks = given[name % len(given)], stems[stem % len(stems)], ends[end % len(ends)]
        return b"%s.%s%s.%s@%s" % (*looks, tag, _DOMAINS[domain % len(_DOMAINS)])

    return BoundMask(rule.mask, cell=cell)


PERSON_NAME = Mask(
    "person_name",
    _bind_name,
    "a made-up name; the option part is first, last or full, by default what the column's name says",
    keyed=True,
    options=frozenset({"part"}),
)
EMAIL = Mask(
    "email",
    _bind_email,
    f"a made-up address of up to {_LONGEST_EMAIL} characters in a reserved domain, up to {_LONGEST_SHORT} with short",
    keyed=True,
    injective=True,
    options=frozenset({"short"}),
)
