"""``table-data``: the rows of one table, filtered, masked, in row-key order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hfitd.engines.interface import Dialect, Format, Select
from hfitd.errors import TemplateInvalid
from hfitd.export.items.interface import Built, Checked, Member, PlanScope, RunScope, TablePlan
from hfitd.export.items.tables import (
    bound_masks,
    check_select,
    granted_relation,
    mask_names,
    outlook_details,
    plan_table,
    target_name,
)
from hfitd.export.package.manifest import TableEntry
from hfitd.export.query.filters import (
    Filter,
    Order,
    compile_filter,
    compile_order,
    guessed_columns,
    parse_filter,
    parse_order,
)
from hfitd.export.query.select import select_relation
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.subset.edges import root_of
from hfitd.export.template.model import Export, TableData
from hfitd.masks.interface import BoundMask
from hfitd.model import Catalog, Json, Relation, Sink
from hfitd.sql import Sql


def format_of(key: str) -> Format:
    """The format that a file name asks for; TemplateInvalid for another extension."""
    extension = key.rpartition(".")[2].lower()
    try:
        return Format(extension)
    except ValueError:
        raise TemplateInvalid("An export of rows has to end in .sql, .csv or .ndjson.", resource=key) from None


def parents_of(relation: Relation, catalog: Catalog) -> frozenset[str]:
    """Tables that this one or its partitions refer to, which a loader fills first."""
    name = relation.table.name
    pairs = ((root_of(catalog, key.table), root_of(catalog, key.target)) for key in catalog.foreign_keys)
    return frozenset(str(target) for table, target in pairs if table == name and target != name)


@dataclass(frozen=True, slots=True)
class RowsStep:
    """A planned ``table-data`` export."""

    export: Export
    source: SourceKey
    relation: Relation
    masks: Mapping[str, BoundMask]
    condition: Filter | None
    form: Format
    into: str
    ordered: bool
    order: Order | None
    limit: int | None
    tables: tuple[TablePlan, ...]
    parents: frozenset[str]

    @property
    def into_sql(self) -> bool:
        """Whether a database can load the member."""
        return self.form is Format.SQL

    def variables(self) -> frozenset[str]:
        """Variables of the filter."""
        return self.condition.variables if self.condition else frozenset()

    def where(self, dialect: Dialect, scope: RunScope) -> Sql | None:
        """The filter with its values, or None."""
        if self.condition is None:
            return None
        return compile_filter(self.condition, self.relation, dialect, scope.values, masks=self.masks)

    async def check(self, scope: RunScope) -> Checked:
        """Compile with values, describe, estimate."""
        dialect = scope.sources.dialect(self.source.provider)
        where = self.where(dialect, scope)
        generated = frozenset(c.column.name for c in self.relation.columns if c.column.generated)
        select = select_relation(
            self.relation,
            dialect,
            self.masks,
            where=where,
            order=compile_order(self.order, self.relation, dialect) if self.order else None,
            ordered=self.ordered,
            limit=self.limit,
            into=self.into,
            leave_out=generated if self.form is Format.SQL else frozenset(),
            hidden=self.form is Format.SQL,
        )
        select = replace(select, untold=select.untold or bool(self.tables[0].guessed))  # plans are not on record
        estimate = await check_select(scope, self.source, select, self.export.key)
        rows, size = estimate.rows, estimate.size
        if rows is None:  # SQLite has no planner's estimate; the whole table is the best that is known
            rows, size = self.tables[0].estimated_rows, self.tables[0].estimated_bytes
        planned = replace(self.tables[0], estimated_rows=rows, estimated_bytes=size)
        outlook = await scope.opened[self.source].snapshot.outlook([self.relation], None)
        member = self._member(scope, select, outlook_details(outlook))
        return Checked((member,), (planned,), outlook=outlook)

    def _member(self, scope: RunScope, select: Select, details: Mapping[str, Json]) -> Member:
        snapshot = scope.opened[self.source].snapshot
        name, masks = str(self.relation.table.name), mask_names(self.relation)

        async def build(sink: Sink) -> Built:
            receipt = await snapshot.render(select, self.form, sink)
            details = {} if self.ordered else {"order": "none"}
            return Built(receipt.rows, (TableEntry(name, receipt.rows, masks, receipt.size),), details=details)

        kind = "data" if self.form is Format.SQL else "rows"
        return Member(self.export.key, kind, build, self.source, name, masks, self.parents, details, apart=True)


class RowsItem:
    """The export type ``table-data``."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """The one database it reads."""
        data = _data(export)
        return (sources.key(data.dbms, data.database, export.key),)

    def plan(self, export: Export, scope: PlanScope) -> RowsStep:
        """Resolve the table, decide masks, parse the filter."""
        data = _data(export)
        (key,) = self.sources(export, scope.sources)
        catalog = scope.catalogs[key]
        relation = granted_relation(scope, key, data.table, export.key)
        condition = parse_filter(data.filter) if data.filter.strip() else None
        guessed = guessed_columns(condition, relation, scope.dialect(key)) if condition else ()
        return RowsStep(
            export,
            key,
            relation,
            bound_masks(scope, relation),
            condition,
            format_of(export.key),
            target_name(scope.dialect(key), catalog, relation.table),
            data.order != "none",
            parse_order(data.order) if data.order not in {"", "none"} else None,
            data.limit,
            (replace(plan_table(relation), guessed=guessed),),
            parents_of(relation, catalog),
        )


def _data(export: Export) -> TableData:
    assert isinstance(export.data, TableData)
    return export.data
