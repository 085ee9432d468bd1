"""Masks for keys without meaning: ``uuid`` and ``integer``. Both keep distinct values distinct and joins intact.

``integer`` also takes a text column (or a field of a file) that holds whole numbers, so that a customer's number has
one pseudonym wherever it stands; a text that is no whole number becomes a keyed digest there.
"""

from __future__ import annotations

import re
import uuid

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import keyed_draw
from hfitd.masks.fitting import need_kind, need_length
from hfitd.masks.interface import Binding, BoundMask, Cell, Mask
from hfitd.masks.permutation import Permutation
from hfitd.model import Column, Kind, MaskRule

_UUID_LENGTH = 36
_UUID_BYTES = 16
_HEX = re.compile(rb"[0-9a-fA-F]{32}")
_WHOLE = re.compile(rb"-?[0-9]{1,38}")
_SPELLED = re.compile(rb"(-?)(0*)([1-9][0-9]{0,37}|0)")
_LONGEST_WHOLE = 40
_DIGEST_LENGTH = 32
_BANDS = tuple(2**bits - 1 for bits in (7, 8, 15, 16, 23, 24, 31, 32, 63, 64, 128))


def _bind_uuid(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.UUID, Kind.TEXT, Kind.BYTES))
    if column.kind is not Kind.UUID:
        need_length(rule.mask, column, _UUID_LENGTH if column.kind is Kind.TEXT else _UUID_BYTES)
    draw = keyed_draw(binding.key, b"uuid\0", _UUID_BYTES)

    def text_cell(value: bytes) -> bytes:
        bare = value.translate(None, b"-{}")
        if _HEX.fullmatch(bare):  # one identifier, however it is spelled
            return str(uuid.UUID(bytes=draw(b"\0" + bytes.fromhex(bare.decode("ascii"))), version=4)).encode()
        return str(uuid.UUID(bytes=draw(b"\1" + value), version=4)).encode()

    def bytes_cell(value: bytes) -> bytes:
        tag = b"\0" if len(value) == _UUID_BYTES else b"\1"
        return uuid.UUID(bytes=draw(tag + value), version=4).bytes

    return BoundMask(rule.mask, cell=bytes_cell if column.kind is Kind.BYTES else text_cell)


def _bind_integer(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.INTEGER, Kind.TEXT))
    permutation = Permutation(binding.key, b"integer\0")
    if column.kind is Kind.TEXT:
        need_length(rule.mask, column, _LONGEST_WHOLE)
        return BoundMask(rule.mask, cell=_text_cell(permutation, binding.key))

    def cell(value: bytes) -> bytes:
        if not _WHOLE.fullmatch(value):
            raise MaskDoesNotFit("the mask integer met a value that is no whole number", resource=column.name)
        return b"%d" % _permuted(permutation, int(value))

    return BoundMask(rule.mask, cell=cell)


def _text_cell(permutation: Permutation, key: bytes) -> Cell:
    draw = keyed_draw(key, b"no number\0", _DIGEST_LENGTH // 2)

    def cell(value: bytes) -> bytes:
        found = _SPELLED.fullmatch(value)
        if found is None or found[0] == b"-0":
            return draw(value).hex().encode() if value else value
        sign, zeros, digits = found.groups()
        masked = b"%d" % _permuted(permutation, int(sign + digits))
        return sign + zeros + masked.lstrip(b"-")  # leading zeros are part of the text

    return cell


def _permuted(permutation: Permutation, number: int) -> int:
    """Another number of the same sign and band; the bands end where some integer type does, so it always fits."""
    if number == 0:
        return 0
    # below zero types reach one further, so -1 counts as 0 there
    return _in_band(permutation, number, 1) if number > 0 else -1 - _in_band(permutation, -1 - number, 0)


def _in_band(permutation: Permutation, number: int, least: int) -> int:
    for last in _BANDS:
        if number <= last:
            break
        least = last + 1
    return least + permutation.below(b"%d" % least, number - least, last - least + 1)


UUID = Mask("uuid", _bind_uuid, "another version 4 identifier", keyed=True, injective=True)
INTEGER = Mask(
    "integer",
    _bind_integer,
    "another number of the same sign and size class (7, 8, 15, 16, 23, 24, 31, 32, 63, 64 bits); zero stays",
    keyed=True,
    injective=True,
)
