"""What a mask is: a definition bound to one column under one key.

``null`` and ``const`` never need the raw value, so the database is asked for a literal instead. Keyed masks are
computed in the row stream: ``cell`` gets the column's text (raw bytes for BYTES columns), never None, and returns
the same kind of text. A mask that cannot make values its column can hold is MaskDoesNotFit when it is bound.

What a mask makes depends on the value, the key and the options, and on nothing of the column: the same input has the
same pseudonym in every table, engine and file. What the column adds is only whether the mask fits.

One thing may join the value: ``row_cell`` also gets the raw text of another column of the row, the *subject*, so that
all dates of one person move together. That the subject is read although it may itself be masked or not granted leaks
nothing of it:

1. It enters a keyed digest and nothing else; what comes out is one of a few hundred shifts.
2. The owner of the policy named it, not the reader, and no reader's query can name another.
3. Whoever knows a date of a row from elsewhere learns the shift of that row's subject, with or without the column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfitd.model import Column, MaskRule, Table

Cell = Callable[[bytes], bytes]
RowCell = Callable[[bytes, bytes | None], bytes]  # the value, and the row's subject or None where that is NULL


@dataclass(frozen=True, slots=True)
class HashTwin:
    """The start of a hexadecimal HMAC-SHA256, to be computed in a database that keeps the key to itself."""

    key: bytes
    length: int


@dataclass(frozen=True, slots=True)
class RedactTwin:
    """All but the first and last characters replaced."""

    first: int
    last: int
    mark: str


@dataclass(frozen=True, slots=True)
class StepTwin:
    """A whole number down to a multiple of the step, towards zero."""

    step: int


Twin = HashTwin | RedactTwin | StepTwin


@dataclass(frozen=True, slots=True)
class BoundMask:
    """A mask ready for one column. Exactly one of ``literal`` (with ``constant=True``), ``cell`` and ``row_cell`` is
    used; the last with ``subject``, the name of the column whose value goes with it.

    ``twin`` says the same as ``cell`` so that an engine can have its database compute it, byte for byte.
    """

    name: str
    constant: bool = False
    literal: str | None = None  # the text every row shows; None is NULL
    cell: Cell | None = None
    subject: str = ""
    row_cell: RowCell | None = None
    twin: Twin | None = None

    def cover(self, value: bytes, subject: bytes | None = None) -> bytes | None:
        """What stands for a value, for whoever has rows of its own, such as a file; None is NULL."""
        if self.row_cell is not None:
            return self.row_cell(value, subject)
        if self.cell is not None:
            return self.cell(value)
        return None if self.literal is None else self.literal.encode()


@dataclass(frozen=True, slots=True)
class Binding:
    """What a definition may use when it is bound: the key of this mask alone, the column's table if it has one,
    whether distinct values have to stay distinct, and ``part`` to bind another mask for a part of the value."""

    key: bytes
    part: Callable[[MaskRule, Column], BoundMask]
    table: Table | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Mask:
    """One line in the table of masks.

    ``keyed``: equal inputs keep equal pseudonyms, so joins survive and the mask follows foreign keys both ways.
    ``secret``: it works under the policy's mask key; every keyed mask does.
    ``injective``: distinct inputs (after the folding the mask states) never share a pseudonym, so it may stand on a
    unique column. ``options``: the names of the options it knows; any other is a mistake.
    ``bind`` checks that it fits the column and fixes its options.
    ``parts``: the rules inside its options, read without a column; MaskDoesNotFit when they cannot be read.
    """

    name: str
    bind: Callable[[MaskRule, Column, Binding], BoundMask]
    promise: str
    keyed: bool = False
    injective: bool = False
    options: frozenset[str] = frozenset()
    secret: bool = False
    parts: Callable[[MaskRule], tuple[MaskRule, ...]] | None = None
