"""One pass over a volume in a thread: folders by descriptor, cheap conditions first, caps on everything (F12)."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from hfitd.errors import NotFound, TooLarge
from hfitd.volumes.interface import FileEntry, ListingQuery
from hfitd.volumes.opener import Opener, Parts
from hfitd.volumes.paths import has_extension, is_hidden, show_path, split_path


@dataclass(frozen=True, slots=True)
class Caps:
    """When a listing gives up: names looked at, folders below one another, seconds, entries held for a sort."""

    names: int = 5_000_000
    depth: int = 64
    seconds: float = 120.0
    sorted: int = 250_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What the volume lets be seen."""

    extensions: tuple[str, ...] = ()
    hidden: bool = False
    links: bool = False


class Scan:
    """The matching entries beneath one folder. Not found folders are NotFound, passed caps TooLarge."""

    def __init__(self, root: int, opener: Opener, rules: Rules, query: ListingQuery, caps: Caps) -> None:
        self._root, self._opener, self._rules, self._query, self._caps = root, opener, rules, query, caps
        globs = [fnmatch.translate(glob) for glob in query.name_globs]
        self._name = re.compile("|".join(globs)) if globs else None
        self._seen = 0
        self._deadline = time.monotonic() + caps.seconds
        self.stopped = False  # set by another thread: the reader has left

    def entries(self) -> Iterator[FileEntry]:
        """In the order of the file system; at most ``depth`` descriptors are open at a time."""
        start = split_path(self._query.folder) if self._query.folder else ()
        if not self._rules.hidden and any(is_hidden(part) for part in start):
            raise NotFound("There is no such folder in this volume.", resource=self._query.folder)
        try:
            descriptor, _ = self._opener.open(self._root, start, directory=True)
        except OSError as error:
            raise NotFound("There is no such folder in this volume.", resource=self._query.folder) from error
        yield from self._folder(descriptor, start)

    def _folder(self, descriptor: int, parts: Parts) -> Iterator[FileEntry]:
        """One folder and those below it; closes the descriptor."""
        try:
            with os.scandir(descriptor) as found:
                for item in found:
                    self._count()
                    name = os.fsencode(item.name)
                    if self._rules.hidden or not is_hidden(name):
                        yield from self._item(item, (*parts, name), descriptor)
        finally:
            os.close(descriptor)

    def _item(self, item: os.DirEntry[str], parts: Parts, folder: int) -> Iterator[FileEntry]:
        """A file, or a folder with what is in it. Links (unless followed), pipes and devices are not there."""
        if item.is_dir(follow_symlinks=False):
            yield from self._below(item, parts, folder)
            return
        linked = item.is_symlink()
        if (linked and not self._rules.links) or not self._wanted(parts[-1]):
            return
        if not linked and not has_extension(parts[-1], self._rules.extensions):
            return
        found, error = self._examine(item, parts, linked)
        if error:
            yield describe(parts, None, error)
        elif found is not None and self._fits(found):
            yield describe(parts, found)

    def _below(self, item: os.DirEntry[str], parts: Parts, folder: int) -> Iterator[FileEntry]:
        """A folder's own entry, then its content; one that cannot be entered is an entry with an error (F14)."""
        if len(parts) > self._caps.depth:
            raise TooLarge(f"The volume has folders more than {self._caps.depth} deep; narrow it with folder:.")
        try:
            inner, _ = self._opener.open(folder, (parts[-1],), directory=True)
        except OSError as error:
            if error.errno == errno.EACCES:
                yield describe(parts, None, "EACCES", folder=True)
            return  # another mount, or gone meanwhile
        try:
            found = os.fstat(inner)
            if self._wanted(parts[-1]) and self._fits(found):
                yield describe(parts, found)
        except BaseException:
            os.close(inner)
            raise
        yield from self._folder(inner, parts)

    def _examine(self, item: os.DirEntry[str], parts: Parts, linked: bool) -> tuple[os.stat_result | None, str]:
        """What the file is, or None when it cannot be served; or why that cannot be told."""
        try:
            if linked:
                descriptor, real = self._opener.open(self._root, parts)
                try:
                    found = os.fstat(descriptor)
                finally:
                    os.close(descriptor)
                if not visible(real, self._rules):
                    return None, ""
            else:
                found = item.stat(follow_symlinks=False)
        except PermissionError:
            return None, "EACCES"
        except OSError:
            return None, ""
        return (found if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else None), ""

    def _wanted(self, name: bytes) -> bool:
        """The conditions that need no look at the file."""
        return self._name is None or self._name.match(os.fsdecode(name)) is not None

    def _fits(self, found: os.stat_result) -> bool:
        """The conditions on size and time; a folder has no size."""
        query = self._query
        sized = (query.min_size, query.max_size, query.exact_size) != (None, None, None)
        if sized and (
            stat.S_ISDIR(found.st_mode)
            or (query.min_size is not None and found.st_size <= query.min_size)
            or (query.max_size is not None and found.st_size >= query.max_size)
            or (query.exact_size is not None and found.st_size != query.exact_size)
        ):
            return False
        if query.newer_than is not None and found.st_mtime <= query.newer_than:
            return False
        return query.older_than is None or found.st_mtime < query.older_than

    def _count(self) -> None:
        """Give up when a cap is passed or nobody reads."""
        self._seen += 1
        if self._seen > self._caps.names or time.monotonic() > self._deadline or self.stopped:
            raise TooLarge("The volume has more files than one listing may look at; narrow it with folder:.")


def visible(parts: Parts, rules: Rules) -> bool:
    """Whether a file with these parts may be seen at all: hidden names, then the ending of the last part (F10)."""
    return (rules.hidden or not any(is_hidden(part) for part in parts)) and has_extension(parts[-1], rules.extensions)


def describe(parts: Parts, found: os.stat_result | None, error: str = "", *, folder: bool = False) -> FileEntry:
    """The entry of a listing."""
    path, raw = show_path(b"/".join(parts))
    name, _ = show_path(parts[-1])
    if found is None:
        return FileEntry(name, path, 0, 0.0, folder, raw, error)
    isdir = stat.S_ISDIR(found.st_mode)
    return FileEntry(name, path, 0 if isdir else found.st_size, found.st_mtime, isdir, raw, error)


def sort_key(entry: FileEntry, field: str) -> float | bytes:
    """What entries are ordered by: the field's value; by path, in binary order, when no field is named."""
    if field in ("mtime", "size"):
        return entry.modtime if field == "mtime" else entry.size
    return (entry.name if field == "name" else entry.path).encode()


def sort_entries(entries: list[FileEntry], query: ListingQuery) -> None:
    """Sort in place; equal ones by path."""
    entries.sort(key=lambda entry: sort_key(entry, ""))
    if query.sort_field:
        entries.sort(key=lambda entry: sort_key(entry, query.sort_field), reverse=query.descending)


def precedes(one: FileEntry, other: FileEntry, query: ListingQuery) -> bool:
    """Whether ``one`` stands before ``other`` in the query's order."""
    first, second = sort_key(one, query.sort_field), sort_key(other, query.sort_field)
    if first == second:
        return sort_key(one, "") < sort_key(other, "")  # type: ignore[operator]
    return (first > second) if query.descending else (first < second)  # type: ignore[operator]
