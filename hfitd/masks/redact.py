"""``redact``: all but the first and last characters replaced by a mark. The length never changes, so it always fits."""

from __future__ import annotations

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.fitting import integer_option, need_kind, text_option
from hfitd.masks.interface import Binding, BoundMask, Mask, RedactTwin
from hfitd.model import Column, Kind, MaskRule


def _bind(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
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

    return BoundMask(rule.mask, cell=cell, twin=RedactTwin(first, last, mark))


REDACT = Mask(
    "redact",
    _bind,
    "all but the first and last characters hidden; shorter values hidden whole",
    options=frozenset({"first", "last", "mark"}),
)
