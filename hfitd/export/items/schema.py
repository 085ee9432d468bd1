"""``dbcreate`` and ``table-create``: statements that make the tables, for what the actor may see of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hfitd.engines.interface import DdlOptions
from hfitd.errors import ExportRefused
from hfitd.export.items.interface import Built, Checked, Member, PlanScope, RunScope, TablePlan
from hfitd.export.items.tables import granted_relation, outlook_details, plan_table
from hfitd.export.naming import find_schema
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.template.model import DbCreate, Export, TableCreate
from hfitd.model import Action, Json, Relation, Sink


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """A planned DDL export."""

    export: Export
    source: SourceKey
    relations: tuple[Relation, ...]
    options: DdlOptions
    tables: tuple[TablePlan, ...]

    def variables(self) -> frozenset[str]:
        """None: names of tables are never variable."""
        return frozenset()

    async def check(self, scope: RunScope) -> Checked:
        """Ask what will be left out, and which constraints have to come after the rows; nothing can be refused."""
        outlook = await scope.opened[self.source].snapshot.outlook(self.relations, self.options)
        own = {relation.table.name for relation in self.relations}
        postponed = frozenset(key for key in scope.postponed.get(self.source, ()) if key[0] in own)
        postponed |= outlook.unchecked
        details = outlook_details(outlook)
        main = self._member(scope, self.export.key, "ddl", replace(self.options, postponed=postponed), details)
        if not postponed:
            return Checked((main,), self.tables, outlook=outlook)
        later = replace(self.options, postponed=postponed, only_postponed=True)
        name = self.export.key.removesuffix(".sql") + "-constraints.sql"
        members = (main, self._member(scope, name, "constraints", later, {}))
        return Checked(members, self.tables, outlook=outlook)

    def _member(
        self, scope: RunScope, path: str, kind: str, options: DdlOptions, details: Mapping[str, Json]
    ) -> Member:
        snapshot = scope.opened[self.source].snapshot

        async def build(sink: Sink) -> Built:
            await snapshot.ddl(self.relations, options, sink)
            return Built()

        return Member(path, kind, build, self.source, details=details)


class SchemaItem:
    """The export types ``dbcreate`` (whole schemas) and ``table-create`` (named tables)."""

    def sources(self, export: Export, sources: Sources) -> tuple[SourceKey, ...]:
        """The one database it reads."""
        data = _data(export)
        return (sources.key(data.dbms, data.database, export.key),)

    def plan(self, export: Export, scope: PlanScope) -> SchemaStep:
        """Resolve schemas and tables to what the actor may have the DDL of."""
        data = _data(export)
        (key,) = self.sources(export, scope.sources)
        whole = isinstance(data, DbCreate)
        option = data.option if isinstance(data, TableCreate) else ""
        found: dict[str, Relation] = {}
        for name in data.tablelist:
            for relation in self._relations(name, key, export, scope):
                found[str(relation.table.name)] = relation
        relations = tuple(found.values())
        tables = tuple(plan_table(relation) for relation in relations)
        return SchemaStep(export, key, relations, DdlOptions(option, whole), tables)

    def _relations(self, name: str, key: SourceKey, export: Export, scope: PlanScope) -> list[Relation]:
        catalog = scope.catalogs[key]
        if not isinstance(export.data, DbCreate):
            return [granted_relation(scope, key, name, export.key, action=Action.DDL)]
        schema = find_schema(name, scope.dialect(key), catalog)
        if schema is None:
            return [granted_relation(scope, key, name, export.key, action=Action.DDL)]
        policy = scope.sources.policy
        tables = policy.visible_tables(scope.actor, key.provider, catalog, action=Action.DDL)
        chosen = [table for table in tables if table.name.schema == schema]
        if not chosen:
            raise ExportRefused(resource=export.key)
        return [
            policy.relation(scope.actor, key.provider, catalog, table.name, action=Action.DDL) for table in chosen
        ]


def _data(export: Export) -> DbCreate | TableCreate:
    assert isinstance(export.data, DbCreate | TableCreate)
    return export.data
