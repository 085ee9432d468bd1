"""Printing: data to standard output, words to standard error; nothing from elsewhere reaches a terminal raw."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from hfit.errors import HfitClientError
from hfit.output.columns import fitted, lines_of_row, widths_of
from hfit.text import json_text, visible, visible_lines

WIDTH_SAMPLE_ROWS = 200
MAX_CELL_CHARACTERS = 60
MAX_WRAPPED_CHARACTERS = 600
RED, GREEN, YELLOW, BOLD = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m"
_PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Printer:
    """How this run speaks: ``json`` one machine-readable document, ``color`` only where a terminal takes it."""

    json: bool = False
    color: bool = True
    verbose: int = 0

    @property
    def out_is_terminal(self) -> bool:
        """Whether a person reads standard output."""
        return sys.stdout.isatty()

    @property
    def progress_wanted(self) -> bool:
        """Progress is for a person at a terminal."""
        return sys.stderr.isatty() and not self.json

    def document(self, value: object) -> None:
        """One JSON document: compact for machines, indented for people."""
        self.raw((json_text(value, indent=None if self.json else 2) + "\n").encode())

    def json_line(self, value: object) -> None:
        """One line of NDJSON."""
        self.raw((json_text(value) + "\n").encode())

    def line(self, text: str) -> None:
        """One line for a person on standard output."""
        self.raw((visible(text, limit=1 << 20) + "\n").encode())

    def raw(self, data: bytes) -> None:
        """Bytes as they are; on a terminal with every control character shown as an escape (C06)."""
        if self.out_is_terminal:
            data = visible_lines(data.decode("utf-8", "backslashreplace")).encode("utf-8", "backslashreplace")
        sys.stdout.buffer.write(data)

    def fields(self, values: Mapping[str, object]) -> None:
        """Names and values, one pair a line; as a document in JSON mode."""
        if self.json:
            self.document(dict(values))
            return
        width = max((len(name) for name in values), default=0)
        for name, value in values.items():
            shown = ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else value
            self.line(f"{name:<{width}}  {'-' if shown in (None, '') else shown}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table whose widths come from the first rows.

        On a terminal it fits: what is too wide goes on in the next line of its cell. Elsewhere a row is one line, and
        later longer cells push their line out.
        """
        limit = MAX_WRAPPED_CHARACTERS if self.out_is_terminal else MAX_CELL_CHARACTERS
        cells = ([_cell(value, limit) for value in row] for row in rows)
        sample = list(islice(cells, WIDTH_SAMPLE_ROWS))
        heads = [_cell(column, limit) for column in columns]
        widths = widths_of([heads, *sample])
        if self.out_is_terminal:
            widths = fitted(widths, shutil.get_terminal_size().columns)
        for number, row in enumerate(chain([heads, ["-" * width for width in widths]], sample, cells)):
            for line in lines_of_row(row, widths, wrap=self.out_is_terminal):
                self._write_row(line, head=number == 0)

    def _write_row(self, line: str, *, head: bool) -> None:
        """Our own escape sequences go round ``raw``, which makes every control character visible."""
        if head and self.color and self.out_is_terminal:
            sys.stdout.buffer.write(BOLD.encode())
            self.raw(line.encode())
            sys.stdout.buffer.write(_PLAIN.encode() + b"\n")
        else:
            self.raw((line + "\n").encode())

    def heading(self, text: str) -> None:
        """A line above what belongs together."""
        self.checked(visible(text), BOLD, "")

    def checked(self, state: str, color: str, text: str) -> None:
        """A line that begins with a state, which is coloured on a terminal."""
        if self.color and self.out_is_terminal:
            sys.stdout.buffer.write(color.encode())
            self.raw(state.encode())
            sys.stdout.buffer.write(_PLAIN.encode())
            self.line(text)
        else:
            self.line(state + text)

    def row_table(self, lines: Iterator[bytes]) -> None:
        """A table of NDJSON rows; the first row names the columns."""
        first = next(lines, None)
        if first is None:
            self.note("No rows.")
            return
        columns = list(json.loads(first))
        rows = ([row.get(column) for column in columns] for row in map(json.loads, chain([first], lines)))
        self.table(columns, rows)

    def note(self, text: str) -> None:
        """Words for a person; none in JSON mode."""
        if not self.json:
            self._say(visible(text))

    def detail(self, text: str) -> None:
        """Words for a person who asked for more (-v)."""
        if self.verbose:
            self._say(visible(text))

    def warn(self, text: str) -> None:
        """A warning; also in JSON mode, because it goes to standard error."""
        self._say(self._paint("Warning: ", YELLOW) + visible(text))

    def error(self, error: HfitClientError) -> None:
        """What happened, why, what to do next; in JSON mode the error body of the HTTP contract."""
        if self.json:
            self._say(json_text(error.document()))
            return
        self._say(self._paint("Error: ", RED) + visible(error.message))
        self._say("  Why:  " + visible(error.why))
        for number, suggestion in enumerate(error.advice[:20]):
            self._say(("  Next: " if number == 0 else "        ") + visible(suggestion))

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{_PLAIN}" if self.color and sys.stderr.isatty() else text

    @staticmethod
    def _say(text: str) -> None:
        encoding = sys.stderr.encoding or "utf-8"
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stderr.flush()


def _cell(value: object, limit: int) -> str:
    text = value if isinstance(value, str) else "" if value is None else json_text(value)
    return visible(text, limit=limit)
