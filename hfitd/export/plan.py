"""The plan: everything that is decided before anything is read, as one value with a digest.

Planning is pure: names, rights, masks and shapes come from the catalogues, the policy and the template. The digest
covers template, policy version, catalogue shape, columns and masks (contract, ruling 13), so that an approval or an
audit record can name exactly what was going to happen; it does not cover actor, values or estimates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfitd.errors import ExportRefused, HfitError, TemplateInvalid
from hfitd.export.items.interface import Checked, KeyPlan, PlanScope, Step, TablePlan
from hfitd.export.items.query import GrantedQuery, grant_query
from hfitd.export.items.table import ITEMS
from hfitd.export.package.manifest import canonical_json
from hfitd.export.query.free import parse_query
from hfitd.export.sources import SourceKey, Sources
from hfitd.export.template.model import PrepareStep, QueryStep, Template, VolumeFile, VolumeFiles, VolumeStep
from hfitd.model import Action, Catalog, Json


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """A prepare query with its source and what it may read."""

    source: SourceKey
    query: GrantedQuery


@dataclass(frozen=True, slots=True)
class PlannedPrepare:
    """A prepare step; ``query`` is set for queries only."""

    step: PrepareStep
    query: PlannedQuery | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download will do."""

    template: Template
    owner: str
    policy_version: str
    prepare: tuple[PlannedPrepare, ...]
    steps: tuple[Step, ...]
    digest: str

    @property
    def tables(self) -> tuple[tuple[SourceKey, TablePlan], ...]:
        """Every table that rows are read from, with its source."""
        return tuple(
            (table.source or step.source, table) for step in self.steps if step.source for table in step.tables
        )


def needed_sources(template: Template, sources: Sources) -> frozenset[SourceKey]:
    """The databases that have to be open before the template can be planned."""
    keys = {key for export in template.exports for key in _item_sources(export.type, export.key, template, sources)}
    for step in template.prepare:
        if isinstance(step, QueryStep):
            keys.add(sources.key(step.dbms, step.database, f"prepare.{step.variable}"))
    return frozenset(keys)


def _item_sources(kind: str, key: str, template: Template, sources: Sources) -> tuple[SourceKey, ...]:
    item = ITEMS.get(kind)
    if item is None:
        raise TemplateInvalid(f"This server has no export type `{kind}`.", resource=key)
    export = next(export for export in template.exports if export.key == key)
    return item.sources(export, sources)


def make_plan(template: Template, owner: str, scope: PlanScope) -> Plan:
    """Decide everything that can be decided without reading a row; refuses the first export that may not be."""
    prepare = tuple(_plan_prepare(step, scope) for step in template.prepare)
    steps = tuple(ITEMS[export.type].plan(export, scope) for export in template.exports)
    version = scope.sources.policy.version
    return Plan(template, owner, version, prepare, steps, _digest(template, version, prepare, steps, scope))


def plan_problems(template: Template, scope: PlanScope) -> tuple[list[tuple[str, HfitError]], list[Step]]:
    """Every part that planning would refuse, by its label, and the steps of those it would not."""
    problems: list[tuple[str, HfitError]] = []
    steps: list[Step] = []
    for prepared in template.prepare:
        try:
            _plan_prepare(prepared, scope)
        except HfitError as error:
            problems.append((f"prepare.{prepared.variable}", error))
    for export in template.exports:
        try:
            steps.append(ITEMS[export.type].plan(export, scope))
        except HfitError as error:
            problems.append((export.key, error))
    return problems, steps


def _plan_prepare(step: PrepareStep, scope: PlanScope) -> PlannedPrepare:
    label = f"prepare.{step.variable}"
    if isinstance(step, QueryStep):
        key = scope.sources.key(step.dbms, step.database, label)
        parsed = parse_query(step.query, scope.dialect(key).sqlglot_name)
        return PlannedPrepare(step, PlannedQuery(key, grant_query(parsed, key, scope, label)))
    if isinstance(step, VolumeStep):
        known = step.volume in scope.sources.volumes
        if not known or not scope.sources.policy.may_enter(scope.actor, Action.FILES_LIST, step.volume):
            raise ExportRefused(resource=label)
    return PlannedPrepare(step)


def _digest(
    template: Template,
    version: str,
    prepare: tuple[PlannedPrepare, ...],
    steps: tuple[Step, ...],
    scope: PlanScope,
) -> str:
    shapes: list[Json] = []
    for step in steps:
        if step.source is not None:
            shapes.append([step.export.key, _tables(step.tables, step.source, scope)])
    for planned in prepare:
        if planned.query is not None:
            catalog = scope.catalogs[planned.query.source]
            names = sorted(str(name) for name in planned.query.query.relations)
            shapes.append([planned.step.variable, [table_shape(name, catalog) for name in names]])
    document: Json = {"template": template.digest, "policy": version, "shapes": shapes}
    return hashlib.sha256(canonical_json(document)).hexdigest()


def _tables(tables: tuple[TablePlan, ...], source: SourceKey, scope: PlanScope) -> list[Json]:
    return [
        [table_shape(t.table, scope.catalogs[t.source or source]), list(t.columns), dict(t.masks), list(t.path)]
        for t in tables
    ]


def table_shape(name: str, catalog: Catalog) -> Json:
    """Columns, types and keys of a table, for digests."""
    for table_name, table in catalog.tables.items():
        if str(table_name) == name:
            columns: list[Json] = [[c.name, c.type_name, c.nullable] for c in table.columns]
            return [name, columns, [[key.name, list(key.columns), key.primary] for key in table.keys]]
    return [name]


def _elsewhere(source: SourceKey | None, step: Step) -> dict[str, Json]:
    """Where a table is that lies in another database than the export's."""
    if source is None or source == step.source:
        return {}
    return {"provider": source.provider, "database": source.database}


def _describe_key(key: KeyPlan, step: Step) -> Json:
    return {
        "name": key.name,
        "columns": list(key.columns),
        "to": str(key.target),
        "to_columns": list(key.target_columns),
        "followed": key.followed,
        **_elsewhere(key.source, step),
    }


def describe_export(step: Step, expected: Checked, refusals: Sequence[Json] = ()) -> dict[str, Json]:
    """One export of a plan, with what keeps it from being made; ``expected`` is what its check found."""
    entries: list[Json] = [
        {
            "table": table.table,
            "path": list(table.path),
            "columns": list(table.columns),
            "estimated_rows": table.estimated_rows,
            "estimated_bytes": table.estimated_bytes,
            "masks": dict(table.masks),
            "keys": [_describe_key(key, step) for key in table.keys],
            **_elsewhere(table.source, step),
        }
        for table in expected.tables
    ]
    return {
        "key": step.export.key,
        "type": step.export.type,
        "provider": step.source.provider if step.source else None,
        "database": step.source.database if step.source else None,
        "volume": data.volume if isinstance(data := step.export.data, VolumeFile | VolumeFiles) else None,
        "tables": entries,
        "left_out": [dict(item.document()) for item in expected.outlook.left_out],
        "requires": [item.document() for item in expected.outlook.requires],
        "refusals": list(refusals),
    }


def describe_plan(
    plan: Plan, expected: Mapping[str, Checked], variables: Mapping[str, str | None], package_name: str
) -> dict[str, Json]:
    """The plan as ``POST /packplan`` shows it; ``expected`` holds by export key what its check found."""
    exports: list[Json] = [describe_export(step, expected[step.export.key]) for step in plan.steps]
    return {
        "template": {"name": plan.template.name, "digest": plan.template.digest},
        "plan_digest": plan.digest,
        "policy_version": plan.policy_version,
        "package_name": package_name,
        "variables": dict(variables),
        "exports": exports,
    }
