"""``iban`` and ``card``: account numbers that pass the checks of the programs that take them.

Both are permutations of numbers of one form, and layout (blanks, dashes) stays. Check digits follow what they check:
a valid number becomes a valid one. A number that is not valid becomes one that is wrong by as much, so that distinct
inputs stay distinct and a test of bad input stays one.

IBAN: ISO 13616, check digits by ISO 7064 MOD 97-10; national check digits inside the account number are not kept.
Cards: ISO/IEC 7812, check digit by Luhn's formula. Letters fold to upper case. What is neither keeps its form, each
digit and letter replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hfitd.masks.digits import refill
from hfitd.masks.fitting import integer_option, need_kind
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.masks.permutation import Permutation
from hfitd.model import Column, Kind, MaskRule

_IBAN = re.compile(rb"([A-Z]{2})([0-9]{2})([A-Z0-9]{5,30})")
_CARD = re.compile(rb"[0-9]{12,19}")
_CONTENT = re.compile(rb"[A-Z0-9]+")
_LAYOUT = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
_STRANGE = re.compile(rb"[^A-Z0-9 +\-./()#,;:*_]")
_MOST_KEPT = 8  # digits of an issuer (ISO/IEC 7812-1)
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def _cell_of(masked: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A cell that hands the letters and digits over and puts what they become back into the layout."""

    def cell(value: bytes) -> bytes:
        text = value if value.isascii() else value.decode("utf-8", "replace").encode("ascii", "replace")
        text = _STRANGE.sub(b"X", text.upper())
        return refill(_CONTENT, text, masked(text.translate(None, _LAYOUT)))

    return cell


def _kept_form(permutation: Permutation, tweak: bytes, text: bytes) -> bytes:
    """Each digit another digit, each letter another letter, all of them depending on all."""
    places = [byte - 48 if byte < 65 else byte - 65 for byte in text]
    permuted = permutation.mixed(tweak, places, [10 if byte < 65 else 26 for byte in text])
    return bytes(place + (48 if byte < 65 else 65) for place, byte in zip(permuted, text, strict=True))


def _iban_check(country: bytes, account: bytes) -> int:
    """The two check digits that make it valid, 2 to 98."""
    spelled = "".join(str(int(chr(byte), 36)) for byte in account + country)
    return 98 - int(spelled + "00") % 97


def _bind_iban(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    permutation = Permutation(binding.key, b"iban\0")

    def masked(text: bytes) -> bytes:
        found = _IBAN.fullmatch(text)
        if found is None:
            return _kept_form(permutation, b"other", text)
        country, check, account = found.groups()
        other = _kept_form(permutation, b"account" + country, account)
        wrong_by = int(check) - _iban_check(country, account)
        return b"%s%02d%s" % (country, (_iban_check(country, other) + wrong_by) % 100, other)

    return BoundMask(rule.mask, cell=_cell_of(masked))


def _luhn_check(digits: bytes) -> int:
    """The digit that makes it valid when it stands behind."""
    doubled = digits[::-2].translate(_DOUBLED)
    return -(sum(doubled) + sum(digits[-2::-2]) - 48 * len(digits[-2::-2])) % 10


def _bind_card(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    kept = integer_option(rule, "first", 0, 0, _MOST_KEPT)
    permutation = Permutation(binding.key, b"card\0")

    def masked(text: bytes) -> bytes:
        if not _CARD.fullmatch(text):
            return _kept_form(permutation, b"other", text)
        issuer, account, check = text[:kept], text[kept:-1], text[-1] - 48
        permute = permutation.digits if kept else permutation.number  # no card begins with a zero
        other = issuer + permute(b"account" + issuer, account)
        return b"%s%d" % (other, (_luhn_check(other) + check - _luhn_check(issuer + account)) % 10)

    return BoundMask(rule.mask, cell=_cell_of(masked))


IBAN = Mask(
    "iban",
    _bind_iban,
    "another account of the same country and length, with valid check digits",
    keyed=True,
    injective=True,
)
CARD = Mask(
    "card",
    _bind_card,
    "another card number of the same length that passes Luhn's check; the option first keeps that many digits",
    keyed=True,
    injective=True,
    options=frozenset({"first"}),
)
