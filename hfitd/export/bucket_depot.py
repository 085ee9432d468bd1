"""Finished packages in an S3 bucket: ``<prefix>/<file name>``, put once and never changed.

1. A name is the random id of a package, so nobody can have put another file there in advance; what is fetched is
   written to at most the size that the index has, and checked against its digest before it is served.
2. Rights to put, get, list and delete objects below the prefix are enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError

from hfitd.audit.buckets import open_bucket
from hfitd.errors import StoreUnavailable
from hfitd.export.depot import KeptFile

if TYPE_CHECKING:
    from obstore import GetResult  # a name of the type stubs alone

REQUEST_SECONDS = 120.0  # of one request: a part of an upload, a whole download
RETRIES = 2
PIECE_BYTES = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class BucketDepot:
    """A Depot over ``s3://bucket/prefix``; ValueError for settings that cannot work."""

    def __init__(self, url: str, *, plaintext: bool, environ: Mapping[str, str]) -> None:
        self._store, prefix = open_bucket(
            url, plaintext=plaintext, environ=environ, request_seconds=REQUEST_SECONDS, retries=RETRIES
        )
        self._folder = f"{prefix}/" if prefix else ""

    async def put(self, name: str, path: Path) -> None:
        """See Depot; a large file goes in parts."""
        with _translated():
            await obstore.put_async(self._store, self._folder + name, path)

    async def fetch(self, name: str, path: Path, size: int) -> bool:
        """See Depot."""
        partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
        try:
            with _translated():
                found = await obstore.get_async(self._store, self._folder + name)
                if found.meta["size"] != size:  # 1
                    return False
                await _write(found, partial)
            await asyncio.to_thread(partial.replace, path)
        except FileNotFoundError:
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    async def remove(self, name: str) -> None:
        """See Depot."""
        with _translated(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, self._folder + name)

    async def kept(self) -> Sequence[KeptFile]:
        """See Depot."""
        found: list[KeptFile] = []
        with _translated():
            async for batch in obstore.list(self._store, prefix=self._folder or None):
                for item in batch:
                    name = item["path"].removeprefix(self._folder)
                    if "/" not in name:  # what lies deeper is somebody else's
                        found.append(KeptFile(name, item["size"], item["last_modified"].timestamp()))
        return found


async def _write(found: GetResult, path: Path) -> None:
    with os.fdopen(os.open(path, _NEW, 0o600), "wb") as file:
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            await asyncio.to_thread(file.write, memoryview(piece))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FileNotFoundError from error
    except BaseError as error:
        raise StoreUnavailable(
            "The store of finished packages does not answer; try again shortly.", retry_after_seconds=3
        ) from error
