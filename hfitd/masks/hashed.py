"""``hash``: the start of HMAC-SHA256 of the value, in hexadecimal.

Exact by default: values that differ in one byte differ. ``fold = true`` takes values as persons' masks do (NFC,
case, outer blanks). On a key whose collation compares without case, or without case and accents, the policy folds as
the collation does: ``fold`` is then ``"case"`` or ``"accents"``, with ``pad`` where blanks at the end do not count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import fold_person, hmac_sha256
from hfitd.masks.fitting import integer_option, need_kind, need_length
from hfitd.masks.interface import Binding, BoundMask, HashTwin, Mask
from hfitd.model import Column, Kind, MaskRule


def _collated(value: bytes, *, accents: bool, pad: bool) -> bytes:
    """The value as a collation compares it: without case, and perhaps without accents and blanks at the end."""
    text = unicodedata.normalize("NFD" if accents else "NFC", value.decode("utf-8", "surrogateescape"))
    if accents:
        text = "".join(character for character in text if not unicodedata.combining(character))
    text = unicodedata.normalize("NFC", text.casefold())
    return (text.rstrip(" ") if pad else text).encode("utf-8", "surrogateescape")


def _folding(rule: MaskRule) -> Callable[[bytes], bytes] | None:
    fold = rule.options.get("fold", False)
    if isinstance(fold, bool):
        return fold_person if fold else None
    words = fold.split() if isinstance(fold, str) else []
    if not words or words[0] not in {"case", "accents"} or words[1:] not in ([], ["pad"]):
        raise MaskDoesNotFit(f'the option fold of the mask {rule.mask} is true, false, "case" or "accents"')
    return partial(_collated, accents=words[0] == "accents", pad="pad" in words)


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
