r"""Cuts the SQL members of our packages into statements and COPY blocks, as a stream.

This is no SQL parser: it knows quotes, comments and where a statement ends, for the text that ``hfitd`` writes.

1. A statement ends at a ``;`` outside of quotes, quoted names, dollar quotes and comments.
2. After ``COPY ... FROM stdin;`` follow lines of data up to a line ``\.`` (PostgreSQL manual, COPY, "Text Format").
3. Memory holds one statement, or one piece of COPY data; a statement is scanned a fixed number of times, however long.
4. A member that ends inside a statement or a COPY block is PackageInvalid.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hfit.errors import PackageInvalid
from hfit.load.grammar import INSERT, MYSQL_ROWS
from hfit.load.interface import Passed
from hfit.load.mysql_rows import rows_end

READ_BYTES = 1 << 20
_AWAITED_BYTES = 4 << 20  # a longer INSERT may be one that does not end as ours do
_COPY = re.compile(rb"\s*COPY\s.*\sFROM\s+stdin\s*\Z", re.S | re.I)
_END = b"\\.\n"

_QUOTED_NAME = rb'"(?:[^"]++|"")*+"'
_COMMENT = rb"--[^\n]*+\n|/\*(?:[^*]++|\*(?!/))*+\*/"
_STANDARD = rb"'(?:[^']++|'')*+'"
_ESCAPED = rb"'(?:[^'\\]++|\\.|'')*+'"
_DOLLAR = rb"\$([A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?\$"

# Everything that may stand between two statement ends, as far as it is whole; a dollar quote is looked at apart.
_BODIES = {
    "postgresql": re.compile(
        rb"(?:[^;'\"$/\-eE]++|[eE]" + _ESCAPED + rb"|[eE]|" + _STANDARD + rb"|" + _QUOTED_NAME + rb"|" + _COMMENT
        + rb"|-(?=[^\-])|/(?=[^*]))*+",
        re.S,
    ),
    "mysql": re.compile(
        rb"(?:[^;'\"`/\-#]++|" + _ESCAPED + rb'|"(?:[^"\\]++|\\.|"")*+"|`(?:[^`]++|``)*+`|#[^\n]*+\n|' + _COMMENT
        + rb"|-(?=[^\-])|/(?=[^*]))*+",
        re.S,
    ),
    "sqlite": re.compile(
        rb"(?:[^;'\"`\[/\-]++|" + _STANDARD + rb"|" + _QUOTED_NAME + rb"|`(?:[^`]++|``)*+`|\[[^\]]*+\]|" + _COMMENT
        + rb"|-(?=[^\-])|/(?=[^*]))*+",
        re.S,
    ),
}  # fmt: skip
_DOLLAR_OPEN = re.compile(_DOLLAR)
_LEADING = re.compile(rb"(?:\s++|" + _COMMENT + rb")*+")  # an executable comment of MySQL stays: /*! and /*M!
_LEADING_MYSQL = re.compile(rb"(?:\s++|--[^\n]*+\n|/\*(?![!M])(?:[^*]++|\*(?!/))*+\*/)*+")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its ``;``. ``line`` and ``offset`` are where it begins in the member.

    ``rows_at``: it is an INSERT of MySQL, and its rows begin there; ``proved``: they are literals and nothing else.
    """

    text: bytes
    line: int
    offset: int = 0
    rows_at: int = -1
    proved: bool = False


@dataclass(frozen=True, slots=True)
class CopyBlock:
    """A COPY statement and its data in pieces of whole lines. What is not read is skipped."""

    head: bytes
    line: int
    pieces: Iterator[bytes]


def read_again(file: BinaryIO, passed: Iterable[Passed], path: str) -> Iterator[Statement]:
    """The statements of a member that was read before, without looking through their text once more.

    PackageInvalid when one of them is no longer what it was.
    """
    for one in passed:
        file.seek(one.offset)
        text = file.read(one.size)
        if hashlib.sha256(text).digest() != one.sha256:
            raise PackageInvalid(f"{path} has changed since it was looked through.")
        yield Statement(text, one.line, one.offset, one.rows_at, one.proved)


def read_script(file: BinaryIO, engine: str, path: str, *, prove: bool = True) -> Iterator[Statement | CopyBlock]:
    """The statements of a member; see the module. PackageInvalid names the member by ``path``.

    Without ``prove``, the end of rows of MySQL is found by counting quotes, and whether they are literals is left open.
    """
    return _Reader(file, engine, path, prove=prove).items()


class _Reader:
    def __init__(self, file: BinaryIO, engine: str, path: str, *, prove: bool) -> None:
        self._file, self._path, self._prove = file, path, prove
        self._engine = engine
        self._body = _BODIES[engine]
        self._dollars = engine == "postgresql"
        self._buffer = b""
        self._offset = 0  # of the buffer in the member
        self._line = 1
        self._ended = False
        self._reading = False  # whether somebody takes the data of the COPY that was met last

    def items(self) -> Iterator[Statement | CopyBlock]:
        while (cut := self._statement()) is not None:
            text, rows_at, proved = cut
            offset = self._offset - len(text) - 1
            leading = (_LEADING_MYSQL if self._engine == "mysql" else _LEADING).match(text)
            before = leading.end() if leading else 0
            stripped = text[before:]
            begins = self._line + text.count(b"\n", 0, before)
            self._line += text.count(b"\n")
            if self._dollars and _COPY.match(stripped):
                self._skip_line_end()
                self._reading = False
                pieces = self._copy_pieces()
                yield CopyBlock(stripped, begins, pieces)
                if not self._reading:
                    self._skip_copy()
                    continue
                for _ in pieces:
                    continue
            elif stripped:
                rows_at -= before if rows_at >= 0 else 0
                yield Statement(stripped.rstrip(), begins, offset + before, rows_at, proved)

    def _fill(self, size: int) -> bool:
        piece = self._file.read(size)
        self._buffer += piece
        self._ended = not piece
        return bool(piece)

    def _statement(self) -> tuple[bytes, int, bool] | None:
        """Steps 1 and 3: reads twice as much each time that a statement is not whole yet."""
        size = READ_BYTES
        while True:
            if b";" in self._buffer:
                rows_at, end, proved = self._find_rows() or (-1, self._find_end(), False)
                if end is not None:
                    return self._cut(end), rows_at, proved
            if not self._fill(size):
                if self._buffer.strip():
                    raise self._cut_off()
                return None
            size = max(READ_BYTES, len(self._buffer))

    def _cut(self, end: int) -> bytes:
        text, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        self._offset += end + 1
        return text

    def _find_rows(self) -> tuple[int, int | None, bool] | None:
        """Where the rows of an INSERT of MySQL begin and end, and whether they are literals. No end: it may come with
        the next piece."""
        if self._engine != "mysql":
            return None
        leading = _LEADING_MYSQL.match(self._buffer)
        head = INSERT["mysql"].match(self._buffer, leading.end() if leading else 0)
        if head is None:
            return None
        end = rows_end(self._buffer, head.end())
        if end is None and not self._ended and len(self._buffer) < _AWAITED_BYTES:
            return head.end(), None, False
        if end is not None and not self._prove:
            return head.end(), end, False
        rows = MYSQL_ROWS.match(self._buffer, head.end())
        if rows is None or self._buffer[rows.end() : rows.end() + 1] != b";":
            return None
        return head.end(), rows.end(), True

    def _find_end(self) -> int | None:
        at = 0
        while True:
            match = self._body.match(self._buffer, at)
            at = match.end() if match else at
            following = self._buffer[at : at + 1]
            if following == b";":
                return at
            if following != b"$" or not self._dollars:
                return None
            opening = _DOLLAR_OPEN.match(self._buffer, at)
            if opening is None:
                if at + 1 >= len(self._buffer):
                    return None
                at += 1
                continue
            closing = self._buffer.find(opening[0], opening.end())
            if closing < 0:
                return None
            at = closing + len(opening[0])

    def _skip_line_end(self) -> None:
        while b"\n" not in self._buffer:
            if not self._fill(READ_BYTES):
                raise self._cut_off()
        rest, _, self._buffer = self._buffer.partition(b"\n")
        self._offset += len(rest) + 1
        if rest.strip():
            raise self._cut_off()
        self._line += 1

    def _copy_pieces(self) -> Iterator[bytes]:
        r"""Step 2. The end is ``\.`` at the start of a line; a cell's backslash is always doubled or escapes."""
        self._reading = True
        while True:
            if self._buffer.startswith(_END):
                cut, ended = 0, True
            else:
                found = self._buffer.find(b"\n" + _END)
                ended = found >= 0
                cut = found + 1 if ended else self._buffer.rfind(b"\n") + 1
            piece, self._buffer = self._buffer[:cut], self._buffer[cut:]
            self._offset += cut
            self._line += piece.count(b"\n")
            if piece:
                yield piece
            if ended:
                self._buffer = self._buffer[len(_END) :]
                self._offset += len(_END)
                self._line += 1
                return
            if not self._fill(max(READ_BYTES, len(self._buffer))):
                raise self._cut_off()

    def _skip_copy(self) -> None:
        """To behind the data, without making pieces of it."""
        mark = b"\n" + _END
        held = b"\n" + self._buffer  # where there is no data, its end stands right here
        self._offset, self._line = self._offset - 1, self._line - 1
        while (found := held.find(mark)) < 0:
            gone = max(0, len(held) - len(mark) + 1)
            self._offset, self._line = self._offset + gone, self._line + held.count(b"\n", 0, gone)
            self._buffer = held[gone:]
            if not self._fill(READ_BYTES):
                raise self._cut_off()
            held = self._buffer
        end = found + len(mark)
        self._offset, self._line = self._offset + end, self._line + held.count(b"\n", 0, end)
        self._buffer = held[end:]

    def _cut_off(self) -> PackageInvalid:
        return PackageInvalid(
            f"{self._path} ends inside a statement.",
            reason=f"It begins at line {self._line}.",
            suggestions=["Download the package again; if it is so every time, report the template to your operator."],
        )
