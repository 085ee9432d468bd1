"""Masks that keep the format: ``phone``, ``digits`` and ``redact``. The length never changes, so they always fit.

``phone`` keeps the country and leading zeros, and everything that is punctuation; letters become other letters.
``digits`` replaces each digit and keeps every other character, for article numbers and the like; it is no mask for
free text. Both are permutations: distinct values of one format stay distinct.
"""

from __future__ import annotations

import re

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import fold_person
from hfitd.masks.fitting import integer_option, need_kind, text_option
from hfitd.masks.interface import BoundMask, Mask
from hfitd.masks.permutation import permute, permute_number
from hfitd.model import Column, Kind, MaskRule

# country codes of one and two digits (ITU-T E.164); all others have three
_ONE_DIGIT = frozenset("17")
_TWO_DIGITS = frozenset(
    str(code) for first, seconds in {
        2: "07", 3: "0123469", 4: "013456789", 5: "12345678", 6: "0123456", 8: "1246", 9: "0123458",
    }.items() for code in (f"{first}{second}" for second in seconds)
)  # fmt: skip
_PUNCTUATION = frozenset(" +-./()#,;*")


def _bind_phone(rule: MaskRule, column: Column, key: bytes) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))

    def cell(value: bytes) -> bytes:
        text = fold_person(value).decode("utf-8", "replace")
        digits = [int(character) for character in text if character in "0123456789"]
        kept = _country_length(text)
        country, rest = digits[:kept], digits[kept:]
        masked = country + permute_number(key, b"phone\x00" + bytes(country), rest)
        letters = [ord(character) - ord("a") for character in text if "a" <= character <= "z"]
        return _refill(text, masked, permute(key, b"letters", letters, 26)).encode()

    return BoundMask(rule.mask, cell=cell)


def _country_length(text: str) -> int:
    """How many leading digits name the country: after ``+``, or after ``00`` which counts with them."""
    found = re.match(r"\(?(\+|00)[ (]*([1-9][ ]?[0-9]?[ ]?[0-9]?)", text)
    if found is None:
        return 0
    code = found[2].replace(" ", "")
    length = 1 if code[0] in _ONE_DIGIT else 2 if code[:2] in _TWO_DIGITS else 3
    return (2 if found[1] == "00" else 0) + length


def _refill(text: str, digits: list[int], letters: list[int]) -> str:
    digit, letter = iter(digits), iter(letters)
    filled = []
    for character in text:
        if character in "0123456789":
            filled.append(str(next(digit)))
        elif "a" <= character <= "z":
            filled.append(chr(next(letter) + ord("a")))
        else:
            filled.append(character if character in _PUNCTUATION else "x")
    return "".join(filled)


def _bind_digits(rule: MaskRule, column: Column, key: bytes) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))

    def cell(value: bytes) -> bytes:
        found = [byte - 48 for byte in value if 48 <= byte <= 57]
        masked = iter(permute(key, b"digits", found, 10))
        return bytes(next(masked) + 48 if 48 <= byte <= 57 else byte for byte in value)

    return BoundMask(rule.mask, cell=cell)


def _bind_redact(rule: MaskRule, column: Column, key: bytes) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    first, last = integer_option(rule, "first", 0, 0, 16), integer_option(rule, "last", 0, 0, 16)
    mark = text_option(rule, "mark", "*")
    if len(mark) != 1 or not mark.isascii() or not mark.isprintable():
        raise MaskDoesNotFit(f"the option mark of the mask {rule.mask} is one printable ASCII character")

    def cell(value: bytes) -> bytes:
        text = value.decode("utf-8", "replace")
        if len(text) <= first + last:
            return mark.encode() * len(text)
        return (text[:first] + mark * (len(text) - first - last) + text[len(text) - last :]).encode()

    return BoundMask(rule.mask, cell=cell)


PHONE = Mask("phone", _bind_phone, "another number of the same country and length", keyed=True, injective=True)
DIGITS = Mask("digits", _bind_digits, "other digits in the same places", keyed=True, injective=True)
REDACT = Mask(
    "redact",
    _bind_redact,
    "all but the first and last characters hidden; shorter values hidden whole",
    options=frozenset({"first", "last", "mark"}),
)
