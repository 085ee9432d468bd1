"""A volume: a folder whose files may be listed and read, and nothing outside it.

Paths are relative, with ``/``, NFC or as the file system has them, never normalised for the caller. Refusals are
PathRefused (the path itself is not acceptable) and NotFound (no such regular file, or not visible).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:  # a walker, a process of its own, needs what is here and none of the masks
    from hfitd.volumes.masked.rules import Masking

T = TypeVar("T")


class FileEntry(NamedTuple):
    """A file or folder of a listing. ``raw_path`` is base64 of the bytes when the name is not UTF-8, else ''.

    A tuple because listings make millions of them: a frozen dataclass takes four times as long to make.
    """

    name: str
    path: str
    size: int
    modtime: float  # unix seconds
    isdir: bool
    raw_path: str = ""
    error: str = ""  # "EACCES" when it could not be examined


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """Which files, in which order. All conditions must hold; several globs are alternatives."""

    name_globs: tuple[str, ...] = ()  # on the base name
    newer_than: float | None = None  # unix seconds
    older_than: float | None = None
    min_size: int | None = None  # exclusive, bytes
    max_size: int | None = None  # exclusive
    exact_size: int | None = None
    folder: str = ""
    sort_field: str = ""  # "" | "mtime" | "size" | "name" | "path"
    descending: bool = False


class OpenFile(Protocol):
    """A regular file held open by descriptor; its identity cannot change under the reader."""

    entry: FileEntry
    etag: str  # strong, from device, inode, size and mtime; without the quotes of the header
    masking: Masking | None  # the rules that cover it: what is read has still to be masked
    shape: tuple[int, ...]  # another one after any change of content, name or permissions that the system notices

    def fileno(self) -> int:
        """The descriptor, for sendfile."""

    async def read(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes; fewer only at the size seen at open. SourceChanged if the file shrank."""

    def read_now(self, offset: int, size: int) -> bytes:
        """The same for who is in a thread already."""

    def close(self) -> None:
        """Give the descriptor back; only who got the file from ``Volume.hold`` has to."""


class Volume(Protocol):
    """One configured folder."""

    name: str
    max_file_size: int | None  # bytes; what is larger is listed, and TooLarge when it is opened

    def list(self, query: ListingQuery) -> AsyncIterator[Sequence[FileEntry]]:
        """Matching entries in batches; memory does not grow with the folder unless a sort is asked."""

    def list_as(self, query: ListingQuery, shape: Callable[[Sequence[FileEntry]], T]) -> AsyncGenerator[T, None]:
        """What ``shape`` makes of each batch in the thread that looks, so that the event loop has nothing to do with
        single entries."""

    def list_lines(self, query: ListingQuery) -> AsyncGenerator[bytes, None]:
        """The same entries as NDJSON (``lines``), whole lines in each piece; the cheapest way to have very many."""

    async def best(self, query: ListingQuery) -> FileEntry | None:
        """The first file (never a folder) in the query's order, in one pass and constant memory."""

    def open(self, path: str, *, raw: bool = False, original: bool = False) -> AbstractAsyncContextManager[OpenFile]:
        """Open one regular file beneath the root. With ``raw`` the path is base64, as ``FileEntry.raw_path``.

        A file that a mask rule covers is Forbidden, unless the caller asks for the ``original``: who does so has to
        mask it, or to know that the actor may have it as it is (``export.files`` alone asks).
        """

    def hold(self, path: str) -> OpenFile:
        """As ``open`` with ``original``, for who is in a thread already; the caller closes it."""

    def masks_of(self, path: str) -> Mapping[str, str] | None:
        """Parts that mask rules are about in a file of this path, with their masks; None when no rule covers it. A file
        that a link leads to may be covered all the same."""

    def is_covered(self, path: str) -> bool:
        """Whether a mask rule is about files of this path; one that a link leads to may be covered all the same."""

    def close(self) -> None:
        """Release the root descriptor."""
