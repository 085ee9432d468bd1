"""A folder of a volume as one archive: which of its files the caller gets, decided before the first byte.

1. What the caller may not read, and what the volume hides, is not there, as in listings; of links and pipes likewise.
2. A file that is there and cannot be given (unreadable, too large, a name that is not UTF-8) refuses the whole tree,
   and so does a folder that cannot be entered: nobody gets a part that looks like all of it.
3. Files stand in the order of their paths' bytes, with the headers that members of packages have: the same files give
   the same bytes. Times, modes, owners and empty folders are not kept.
4. A file that mask rules cover comes masked unless a grant lifts that; a link may lead to such a file, so what was
   really opened is looked at once more (``tree_stream``).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hfitd.audit.record import MAX_ITEMS, AuditRecord, TableCount
from hfitd.errors import LimitExceeded, NotFound, PathRefused, TooLarge
from hfitd.export.record import actor_record
from hfitd.export.sources import Sources
from hfitd.model import Action, Actor
from hfitd.volumes.interface import FileEntry, ListingQuery

MAX_FILES = 250_000  # as many members as the client's reader accepts, and what a sorted listing may hold


@dataclass(frozen=True, slots=True)
class Tree:
    """The files, as paths in the volume, in order. ``size`` is in bytes and that of the originals."""

    volume: str
    folder: str  # '' is the whole volume
    paths: tuple[str, ...]
    size: int
    masks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # path -> part -> mask
    raw: frozenset[str] = frozenset()  # paths whose masks a grant lifts

    @property
    def name(self) -> str:
        """What the archive and its one folder are called."""
        return self.folder.rpartition("/")[2] or self.volume

    @property
    def object(self) -> str:
        """The tree in the words of grants."""
        return f"{self.volume}/{self.folder}/**" if self.folder else f"{self.volume}/**"

    def member(self, path: str) -> str:
        """The name of a file in the archive."""
        return f"{self.name}/{path[len(self.folder) + 1 :] if self.folder else path}"

    def counted(self, size: int) -> TableCount:
        """What was given of it, for the end of the record."""
        return TableCount(self.object, len(self.paths), size)


async def select_tree(sources: Sources, actor: Actor, volume: str, query: ListingQuery, max_bytes: int) -> Tree:
    """The readable files below ``query.folder`` that fit its filters.

    NotFound when there are none, whatever the reason; PathRefused, TooLarge, LimitExceeded (2).
    """
    policy, source = sources.policy, sources.volumes[volume]
    may = policy.may_below(actor, Action.FILES_READ, volume)
    paths: list[str] = []
    size = 0
    try:
        async for batch in source.list(query):
            for entry in batch:
                if may(entry.path) and _is_member(entry, source.max_file_size, volume):
                    paths.append(entry.path)
                    size += entry.size
            if len(paths) > MAX_FILES:
                raise TooLarge(f"The folder has more than {MAX_FILES} files; take a smaller one.", resource=volume)
            if size > max_bytes:
                raise LimitExceeded(
                    f"The files are larger than the {max_bytes} bytes that limits.package_bytes allows.",
                    suggestions=("Take a smaller folder, or filter: name:, mtime:, size:.",),
                )
    except NotFound:
        paths = []
    if not paths:
        raise NotFound("There is no such folder in this volume, or no file in it fits.", resource=volume)
    tree = Tree(volume, query.folder, (), size)
    return await asyncio.to_thread(_arrange, tree, paths, sources, actor)


def _is_member(entry: FileEntry, max_size: int | None, volume: str) -> bool:
    """Whether it is a file to give (2)."""
    if entry.error or (entry.raw_path and not entry.isdir):
        raise PathRefused(
            "Something in this folder cannot be read or has a name that is not UTF-8, so it cannot be given whole.",
            resource=volume,
        )
    if entry.isdir:
        return False
    if max_size is not None and entry.size > max_size:
        raise TooLarge(
            "A file in this folder is larger than its volume allows.",
            resource=volume,
            suggestions=(f"Leave such files out: size:<{max_size}",),
        )
    return True


def _arrange(tree: Tree, paths: list[str], sources: Sources, actor: Actor) -> Tree:
    paths.sort(key=str.encode)  # 3
    volume = sources.volumes[tree.volume]
    masks, raw = dict[str, Mapping[str, str]](), set[str]()
    for path in paths:
        found = volume.masks_of(path)
        if found is not None and sources.policy.may_raw_file(actor, tree.volume, path):
            raw.add(path)
        elif found is not None:
            masks[path] = found
    return replace(tree, paths=tuple(paths), masks=masks, raw=frozenset(raw))


async def tree_record(actor: Actor, tree: Tree) -> AuditRecord:
    """The whole tree on record: by the names of its files where a record holds them, else by count and digest."""
    digest = await asyncio.to_thread(_names_digest, tree)
    few = len(tree.paths) < MAX_ITEMS
    names = tuple(f"{tree.volume}/{path}" for path in tree.paths) if few else (tree.object,)
    parts = ((path, part, mask) for path, found in tree.masks.items() for part, mask in found.items())
    record = actor_record(Action.FILES_READ.value, actor, names)
    return replace(
        record,
        masks={f"{tree.volume}/{path}:{part}": mask for path, part, mask in parts},
        raw=tuple(f"{tree.volume}/{path}" for path in sorted(tree.raw)),
        details={**record.details, "files": str(len(tree.paths)), "bytes": str(tree.size), "names_sha256": digest},
    )


def _names_digest(tree: Tree) -> str:
    """SHA-256 over the paths, each ended by a NUL."""
    digest = hashlib.sha256()
    for path in tree.paths:
        digest.update(path.encode() + b"\0")
    return digest.hexdigest()
