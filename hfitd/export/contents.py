"""What a package holds, in the words of the audit log: which tables, which columns under which masks, how many rows.

It is decided by the plan and counted while the package is built. It is kept with the finished package, so that a
package that is served again is on record in full, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hfitd.access.globs import table_object
from hfitd.audit.record import TableCount
from hfitd.export.items.interface import TablePlan
from hfitd.export.items.tables import plan_table
from hfitd.export.package.manifest import MemberEntry
from hfitd.export.plan import Plan
from hfitd.export.sources import SourceKey
from hfitd.export.template.model import VolumeFile, VolumeFiles
from hfitd.model import Json

PlannedTables = tuple[tuple[SourceKey, TablePlan], ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """``objects`` are ``PROVIDER/SCHEMA/TABLE`` and ``VOLUME/GLOB``; ``columns`` full names, ``raw`` those of them, and
    the files, that a grant gave without their masks; ``counts`` what was read of each table."""

    objects: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()  # masked columns that filters compare with given values, as their owner lets them
    counts: tuple[TableCount, ...] = ()

    def with_counts(self, members: Iterable[MemberEntry], tables: PlannedTables) -> Contents:
        """The same with the rows and bytes of the built members, summed by table, and the masks of their files."""
        objects = {(source.provider, table.table): object_of(source, table) for source, table in tables}
        sums: dict[str, TableCount] = {}
        masks, raw = dict(self.masks), list(self.raw)
        for member in members:
            if name := _covered_file(member):
                masks |= {f"{name}:{part}": mask for part, mask in member.masks.items()}
                raw += [name] if member.details.get("raw") else []
            for entry in member.tables:
                name = objects.get((member.provider or "", entry.table), entry.table)
                before = sums.get(name, TableCount(name, 0))
                sums[name] = TableCount(name, before.rows + entry.rows, before.size + entry.size)
        return replace(self, counts=tuple(sums.values()), masks=masks, raw=tuple(raw))


def planned_contents(plan: Plan) -> Contents:
    """What a plan is going to read."""
    files = [f"{volume}/{path}" for volume, path in _files(plan)]
    contents = table_contents((*plan.tables, *_asked(plan)))
    return replace(contents, objects=(*contents.objects, *dict.fromkeys(files)))


def table_contents(tables: PlannedTables) -> Contents:
    """What planned tables give."""
    return Contents(
        tuple(dict.fromkeys(object_of(source, table) for source, table in tables)),
        tuple(dict.fromkeys(_named(tables, lambda table: table.columns))),
        {f"{object_of(key, table)}.{column}": mask for key, table in tables for column, mask in table.masks.items()},
        tuple(dict.fromkeys(_named(tables, lambda table: table.raw))),
        tuple(dict.fromkeys(_named(tables, lambda table: table.guessed))),
    )


def read_contents(document: Mapping[str, Json]) -> Contents:
    """Contents as ``dataclasses.asdict`` and JSON wrote them; KeyError or TypeError when it is something else."""
    given = dict(document)
    counts = given.pop("counts")
    lists = {name: tuple(given[name]) for name in ("objects", "columns", "raw", "guessed")}  # type: ignore[arg-type]
    rows = tuple(TableCount(**count) for count in counts)  # type: ignore[arg-type, union-attr]
    return Contents(masks=given["masks"], counts=rows, **lists)  # type: ignore[arg-type]


def object_of(source: SourceKey, table: TablePlan) -> str:
    """``PROVIDER/SCHEMA/TABLE``."""
    return table_object(source.provider, table.name)


def _asked(plan: Plan) -> Iterator[tuple[SourceKey, TablePlan]]:
    """Tables that prepare queries read."""
    for planned in plan.prepare:
        if planned.query is not None:
            for relation in planned.query.query.relations.values():
                yield planned.query.source, plan_table(relation)


def _files(plan: Plan) -> Iterator[tuple[str, str]]:
    for step in plan.steps:
        data = step.export.data
        if isinstance(data, VolumeFile):
            yield data.volume, data.path
        elif isinstance(data, VolumeFiles):
            yield data.volume, "**"


def _covered_file(member: MemberEntry) -> str:
    """``VOLUME/PATH`` of a file that mask rules are about; '' for every other member."""
    original = member.details.get("original")
    return f"{member.details['volume']}/{original['path']}" if isinstance(original, Mapping) else ""


def _named(tables: PlannedTables, names: Callable[[TablePlan], Iterable[str]]) -> Iterator[str]:
    for source, table in tables:
        yield from (f"{object_of(source, table)}.{column}" for column in names(table))
