"""Masks that keep the format: ``phone`` and ``digits``. The length never changes, so they always fit.

``phone`` keeps the country and leading zeros, and everything that is punctuation; letters become other letters.
``digits`` replaces each digit and keeps every other character, for article numbers and the like; it is no mask for
free text. Both are permutations: distinct values of one format stay distinct.
"""

from __future__ import annotations

import re

from hfitd.masks.derive import fold_person
from hfitd.masks.fitting import need_kind
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.masks.permutation import Permutation
from hfitd.model import Column, Kind, MaskRule

# country codes of one and two digits (ITU-T E.164); all others have three
_ONE_DIGIT = frozenset(b"17")
_TWO_DIGITS = frozenset(
    b"%d" % code for first, seconds in {
        2: b"07", 3: b"0123469", 4: b"013456789", 5: b"12345678", 6: b"0123456", 8: b"1246", 9: b"0123458",
    }.items() for code in (first * 10 + second - 48 for second in seconds)
)  # fmt: skip
_COUNTRY = re.compile(rb"\(?(\+|00)[ (]*([1-9][ ]?[0-9]?[ ]?[0-9]?)")
_DIGITS = re.compile(rb"[0-9]+")
_LETTERS = re.compile(rb"[a-z]+")
_STRANGE = re.compile(r"[^a-z0-9 +\-./()#,;*]")
_USUAL = b"0123456789 +-./()#,;*"
_NO_DIGIT = bytes(set(range(256)) - set(b"0123456789"))
_NO_LETTER = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz"))


def _bind_phone(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    digits_of, letters_of = Permutation(binding.key, b"phone\0"), Permutation(binding.key, b"letters\0")

    def cell(value: bytes) -> bytes:
        text = fold_person(value)
        if text.translate(None, _USUAL):
            text = _STRANGE.sub("x", text.decode("utf-8", "replace")).encode("ascii")
        digits = text.translate(None, _NO_DIGIT)
        kept = _country_length(text)
        country = digits[:kept]
        masked = refill(_DIGITS, text, country + digits_of.number(country, digits[kept:]))
        letters = text.translate(None, _NO_LETTER)
        if not letters:
            return masked
        places = letters_of.mixed(b"", [letter - 97 for letter in letters], [26] * len(letters))
        return refill(_LETTERS, masked, bytes(place + 97 for place in places))

    return BoundMask(rule.mask, cell=cell)


def _country_length(text: bytes) -> int:
    """How many leading digits name the country: after ``+``, or after ``00`` which counts with them."""
    found = _COUNTRY.match(text)
    if found is None:
        return 0
    code = found[2].replace(b" ", b"")
    length = 1 if code[0] in _ONE_DIGIT else 2 if code[:2] in _TWO_DIGITS else 3
    return (2 if found[1] == b"00" else 0) + length


def refill(runs: re.Pattern[bytes], text: bytes, filling: bytes) -> bytes:
    """The text with what stands in its runs replaced, in order, by a filling of their whole length."""
    at = 0
    parts = []
    end = 0
    for found in runs.finditer(text):
        start, stop = found.span()
        parts += [text[end:start], filling[at : at + stop - start]]
        at += stop - start
        end = stop
    parts.append(text[end:])
    return b"".join(parts)


def _bind_digits(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    permutation = Permutation(binding.key, b"digits\0")

    def cell(value: bytes) -> bytes:
        return refill(_DIGITS, value, permutation.digits(b"", value.translate(None, _NO_DIGIT)))

    return BoundMask(rule.mask, cell=cell)


PHONE = Mask("phone", _bind_phone, "another number of the same country and length", keyed=True, injective=True)
DIGITS = Mask("digits", _bind_digits, "other digits in the same places", keyed=True, injective=True)
