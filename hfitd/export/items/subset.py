"""``subset``: some root rows with everything that belongs to them, as one file that loads.

1. Planning resolves names, rights, masks and keys, and finds the tables that can be reached (``subset.reach``).
2. The check compiles the roots and asks what they cost; a download then walks (``subset.walk``), for a limit has to
   refuse while it still can. ``pkg-plan`` does not walk and reads no row.
3. Building writes what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect
from hfitd.errors import ExportRefused, NotFound, TemplateInvalid
from hfitd.export.items.interface import Built, Checked, Member, PlanScope, RunScope, TablePlan
from hfitd.export.items.tables import bound_masks, check_select, granted_relation, plan_table, target_name
from hfitd.export.naming import find_table
from hfitd.export.query.filters import Filter, compile_filter, parse_filter
from hfitd.export.query.links import select_links
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.subset.edges import both, declared_edges, is_walkable, only_of, root_of
from hfitd.export.subset.files import FileColumn, Gathered, Reader, gather_files, plan_file_column
from hfitd.export.subset.found import Key, pack
from hfitd.export.subset.graph import Ways
from hfitd.export.subset.keys import virtual_edge
from hfitd.export.subset.limits import Limits
from hfitd.export.subset.reach import Graph, Wish, expected_rows, reach
from hfitd.export.subset.script import Masks, Writer, ordered_names
from hfitd.export.subset.walk import RootRows, Walk
from hfitd.export.template.model import Export, Subset
from hfitd.model import Json, Relation, Sink, TableName
from hfitd.sql import Sql


@dataclass(frozen=True, slots=True)
class PlannedRoot:
    """Where a subset starts. ``leaf`` is the partition that the template names, if it is one."""

    table: TableName
    condition: Filter | None
    leaf: TableName | None = None


@dataclass(frozen=True, slots=True)
class SubsetStep:
    """A planned subset."""

    export: Export
    source: SourceKey
    graph: Graph
    roots: tuple[PlannedRoot, ...]
    limits: Limits
    masks: Masks
    files: tuple[FileColumn, ...]
    tables: tuple[TablePlan, ...]

    def variables(self) -> frozenset[str]:
        """Variables of the roots' conditions."""
        return frozenset(name for root in self.roots if root.condition for name in root.condition.variables)

    async def check(self, scope: RunScope) -> Checked:
        """Describe and estimate the roots; then, for a download, walk."""
        dialect = scope.sources.dialect(self.source.provider)
        roots = [RootRows(root.table, self._where(root, dialect, scope)) for root in self.roots]
        expected: dict[TableName, int | None] = {}
        for root in roots:
            identity = [item.target for item in self.graph.identities[root.table].wanted]
            select = select_links(self.graph.relations[root.table], dialect, identity, where=root.where)
            estimate = await check_select(scope, self.source, select, self.export.key)
            before = expected.get(root.table, 0)
            expected[root.table] = None if before is None or estimate.rows is None else before + estimate.rows
        tables = self._estimated(expected_rows(self.graph, expected))
        if not scope.walk:
            return Checked((), tables)
        limits = self.limits if self.limits.max_rows is not None else replace(self.limits, max_rows=scope.max_rows)
        walk = Walk(self.graph, dialect, scope.opened[self.source].snapshot, limits, self.export.key)
        await walk.run(roots)
        return await self._found(walk, tables, scope, dialect)

    async def _found(self, walk: Walk, tables: tuple[TablePlan, ...], scope: RunScope, dialect: Dialect) -> Checked:
        opened = scope.opened[self.source]
        reader = Reader(walk, self.graph, dialect, opened.snapshot)
        files = await gather_files(self.files, reader, scope, self.export.key)
        into = {
            table: target_name(dialect, opened.catalog, relation.table)
            for table, relation in self.graph.relations.items()
        }
        writer = Writer(self.graph, walk, opened.catalog, dialect, opened.snapshot, self.masks, into)
        ways = Ways(
            self.export.key,
            self.source.provider,
            self.source.database,
            self.graph,
            walk.tables,
            self.masks,
            await _positions(writer),
        )

        async def build(sink: Sink) -> Built:
            entries = await writer.write(sink)
            return Built(sum(entry.rows for entry in entries), entries, details=self._details(walk, files))

        member = Member(self.export.key, "data", build, self.source)
        return Checked((member, *files.members), tables, ways)

    def _where(self, root: PlannedRoot, dialect: Dialect, scope: RunScope) -> Sql | None:
        relation = self.graph.relations[root.table]
        written = compile_filter(root.condition, relation, dialect, scope.values) if root.condition else None
        return both([written, only_of(dialect, root.leaf) if root.leaf else None])

    def _estimated(self, rows: Mapping[TableName, int | None]) -> tuple[TablePlan, ...]:
        planned = []
        for table in self.tables:
            count, total, size = rows[table.name], table.estimated_rows, table.estimated_bytes
            part = round(size * count / total) if size is not None and count is not None and total else size
            planned.append(replace(table, estimated_rows=count, estimated_bytes=part))
        return tuple(planned)

    def _details(self, walk: Walk, files: Gathered) -> dict[str, Json]:
        details: dict[str, Json] = {"dangling": walk.dangling()}
        details["truncated"] = walk.meter.report()
        details["missing_files"] = list(files.missing)
        return {name: value for name, value in details.items() if value}


async def _positions(writer: Writer) -> dict[TableName, dict[Key, int]]:
    """Where the rows of tables without a key stand in the data, from 1; of rows that share a name, the first."""
    places: dict[TableName, dict[Key, int]] = {}
    for table, found in writer.walk.tables.items():
        if writer.graph.identities[table].columns or not len(found):
            continue
        places[table], place = {}, 1
        names = ordered_names(writer.graph, table, found, writer.dialect, writer.snapshot)
        async for name in names:
            key = pack([str(value) for value in name])
            if key not in places[table]:
                places[table][key] = place
                number = found.find(key)
                place += 1 + found.copies.get(number if number is not None else -1, 0)
    return places


class SubsetItem:
    """The export type ``subset``."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """The one database it reads."""
        data = _data(export)
        return (sources.key(data.dbms, data.database, export.key),)

    def plan(self, export: Export, scope: PlanScope) -> SubsetStep:
        """Resolve everything that is written, and find the tables that can be reached."""
        data = _data(export)
        if not export.key.lower().endswith(".sql"):
            raise TemplateInvalid("A subset is written as SQL: its name has to end in .sql.", resource=export.key)
        (key,) = self.sources(export, scope.sources)
        catalog, dialect = scope.catalogs[key], scope.dialect(key)
        roots = tuple(_plan_root(root.table, root.where, key, export, scope) for root in data.roots)
        edges = declared_edges(catalog, dialect)
        edges += [virtual_edge(entry, catalog, dialect, export.key) for entry in data.virtual_keys]
        graph = reach(_wish(data, roots, key, export, scope), edges, _Look(key, scope), dialect)
        masks = {table: bound_masks(scope, relation) for table, relation in graph.relations.items()}
        files = tuple(
            plan_file_column((entry["column"], entry["volume"]), graph, scope, key, export.key)
            for entry in data.files_from
        )
        tables = tuple(plan_table(relation, graph.paths[table]) for table, relation in graph.relations.items())
        return SubsetStep(export, key, graph, roots, _limits(data, key, export, scope), masks, files, tables)


def _plan_root(written: str, where: str, key: SourceKey, export: Export, scope: PlanScope) -> PlannedRoot:
    catalog = scope.catalogs[key]
    name = granted_relation(scope, key, written, export.key).table.name
    table = root_of(catalog, name)
    if not is_walkable(catalog.tables[table]):
        raise TemplateInvalid("A subset starts at tables; a view has no keys.", resource=export.key)
    return PlannedRoot(table, parse_filter(where) if where.strip() else None, name if table != name else None)


@dataclass(frozen=True, slots=True)
class _Look:
    """A table as the actor may see it, or None."""

    key: SourceKey
    scope: PlanScope

    def __call__(self, table: TableName) -> Relation | None:
        catalog = self.scope.catalogs[self.key]
        if table not in catalog.tables or not is_walkable(catalog.tables[table]):
            return None
        try:
            return self.scope.sources.policy.relation(self.scope.actor, self.key.provider, catalog, table)
        except NotFound:
            return None


def _wish(
    data: Subset, roots: tuple[PlannedRoot, ...], key: SourceKey, export: Export, scope: PlanScope
) -> Wish:
    """``exclude`` may name what is not there or not granted, all alike; a list of children may not."""
    catalog, dialect = scope.catalogs[key], scope.dialect(key)
    children: frozenset[TableName] | None = None if data.children == "all" else frozenset()
    if not isinstance(data.children, str):
        named = [find_table(name, dialect, catalog) for name in data.children]
        if None in named:
            raise ExportRefused(resource=export.key)
        children = frozenset(root_of(catalog, name) for name in named if name is not None)
    excluded = (find_table(name, dialect, catalog) for name in data.exclude)
    return Wish(
        tuple(root.table for root in roots),
        children,
        frozenset(root_of(catalog, name) for name in excluded if name is not None),
        export.key,
    )


def _limits(data: Subset, key: SourceKey, export: Export, scope: PlanScope) -> Limits:
    catalog, dialect = scope.catalogs[key], scope.dialect(key)
    per_table: dict[TableName, int] = {}
    given = data.limits.get("max_rows_per_table")
    for written, count in (given if isinstance(given, Mapping) else {}).items():
        name = find_table(written, dialect, catalog)
        if name is None:
            raise ExportRefused(resource=export.key)
        per_table[root_of(catalog, name)] = _whole(count) or 0
    return Limits(
        _whole(data.limits.get("max_rows")),
        per_table,
        _whole(data.limits.get("max_children_per_row")),
        truncate=data.limits.get("on_excess") == "truncate",
    )


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) else None


def _data(export: Export) -> Subset:
    assert isinstance(export.data, Subset)
    return export.data
