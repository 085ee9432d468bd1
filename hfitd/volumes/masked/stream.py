"""A whole file through its rules: read once, hashed as it is, masked in a thread, written as fast as it is taken."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from hfitd.errors import HfitError
from hfitd.model import Sink
from hfitd.volumes.interface import OpenFile
from hfitd.volumes.masked.rules import Masking

READ_SIZE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Original:
    """The file before its masks; ``dropped`` are records that were left out."""

    size: int
    sha256: str
    dropped: int


async def write_masked(file: OpenFile, masking: Masking, sink: Sink) -> Original:
    """Write the masked file. FileNotMaskable, MaskDoesNotFit or SourceChanged: then what was written is of no use."""
    masker, sha256, offset = masking.start(), hashlib.sha256(), 0

    def step(data: bytes) -> bytes:
        sha256.update(data)
        return masker.feed(data)

    try:
        while offset < file.entry.size:
            data = await file.read(offset, min(READ_SIZE, file.entry.size - offset))
            offset += len(data)
            if masked := await asyncio.to_thread(step, data):
                await sink.write(masked)
        if masked := await asyncio.to_thread(masker.finish):
            await sink.write(masked)
    except HfitError as error:
        error.resource = error.resource or file.entry.name
        raise
    return Original(offset, sha256.hexdigest(), masker.dropped)
