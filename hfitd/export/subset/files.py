"""Files that the rows of a subset name: pulled along from a volume, or listed as missing.

1. The column is granted and not masked; its values are names of files only for whoever may see them.
2. A file is opened by the volume, which keeps to its root, and only if the actor may read it.
3. Whatever cannot be had is listed in the manifest as missing, all alike: a name that is no path or leads out of the
   volume, a file that is not there or not granted, a name that a package cannot hold, on any system or beside another.
   A file that a mask rule covers and cannot mask refuses the package, as it does everywhere.

Files lie beside the member: those of ``case.sql`` in ``case.files/<volume>/<path in the volume>``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.errors import ExportRefused, NotFound, PathRefused, TemplateInvalid
from hfitd.export.items.files import copy_file, may_read, require_file
from hfitd.export.items.interface import Member, PlanScope, RunScope
from hfitd.export.query.links import select_links
from hfitd.export.sources import SourceKey
from hfitd.export.subset.ask import ASK_KEYS, Place, read_rows
from hfitd.export.subset.edges import Node
from hfitd.export.subset.found import unpack_all
from hfitd.export.subset.reach import Graph
from hfitd.export.subset.realm import Realm
from hfitd.export.subset.walk import Walk
from hfitd.export.template.names import component_problem, fold
from hfitd.model import Action, Json
from hfitd.sql import text

MAX_DEPTH = 32  # parts of a path in a volume; the client takes 40 in a package


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column whose values are paths in a volume."""

    node: Node
    column: str
    volume: str


def plan_file_column(entry: tuple[str, str], graph: Graph, scope: PlanScope, realm: Realm) -> FileColumn:
    """Resolve one entry of ``files_from``. ExportRefused for what is missing or not granted, TemplateInvalid for a
    masked column."""
    written, volume = entry
    place, export = realm.column(written), realm.export
    known = volume in scope.sources.volumes
    if place is None or not known or not scope.sources.policy.may_enter(scope.actor, Action.FILES_READ, volume):
        raise ExportRefused(resource=export)
    relation = graph.relations.get(place[0])
    column = relation.column(place[1].name) if relation else None
    if column is None:
        raise ExportRefused(resource=export)
    if column.rule is not None:  # 1
        raise TemplateInvalid("files_from names a masked column; its values name no files.", resource=export)
    return FileColumn(place[0], place[1].name, volume)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads columns of the rows that a walk has found."""

    walk: Walk
    graph: Graph
    places: Mapping[SourceKey, Place]

    async def values(self, column: FileColumn) -> AsyncIterator[str]:
        """What the column holds in the found rows, but for NULL and the empty text."""
        place = self.places[column.node.source]
        wanted = self.graph.identities[column.node].wanted
        size = min(place.dialect.among_limit(len(wanted)), ASK_KEYS)
        outputs = [text(place.dialect.identifier(column.column)), *(item.target for item in wanted)]
        for keys, _, _ in self.walk.tables[column.node].keys.portions(size):
            among = place.dialect.among(wanted, unpack_all(keys))
            select = select_links(self.graph.relations[column.node], place.dialect, outputs, where=among)
            async for row in read_rows(place, select):
                if row[0]:
                    yield row[0]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The members for the files that are there, and what is missing, for the manifest."""

    members: tuple[Member, ...]
    missing: tuple[Json, ...]


async def gather_files(columns: Sequence[FileColumn], reader: Reader, scope: RunScope, member: str) -> Gathered:
    """Look for every file that a found row names, each once."""
    folder = f"{member.rpartition('.')[0]}.files"
    wanted: dict[tuple[str, str], None] = {}
    for column in columns:
        async for path in reader.values(column):
            wanted[column.volume, path.removeprefix("/")] = None
    members: list[Member] = []
    missing: list[Json] = []
    taken = Taken()
    for volume, path in sorted(wanted):
        target = f"{folder}/{volume}/{path}"
        if _can_stand(path) and await _is_there(scope, volume, path) and taken.take(target):
            members.append(copy_file(scope, volume, path, target))
        else:
            missing.append({"volume": volume, "path": path})  # 3
    return Gathered(tuple(members), tuple(missing))


class Taken:
    """Names that stand in the package already; a system without case has room for one of two that differ by it."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, path: str) -> bool:
        """Whether there is room for a file of this name; then it is taken."""
        folded = fold(path)
        parts = folded.split("/")
        folders = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if folded in self._files or folded in self._folders or folders & self._files:
            return False
        self._files.add(folded)
        self._folders |= folders
        return True


def _can_stand(path: str) -> bool:
    parts = path.split("/")
    return len(parts) < MAX_DEPTH and not any(component_problem(part) for part in parts)


async def _is_there(scope: RunScope, volume: str, path: str) -> bool:
    if not may_read(scope.sources, scope.actor, volume, path):  # 2
        return False
    try:
        await require_file(scope, volume, path)
        return True
    except (NotFound, PathRefused):
        return False
