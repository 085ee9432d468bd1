"""Masks for keys without meaning: ``uuid`` and ``integer``. Both keep distinct values distinct and joins intact."""

from __future__ import annotations

import re
import uuid

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import digest
from hfitd.masks.fitting import need_kind, need_length
from hfitd.masks.interface import BoundMask, Mask
from hfitd.masks.permutation import permute
from hfitd.model import Column, Kind, MaskRule

_UUID_LENGTH = 36
_WHOLE = re.compile(r"-?[0-9]{1,30}")
_BANDS = tuple(2**bits - 1 for bits in (7, 8, 15, 16, 23, 24, 31, 32, 63, 64, 128))


def _bind_uuid(rule: MaskRule, column: Column, key: bytes) -> BoundMask:
    need_kind(rule.mask, column, (Kind.UUID, Kind.TEXT))
    if column.kind is Kind.TEXT:
        need_length(rule.mask, column, _UUID_LENGTH)

    def cell(value: bytes) -> bytes:
        try:
            raw = uuid.UUID(value.decode()).bytes  # the same identifier, however it is spelled
        except ValueError:
            raw = value
        return str(uuid.UUID(bytes=digest(key, raw)[:16], version=4)).encode()

    return BoundMask(rule.mask, cell=cell)


def _bind_integer(rule: MaskRule, column: Column, key: bytes) -> BoundMask:
    need_kind(rule.mask, column, (Kind.INTEGER,))

    def cell(value: bytes) -> bytes:
        text = value.decode("ascii", "replace")
        if not _WHOLE.fullmatch(text):
            raise MaskDoesNotFit("the mask integer met a value that is no whole number", resource=column.name)
        number = int(text)
        if number == 0:
            return b"0"
        # below zero types reach one further, so -1 counts as 0 there
        masked = _permute_in_band(key, number, 1) if number > 0 else -1 - _permute_in_band(key, -1 - number, 0)
        return str(masked).encode()

    return BoundMask(rule.mask, cell=cell)


def _permute_in_band(key: bytes, number: int, least: int) -> int:
    """Another number of the same band; the bands end where some integer type does, so the result always fits."""
    for last in _BANDS:
        if number <= last:
            break
        least = last + 1
    bits = max((last - least).bit_length(), 2)
    tweak = b"integer\x00%d\x00%d" % (least, last)
    place = number - least
    while True:  # walk the cycle back into the band: less than two steps on average
        digits = permute(key, tweak, [place >> shift & 1 for shift in reversed(range(bits))], 2)
        place = int("".join(map(str, digits)), 2)
        if least + place <= last:
            return least + place


UUID = Mask("uuid", _bind_uuid, "another version 4 identifier", keyed=True, injective=True)
INTEGER = Mask(
    "integer",
    _bind_integer,
    "another number of the same sign and size class (7, 8, 15, 16, 23, 24, 31, 32, 63, 64 bits); zero stays",
    keyed=True,
    injective=True,
)
