"""Files that the rows of a subset name: pulled along from a volume, or listed as missing.

1. The column is granted and not masked; its values are names of files only for whoever may see them.
2. A file is opened by the volume, which keeps to its root, and only if the actor may read it.
3. Whatever cannot be had, a name that is no path, a file that is not there or not granted, is listed in the manifest
   as missing, all alike.

Files lie beside the member: those of ``case.sql`` in ``case.files/<volume>/<path in the volume>``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from hfitd.engines.interface import Dialect, Snapshot
from hfitd.errors import ExportRefused, HfitError, TemplateInvalid
from hfitd.export.items.files import copy_file, may_read
from hfitd.export.items.interface import Member, PlanScope, RunScope
from hfitd.export.naming import find_column
from hfitd.export.query.links import select_links
from hfitd.export.sources import SourceKey
from hfitd.export.subset.ask import FETCH_ROWS
from hfitd.export.subset.edges import root_of
from hfitd.export.subset.found import unpack
from hfitd.export.subset.reach import Graph
from hfitd.export.subset.walk import Walk
from hfitd.export.template.names import key_problem
from hfitd.model import Action, Json, TableName
from hfitd.sql import text


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column whose values are paths in a volume."""

    table: TableName
    column: str
    volume: str


def plan_file_column(
    entry: tuple[str, str], graph: Graph, scope: PlanScope, source: SourceKey, export: str
) -> FileColumn:
    """Resolve one entry of ``files_from``. ExportRefused for what is missing or not granted, TemplateInvalid for a
    masked column."""
    written, volume = entry
    catalog = scope.catalogs[source]
    place = find_column(written, scope.dialect(source), catalog)
    known = volume in scope.sources.volumes
    if place is None or not known or not scope.sources.policy.may_enter(scope.actor, Action.FILES_READ, volume):
        raise ExportRefused(resource=export)
    table = root_of(catalog, place[0])
    relation = graph.relations.get(table)
    column = relation.column(place[1]) if relation else None
    if column is None:
        raise ExportRefused(resource=export)
    if column.rule is not None:  # 1
        raise TemplateInvalid("files_from names a masked column; its values name no files.", resource=export)
    return FileColumn(table, place[1], volume)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads columns of the rows that a walk has found."""

    walk: Walk
    graph: Graph
    dialect: Dialect
    snapshot: Snapshot

    async def values(self, column: FileColumn) -> AsyncIterator[str]:
        """What the column holds in the found rows, but for NULL and the empty text."""
        wanted = self.graph.identities[column.table].wanted
        names = list(map(unpack, self.walk.tables[column.table].keys()))
        size = self.dialect.among_limit(len(wanted))
        outputs = [text(self.dialect.identifier(column.column)), *(item.target for item in wanted)]
        for start in range(0, len(names), size):
            among = self.dialect.among(wanted, names[start : start + size])
            select = select_links(self.graph.relations[column.table], self.dialect, outputs, where=among)
            async with self.snapshot.batches(select, FETCH_ROWS) as batches:
                async for rows in batches:
                    for row in rows:
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
    for volume, path in sorted(wanted):
        target = f"{folder}/{volume}/{path}"
        if await _is_there(scope, volume, path) and not key_problem(target):
            members.append(copy_file(scope.sources.volumes[volume], path, target))
        else:
            missing.append({"volume": volume, "path": path})  # 3
    return Gathered(tuple(members), tuple(missing))


async def _is_there(scope: RunScope, volume: str, path: str) -> bool:
    if not may_read(scope.sources, scope.actor, volume, path):  # 2
        return False
    try:
        async with scope.sources.volumes[volume].open(path):
            return True
    except HfitError as error:
        if error.status >= 500:
            raise
        return False
