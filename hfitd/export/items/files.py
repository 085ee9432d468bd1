"""``files`` and ``file``: what a volume holds, byte for byte."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hfitd.errors import ExportRefused, NotFound, PathRefused
from hfitd.export.files import require_folder
from hfitd.export.items.interface import Built, Checked, Member, PlanScope, RunScope, TablePlan
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.template.model import Export, VolumeFile, VolumeFiles
from hfitd.export.template.variables import expand_component, expand_filter, find_variables
from hfitd.model import Action, Actor, Sink
from hfitd.volumes.interface import Volume
from hfitd.volumes.listing import parse_listing

READ_SIZE = 256 * 1024


def may_read(sources: Sources, actor: Actor, volume: str, path: str) -> bool:
    """Whether the actor may have this file's content."""
    return sources.policy.may(actor, Action.FILES_READ, f"{volume}/{path}")


def copy_file(volume: Volume, path: str, target: str) -> Member:
    """A member that is a file of a volume; SourceChanged when it shrinks under the reader."""

    async def build(sink: Sink) -> Built:
        async with volume.open(path) as file:
            offset = 0
            while offset < file.entry.size:
                data = await file.read(offset, min(READ_SIZE, file.entry.size - offset))
                await sink.write(data)
                offset += len(data)
            return Built(modtime=file.entry.modtime, details={"volume": volume.name})

    return Member(target, "file", build)


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
            async with volume.open(path):
                pass
        except NotFound as error:
            raise ExportRefused(resource=self.export.key) from error
        return Checked((copy_file(volume, path, self.export.key),), ())

    async def _select(self, volume: Volume, scope: RunScope) -> tuple[Member, ...]:
        query = parse_listing([expand_filter(text, scope.values) for text in self.texts], time.time())
        members: list[Member] = []
        try:
            async for batch in volume.list(query):
                for entry in batch:
                    if entry.isdir or not may_read(scope.sources, scope.actor, self.volume, entry.path):
                        continue
                    if entry.error or entry.raw_path:
                        raise PathRefused(
                            "A file that this export selects cannot be read or has a name that is not UTF-8.",
                            resource=self.export.key,
                        )
                    members.append(copy_file(volume, entry.path, f"{self.export.key}/{entry.path}"))
            if not members:
                require_folder(scope.sources, scope.actor, Action.FILES_READ, self.volume, query.folder)
        except NotFound as error:
            raise ExportRefused(resource=self.export.key) from error
        return tuple(members)


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


