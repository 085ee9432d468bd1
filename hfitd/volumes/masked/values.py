"""Masks for values in files: the masks of databases, bound to text without bounds.

A mask that needs numbers or dates takes the text of one; a value that is none is refused by the mask itself, and with
it the file. NULL stays NULL: an empty CSV field without quotes, JSON's null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.interface import BoundMask
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Kind, MaskRule

# what a text may be read as, in the order of trying; the first that the mask takes
_KINDS = (Kind.TEXT, Kind.INTEGER, Kind.NUMBER, Kind.TIMESTAMP, Kind.DATE, Kind.TIME, Kind.UUID, Kind.JSON)


@dataclass(frozen=True, slots=True)
class FileMask:
    """A mask ready for one part of a file. Without ``cell`` every value becomes ``literal``, and None is NULL."""

    name: str
    cell: Callable[[bytes], bytes] | None
    literal: bytes | None
    option: object = None  # the literal as the rule has it: a number stays one in JSON

    @property
    def drops(self) -> bool:
        """Whether the part is left out altogether."""
        return self.name == "drop"


def bind_value(part: str, rule: MaskRule, master_key: bytes) -> FileMask:
    """The mask of a part of a file. MaskDoesNotFit when the mask, its options or the key will not do."""
    bound = _bind(part, rule, master_key)
    literal = None if bound.literal is None else bound.literal.encode()
    return FileMask(bound.name, bound.cell, literal, rule.options.get("value"))


def _bind(part: str, rule: MaskRule, master_key: bytes) -> BoundMask:
    first: MaskDoesNotFit | None = None
    for kind in _KINDS:
        try:
            return bind_mask(rule, Column(part, kind.value, kind), master_key)
        except MaskDoesNotFit as error:
            first = first or error
    assert first is not None
    raise first
