"""``database``: the rows of a SELECT that a template's author wrote, rewritten onto masked relations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect, Format, Select
from hfitd.errors import ExportRefused, NotFound
from hfitd.export.items.interface import Built, Checked, Member, PlanScope, RunScope, TablePlan
from hfitd.export.items.rows import format_of
from hfitd.export.items.tables import bound_masks, check_select, granted_relation, plan_table
from hfitd.export.naming import find_table
from hfitd.export.package.manifest import TableEntry
from hfitd.export.query.free import ParsedQuery, parse_query, rewrite_query
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.template.model import Export, FreeQuery
from hfitd.masks.interface import BoundMask
from hfitd.model import Action, Relation, Sink, Table, TableName


@dataclass(frozen=True, slots=True)
class GrantedQuery:
    """A parsed free query with the relations it may read; nothing else is reachable when it is rewritten."""

    parsed: ParsedQuery
    dialect: Dialect
    default_schema: str
    relations: Mapping[TableName, Relation]
    masks: Mapping[TableName, Mapping[str, BoundMask]]

    def rewrite(self, values: Mapping[str, str | None]) -> Select:
        """The SELECT that may be sent; pure and possibly slow, so call it in a thread."""
        select = rewrite_query(
            self.parsed,
            self.dialect,
            self.default_schema,
            self._relation,
            lambda relation: self.masks[relation.table.name],
            values,
        )
        return replace(select, untold=any(item.row_filter is not None for item in self.relations.values()))

    def _relation(self, schema: str | None, name: str) -> Relation:
        wanted = TableName(self.default_schema if schema is None else schema, name)
        if wanted in self.relations:
            return self.relations[wanted]
        same = self.dialect.same_name
        for known, relation in self.relations.items():
            if same(known.schema, wanted.schema) and same(known.name, wanted.name):
                return relation
        raise NotFound("The query names a table that does not exist or is not granted to you.")


def grant_query(parsed: ParsedQuery, key: SourceKey, scope: PlanScope, export: str) -> GrantedQuery:
    """Resolve every table of the query; needs ``rows`` on each, and ``query`` unless the template is approved."""
    catalog, dialect = scope.catalogs[key], scope.dialect(key)
    relations: dict[TableName, Relation] = {}
    for written in parsed.tables:
        name = find_table(written, dialect, catalog)
        if name is None:
            raise ExportRefused(resource=export)
        action = Action.ROWS if scope.approved else Action.QUERY
        touched = touched_columns(parsed, catalog.tables[name])
        relations[name] = granted_relation(scope, key, written, export, action=action, columns=touched)
    masks = {name: bound_masks(scope, relation) for name, relation in relations.items()}
    return GrantedQuery(parsed, dialect, catalog.default_schema, relations, masks)


def touched_columns(parsed: ParsedQuery, table: Table) -> frozenset[str] | None:
    """Columns whose names stand anywhere in the query, or None for all: more than it touches, never less."""
    words = parsed.taken.casefold()
    if "*" in words:
        return None
    return frozenset(column.name for column in table.columns if column.name.casefold() in words)


@dataclass(frozen=True, slots=True)
class QueryStep:
    """A planned ``database`` export."""

    export: Export
    source: SourceKey
    query: GrantedQuery
    form: Format
    into: str
    tables: tuple[TablePlan, ...]

    def variables(self) -> frozenset[str]:
        """Variables of the query."""
        return self.query.parsed.variables

    async def check(self, scope: RunScope) -> Checked:
        """Rewrite with values, describe, estimate."""
        try:
            written = await asyncio.to_thread(self.query.rewrite, scope.values)
        except NotFound as error:  # a column; the status of an export on what is not there is one (ruling 15)
            raise ExportRefused(resource=self.export.key) from error
        select = replace(written, into=self.into)
        await check_select(scope, self.source, select, self.export.key)
        snapshot = scope.opened[self.source].snapshot

        async def build(sink: Sink) -> Built:
            receipt = await snapshot.render(select, self.form, sink)
            tables = tuple(TableEntry(t.table, receipt.rows, t.masks, receipt.size) for t in self.tables)
            return Built(receipt.rows, tables)

        return Checked((Member(self.export.key, "rows", build, self.source),), self.tables)


class QueryItem:
    """The export type ``database``."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """The one database it reads."""
        data = _data(export)
        return (sources.key(data.dbms, data.database, export.key),)

    def plan(self, export: Export, scope: PlanScope) -> QueryStep:
        """Parse the query, resolve its tables, decide masks."""
        data = _data(export)
        (key,) = self.sources(export, scope.sources)
        dialect = scope.dialect(key)
        granted = grant_query(parse_query(data.query, dialect.sqlglot_name), key, scope, export.key)
        stem = export.key.rpartition("/")[2].rpartition(".")[0]
        tables = tuple(plan_table(relation) for relation in granted.relations.values())
        return QueryStep(export, key, granted, format_of(export.key), dialect.identifier(stem), tables)


def _data(export: Export) -> FreeQuery:
    assert isinstance(export.data, FreeQuery)
    return export.data
