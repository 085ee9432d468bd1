"""Digests of volume files for clients that ask for one (``Want-Repr-Digest``, RFC 9530), remembered by identity."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict

from hfitd.volumes.interface import OpenFile

REMEMBERED = 1024
READ_SIZE = 1 << 20


class FileDigests:
    """Reads a file once; its ETag names device, inode, size and time, so a changed file is another one."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    async def header(self, file: OpenFile) -> str:
        """The value of ``Repr-Digest``; SourceChanged when the file changes under the reader."""
        known = self._known.get(file.etag)
        if known is None:
            digest, offset = hashlib.sha256(), 0
            while offset < file.entry.size:
                data = await file.read(offset, READ_SIZE)
                digest.update(data)
                offset += len(data)
            known = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
            self._known[file.etag] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(file.etag)
        return known
