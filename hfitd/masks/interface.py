"""What a mask is: a definition bound to one column under one key.

``null`` and ``const`` never need the raw value, so the database is asked for a literal instead. Keyed masks are
computed in the row stream: ``cell`` gets the column's text (raw bytes for BYTES columns), never None, and returns
the same kind of text. A mask that cannot make values its column can hold is MaskDoesNotFit when it is bound.

What a mask makes depends on the value, the key and the options, and on nothing of the column: the same input has the
same pseudonym in every table, engine and file. What the column adds is only whether the mask fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfitd.model import Column, MaskRule

Cell = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class BoundMask:
    """A mask ready for one column. Exactly one of ``literal`` (with ``constant=True``) and ``cell`` is used."""

    name: str
    constant: bool = False
    literal: str | None = None  # the text every row shows; None is NULL
    cell: Cell | None = None


@dataclass(frozen=True, slots=True)
class Mask:
    """One line in the table of masks.

    ``keyed``: equal inputs keep equal pseudonyms, so joins survive and the mask follows foreign keys both ways.
    ``injective``: distinct inputs (after the folding the mask states) never share a pseudonym, so it may stand on a
    unique column. ``options``: the names of the options it knows; any other is a mistake.
    ``bind`` checks that it fits the column and fixes its options; its ``key`` is derived for this mask alone.
    """

    name: str
    bind: Callable[[MaskRule, Column, bytes], BoundMask]
    promise: str
    keyed: bool = False
    injective: bool = False
    options: frozenset[str] = frozenset()
