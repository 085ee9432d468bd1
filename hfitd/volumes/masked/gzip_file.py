"""A file packed by gzip (RFC 1952), one member or several: unpacked, masked and packed again, in constant memory.

Packed anew by one setting and without a time, so that the same content gives the same bytes. What does not unpack, is
cut off or has something else behind it is refused.
"""

from __future__ import annotations

import zlib

from hfitd.volumes.masked.interface import Masker, refuse

_GZIP_BITS = 31
_LEVEL = 6
_PIECE = 1024 * 1024  # bytes unpacked at a time, however well they were packed


class GzipMasker:
    """See ``interface.Masker``."""

    def __init__(self, inner: Masker) -> None:
        self._inner = inner
        self._unpack = zlib.decompressobj(_GZIP_BITS)
        self._pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_BITS)
        self._some = False

    @property
    def dropped(self) -> int:
        """Of the file inside."""
        return self._inner.dropped

    def feed(self, data: bytes) -> bytes:
        """See ``interface.Masker``."""
        out = []
        while data:
            self._some = True
            if self._unpack.eof:
                self._unpack = zlib.decompressobj(_GZIP_BITS)
            try:
                plain = self._unpack.decompress(data, _PIECE)
            except zlib.error:
                raise refuse("it is not a gzip file") from None
            data = self._unpack.unconsumed_tail or self._unpack.unused_data
            out.append(self._pack.compress(self._inner.feed(plain)))
        return b"".join(out)

    def finish(self) -> bytes:
        """See ``interface.Masker``. A file of no bytes stays one."""
        if not self._some:
            return b""
        if not self._unpack.eof:
            raise refuse("it is a gzip file that ends too early")
        return self._pack.compress(self._inner.finish()) + self._pack.flush()
