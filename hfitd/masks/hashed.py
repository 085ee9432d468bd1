"""``hash``: the start of HMAC-SHA256 of the value, in hexadecimal.

Exact by default: values that differ in one byte differ. ``fold = true`` takes values as persons' masks do (NFC,
case, outer blanks). On a key whose collation compares without case, or without case and accents, the policy folds as
the collation does: ``fold`` is then ``"case"`` or ``"accents"``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import fold_person, hmac_sha256
from hfitd.masks.fitting import integer_option, need_kind, need_length
from hfitd.masks.interface import Binding, BoundMask, HashTwin, Mask
from hfitd.model import Column, Kind, MaskRule


def _fold_case(value: bytes) -> bytes:
    text = unicodedata.normalize("NFC", value.decode("utf-8", "surrogateescape"))
    return unicodedata.normalize("NFC", text.casefold()).rstrip(" ").encode("utf-8", "surrogateescape")


def _fold_accents(value: bytes) -> bytes:
    text = unicodedata.normalize("NFD", value.decode("utf-8", "surrogateescape"))
    bare = "".join(character for character in text if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare.casefold()).rstrip(" ").encode("utf-8", "surrogateescape")


def _folding(rule: MaskRule) -> Callable[[bytes], bytes] | None:
    fold = rule.options.get("fold", False)
    if fold is False:
        return None
    if fold is True:
        return fold_person
    if fold == "case":
        return _fold_case
    if fold == "accents":
        return _fold_accents
    raise MaskDoesNotFit(f'the option fold of the mask {rule.mask} is true, false, "case" or "accents"')


def _bind(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT, Kind.BYTES))
    length = integer_option(rule, "length", 32, 8, 64)
    fold = _folding(rule)
    need_length(rule.mask, column, length, "give the option length, or a mask that fits")
    draw = hmac_sha256(binding.key)

    def exact(value: bytes) -> bytes:
        return draw(value).hex()[:length].encode()

    if fold is None:
        return BoundMask(rule.mask, cell=exact, twin=HashTwin(binding.key, length))
    return BoundMask(rule.mask, cell=lambda value: exact(fold(value)))


HASH = Mask(
    "hash",
    _bind,
    "keyed digest in hexadecimal; length 8 to 64 characters, 16 or more on unique columns",
    keyed=True,
    injective=True,
    options=frozenset({"length", "fold"}),
)
