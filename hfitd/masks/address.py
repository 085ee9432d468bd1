"""``street`` and ``city``: places that are nowhere.

Values are folded as those of persons are. A street becomes a made-up street; a house number becomes another of as
many digits, at the same end, and numbers of one street stay on one street. Whatever else an address line holds (a
flat, a letter, a box) is gone. Empty values stay empty.
"""

from __future__ import annotations

import re

from hfitd.masks.derive import fold_person, keyed_draw
from hfitd.masks.fitting import need_kind, need_length
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.masks.words import LONGEST_STREET, LONGEST_TOWN, STREETS, TOWN_ENDS, TOWN_STARTS, WAYS
from hfitd.model import Column, Kind, MaskRule

_LONGEST_NUMBER = 5
_LONGEST_LINE = 500  # bytes; no address line is longer, and the patterns below must not be tried on a novel
_LONGEST_ADDRESS = LONGEST_STREET + 1 + _LONGEST_NUMBER
# A house number stands first or behind the name, perhaps with a letter or a second number.
_NUMBER_FIRST = re.compile(rb"([0-9]{1,5})[0-9]*[a-z]?(?:[-/][0-9]*[a-z]?)?[ ,]+(?=[^0-9 ,])(.+)", re.DOTALL)
_NUMBER_LAST = re.compile(rb"(.*[^0-9 ,])[ ,]+(?:no\.? ?|# ?)?([0-9]{1,5})(?:[^0-9a-z].*|[0-9a-z]?[^a-z]*)", re.DOTALL)


def _split(folded: bytes) -> tuple[bytes, bytes, bool]:
    """The street's name, its house number or nothing, and whether the number stands first."""
    if len(folded) > _LONGEST_LINE:
        return folded, b"", False
    found = _NUMBER_FIRST.fullmatch(folded)
    if found is not None:
        return found[2], found[1], True
    found = _NUMBER_LAST.fullmatch(folded)
    if found is not None:
        return found[1], found[2], False
    return folded, b"", False


def _pick(words: tuple[str, ...], drawn: bytes) -> str:
    return words[int.from_bytes(drawn, "big") % len(words)]


def _bind_street(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    need_length(rule.mask, column, _LONGEST_ADDRESS)
    name_of, number_of = keyed_draw(binding.key, b"street\0", 16), keyed_draw(binding.key, b"number\0", 8)

    def cell(value: bytes) -> bytes:
        folded = fold_person(value)
        if not folded:
            return b""
        name, number, first = _split(folded)
        drawn = name_of(name)
        street = f"{_pick(STREETS, drawn[:8])} {_pick(WAYS, drawn[8:])}"
        if not number:
            return street.encode()
        least = 10 ** (len(number) - 1)
        house = least + int.from_bytes(number_of(folded), "big") % (9 * least)
        return f"{house} {street}".encode() if first else f"{street} {house}".encode()

    return BoundMask(rule.mask, cell=cell)


def _bind_city(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    need_length(rule.mask, column, LONGEST_TOWN)
    draw = keyed_draw(binding.key, b"city\0", 16)

    def cell(value: bytes) -> bytes:
        folded = fold_person(value)
        if not folded:
            return b""
        drawn = draw(folded)
        return (_pick(TOWN_STARTS, drawn[:8]) + _pick(TOWN_ENDS, drawn[8:])).encode()

    return BoundMask(rule.mask, cell=cell)


STREET = Mask(
    "street",
    _bind_street,
    f"a made-up street of up to {_LONGEST_ADDRESS} characters, with a house number where there was one",
    keyed=True,
)
CITY = Mask("city", _bind_city, f"a made-up town of up to {LONGEST_TOWN} characters", keyed=True)
