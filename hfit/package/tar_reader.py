"""Members of a package's tar, one after the other. What is read is re-made and compared (contract 8.10).

Only what the writer can produce is accepted: a regular file of mode 0644, owner 0, time 0, the PAX header that its name
or size calls for and no other, zeros as padding, two zero blocks at the end, and nothing after them. So links, devices,
odd modes, sparse files and second spellings of a name cannot even be expressed (attack case C04).
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hfit.errors import PackageInvalid
from hfit.package.containers import PIECE_BYTES, altered, cut_short
from hfit.package.names import MAX_PATH_BYTES

BLOCK_BYTES = 512
MAX_MEMBERS = 250_000
MAX_PAX_BYTES = 2 * MAX_PATH_BYTES
_ZERO_BLOCK = bytes(BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the archive has it; ``path`` still begins with the package's name."""

    path: str
    size: int
    sha256: str


Consumer = Callable[[str, int], Callable[[bytes], object] | None]
"""Called with path and size at each member; gives back who takes its bytes, or None."""


class _Bytes:
    """Pieces of any size, taken as asked."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._pending = pieces, b""

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        parts, missing = [], size
        while missing:
            piece = self.some(missing)
            parts.append(piece)
            missing -= len(piece)
        return b"".join(parts)

    def some(self, limit: int) -> bytes:
        """Between one and ``limit`` bytes; PackageIncomplete at the end."""
        if not self._pending:
            self._pending = next(self._pieces, b"")
            if not self._pending:
                raise cut_short()
        taken, self._pending = self._pending[:limit], self._pending[limit:]
        return taken

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return not self._pending and not next(self._pieces, b"")


def member_header(path: str, size: int) -> bytes:
    """The only header that a member of this name and size may have."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def read_members(pieces: Iterator[bytes], consumer: Consumer) -> Iterator[Entry]:
    """Go through the whole archive, to its last byte. Each entry comes after its bytes went to ``consumer``."""
    stream = _Bytes(pieces)
    for count in range(MAX_MEMBERS + 1):
        header = stream.take(BLOCK_BYTES)
        if header == _ZERO_BLOCK:
            if stream.take(BLOCK_BYTES) != _ZERO_BLOCK or not stream.at_end():
                raise altered("Something follows the end of the archive.")
            return
        if count == MAX_MEMBERS:
            break
        path, size = _read_header(stream, header)
        yield Entry(path, size, _read_body(stream, size, consumer(path, size)))
    raise PackageInvalid(f"The package holds more than {MAX_MEMBERS} files.")


def _read_header(stream: _Bytes, header: bytes) -> tuple[str, int]:
    raw, records = header, {}
    try:
        if header[156:157] == b"x":
            length = _octal(header[124:136])
            if length > MAX_PAX_BYTES:
                raise ValueError
            payload = stream.take(length + -length % BLOCK_BYTES)
            records = _pax_records(payload[:length])
            header = stream.take(BLOCK_BYTES)
            raw = raw + payload + header
        name = _text(header[0:100])
        prefix = _text(header[345:500])
        path = records.get("path") or (f"{prefix}/{name}" if prefix else name)
        size = int(records["size"]) if "size" in records else _octal(header[124:136])
        if size < 0:  # tarfile would spell even that
            raise ValueError
        expected = member_header(path, size)
    except (ValueError, UnicodeError) as error:
        raise altered("A header of the archive is damaged.") from error
    if raw != expected:
        raise altered("A header of the archive is not the one that its member has to have.")
    return path, size


def _octal(field: bytes) -> int:
    text = field.rstrip(b"\x00").decode("ascii")
    if not text.isdigit():
        raise ValueError("a number of the archive is not octal")
    return int(text, 8)


def _text(field: bytes) -> str:
    return field.split(b"\x00", 1)[0].decode()


def _pax_records(data: bytes) -> dict[str, str]:
    """``<length> <key>=<value>`` and a newline, each (POSIX pax). ValueError on anything else."""
    records = {}
    while data:
        digits, _, _ = data.partition(b" ")
        if not digits.isdigit() or len(digits) > 8 or not len(digits) + 2 <= int(digits) <= len(data):
            raise ValueError("a pax record has a wrong length")
        record, data = data[len(digits) + 1 : int(digits)], data[int(digits) :]
        key, equals, value = record[:-1].partition(b"=")
        if not equals or record[-1:] != b"\n":
            raise ValueError("a pax record is damaged")
        records[key.decode()] = value.decode()
    return records


def _read_body(stream: _Bytes, size: int, write: Callable[[bytes], object] | None) -> str:
    digest, left = hashlib.sha256(), size
    while left:
        piece = stream.some(min(left, PIECE_BYTES))
        digest.update(piece)
        if write is not None:
            write(piece)
        left -= len(piece)
    if any(stream.take(-size % BLOCK_BYTES)):
        raise altered("The padding of the archive is not zero.")
    return digest.hexdigest()
