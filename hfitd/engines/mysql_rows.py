"""Result sets of MySQL as raw cells: bytes as the server sent them, NULL as None, nothing decoded by the driver.

Packets are those of the client/server protocol: three bytes length (little endian), one byte sequence number, payload;
a payload of 0xFFFFFF bytes continues in the next packet. A row of the text protocol is a run of length-encoded
strings. Rows are cut out of large reads, for one await a row costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pymysql.constants import COMMAND
from pymysql.err import OperationalError
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from hfitd.engines.mysql_connection import SafeConnection
from hfitd.engines.mysql_errors import translated
from hfitd.engines.shape import RawRow
from hfitd.errors import LimitExceeded, QueryTimeout

READ_BYTES = 128 * 1024
MAX_ROW_BYTES = 256 * 1024 * 1024  # a longer row is refused: it has to be held in memory whole
_CONTINUES = 0xFFFFFF
_SERVER_LOST = 2013
COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_CLOSE = 0x16, 0x17, 0x19

Batch_co = TypeVar("Batch_co", covariant=True)
Parse = Callable[[bytes, int, int], RawRow]  # data, start, end of one row


@dataclass(frozen=True, slots=True)
class Field:
    """What the server says about one output: the protocol's type code, flags and character set (63 is bytes)."""

    name: str
    type_code: int
    flags: int
    charset: int
    length: int
    decimals: int


async def read_fields(connection: SafeConnection, count: int) -> tuple[Field, ...]:
    """The column definitions that follow a result's or a prepared statement's head."""
    fields = []
    for _ in range(count):
        packet = await connection.packet(FieldDescriptorPacket)
        fields.append(Field(packet.name, packet.type_code, packet.flags, packet.charsetnr, packet.length, packet.scale))
    if count:
        await connection.packet()  # the EOF after them
    return tuple(fields)


async def start_query(connection: SafeConnection, sql: str) -> tuple[Field, ...]:
    """Run a statement that gives rows and return its columns; read the rows with ``raw_rows``."""
    return await _start(connection, COMMAND.COM_QUERY, sql.encode())


async def start_prepared(connection: SafeConnection, statement: int) -> tuple[Field, ...]:
    """Run a prepared statement without parameters; its rows come in the binary protocol."""
    return await _start(connection, COM_STMT_EXECUTE, struct.pack("<IBI", statement, 0, 1))


async def _start(connection: SafeConnection, command: int, payload: bytes) -> tuple[Field, ...]:
    packet = await connection.start(command, payload)
    if packet.is_ok_packet():
        return ()
    return await read_fields(connection, packet.read_length_encoded_integer())


async def prepare(connection: SafeConnection, sql: str) -> tuple[int, tuple[Field, ...]]:
    """Have the server parse and type a statement without running it: its number and columns."""
    packet = await connection.start(COM_STMT_PREPARE, sql.encode())
    _, statement, columns, parameters = struct.unpack_from("<BIHH", packet.get_all_data())
    await read_fields(connection, parameters)
    return statement, await read_fields(connection, columns)


async def forget(connection: SafeConnection, statement: int) -> None:
    """Let the server drop a prepared statement; it does not answer."""
    await connection._execute_command(COM_STMT_CLOSE, struct.pack("<I", statement))


class Cutter(Protocol[Batch_co]):
    """Takes rows apart and collects them until they are asked for. Used for one result."""

    def cut(self, data: bytes, at: int) -> int:
        """The whole packets from ``at`` on that hold ordinary rows; where the next packet begins."""

    def add(self, data: bytes, start: int, end: int) -> None:
        """One row of any size, without the head of its packet."""

    def take(self) -> Batch_co | None:
        """What was collected since; None when that is nothing."""


class CellCutter:
    """Rows of the text protocol, or with ``parse`` of the binary one, as lists of cells."""

    def __init__(self, count: int, parse: Parse | None = None) -> None:
        self._parse = parse or text_parser(count)
        self._rows: list[RawRow] = []

    def cut(self, data: bytes, at: int) -> int:
        """See ``Cutter``."""
        parse, add, last = self._parse, self._rows.append, len(data) - 4
        while at < last:
            end = at + 4 + (data[at] | data[at + 1] << 8 | data[at + 2] << 16)
            if end > len(data) or data[at + 4] >= 0xFE:
                break
            add(parse(data, at + 4, end))
            at = end
        return at

    def add(self, data: bytes, start: int, end: int) -> None:
        """See ``Cutter``."""
        self._rows.append(self._parse(data, start, end))

    def take(self) -> Sequence[RawRow] | None:
        """The rows."""
        rows, self._rows = self._rows, []
        return rows or None


def text_parser(count: int) -> Parse:
    """Cut rows of ``count`` cells in the text protocol."""

    def parse(data: bytes, at: int, end: int) -> RawRow:
        cells: list[bytes | None] = []
        for _ in range(count):
            size = data[at]
            at += 1
            if size > 250:
                if size == 251:
                    cells.append(None)
                    continue
                size, at = long_size(data, at, size)
            cells.append(data[at : at + size])
            at += size
        if at != end:
            raise OperationalError(_SERVER_LOST, "malformed row")
        return cells

    return parse


def long_size(data: bytes, at: int, mark: int) -> tuple[int, int]:
    """A length-encoded integer above 250: its value and where the next byte stands."""
    width = {252: 2, 253: 3, 254: 8}.get(mark)
    if width is None:
        raise OperationalError(_SERVER_LOST, "malformed length")
    return int.from_bytes(data[at : at + width], "little"), at + width


class Packets(Generic[Batch_co]):
    """Whole packets cut out of large reads. Ends at the result's EOF packet, raises its error packet."""

    def __init__(self, connection: SafeConnection, cutter: Cutter[Batch_co], stall_seconds: float) -> None:
        self._connection = connection
        self._cutter = cutter
        self._stall_seconds = stall_seconds
        self._data = b""
        self.ended = False

    async def rows(self) -> Batch_co | None:
        """The rows of one read; None only when the result has ended."""
        while not self.ended:
            self._data += await self._read(READ_BYTES)
            await self._cut()
            if (batch := self._cutter.take()) is not None:
                return batch
        return None

    async def _cut(self) -> None:
        data, at = self._data, 0
        while len(data) - (at := self._cutter.cut(data, at)) >= 4:
            size = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            start, end = at + 4, at + 4 + size
            if size == _CONTINUES or end > len(data):
                if size < READ_BYTES:  # the rest comes with the next read
                    break
                data, at = await self._long(data[at:]), 0
                start, end = 0, len(data)
            if self._is_end(data, start, end):
                at = end
                break
            self._cutter.add(data, start, end)
            at = end
        self._data = data[at:]
        if self.ended and self._data:
            raise OperationalError(_SERVER_LOST, "bytes after the result")

    def _is_end(self, data: bytes, start: int, end: int) -> bool:
        first, size = data[start], end - start
        if first == 0xFE and size < 9:
            self.ended = True
        elif first == 0xFF:
            self.ended = True
            MysqlPacket(data[start:end], "utf-8").raise_for_error()
        return self.ended

    async def _long(self, data: bytes) -> bytes:
        """The payload of a packet that is longer than a read, its continuations joined. Nothing follows it here."""
        parts: list[bytes] = []
        total = 0
        while True:
            header, data = data[:4], data[4:]
            if len(header) < 4:
                header += await self._exactly(4 - len(header))
            size = int.from_bytes(header[:3], "little")
            total += size
            if total > MAX_ROW_BYTES:
                raise LimitExceeded("A row is larger than 256 MiB; leave its largest column out.")
            part, data = data[:size], data[size:]
            parts.append(part + await self._exactly(size - len(part)))
            if size < _CONTINUES:
                return b"".join(parts)

    async def _exactly(self, count: int) -> bytes:
        if not count:
            return b""
        async with patience(self._stall_seconds):
            return await self._connection.reader.readexactly(count)

    async def _read(self, count: int) -> bytes:
        async with patience(self._stall_seconds):
            data = await self._connection.reader.read(count)
        if not data:
            raise OperationalError(_SERVER_LOST, "the server closed the connection")
        return data


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Wait for the server so long and no longer; then QueryTimeout."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise QueryTimeout("The database stopped answering in time; ask for less or try later.") from None


async def raw_rows(
    connection: SafeConnection, cutter: Cutter[Batch_co], stall_seconds: float
) -> AsyncIterator[Batch_co]:
    """The rows of the running result in batches of one read. A server silent for ``stall_seconds`` is QueryTimeout."""
    packets = Packets(connection, cutter, stall_seconds)
    while not packets.ended:
        with translated():
            batch = await packets.rows()
        if batch is not None:
            yield batch
        await asyncio.sleep(0)  # a fast server must not keep the loop from its other work
