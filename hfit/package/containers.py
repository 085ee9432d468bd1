"""The compression around an archive: gzip or zstd with a seal, or nothing. Checked to the byte, in bounded memory.

1. The last bytes of the file are the seal: a fixed frame that decompresses to nothing and holds the SHA-256 of every
   byte before it. So any changed, missing or added byte is noticed before anything is decompressed.
2. gzip: every member before the seal has the one fixed header; its CRC and length are right (RFC 1952).
   zstd: every frame has a content checksum, no dictionary, no reserved bits, and a window of at most 32 MiB (RFC 8878).
3. Decompression never holds more than a piece of output, and stops when it exceeds a ratio no honest package has.

The seal is not a signature: whoever rewrites it also has to get past the signed manifest.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

from hfit.errors import PackageIncomplete, PackageInvalid

try:  # at twice zlib's speed, where it is installed: it comes with the server and with the extra `fast`
    from isal import isal_zlib as inflating
except ImportError:
    import zlib as inflating  # type: ignore[no-redef]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 256 << 10
MAX_RATIO = 1100
RATIO_GRACE_BYTES = 1 << 30
MAX_WINDOW_LOG = 25

GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
GZIP_SEAL_HEADER = bytes.fromhex("1f8b08040000000000ff") + bytes([36, 0]) + b"HF" + bytes([32, 0])
GZIP_SEAL_TAIL = bytes.fromhex("0300") + bytes(8)
ZSTD_MAGIC = bytes.fromhex("28b52ffd")
ZSTD_SEAL_HEADER = bytes.fromhex("502a4d18") + (36).to_bytes(4, "little") + b"HFIT"
_ZSTD_DESCRIPTOR_MASK, _ZSTD_DESCRIPTOR_WANTED = 0b0001_1111, 0b0000_0100


_DAMAGED = (zlib.error, cast("type[Exception]", inflating.error))


class _Decoder(Protocol):
    def decode(self, limit: int) -> bytes:
        """At most ``limit`` further bytes; empty at the end."""


class _Inflate(Protocol):
    unused_data: bytes
    unconsumed_tail: bytes
    eof: bool

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """See zlib."""


class Arrival(Protocol):
    """How much of a file can be read that somebody else still writes."""

    def wait(self, size: int) -> int:
        """Wait for so many bytes or for the end; how many there are, fewer only at the end. Raises to give up."""


class Source:
    """Pieces taken forward, with a look at what comes. ``given`` is how many bytes came so far."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self.pending, self.given = pieces, b"", 0

    def fill(self) -> bool:
        """Take a further piece into ``pending``; False at the end."""
        piece = next(self._pieces, b"")
        self.given += len(piece)
        self.pending = self.pending + piece if self.pending else piece
        return bool(piece)

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or PackageIncomplete."""
        while len(self.pending) < size:
            if not self.fill():
                raise cut_short()
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def at_end(self) -> bool:
        """Whether everything was taken."""
        return not self.pending and not self.fill()


def cut_short() -> PackageIncomplete:
    """The error of a package that ends too early."""
    return PackageIncomplete(
        "The package is cut short.", suggestions=["Download it again: a broken download goes on where it stopped."]
    )


def altered(what: str) -> PackageInvalid:
    """The error of bytes that are not the only ones allowed at their place."""
    return PackageInvalid(
        "The package was altered, or is not a package.", reason=what, suggestions=["Download it again."]
    )


def read_container(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of the tar inside ``file``, checked as the module says. Raises PackageInvalid or PackageIncomplete."""
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(len(GZIP_HEADER))
    if start[:2] == GZIP_HEADER[:2]:
        end = _check_seal(file, size, GZIP_SEAL_HEADER, GZIP_SEAL_TAIL)
        return _bounded(_GzipDecoder(Source(_pieces(file, end))), lambda: end)
    if start[:4] == ZSTD_MAGIC:
        end = _check_seal(file, size, ZSTD_SEAL_HEADER, b"")
        return _bounded(_ZstdDecoder(Source(_pieces(file, end))), lambda: end)
    return _pieces(file, size)


def read_arriving(file: BinaryIO, arrival: Arrival) -> Iterator[bytes]:
    """The same of a file that is still being written, each byte read once: its seal is compared at the end (1), so
    nothing that was given before may be used before this has ended well. Also raises what ``arrival`` does.
    """
    arrival.wait(len(GZIP_HEADER))
    file.seek(0)
    start = file.read(len(GZIP_HEADER))
    file.seek(0)
    if start[:2] == GZIP_HEADER[:2]:
        source = Source(_sealed_pieces(file, arrival, GZIP_SEAL_HEADER, GZIP_SEAL_TAIL))
        return _bounded(_GzipDecoder(source), lambda: source.given)
    if start[:4] == ZSTD_MAGIC:
        source = Source(_sealed_pieces(file, arrival, ZSTD_SEAL_HEADER, b""))
        return _bounded(_ZstdDecoder(source), lambda: source.given)
    return _arriving_pieces(file, arrival, 0)


def _pieces(file: BinaryIO, end: int) -> Iterator[bytes]:
    file.seek(0)
    while end and (piece := file.read(min(PIECE_BYTES, end))):
        end -= len(piece)
        yield piece


def _arriving_pieces(file: BinaryIO, arrival: Arrival, held_back: int) -> Iterator[bytes]:
    """Everything but the last ``held_back`` bytes."""
    position = 0
    while (left := arrival.wait(position + held_back + PIECE_BYTES) - held_back - position) > 0:
        piece = file.read(min(PIECE_BYTES, left))
        if not piece:
            raise cut_short()
        position += len(piece)
        yield piece


def _sealed_pieces(file: BinaryIO, arrival: Arrival, header: bytes, tail: bytes) -> Iterator[bytes]:
    length = len(header) + 32 + len(tail)
    digest = hashlib.sha256()
    for piece in _arriving_pieces(file, arrival, length):
        digest.update(piece)
        yield piece
    _compare_seal(file.read(length + 1), header, tail, digest.digest())


def _check_seal(file: BinaryIO, size: int, header: bytes, tail: bytes) -> int:
    """Step 1. Gives where the seal begins."""
    length = len(header) + 32 + len(tail)
    end = size - length
    if end < 0:
        raise cut_short()
    file.seek(end)
    seal = file.read(length)
    _check_seal_form(seal, header, tail)
    digest, left = hashlib.sha256(), end
    file.seek(0)
    while left:
        piece = file.read(min(PIECE_BYTES, left))
        if not piece:
            raise cut_short()
        digest.update(piece)
        left -= len(piece)
    _compare_seal(seal, header, tail, digest.digest())
    return end


def _check_seal_form(seal: bytes, header: bytes, tail: bytes) -> None:
    if len(seal) != len(header) + 32 + len(tail) or not (seal.startswith(header) and seal.endswith(tail)):
        raise PackageIncomplete(
            "The package does not end with its seal.",
            reason="It was cut short, or bytes were added or changed at its end.",
            suggestions=["Download it again."],
        )


def _compare_seal(seal: bytes, header: bytes, tail: bytes, digest: bytes) -> None:
    _check_seal_form(seal, header, tail)
    if digest != seal[len(header) : len(header) + 32]:
        raise altered("Its bytes do not fit its seal.")


def _bounded(decoder: _Decoder, compressed: Callable[[], int]) -> Iterator[bytes]:
    """Step 3. ``compressed`` are the bytes that all of it came from, as far as that is known."""
    given = 0
    while piece := decoder.decode(PIECE_BYTES):
        given += len(piece)
        if given > compressed() * MAX_RATIO + RATIO_GRACE_BYTES:
            raise altered("It unpacks to far more than an honest package of its size.")
        yield piece


class _GzipDecoder:
    """Step 2 for gzip: member after member, each header compared, each trailer re-computed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._member: _Inflate | None = None
        self._crc = self._length = 0

    def decode(self, limit: int) -> bytes:
        """Go on until there is output or the source ends."""
        while True:
            if self._member is None and not self._begin():
                return b""
            piece = self._step(limit)
            if piece:
                return piece

    def _begin(self) -> bool:
        if self._source.at_end():
            return False
        if self._source.take(len(GZIP_HEADER)) != GZIP_HEADER:
            raise altered("A gzip header is not the one that packages have.")
        self._member = inflating.decompressobj(-zlib.MAX_WBITS)
        self._crc = self._length = 0
        return True

    def _step(self, limit: int) -> bytes:
        member, source = self._member, self._source
        assert member is not None
        if not source.pending and not source.fill():
            raise cut_short()
        try:
            piece = member.decompress(source.pending, limit)
        except _DAMAGED as error:
            raise altered("Its compressed data is damaged.") from error
        source.pending = member.unused_data if member.eof else member.unconsumed_tail
        self._crc, self._length = inflating.crc32(piece, self._crc), self._length + len(piece)
        if member.eof:
            expected = self._crc.to_bytes(4, "little") + (self._length & 0xFFFFFFFF).to_bytes(4, "little")
            if source.take(8) != expected:
                raise altered("A gzip checksum is wrong.")
            self._member = None
        return piece


class _ZstdDecoder:
    """Step 2 for zstd: frame after frame; the library checks each frame's content checksum."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frame: zstd.ZstdDecompressor | None = None

    def decode(self, limit: int) -> bytes:
        """Go on until there is output or the source ends."""
        while True:
            if self._frame is None and not self._begin():
                return b""
            piece = self._step(limit)
            if piece:
                return piece

    def _begin(self) -> bool:
        if self._source.at_end():
            return False
        while len(self._source.pending) < 5 and self._source.fill():
            continue
        start = self._source.pending[:5]
        if len(start) < 5 or start[:4] != ZSTD_MAGIC or start[4] & _ZSTD_DESCRIPTOR_MASK != _ZSTD_DESCRIPTOR_WANTED:
            raise altered("A zstd frame is not one that packages have.")
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        self._frame = zstd.ZstdDecompressor(options=options)
        return True

    def _step(self, limit: int) -> bytes:
        frame, source = self._frame, self._source
        assert frame is not None
        if frame.needs_input and not source.pending and not source.fill():
            raise cut_short()
        data, source.pending = (source.pending, b"") if frame.needs_input else (b"", source.pending)
        try:
            piece = frame.decompress(data, limit)
        except zstd.ZstdError as error:
            raise altered("Its compressed data is damaged.") from error
        if frame.eof:
            source.pending = frame.unused_data + source.pending
            self._frame = None
        return piece
