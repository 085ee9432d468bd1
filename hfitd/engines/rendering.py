"""Rows of cells become CSV, NDJSON or INSERT statements, the same way on every engine.

A cell is what the engine says in text, as UTF-8 bytes; the raw bytes for BYTES columns; None for NULL. Nothing here
does I/O except awaiting the sink, and a value never passes through a Python number or date, so what the engine
printed is what stands in the file.

``Renderer`` is the only way to a sink: it masks first, so that an encoder never sees a raw masked cell.

* CSV is RFC 4180: a header line, CRLF line ends, fields quoted when they hold a comma, a quote, CR or LF. NULL is an
  empty field and the empty string is ``""``.
* NDJSON is one object a line, keys in output order, ended by LF. Numbers stand verbatim; what is no JSON number (NaN,
  Infinity, zero-filled integers) is a string. JSON columns are embedded as they are, line ends between tokens as
  blanks; an engine may call a column JSON only if its server has validated it.
* In both bytes are base64 (RFC 4648, padded), booleans ``true`` and ``false``, times ISO 8601 with ``T`` and a full
  offset; what ISO cannot say (infinity, BC) keeps the engine's words.
* INSERT statements hold many rows each; how a literal is spelt is the engine's business.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from json.encoder import encode_basestring
from typing import Protocol

from hfitd.engines.interface import Format, Row
from hfitd.engines.shape import THREAD_BYTES, RawRow, Shape, covered_bytes, mask_rows
from hfitd.errors import Internal
from hfitd.model import Kind, Receipt, Sink

Literal = Callable[[bytes], bytes]
Spell = Callable[[bytes], str]

WRITE_BYTES = 128 * 1024  # what is collected before the sink is awaited
STATEMENT_BYTES = 512 * 1024  # an INSERT is closed beyond this; far below every default max_allowed_packet

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE_THEN_TIME = re.compile(r" (?=[0-9])")
_SHORT_OFFSET = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?[+-][0-9]{2})(?= BC$|$)")
_ZERO = ord("0")
_TRUE = frozenset((b"t", b"true", b"1"))


class Encoder(Protocol):
    """One form of one result. Stateful, used once, fed with masked rows."""

    def head(self) -> bytes:
        """What stands before the first row."""

    def encode(self, rows: Iterable[RawRow]) -> bytes:
        """These rows, after those before."""

    def tail(self) -> bytes:
        """What stands after the last row."""


def text_rows(shape: Shape, rows: Sequence[RawRow]) -> list[Row]:
    """The rows masked and as text, bytes as base64; for ``Snapshot.rows`` and ``Snapshot.batches``."""
    encoded: list[Spell] = [_base64 if kind is Kind.BYTES else bytes.decode for kind in shape.kinds]
    try:
        return [
            tuple([None if cell is None else encode(cell) for encode, cell in zip(encoded, row, strict=True)])
            for row in mask_rows(shape, rows)
        ]
    except UnicodeDecodeError:
        raise _not_utf8() from None


class CsvEncoder:
    """RFC 4180 with a header line and CRLF."""

    def __init__(self, shape: Shape, fields: Sequence[Spell] | None = None) -> None:
        """``fields`` spell one column each, for engines whose values have types of their own."""
        self._names = shape.names
        self._fields = list(fields) if fields is not None else [csv_field(kind) for kind in shape.kinds]

    def head(self) -> bytes:
        """The header line; its names follow the rules of fields."""
        return (",".join(_csv_text(name.encode()) for name in self._names) + "\r\n").encode()

    def encode(self, rows: Iterable[RawRow]) -> bytes:
        """A line a row."""
        fields = self._fields
        try:
            lines = [
                ",".join(["" if cell is None else field(cell) for field, cell in zip(fields, row, strict=True)])
                for row in rows
            ]
        except UnicodeDecodeError:
            # From None: the exception would carry the value into the log.
            raise _not_utf8() from None
        return ("\r\n".join(lines) + "\r\n").encode() if lines else b""

    def tail(self) -> bytes:
        """Nothing: CSV has no end."""
        return b""


class NdjsonEncoder:
    """One JSON object a line, keys in output order."""

    def __init__(self, shape: Shape, values: Sequence[Spell] | None = None) -> None:
        """``values`` spell one column each, for engines whose values have types of their own."""
        pairs = ",".join(encode_basestring(name).replace("%", "%%") + ":%s" for name in shape.names)
        self._line = "{" + pairs + "}\n"
        self._values = (
            list(values)
            if values is not None
            else [json_value(kind, masked=shape.is_masked(place)) for place, kind in enumerate(shape.kinds)]
        )

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def encode(self, rows: Iterable[RawRow]) -> bytes:
        """A line a row."""
        line, values = self._line, self._values
        try:
            lines = [
                line % tuple(["null" if cell is None else value(cell) for value, cell in zip(values, row, strict=True)])
                for row in rows
            ]
        except UnicodeDecodeError:
            raise _not_utf8() from None
        return "".join(lines).encode()

    def tail(self) -> bytes:
        """Nothing; the end record of a row stream is its sender's."""
        return b""


class InsertEncoder:
    """INSERT statements of many rows each.

    ``opening`` is everything up to and with ``VALUES``; ``literals`` spell one column each. A statement is closed
    once it passes ``statement_bytes`` or ``statement_rows``, so the same rows always give the same statements.
    """

    def __init__(
        self,
        opening: bytes,
        literals: Sequence[Literal],
        *,
        statement_bytes: int = STATEMENT_BYTES,
        statement_rows: int = 1000,
        before: bytes = b"",
        after: bytes = b"",
    ) -> None:
        self._opening = opening + b"\n("
        self._literals = tuple(literals)
        self._max_bytes, self._max_rows = statement_bytes, statement_rows
        self._before, self._after = before, after
        self._open_bytes = self._open_rows = 0

    def head(self) -> bytes:
        """Statements of the engine that set the session up."""
        return self._before

    def encode(self, rows: Iterable[RawRow]) -> bytes:
        """Rows appended to the open statement, which is closed when it is long enough."""
        literals = self._literals
        return self.append(
            [
                b",".join([b"NULL" if cell is None else spell(cell) for spell, cell in zip(literals, row, strict=True)])
                for row in rows
            ]
        )

    def append(self, lines: Sequence[bytes]) -> bytes:
        """The same for rows whose literals are spelt already, with commas between them."""
        parts: list[bytes] = []
        while lines:
            taken = lines[: self._max_rows - self._open_rows]
            if self._open_bytes + _inside(taken) >= self._max_bytes:
                taken = taken[: self._fitting(taken)]
            lines = lines[len(taken) :]
            parts += (b",\n(" if self._open_rows else self._opening, b"),\n(".join(taken), b")")
            self._open_rows += len(taken)
            self._open_bytes += _inside(taken)
            if self._open_rows >= self._max_rows or self._open_bytes >= self._max_bytes:
                parts.append(self._close())
        return b"".join(parts)

    def _fitting(self, lines: Sequence[bytes]) -> int:
        """How many of the lines come into the open statement: up to the one that makes it long enough."""
        size = self._open_bytes
        for number, line in enumerate(lines, start=1):
            size += len(line) + 2
            if size >= self._max_bytes:
                return number
        return len(lines)

    def tail(self) -> bytes:
        """The end of the open statement, then the engine's closing statements."""
        return (self._close() if self._open_rows else b"") + self._after

    def _close(self) -> bytes:
        self._open_bytes = self._open_rows = 0
        return b";\n"


def _inside(lines: Sequence[bytes]) -> int:
    """Bytes of the lines with their parentheses."""
    return sum(map(len, lines)) + 2 * len(lines)


class Renderer:
    """Masks rows, encodes them, and hands the sink few large writes. Used for one result.

    ``add`` takes batches of a size that the loop can afford (a few hundred rows, a few hundred KiB).
    """

    def __init__(self, shape: Shape, encoder: Encoder, sink: Sink) -> None:
        self._shape, self._encoder = shape, encoder
        self._out = Collector(sink)
        self._rows = 0
        self._started = False

    async def add(self, rows: Sequence[RawRow]) -> None:
        """Write these rows after those before."""
        await self._start()
        self._rows += len(rows)
        if covered_bytes(self._shape, rows) < THREAD_BYTES:
            data = self._encoded(rows)
        else:  # masks of documents and prose take milliseconds a batch: the loop has other work meanwhile
            data = await asyncio.to_thread(self._encoded, rows)
        await self._out.write(data)

    def _encoded(self, rows: Sequence[RawRow]) -> bytes:
        return self._encoder.encode(mask_rows(self._shape, rows))

    async def finish(self) -> Receipt:
        """Write the end and everything still held back."""
        await self._start()
        await self._out.write(self._encoder.tail())
        await self._out.flush()
        return Receipt(rows=self._rows, size=self._out.size)

    async def _start(self) -> None:
        if not self._started:
            self._started = True
            await self._out.write(self._encoder.head())


class Collector:
    """Joins small pieces so that the sink sees writes of at least ``WRITE_BYTES``, but for the last."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pieces: list[bytes] = []
        self._held = 0
        self.size = 0  # bytes taken so far

    async def write(self, data: bytes) -> None:
        """Take a piece; awaits the sink when enough is held."""
        if not data:
            return
        self._pieces.append(data)
        self._held += len(data)
        self.size += len(data)
        if self._held >= WRITE_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Hand over what is held."""
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
            await self._sink.write(data)


async def render_batches(batches: AsyncIterator[Sequence[RawRow]], renderer: Renderer) -> Receipt:
    """All batches through one renderer, for engines whose rows are pulled."""
    async for rows in batches:
        await renderer.add(rows)
    return await renderer.finish()


def text_encoder(form: Format, shape: Shape) -> Encoder:
    """The encoder of CSV or NDJSON; SQL is the engine's own."""
    if form is Format.CSV:
        return CsvEncoder(shape)
    if form is Format.NDJSON:
        return NdjsonEncoder(shape)
    raise ValueError("SQL is rendered by the engine")


def csv_field(kind: Kind) -> Spell:
    """How CSV spells a cell of this kind."""
    return _CSV.get(kind, _csv_text)


def json_value(kind: Kind, *, masked: bool = False) -> Spell:
    """How NDJSON spells a cell of this kind; a masked document is embedded only if it is one."""
    return _json_checked if kind is Kind.JSON and masked else _JSON.get(kind, _json_text)


def _not_utf8() -> Internal:
    return Internal("A text value is not valid UTF-8; export this column as bytes.")


def _base64(cell: bytes) -> str:
    return base64.b64encode(cell).decode("ascii")


def _boolean(cell: bytes) -> str:
    return "true" if cell in _TRUE else "false"


def _iso_time(cell: bytes) -> str:
    text = cell.decode()
    # The two usual shapes, by position; the patterns are ten times slower.
    clock, offset = (text[11:-3], ":00") if text.endswith("+00") else (text[11:], "")
    if text[10:11] == " " and clock[2:3] == ":" and "+" not in clock and "-" not in clock:
        return f"{text[:10]}T{text[11:]}{offset}"
    return _SHORT_OFFSET.sub(r"\1:00", _DATE_THEN_TIME.sub("T", text, count=1))


def _csv_text(cell: bytes) -> str:
    text = cell.decode()
    if not text:
        return '""'
    # Four searches of one character are faster than one of a pattern.
    if '"' in text or "," in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _csv_bytes(cell: bytes) -> str:
    return _base64(cell) or '""'


def _json_text(cell: bytes) -> str:
    return encode_basestring(cell.decode())


def _json_number(cell: bytes) -> str:
    text = cell.decode()
    if cell.isdigit() and cell[0] != _ZERO:
        return text
    return text if _NUMBER.fullmatch(text) else encode_basestring(text)


def _json_bytes(cell: bytes) -> str:
    return f'"{_base64(cell)}"'


def _json_time(cell: bytes) -> str:
    return encode_basestring(_iso_time(cell))


def _json_document(cell: bytes) -> str:
    # Inside a JSON string a raw line end is not allowed, so these stand between tokens.
    return cell.decode().replace("\r", " ").replace("\n", " ")


def _json_checked(cell: bytes) -> str:
    """A masked document: no server has seen it, so it is embedded only if it is JSON."""
    try:
        json.loads(cell)
    except (ValueError, RecursionError):
        return _json_text(cell)
    return _json_document(cell)


_CSV: dict[Kind, Callable[[bytes], str]] = {
    Kind.BYTES: _csv_bytes,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _iso_time,
    Kind.TIME: _iso_time,
}
_JSON: dict[Kind, Callable[[bytes], str]] = {
    Kind.INTEGER: _json_number,
    Kind.NUMBER: _json_number,
    Kind.BYTES: _json_bytes,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _json_time,
    Kind.TIME: _json_time,
    Kind.JSON: _json_document,
}
