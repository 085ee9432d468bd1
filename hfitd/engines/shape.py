"""The rows of a result between the database and an encoder: what their cells are, and the masks that cover them.

A mask can look at the raw cell of another column (``RowMask``). That cell may belong to a column that the reader does
not see, so it travels as a hidden one behind the others, and masking takes it away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hfitd.engines.interface import Output, OutputType
from hfitd.errors import Internal, SchemaChanged
from hfitd.masks.interface import Cell, RowCell
from hfitd.model import Kind

RawRow = Sequence[bytes | None]

THREAD_BYTES = 16 * 1024  # so much under masks is worked on in a thread


@dataclass(frozen=True, slots=True)
class RowMask:
    """A mask that also looks at the raw cell at the place ``subject`` of its row."""

    cell: RowCell
    subject: int


@dataclass(frozen=True, slots=True)
class Shape:
    """Names, kinds and masks of a result's columns, in order and of one length.

    ``beside`` are the kinds of the hidden cells that follow in each raw row; masking takes them away. ``row_masks``
    are by place.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    masks: tuple[Cell | None, ...]
    row_masks: Mapping[int, RowMask] = field(default_factory=dict)
    beside: tuple[Kind, ...] = ()

    @property
    def raw_kinds(self) -> tuple[Kind, ...]:
        """The kinds of all cells that the database sends."""
        return self.kinds + self.beside

    @property
    def is_raw(self) -> bool:
        """Whether the rows may be written as the database sends them."""
        return not (any(self.masks) or self.row_masks or self.beside)

    def is_masked(self, place: int) -> bool:
        """Whether this column's cells are not those of the database."""
        return self.masks[place] is not None or place in self.row_masks

    @classmethod
    def of(cls, outputs: Sequence[Output], types: Sequence[OutputType]) -> Shape:
        """Join what was planned with what the database says; another number of columns is SchemaChanged.

        A mask that slipped to its neighbour would show a raw value, so the lengths are never made to fit.
        """
        if len(outputs) != len(types):
            raise SchemaChanged("The result has another number of columns than planned; plan again.")
        return cls.joined(outputs, [type_.kind for type_ in types])

    @classmethod
    def joined(cls, outputs: Sequence[Output], kinds: Sequence[Kind]) -> Shape:
        """The same where the kinds are known, one for each output."""
        shown = [output for output in outputs if not output.hidden]
        if any(output.hidden for output in outputs[: len(shown)]):
            raise Internal("Hidden outputs have to come last.")
        return cls(
            tuple(output.name for output in shown),
            tuple(kinds[: len(shown)]),
            tuple(output.cell for output in shown),
            {
                place: RowMask(output.row_cell, output.subject)
                for place, output in enumerate(shown)
                if output.row_cell is not None
            },
            tuple(kinds[len(shown) :]),
        )

    def kept(self, places: Sequence[int]) -> Shape:
        """The shape of these columns alone, in this order; the hidden cells among them stay last."""
        kinds, moved = self.raw_kinds, {old: new for new, old in enumerate(places)}
        shown = [place for place in places if place < len(self.names)]
        return Shape(
            tuple(self.names[place] for place in shown),
            tuple(kinds[place] for place in shown),
            tuple(self.masks[place] for place in shown),
            {moved[n]: RowMask(mask.cell, moved[mask.subject]) for n, mask in self.row_masks.items() if n in moved},
            tuple(kinds[place] for place in places[len(shown) :]),
        )


def covered_bytes(shape: Shape, rows: Sequence[RawRow]) -> int:
    """How much text stands under masks in these rows."""
    places = [*shape.row_masks, *(place for place, mask in enumerate(shape.masks) if mask is not None)]
    return sum([len(row[place] or b"") for row in rows for place in places]) if places else 0


def mask_rows(shape: Shape, rows: Sequence[RawRow]) -> Sequence[RawRow]:
    """The rows with each masked cell covered and without the hidden ones; NULL stays NULL."""
    if shape.is_raw:
        return rows
    masked = [(number, mask) for number, mask in enumerate(shape.masks) if mask is not None]
    with_subject = [(number, mask.cell, mask.subject) for number, mask in shape.row_masks.items()]
    width = len(shape.names)
    covered: list[RawRow] = []
    for row in rows:
        cells = list(row[:width])
        for number, mask in masked:
            cell = cells[number]
            if cell is not None:
                cells[number] = mask(cell)
        for number, row_mask, subject in with_subject:
            cell = cells[number]
            if cell is not None:
                cells[number] = row_mask(cell, row[subject])
        covered.append(cells)
    return covered
