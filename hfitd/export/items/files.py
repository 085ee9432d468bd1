"""``files`` and ``file``: what a volume holds, byte for byte; but for files that a mask rule covers, see
``hfitd/volumes/masked``. Of those the manifest has the length and digest of the original as well."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hfitd.errors import ExportRefused, NotFound, PathRefused, TooLarge
from hfitd.export.files import open_file, require_folder
from hfitd.export.items.interface import Built, Checked, Member, PlanScope, RunScope, TablePlan
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.template.model import Export, VolumeFile, VolumeFiles
from hfitd.export.template.variables import expand_component, expand_filter, find_variables
from hfitd.model import Action, Actor, Json, Sink
from hfitd.volumes.interface import OpenFile, Volume
from hfitd.volumes.listing import parse_listing
from hfitd.volumes.masked.stream import write_masked

READ_SIZE = 256 * 1024


def may_read(sources: Sources, actor: Actor, volume: str, path: str) -> bool:
    """Whether the actor may have this file's content."""
    return sources.policy.may(actor, Action.FILES_READ, f"{volume}/{path}")


def copy_file(scope: RunScope, volume: str, path: str, target: str) -> Member:
    """A member that is a file of a volume, masked where rules cover it and no grant lifts them.

    SourceChanged when it shrinks under the reader, FileNotMaskable when it is not of the form that its rule says.
    """

    async def build(sink: Sink) -> Built:
        async with open_file(scope.sources, scope.actor, volume, path) as opened:
            details: dict[str, Json] = {"volume": volume, "identity": opened.file.etag}
            if opened.masking is not None:
                original = await write_masked(opened.file, opened.masking, sink)
                details["original"] = {"path": path, "size": original.size, "sha256": original.sha256}
                if original.dropped:
                    details["dropped_lines"] = original.dropped
            else:
                if opened.raw:
                    details |= {"raw": True, "original": {"path": path}}
                await _copy(opened.file, sink)
            return Built(modtime=opened.file.entry.modtime, details=details, masks=opened.masks)

    return Member(target, "file", build, may_refuse=scope.sources.volumes[volume].is_covered(path))


async def _copy(file: OpenFile, sink: Sink) -> None:
    offset = 0
    while offset < file.entry.size:
        data = await file.read(offset, min(READ_SIZE, file.entry.size - offset))
        await sink.write(data)
        offset += len(data)


async def require_file(scope: RunScope, volume: str, path: str) -> None:
    """Open the file and see whether it can be given at all, masks included; NotFound and whatever else opening says."""
    async with open_file(scope.sources, scope.actor, volume, path) as opened:
        if opened.masking is not None:
            opened.masking.start()


@dataclass(frozen=True, slots=True)
class FilesStep:
    """A planned export of files: ``texts`` are the filters or the one path, variables unexpanded."""

    export: Export
    volume: str
    texts: tuple[str, ...]
    source: SourceKey | None = None
    tables: tuple[TablePlan, ...] = ()

    def variables(self) -> frozenset[str]:
        """Variables in the filters or the path."""
        return frozenset(name for text in self.texts for name in find_variables(text))

    async def check(self, scope: RunScope) -> Checked:
        """Find the files; one that is missing or not granted refuses the export."""
        volume = scope.sources.volumes[self.volume]
        if isinstance(self.export.data, VolumeFiles):
            return Checked(await self._select(volume, scope), ())
        path = expand_component(self.texts[0], scope.values)
        if not may_read(scope.sources, scope.actor, self.volume, path):
            raise ExportRefused(resource=self.export.key)
        try:
            await require_file(scope, self.volume, path)
        except NotFound as error:
            raise ExportRefused(resource=self.export.key) from error
        return Checked((copy_file(scope, self.volume, path, self.export.key),), ())

    async def _select(self, volume: Volume, scope: RunScope) -> tuple[Member, ...]:
        query = parse_listing([expand_filter(text, scope.values) for text in self.texts], time.time())
        members: list[Member] = []
        try:
            async for batch in volume.list(query):
                for entry in batch:
                    if entry.isdir and entry.error:
                        self._refuse_closed(scope, entry.path)
                    if entry.isdir or not may_read(scope.sources, scope.actor, self.volume, entry.path):
                        continue
                    if entry.error or entry.raw_path:
                        raise PathRefused(
                            "A file that this export selects cannot be read or has a name that is not UTF-8.",
                            resource=self.export.key,
                        )
                    if volume.max_file_size is not None and entry.size > volume.max_file_size:
                        raise TooLarge(
                            "A file that this export selects is larger than its volume allows.",
                            resource=self.export.key,
                            suggestions=(f"Select smaller ones: size:<{volume.max_file_size}",),
                        )
                    members.append(copy_file(scope, self.volume, entry.path, f"{self.export.key}/{entry.path}"))
            if not members:
                require_folder(scope.sources, scope.actor, Action.FILES_READ, self.volume, query.folder)
        except NotFound as error:
            raise ExportRefused(resource=self.export.key) from error
        return tuple(members)

    def _refuse_closed(self, scope: RunScope, folder: str) -> None:
        """F14: what a folder holds that the daemon may not look into would be missing in silence."""
        if scope.sources.policy.may_find(scope.actor, Action.FILES_READ, self.volume, folder):
            raise PathRefused("A folder that this export looks into cannot be read.", resource=self.export.key)


class FilesItem:
    """The export types ``files`` and ``file``."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """No database."""
        return ()

    def plan(self, export: Export, scope: PlanScope) -> FilesStep:
        """Only the volume can be decided now."""
        data = export.data
        assert isinstance(data, VolumeFiles | VolumeFile)
        volume = scope.sources.volumes.get(data.volume)
        policy = scope.sources.policy
        if volume is None or not policy.may_enter(scope.actor, Action.FILES_READ, data.volume):
            raise ExportRefused(resource=export.key)
        texts = data.filters if isinstance(data, VolumeFiles) else (data.path,)
        return FilesStep(export, data.volume, texts)


