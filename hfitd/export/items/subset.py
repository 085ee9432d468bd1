"""``subset``: some root rows with everything that belongs to them, as one file per database that loads.

1. Planning resolves names, rights, masks and keys, and finds the tables that can be reached (``subset.reach``), also
   in other databases, each by the actor's own rights and masks there.
2. The check compiles the roots and asks what they cost; a download then walks (``subset.walk``), for a limit has to
   refuse while it still can. ``pkg-plan`` does not walk and reads no row.
3. Building writes what was found: the database of the roots into the export's own file, each other one into a file
   beside it, ``case-<provider>.sql`` for ``case.sql``, or ``case-<provider>-<database>.sql`` where that is not the
   provider's own database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect, Outlook
from hfitd.errors import ExportRefused, NotFound, TemplateInvalid
from hfitd.export.items.interface import Built, Checked, KeyPlan, Member, PlanScope, RunScope, TablePlan
from hfitd.export.items.tables import (
    bound_masks,
    check_select,
    granted_relation,
    joined,
    outlook_details,
    plan_table,
    target_name,
)
from hfitd.export.linked import shows_constant
from hfitd.export.query.filters import Filter, compile_filter, guessed_columns, parse_filter
from hfitd.export.query.links import select_links
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.subset.ask import Place
from hfitd.export.subset.edges import Node, both, declared_edges, is_walkable, only_of, root_of
from hfitd.export.subset.files import FileColumn, Gathered, Reader, gather_files, plan_file_column
from hfitd.export.subset.found import Key, KeyStore
from hfitd.export.subset.graph import Ways
from hfitd.export.subset.keys import virtual_edge
from hfitd.export.subset.limits import Limits
from hfitd.export.subset.reach import Graph, Wish, expected_rows, reach
from hfitd.export.subset.realm import Realm, sources_of
from hfitd.export.subset.script import Masks, Writer, ordered_names
from hfitd.export.subset.walk import RootRows, Walk
from hfitd.export.template.model import Export, Subset
from hfitd.model import Json, Relation, Sink, TableName
from hfitd.sql import Sql


@dataclass(frozen=True, slots=True)
class PlannedRoot:
    """Where a subset starts. ``leaf`` is the partition that the template names, if it is one."""

    node: Node
    condition: Filter | None
    leaf: TableName | None = None


@dataclass(frozen=True, slots=True)
class SubsetStep:
    """A planned subset. ``source`` is the database of the roots; ``members`` are the files by database."""

    export: Export
    source: SourceKey
    graph: Graph
    roots: tuple[PlannedRoot, ...]
    limits: Limits
    masks: Masks
    files: tuple[FileColumn, ...]
    tables: tuple[TablePlan, ...]
    members: Mapping[SourceKey, str]

    def variables(self) -> frozenset[str]:
        """Variables of the roots' conditions."""
        return frozenset(name for root in self.roots if root.condition for name in root.condition.variables)

    async def check(self, scope: RunScope) -> Checked:
        """Describe and estimate the roots; then, for a download, walk."""
        dialect = scope.sources.dialect(self.source.provider)
        roots = [RootRows(root.node, self._where(root, dialect, scope)) for root in self.roots]
        expected: dict[Node, int | None] = {}
        for root in roots:
            identity = [item.target for item in self.graph.identities[root.node].wanted]
            select = select_links(self.graph.relations[root.node], dialect, identity, where=root.where)
            select = replace(select, untold=select.untold or any(table.guessed for table in self.tables))
            estimate = await check_select(scope, self.source, select, self.export.key)
            before = expected.get(root.node, 0)
            expected[root.node] = None if before is None or estimate.rows is None else before + estimate.rows
        tables = self._estimated(expected_rows(self.graph, expected))
        outlooks = await self._outlooks(scope)
        if not scope.walk:
            return Checked((), tables, outlook=joined(outlooks.values()))
        limits = self.limits if self.limits.max_rows is not None else replace(self.limits, max_rows=scope.max_rows)
        places = {
            source: Place(scope.sources.dialect(source.provider), scope.opened[source].snapshot)
            for source in self.members
        }
        store = KeyStore(scope.scratch.spill_rows, scope.scratch.folder)
        scope.scratch.close_later(store.close)
        walk = Walk(self.graph, places, limits, self.export.key, store)
        known = [table.estimated_rows for table in tables if table.estimated_rows is not None]
        scope.walking(lambda: walk.meter.rows, sum(known) if len(known) == len(tables) else None)
        await walk.run(roots)
        checked = await self._found(walk, tables, scope, places)
        members = tuple(
            replace(member, details=outlook_details(outlooks[member.source]))
            if member.source in outlooks and member.kind == "data"
            else member
            for member in checked.members
        )
        return replace(checked, members=members, outlook=joined(outlooks.values()))

    async def _outlooks(self, scope: RunScope) -> dict[SourceKey | None, Outlook]:
        """What of the rows the members will not hold, and what these ask of a target, by database."""
        found: dict[SourceKey | None, Outlook] = {}
        for source in self.members:
            relations = [relation for node, relation in self.graph.relations.items() if node.source == source]
            found[source] = await scope.opened[source].snapshot.outlook(relations, None)
        return found

    async def _found(
        self, walk: Walk, tables: tuple[TablePlan, ...], scope: RunScope, places: Mapping[SourceKey, Place]
    ) -> Checked:
        files = await gather_files(self.files, Reader(walk, self.graph, places), scope, self.export.key)
        writers = [self._writer(source, walk, scope, place) for source, place in places.items()]
        positions: dict[Node, dict[Key, int]] = {}
        for writer in writers:
            positions |= await _positions(writer)
        ways = Ways(self.members, self.graph, walk.tables, self.masks, positions)
        members = [self._member(writer, files) for writer in writers]
        counts = {node: found.rows for node, found in walk.tables.items()}
        nodes = [Node(table.source or self.source, table.name) for table in tables]
        exact = [replace(table, estimated_rows=counts[node]) for table, node in zip(tables, nodes, strict=True)]
        return Checked((*members, *files.members), tuple(exact), ways)

    def _writer(self, source: SourceKey, walk: Walk, scope: RunScope, place: Place) -> Writer:
        catalog = scope.opened[source].catalog
        into = {
            node.table: target_name(place.dialect, catalog, relation.table)
            for node, relation in self.graph.relations.items()
            if node.source == source
        }
        return Writer(source, self.graph, walk, catalog, place, self.masks, into)

    def _member(self, writer: Writer, files: Gathered) -> Member:
        async def build(sink: Sink) -> Built:
            entries = await writer.write(sink)
            return Built(sum(entry.rows for entry in entries), entries, details=self._details(writer, files))

        return Member(self.members[writer.source], "data", build, writer.source)

    def _where(self, root: PlannedRoot, dialect: Dialect, scope: RunScope) -> Sql | None:
        relation = self.graph.relations[root.node]
        written = compile_filter(root.condition, relation, dialect, scope.values) if root.condition else None
        return both([written, only_of(dialect, root.leaf) if root.leaf else None])

    def _estimated(self, rows: Mapping[Node, int | None]) -> tuple[TablePlan, ...]:
        planned = []
        for table in self.tables:
            count = rows[Node(table.source or self.source, table.name)]
            total, size = table.estimated_rows, table.estimated_bytes
            part = round(size * count / total) if size is not None and count is not None and total else size
            planned.append(replace(table, estimated_rows=count, estimated_bytes=part))
        return tuple(planned)

    def _details(self, writer: Writer, files: Gathered) -> dict[str, Json]:
        source, walk = writer.source, writer.walk
        dangling = [*walk.dangling(source), *_constant_references(writer)]
        details: dict[str, Json] = {"dangling": dangling, "truncated": walk.meter.report(source)}
        if source == self.source:
            details["missing_files"] = list(files.missing)
        return {name: value for name, value in details.items() if value}


def _constant_references(writer: Writer) -> list[Json]:
    """References that a mask shows as one made-up value in every row: they lead nowhere, and no key was followed."""
    found: list[Json] = []
    for key in writer.catalog.foreign_keys:
        node = Node(writer.source, root_of(writer.catalog, key.table))
        relation = writer.graph.relations.get(node)
        rows = writer.walk.tables[node].rows if relation is not None else 0
        if relation is not None and rows and shows_constant(relation, key.columns):
            found.append({"table": str(node.table), "foreign_key": key.name, "rows": rows})
    return found


async def _positions(writer: Writer) -> dict[Node, dict[Key, int]]:
    """Where the rows of tables without a key stand in the data, from 1; of rows that share a name, the first."""
    places: dict[Node, dict[Key, int]] = {}
    for node, found in writer.walk.tables.items():
        if node.source != writer.source or writer.graph.identities[node].columns or not len(found):
            continue
        places[node], place = {}, 1
        async for keys in ordered_names(writer.graph, node, found, writer.place):
            for key, number in zip(keys, found.keys.find(keys), strict=True):
                if key not in places[node]:
                    places[node][key] = place
                    place += 1 + found.copies.get(number if number is not None else -1, 0)
    return places


class SubsetItem:
    """The export type ``subset``."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """The databases it reads, that of the roots first."""
        return sources_of(_data(export), sources, export.key)

    def plan(self, export: Export, scope: PlanScope) -> SubsetStep:
        """Resolve everything that is written, and find the tables that can be reached."""
        data = _data(export)
        if not export.key.lower().endswith(".sql"):
            raise TemplateInvalid("A subset is written as SQL: its name has to end in .sql.", resource=export.key)
        keys = self.sources(export, scope.sources)
        catalogs, dialects = {key: scope.catalogs[key] for key in keys}, {key: scope.dialect(key) for key in keys}
        look = _Look(scope)
        realm = Realm(keys[0], catalogs, dialects, scope.sources, export.key, look)
        roots = tuple(_plan_root(root.table, root.where, keys[0], export, scope) for root in data.roots)
        edges = [edge for key in keys for edge in declared_edges(key, catalogs[key], dialects[key])]
        edges += [virtual_edge(entry, realm) for entry in data.virtual_keys]
        graph = reach(_wish(data, roots, realm), edges, look, dialects)
        masks = {node: bound_masks(scope, relation) for node, relation in graph.relations.items()}
        files = tuple(
            plan_file_column((entry["column"], entry["volume"]), graph, scope, realm) for entry in data.files_from
        )
        tables = tuple(
            replace(
                plan_table(relation, graph.paths[node]),
                source=node.source,
                keys=_keys(graph, node, look),
                guessed=_guessed(roots, node, relation, scope.dialect(node.source)),
            )
            for node, relation in graph.relations.items()
        )
        members = {source: _member_name(source, keys[0], export.key, scope.sources) for source in graph.sources()}
        return SubsetStep(export, keys[0], graph, roots, _limits(data, realm), masks, files, tables, members)


def _keys(graph: Graph, node: Node, look: Callable[[Node], Relation | None]) -> tuple[KeyPlan, ...]:
    """The table's foreign keys in this subset; one that is cut off a table that is not granted is as if not there."""
    found = []
    for number in graph.upward(node):
        edge = graph.edges[number]
        if edge.cut and look(edge.parent.node) is None:
            continue
        followed = "cut" if edge.cut else "both" if number in graph.down else "parents"
        target = edge.parent.node
        found.append(
            KeyPlan(edge.title, edge.child.columns, target.table, edge.parent.columns, followed, target.source)
        )
    return tuple(found)


def _member_name(source: SourceKey, home: SourceKey, key: str, sources: Sources) -> str:
    """The file of one database."""
    if source == home:
        return key
    stem, dot, ending = key.rpartition(".")
    own = source.database == sources.default_databases[source.provider]
    place = source.provider if own else f"{source.provider}-{re.sub(r'[^A-Za-z0-9_.-]', '_', source.database)}"
    return f"{stem}-{place}{dot}{ending}"


def _guessed(
    roots: Sequence[PlannedRoot], node: Node, relation: Relation, dialect: Dialect
) -> tuple[str, ...]:
    """Masked columns of the table that the conditions of roots compare with given values, by their owner's leave."""
    conditions = [root.condition for root in roots if root.node == node and root.condition is not None]
    found = {column for condition in conditions for column in guessed_columns(condition, relation, dialect)}
    return tuple(sorted(found))


def _plan_root(written: str, where: str, key: SourceKey, export: Export, scope: PlanScope) -> PlannedRoot:
    catalog = scope.catalogs[key]
    name = granted_relation(scope, key, written, export.key).table.name
    table = root_of(catalog, name)
    if not is_walkable(catalog.tables[table]):
        raise TemplateInvalid("A subset starts at tables; a view has no keys.", resource=export.key)
    return PlannedRoot(
        Node(key, table), parse_filter(where) if where.strip() else None, name if table != name else None
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """A table as the actor may see it, or None."""

    scope: PlanScope

    def __call__(self, node: Node) -> Relation | None:
        catalog = self.scope.catalogs[node.source]
        if node.table not in catalog.tables or not is_walkable(catalog.tables[node.table]):
            return None
        try:
            return self.scope.sources.policy.relation(self.scope.actor, node.source.provider, catalog, node.table)
        except NotFound:
            return None


def _wish(data: Subset, roots: Sequence[PlannedRoot], realm: Realm) -> Wish:
    """``exclude`` may name what is not there or not granted, all alike; a list of children may not."""
    children: frozenset[Node] | None = None if data.children == "all" else frozenset()
    if not isinstance(data.children, str):
        named = [realm.granted_table(name) for name in data.children]
        if None in named:
            raise ExportRefused(resource=realm.export)
        children = frozenset(node for node in named if node is not None)
    excluded = (realm.table(name) for name in data.exclude)
    return Wish(
        tuple(root.node for root in roots),
        children,
        frozenset(node for node in excluded if node is not None),
        realm.export,
    )


def _limits(data: Subset, realm: Realm) -> Limits:
    per_table: dict[Node, int] = {}
    given = data.limits.get("max_rows_per_table")
    for written, count in (given if isinstance(given, Mapping) else {}).items():
        node = realm.granted_table(written)
        if node is None:
            raise ExportRefused(resource=realm.export)
        per_table[node] = _whole(count) or 0
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
