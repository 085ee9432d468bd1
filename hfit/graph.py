"""``METADATA/graph.json`` read from disk a row at a time, for a graph may be far larger than memory.

The first pass notes where each table's rows begin and where every 64th of them stands; a row is then found by its
number with one seek. The file is JSON in UTF-8; it is taken apart as Latin-1, in which a character is a byte, and the
texts are decoded one by one. What does not follow the daemon's format (``export/subset/graph``) is a ValueError.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

READ_BYTES = 256 << 10
MAX_VALUE_BYTES = 64 << 20  # of one row, or of the steps of a subset
ROWS_PER_MARK = 64

Row = tuple[list[str], list[int] | None]
"""The values of a row's key, and its way: the number of a step and of the row it was reached from; None for a root."""

_decoder = json.JSONDecoder()


@dataclass(slots=True)
class GraphTable:
    """A table of a subset: what the file says of it besides its rows, and where those are."""

    facts: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    marks: array[int] = field(default_factory=lambda: array("Q"))


@dataclass(slots=True)
class GraphSubset:
    """A subset: what the file says of it, and its tables."""

    facts: dict[str, Any] = field(default_factory=dict)
    tables: list[GraphTable] = field(default_factory=list)


class GraphFile:
    """An open graph. ``subsets`` holds everything but the rows."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.subsets: list[GraphSubset] = []
        window = _Window(file, 0)
        _read_object(window, {"subsets": lambda: _read_array(window, lambda: self._subset(window))})

    def rows(self, table: GraphTable) -> Iterator[Row]:
        """All rows in their order."""
        return self._rows_from(table, 0)

    def row(self, table: GraphTable, number: int) -> Row:
        """The row of that number, from 0."""
        if not 0 <= number < table.rows:
            raise ValueError("a row that is not there")
        mark, ahead = divmod(number, ROWS_PER_MARK)
        for place, row in enumerate(self._rows_from(table, mark)):
            if place == ahead:
                return row
        raise ValueError("a row that is not there")

    def _subset(self, window: _Window) -> None:
        subset = GraphSubset()
        tables = {"tables": lambda: _read_array(window, lambda: subset.tables.append(_read_table(window)))}
        subset.facts = _read_object(window, tables)
        self.subsets.append(subset)

    def _rows_from(self, table: GraphTable, mark: int) -> Iterator[Row]:
        if not table.rows:
            return
        window = _Window(self._file, table.marks[mark])
        for number in range(mark * ROWS_PER_MARK, table.rows):
            if number > mark * ROWS_PER_MARK:
                window.expect(",")
            yield _row(window.value())


class _Window:
    """A part of the file that moves on as it is read."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._file.seek(start)
        self._text, self._at, self._base = "", 0, start

    @property
    def offset(self) -> int:
        """Where in the file the next character stands."""
        return self._base + self._at

    def peek(self) -> str:
        """The next character that is no blank; "" at the end of the file."""
        while True:
            if self._at == len(self._text) and not self._more():
                return ""
            if self._text[self._at] not in " \t\r\n":
                return self._text[self._at]
            self._at += 1

    def expect(self, wanted: str) -> None:
        """Go past this character."""
        if self.peek() != wanted:
            raise ValueError("something else was expected")
        self._at += 1

    def value(self) -> Any:
        """Go past the next JSON value."""
        self.peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                end, value = len(self._text), None
            # A number or a word at the very end may go on.
            if end < len(self._text) or not self._more():
                break
        if end == self._at or (value is None and self._text[self._at : end] != "null"):
            raise ValueError("not a value")
        self._at = end
        return value

    def _more(self) -> bool:
        """Read on; what was gone past is dropped."""
        if len(self._text) - self._at > MAX_VALUE_BYTES:
            raise ValueError("a value that is too long")
        piece = self._file.read(max(READ_BYTES, len(self._text) - self._at))
        self._base += self._at
        self._text, self._at = self._text[self._at :] + piece.decode("latin-1"), 0
        return bool(piece)


def _read_object(window: _Window, apart: Mapping[str, Callable[[], None]]) -> dict[str, Any]:
    """An object; the values of the names in ``apart`` are read by those and are no part of it."""
    found: dict[str, Any] = {}

    def read_member() -> None:
        name = _decoded(window.value())
        window.expect(":")
        if name in apart:
            apart[name]()
        else:
            found[name] = _decoded(window.value())

    _read_listed(window, "{", "}", read_member)
    return found


def _read_array(window: _Window, read_item: Callable[[], None]) -> None:
    _read_listed(window, "[", "]", read_item)


def _read_listed(window: _Window, opening: str, closing: str, read_item: Callable[[], None]) -> None:
    window.expect(opening)
    if window.peek() != closing:
        read_item()
        while window.peek() == ",":
            window.expect(",")
            read_item()
    window.expect(closing)


def _read_table(window: _Window) -> GraphTable:
    table = GraphTable()

    def pass_row() -> None:
        if table.rows % ROWS_PER_MARK == 0:
            table.marks.append(window.offset)
        window.value()
        table.rows += 1

    table.facts = _read_object(window, {"rows": lambda: _read_array(window, pass_row)})
    return table


def _row(value: Any) -> Row:
    values, way = value
    if not isinstance(values, list) or (way is not None and (len(way) != 2 or not all(map(_is_number, way)))):
        raise ValueError("not a row")
    return [_decoded(item) for item in values], way


def _is_number(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _decoded(value: Any) -> Any:
    """Texts as UTF-8, which they were read past."""
    if isinstance(value, str):
        # What was escaped as a number is a character already, and no byte.
        return value if any(character > "\xff" for character in value) else value.encode("latin-1").decode()
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict):
        return {_decoded(name): _decoded(item) for name, item in value.items()}
    return value
