r"""COPY text (PostgreSQL manual, COPY, "Text Format"): the server's fastest form and the one that is exact for every
type. Passed on as it is, or taken apart into cells.

A row is a line; cells are separated by tabs; NULL is ``\N``; backslash, BS, FF, LF, CR, TAB and VT inside a cell are
escaped by a backslash. ``bytea`` is ``\x`` and hex digits, its backslash escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hfitd.engines.shape import RawRow, Shape
from hfitd.model import Kind

PROLOGUE = (
    b"SET client_encoding = 'UTF8';\nSET DateStyle = 'ISO, YMD';\nSET IntervalStyle = 'postgres';\n"
    b"SET lc_monetary = 'C';\nSET xmloption = content;\n"
)
END = b"\\.\n\n"

_NULL = rb"\N"
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SPECIAL = re.compile(rb"[\\\x08\x0c\n\r\t\x0b]")
_LETTERS = {b"\\": b"\\", b"\b": b"b", b"\f": b"f", b"\n": b"n", b"\r": b"r", b"\t": b"t", b"\v": b"v"}
_CHARACTERS = {letter: character for character, letter in _LETTERS.items()}


class Lines:
    """Cuts chunks into whole lines, whatever their borders."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, chunk: bytes) -> list[bytes]:
        """The lines that are whole now, without their LF."""
        if self._rest:
            chunk = self._rest + chunk
        lines = chunk.split(b"\n")
        self._rest = lines.pop()
        return lines


def unescape(cell: bytes) -> bytes:
    """The text that stands escaped in a cell."""
    return _ESCAPED.sub(lambda match: _CHARACTERS.get(match[1], match[1]), cell) if b"\\" in cell else cell


def escape(text: bytes) -> bytes:
    """A text as a cell; the inverse of ``unescape``."""
    return _SPECIAL.sub(lambda match: b"\\" + _LETTERS[match[0]], text)


def parse_lines(lines: Iterable[bytes], shape: Shape) -> list[RawRow]:
    """Lines as rows of cells, bytes decoded."""
    kinds = shape.raw_kinds
    if not kinds:
        return [() for _ in lines]
    if Kind.BYTES not in kinds:
        return [
            line.split(b"\t")
            if b"\\" not in line
            else [
                cell if b"\\" not in cell else None if cell == _NULL else unescape(cell) for cell in line.split(b"\t")
            ]
            for line in lines
        ]
    cells = [_bytes_cell if kind is Kind.BYTES else _cell for kind in kinds]
    return [[read(cell) for read, cell in zip(cells, line.split(b"\t"), strict=True)] for line in lines]


def mask_lines(lines: Sequence[bytes], shape: Shape) -> bytes:
    """The lines with their masked cells covered and without the hidden ones; only what is masked is unescaped."""
    kinds, width = shape.raw_kinds, len(shape.names)
    reads = [_bytes_cell if kind is Kind.BYTES else _cell for kind in kinds]
    spells = [_spell_bytes if kind is Kind.BYTES else escape for kind in kinds]
    covers = [(n, mask, reads[n], spells[n]) for n, mask in enumerate(shape.masks) if mask is not None]
    with_subject = [(n, mask.cell, mask.subject) for n, mask in shape.row_masks.items()]
    out: list[bytes] = []
    # What follows the last masked cell stays in one piece, unless there is something to leave out.
    places = [n for n, *_ in covers] + [n for place, _, subject in with_subject for n in (place, subject)]
    last = -1 if shape.beside else 1 + max(places, default=0)
    for line in lines:
        cells = line.split(b"\t", last)
        for number, row_mask, subject in with_subject:
            cell = reads[number](cells[number])
            if cell is not None:
                cells[number] = spells[number](row_mask(cell, reads[subject](cells[subject])))
        for number, mask, read, spell in covers:
            cell = read(cells[number])
            if cell is not None:
                cells[number] = spell(mask(cell))
        out.append(b"\t".join(cells[:width]))
    out.append(b"")
    return b"\n".join(out)


def _cell(cell: bytes) -> bytes | None:
    return None if cell == _NULL else unescape(cell)


def _bytes_cell(cell: bytes) -> bytes | None:
    return None if cell == _NULL else bytes.fromhex(cell[3:].decode("ascii"))


def _spell_bytes(raw: bytes) -> bytes:
    return b"\\\\x" + raw.hex().encode("ascii")
