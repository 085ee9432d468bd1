"""Compression of archives as a sequence of independent frames, closed by a seal.

A frame is a whole gzip member (RFC 1952) or zstd frame (RFC 8878) and any sequence of them is one valid stream, so
parts that were compressed apart are joined by copying. Headers carry no time and no name. The seal is a frame that
decompresses to nothing and holds the SHA-256 of every compressed byte before it: deflate ignores some bits (padding
before a byte boundary), the seal does not.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from typing import Protocol

from isal import isal_zlib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_HEADER = bytes.fromhex("1f8b0800" "00000000" "00ff")  # deflate, no flags, no time, unknown system
GZIP_SEAL_HEADER = bytes.fromhex("1f8b0804" "00000000" "00ff")  # the same with FEXTRA
EMPTY_DEFLATE = bytes.fromhex("0300") + bytes(8)  # an empty final block, then CRC 0 and size 0
SEAL_MAGIC = bytes.fromhex("502a4d18")  # first skippable-frame magic of zstd
ISAL_LEVEL = 2
ZSTD_LEVEL = 1  # half the processor time of 3 for 15 % more bytes: the database stays the slowest part


class Frame(Protocol):
    """One frame being made. ``compress`` releases the interpreter lock, so it belongs in a thread."""

    def compress(self, data: bytes) -> bytes:
        """Take data, give what is ready."""

    def finish(self) -> bytes:
        """Close the frame."""


class Codec(Protocol):
    """One way of packing an archive."""

    name: str
    suffix: str
    content_type: str

    def frame(self) -> Frame:
        """Start a frame."""

    def seal(self, digest: bytes) -> bytes:
        """The closing frame for the digest of all bytes before it; empty if the codec needs none."""


class _GzipFrame:
    def __init__(self) -> None:
        self._deflate = isal_zlib.compressobj(ISAL_LEVEL, isal_zlib.DEFLATED, -15)
        self._crc = 0
        self._size = 0
        self._head = GZIP_HEADER

    def compress(self, data: bytes) -> bytes:
        self._crc = isal_zlib.crc32(data, self._crc)
        self._size += len(data)
        head, self._head = self._head, b""
        return head + bytes(self._deflate.compress(data))

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        tail = struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)
        return head + bytes(self._deflate.flush()) + tail


class GzipCodec:
    """``.tar.gz``."""

    name = "gzip"
    suffix = ".tar.gz"
    content_type = "application/gzip"

    def frame(self) -> Frame:
        """Start a gzip member."""
        return _GzipFrame()

    def seal(self, digest: bytes) -> bytes:
        """An empty gzip member whose extra field ``HF`` holds the digest."""
        return GZIP_SEAL_HEADER + struct.pack("<H2sH", 36, b"HF", 32) + digest + EMPTY_DEFLATE


class _ZstdFrame:
    def __init__(self) -> None:
        keys = zstd.CompressionParameter
        options: dict[int, int] = {keys.checksum_flag: 1, keys.compression_level: ZSTD_LEVEL}
        self._compressor = zstd.ZstdCompressor(options=options)

    def compress(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def finish(self) -> bytes:
        return self._compressor.flush()


class ZstdCodec:
    """``.tar.zst``."""

    name = "zstd"
    suffix = ".tar.zst"
    content_type = "application/zstd"

    def frame(self) -> Frame:
        """Start a zstd frame with a content checksum."""
        return _ZstdFrame()

    def seal(self, digest: bytes) -> bytes:
        """A skippable frame with ``HFIT`` and the digest."""
        return SEAL_MAGIC + struct.pack("<I", 36) + b"HFIT" + digest


class _PlainFrame:
    def compress(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class PlainCodec:
    """``.tar``: every byte is re-derivable, so there is nothing to seal."""

    name = "none"
    suffix = ".tar"
    content_type = "application/x-tar"

    def frame(self) -> Frame:
        """Pass data through."""
        return _PlainFrame()

    def seal(self, digest: bytes) -> bytes:
        """Nothing."""
        return b""


CODECS: Mapping[str, Codec] = {"gzip": GzipCodec(), "zstd": ZstdCodec(), "none": PlainCodec()}
