"""Looking into volumes: what the caller may list and read of them, and nothing else exists.

1. A file that mask rules cover is opened as it is here and nowhere else, and goes on with its rules.
2. ``raw:VOLUME/PATH`` lifts the rules of a file that the caller may read; whoever serves it puts that on record.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from hfitd.errors import NotFound
from hfitd.export.sources import Sources
from hfitd.model import Action, Actor
from hfitd.volumes.interface import FileEntry, ListingQuery, OpenFile
from hfitd.volumes.lines import render
from hfitd.volumes.masked.rules import Masking

T = TypeVar("T")


def list_volumes(sources: Sources, actor: Actor) -> list[str]:
    """Volumes that the actor may list or read something of."""
    actions = (Action.FILES_LIST, Action.FILES_READ)
    policy = sources.policy
    return sorted(name for name in sources.volumes if any(policy.may_enter(actor, action, name) for action in actions))


def require_volume(sources: Sources, actor: Actor, volume: str, action: Action) -> None:
    """NotFound unless the volume exists and the actor may do this to something in it."""
    if volume not in sources.volumes or not sources.policy.may_enter(actor, action, volume):
        raise NotFound("There is no such volume.", resource=volume)


async def list_files(
    sources: Sources, actor: Actor, volume: str, query: ListingQuery, shape: Callable[[list[FileEntry]], T]
) -> AsyncGenerator[T, None]:
    """What ``shape`` makes, in a thread, of each batch of entries that the actor may list; NotFound for a folder of
    which the actor may see nothing."""
    may, empty = sources.policy.may_below(actor, Action.FILES_LIST, volume), True

    def visible(batch: Sequence[FileEntry]) -> tuple[T, ...]:
        entries = [entry for entry in batch if may(entry.path)]
        return (shape(entries),) if entries else ()

    async with aclosing(sources.volumes[volume].list_as(query, visible)) as batches:
        async for shaped in batches:
            if shaped:
                empty = False
                yield shaped[0]
    if empty:
        require_folder(sources, actor, Action.FILES_LIST, volume, query.folder)


async def list_lines(sources: Sources, actor: Actor, volume: str, query: ListingQuery) -> AsyncGenerator[bytes, None]:
    """The same entries as NDJSON, whole lines in each piece."""
    if sources.policy.may_all_below(actor, Action.FILES_LIST, volume):  # then no path has to be looked at
        found = sources.volumes[volume].list_lines(query)
    else:
        found = list_files(sources, actor, volume, query, render)
    async with aclosing(found) as pieces:
        async for piece in pieces:
            yield piece


def require_folder(sources: Sources, actor: Actor, action: Action, volume: str, folder: str) -> None:
    """NotFound, as for a folder that is not there, unless the actor may do this to the folder itself."""
    if folder and not sources.policy.may(actor, action, f"{volume}/{folder}"):
        raise NotFound("There is no such folder in this volume.", resource=folder)


async def find_best(sources: Sources, actor: Actor, volume: str, query: ListingQuery) -> FileEntry:
    """The first readable file in the query's order; NotFound when there is none."""
    policy = sources.policy
    missing = NotFound("No file fits the filters.", resource=volume)  # also when the folder is not there
    try:
        best = await sources.volumes[volume].best(query)
        if best is None:
            raise missing
        if policy.may(actor, Action.FILES_READ, f"{volume}/{best.path}"):
            return best
        async for batch in sources.volumes[volume].list(query):
            for entry in batch:
                if not entry.isdir and policy.may(actor, Action.FILES_READ, f"{volume}/{entry.path}"):
                    return entry
    except NotFound as error:
        raise missing from error
    raise missing


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file as one actor may have it: through ``masking``, or as it is when that is None.

    ``raw``: rules cover it, and a grant lifts them.
    """

    file: OpenFile
    masking: Masking | None
    raw: bool

    @property
    def masks(self) -> Mapping[str, str]:
        """Its masked parts with the names of their masks."""
        return self.masking.masks if self.masking is not None else {}


@asynccontextmanager
async def open_file(
    sources: Sources, actor: Actor, volume: str, path: str, raw_path: str = ""
) -> AsyncIterator[OpenedFile]:
    """Open a file that the actor may read; the caller has asked the policy about that, and applies the masking.

    ``raw_path`` is base64 and names the file when its ``path`` is not UTF-8.
    """
    async with sources.volumes[volume].open(raw_path or path, raw=bool(raw_path), original=True) as file:  # 1
        raw = file.masking is not None and sources.policy.may_raw_file(actor, volume, path)  # 2
        yield OpenedFile(file, None if raw else file.masking, raw)
