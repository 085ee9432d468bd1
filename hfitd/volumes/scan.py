"""One pass over a volume in a thread: folders by descriptor, cheap conditions first, caps on everything (F12)."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import re
import stat
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hfitd.errors import NotFound, TooLarge
from hfitd.volumes.interface import FileEntry, ListingQuery
from hfitd.volumes.opener import Opener, Parts
from hfitd.volumes.paths import (
    has_extension,
    is_hidden,
    is_hidden_name,
    name_has_extension,
    show_path,
    split_path,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FIRST_BATCH = 20  # entries that are given together at first, so that there is soon something to read
BATCH = 1000
CHECK_EVERY = 64  # names between two looks at the clock
TYPE_BITS = stat.S_IFMT(0o177777)


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


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for: what may be seen of what is asked for, and when to give up."""

    rules: Rules
    query: ListingQuery
    caps: Caps


class Shape(Protocol[T_co]):
    """What a scan gives for an entry. Plain files, nearly all there are, have a way of their own."""

    def below(self, prefix: str) -> Callable[[str, os.stat_result], T_co]:
        """Name and status of a plain file -> what is given for it. ``prefix`` is the path of its folder, with ``/``."""

    def of(self, entry: FileEntry) -> T_co:
        """What is given for any entry."""


class AsEntries:
    """The entries themselves."""

    def below(self, prefix: str) -> Callable[[str, os.stat_result], FileEntry]:
        """See ``Shape``."""
        make = tuple.__new__

        def entry(name: str, status: os.stat_result) -> FileEntry:
            return make(FileEntry, (name, prefix + name, status.st_size, status.st_mtime, False, "", ""))

        return entry

    def of(self, entry: FileEntry) -> FileEntry:
        """See ``Shape``."""
        return entry


class Scan(Generic[T]):
    """The matching entries beneath one folder. Not found folders are NotFound, passed caps TooLarge."""

    def __init__(self, root: int, opener: Opener, wish: Wish, shape: Shape[T]) -> None:
        self._root, self._opener, self._shape = root, opener, shape
        self._rules, self._query, self._caps = wish.rules, wish.query, wish.caps
        query = wish.query
        globs = [fnmatch.translate(glob) for glob in query.name_globs]
        self._name = re.compile("|".join(globs)) if globs else None
        limits = (query.min_size, query.max_size, query.exact_size, query.newer_than, query.older_than)
        self._unconditional = all(limit is None for limit in limits)
        self.seen, self._pause = 0, 1
        self._deadline = time.monotonic() + wish.caps.seconds
        self.stopped = False  # set by another thread: the reader has left

    def entries(self) -> Iterator[T]:
        """In the order of the file system; at most ``depth`` descriptors are open at a time."""
        with contextlib.closing(self.pieces()) as found:
            for some in found:
                yield from some

    def pieces(self) -> Generator[list[T], None, None]:
        """The same, some at a time, perhaps none."""
        start = split_path(self._query.folder) if self._query.folder else ()
        if not self._rules.hidden and any(is_hidden(part) for part in start):
            raise NotFound("There is no such folder in this volume.", resource=self._query.folder)
        try:
            descriptor, _ = self._opener.open(self._root, start, directory=True)
        except OSError as error:
            raise NotFound("There is no such folder in this volume.", resource=self._query.folder) from error
        yield from self._folder(descriptor, start)

    def _folder(self, descriptor: int, parts: Parts) -> Generator[list[T], None, None]:
        """One folder and those below it, some entries at a time; closes the descriptor. A listing spends nearly all its
        time here, so a plain file costs one call of the system and as few of Python as can be."""
        prefix = "".join(os.fsdecode(part) + "/" for part in parts)
        plain, hidden, unconditional = not _has_raw(prefix), self._rules.hidden, self._unconditional
        endings, matches = self._rules.extensions, self._name.match if self._name else None
        make = self._shape.below(prefix)
        entries: list[T] = []
        try:
            with os.scandir(descriptor) as found:
                for item in found:
                    self.seen += 1
                    if self.seen >= self._pause:
                        self._pause = self._check()
                        yield entries
                        entries = []
                    name = item.name
                    if not hidden and is_hidden_name(name):
                        continue
                    if item.is_dir(follow_symlinks=False):
                        yield entries
                        entries = []
                        yield from self._below(item, (*parts, os.fsencode(name)), descriptor)
                    elif not plain or item.is_symlink() or not (name.isascii() or not _has_raw(name)):
                        entries += map(self._shape.of, self._odd(item, (*parts, os.fsencode(name))))
                    elif (matches is None or matches(name)) and (not endings or name_has_extension(name, endings)):
                        try:
                            status = item.stat(follow_symlinks=False)
                        except OSError as error:
                            entries += map(self._shape.of, _untold(error, name, prefix))
                            continue
                        servable = status.st_nlink == 1 and status.st_mode & TYPE_BITS == stat.S_IFREG
                        if servable and (unconditional or self._fits(status)):
                            entries.append(make(name, status))
            yield entries
        finally:
            os.close(descriptor)

    def _odd(self, item: os.DirEntry[str], parts: Parts) -> Iterator[FileEntry]:
        """A link, or a file whose path is not UTF-8. Links that are not followed are not there."""
        linked = item.is_symlink()
        if (linked and not self._rules.links) or not self._wanted(item.name):
            return
        if not linked and not has_extension(parts[-1], self._rules.extensions):
            return
        found, error = self._follow(parts) if linked else self._status(item)
        if error:
            yield describe(parts, None, error)
        elif found is not None and self._fits(found):
            yield describe(parts, found)

    def _below(self, item: os.DirEntry[str], parts: Parts, folder: int) -> Iterator[list[T]]:
        """A folder's own entry, then its content; one that cannot be entered is an entry with an error (F14)."""
        if len(parts) > self._caps.depth:
            raise TooLarge(f"The volume has folders more than {self._caps.depth} deep; narrow it with folder:.")
        try:
            inner, _ = self._opener.open(folder, (parts[-1],), directory=True)
        except OSError as error:
            if error.errno == errno.EACCES:
                yield [self._shape.of(describe(parts, None, "EACCES", folder=True))]
            return  # another mount, or gone meanwhile
        try:
            found = os.fstat(inner)
            if self._wanted(item.name) and self._fits(found):
                yield [self._shape.of(describe(parts, found))]
        except BaseException:
            os.close(inner)
            raise
        yield from self._folder(inner, parts)

    def _status(self, item: os.DirEntry[str]) -> tuple[os.stat_result | None, str]:
        """What the file is, or None when it cannot be served; or why that cannot be told. Pipes and devices are not
        there."""
        try:
            found = item.stat(follow_symlinks=False)
        except PermissionError:
            return None, "EACCES"
        except OSError:
            return None, ""
        return (found if _is_servable(found) else None), ""

    def _follow(self, parts: Parts) -> tuple[os.stat_result | None, str]:
        """The same for what a link inside the volume leads to; its real name has to be one that may be seen."""
        try:
            descriptor, real = self._opener.open(self._root, parts)
            try:
                found = os.fstat(descriptor)
            finally:
                os.close(descriptor)
        except PermissionError:
            return None, "EACCES"
        except OSError:
            return None, ""
        return (found if visible(real, self._rules) and _is_servable(found) else None), ""

    def _wanted(self, name: str) -> bool:
        """The conditions that need no look at the file."""
        return self._name is None or self._name.match(name) is not None

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

    def _check(self) -> int:
        """Give up when a cap is passed or nobody reads; else the number of names after which to look again."""
        if self.seen > self._caps.names or time.monotonic() > self._deadline or self.stopped:
            raise TooLarge("The volume has more files than one listing may look at; narrow it with folder:.")
        return min(self.seen + CHECK_EVERY, self._caps.names + 1)


def _has_raw(text: str) -> bool:
    """Whether a name of the file system is not UTF-8: Python stands lone surrogates for its bytes (PEP 383)."""
    return not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text)


def _untold(error: OSError, name: str, prefix: str) -> list[FileEntry]:
    """The entry of a file that could not be examined; none when it is gone."""
    return [FileEntry(name, prefix + name, 0, 0.0, False, "", "EACCES")] if isinstance(error, PermissionError) else []


def _is_servable(found: os.stat_result) -> bool:
    """A regular file under one name only."""
    return found.st_nlink == 1 and stat.S_ISREG(found.st_mode)


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
