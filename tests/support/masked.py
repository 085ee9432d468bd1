"""Feeding files to masking machines in pieces."""

from __future__ import annotations

from hfitd.config.model import VolumeMask
from hfitd.volumes.masked.interface import Masker
from hfitd.volumes.masked.rules import Masking

KEY = b"a mask key for tests only, 32 or more"


def machine(*rules: VolumeMask, key: bytes = KEY, gzip: bool = False) -> Masker:
    """A machine for one file under these rules."""
    return Masking(rules, key, gzip).start()


def feed(masker: Masker, data: bytes, piece: int = 1 << 20) -> bytes:
    """The masked file, made of pieces of that size."""
    made = [masker.feed(data[start : start + piece]) for start in range(0, len(data), piece)]
    return b"".join([*made, masker.finish()])
