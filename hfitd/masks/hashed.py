"""``hash``: the start of HMAC-SHA256 of the value, in hexadecimal.

Exact by default: values that differ in one byte differ. ``fold = true`` takes values as persons' masks do (NFC,
case, outer blanks), and so it is where the column's key compares without case.
"""

from __future__ import annotations

from hfitd.masks.derive import digest, fold_person
from hfitd.masks.fitting import flag_option, integer_option, need_kind, need_length
from hfitd.masks.interface import BoundMask, Mask
from hfitd.model import Column, Kind, MaskRule


def _bind(rule: MaskRule, column: Column, key: bytes) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT, Kind.BYTES))
    length = integer_option(rule, "length", 32, 8, 64)
    fold = flag_option(rule, "fold")
    need_length(rule.mask, column, length, "give the option length, or a mask that fits")

    def cell(value: bytes) -> bytes:
        return digest(key, fold_person(value) if fold else value).hex()[:length].encode()

    return BoundMask(rule.mask, cell=cell)


HASH = Mask(
    "hash",
    _bind,
    "keyed digest in hexadecimal; length 8 to 64 characters, 16 or more on unique columns",
    keyed=True,
    injective=True,
    options=frozenset({"length", "fold"}),
)
