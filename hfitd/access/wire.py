"""The few SSH wire types that keys and signatures use (RFC 4251, section 5), read without any leniency."""

from __future__ import annotations

import struct


class WireReader:
    """Reads one value after the other; ValueError on anything cut short, not minimal or left over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def raw(self, length: int) -> bytes:
        """That many bytes."""
        end = self._at + length
        if end > len(self._data):
            raise ValueError("the data is cut short")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def uint32(self) -> int:
        """A big-endian 32-bit number."""
        (number,) = struct.unpack(">I", self.raw(4))
        return int(number)

    def string(self) -> bytes:
        """A length and that many bytes."""
        return self.raw(self.uint32())

    def natural(self) -> int:
        """A positive multiple-precision integer in its only minimal form."""
        piece = self.string()
        number = int.from_bytes(piece, "big", signed=True)
        if number <= 0 or pack_natural(number) != pack_string(piece):
            raise ValueError("a number is not positive or not minimal")
        return number

    def finish(self) -> None:
        """Refuse anything after the last value."""
        if self._at != len(self._data):
            raise ValueError("there is data after the end")


def pack_string(data: bytes) -> bytes:
    """A length and the bytes."""
    return struct.pack(">I", len(data)) + data


def pack_natural(number: int) -> bytes:
    """A positive number as a minimal multiple-precision integer."""
    return pack_string(number.to_bytes(number.bit_length() // 8 + 1, "big"))
