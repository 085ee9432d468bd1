"""Tables as text: how wide each column is, and the lines of a row whose cells do not fit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

GAP = "  "
MIN_WIDTH = 8


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """The widest cell of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def fitted(widths: Sequence[int], columns: int) -> list[int]:
    """Widths that together fit into ``columns`` characters: the widest give first, none below ``MIN_WIDTH``."""
    fit = list(widths)
    spare = columns - len(GAP) * (len(fit) - 1)
    while sum(fit) > spare and max(fit, default=0) > MIN_WIDTH:
        fit[fit.index(max(fit))] -= 1
    return fit


def lines_of_row(cells: Sequence[str], widths: Sequence[int], *, wrap: bool) -> Iterator[str]:
    """The lines of one row, without newline; one line unless cells may ``wrap``."""
    parts = [textwrap.wrap(cell, width) if wrap and len(cell) > width else [cell]
             for cell, width in zip(cells, widths, strict=True)]  # fmt: skip
    for line in zip_longest(*parts, fillvalue=""):
        yield GAP.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
