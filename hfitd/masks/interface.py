"""What a mask is: a definition bound to one column under one key.

``null`` and ``const`` never need the raw value, so the database is asked for a literal instead. Keyed masks are
computed in the row stream: ``cell`` gets the column's text (raw bytes for BYTES columns), never None, and returns
the same kind of text. A mask that cannot make values its column can hold is MaskDoesNotFit when it is bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hfitd.model import Column, MaskRule

Cell = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class BoundMask:
    """A mask ready for one column. Exactly one of ``literal`` (with ``constant=True``) and ``cell`` is used."""

    name: str
    constant: bool = False
    literal: str | None = None  # the text every row shows; None is NULL
    cell: Cell | None = None


class Mask(Protocol):
    """One line in the table of masks."""

    name: str

    def bind(self, rule: MaskRule, column: Column, key: bytes) -> BoundMask:
        """Check that it fits the column and fix its options; ``key`` is derived for this mask alone."""
