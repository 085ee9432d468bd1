"""What the database items share: a granted relation by its written name, its masks, its limits."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from hfitd.engines.interface import Dialect, Estimate, Outlook, Select
from hfitd.errors import CostRefused, ExportRefused, NotFound
from hfitd.export.items.interface import PlanScope, RunScope, TablePlan
from hfitd.export.naming import find_table
from hfitd.export.sources import SourceKey
from hfitd.masks.interface import BoundMask
from hfitd.model import Action, Catalog, Json, Relation, Table


def granted_relation(
    scope: PlanScope,
    key: SourceKey,
    name: str,
    export: str,
    *,
    action: Action = Action.ROWS,
    columns: Collection[str] | None = None,
) -> Relation:
    """The relation of that name as the actor may see it; ExportRefused whether it is missing or not granted.

    ``columns`` are those the caller touches; None is all of them.
    """
    catalog = scope.catalogs[key]
    table = find_table(name, scope.dialect(key), catalog)
    if table is None:
        raise ExportRefused(resource=export)
    try:
        return scope.sources.policy.relation(
            scope.actor, key.provider, catalog, table, action=action, columns=columns
        )
    except NotFound as error:
        raise ExportRefused(resource=export) from error


def bound_masks(scope: PlanScope, relation: Relation) -> Mapping[str, BoundMask]:
    """The masks of a relation by column, ready for its values; MaskDoesNotFit names the column."""
    policy = scope.sources.policy
    return {
        item.column.name: policy.bound_mask(relation, item) for item in relation.columns if item.rule is not None
    }


def outlook_details(outlook: Outlook) -> Mapping[str, Json]:
    """What the manifest says at a member of what it does not hold and of what it asks of a target."""
    details: dict[str, Json] = {}
    if outlook.left_out:
        details["left_out"] = [dict(item.document()) for item in outlook.left_out]
    if outlook.requires:
        details["requires"] = [item.document() for item in outlook.requires]
    return details


def joined(outlooks: Iterable[Outlook]) -> Outlook:
    """Several outlooks as one."""
    found = tuple(outlooks)
    return Outlook(
        tuple(item for outlook in found for item in outlook.left_out),
        frozenset(item for outlook in found for item in outlook.unchecked),
        tuple(item for outlook in found for item in outlook.requires),
    )


def mask_names(relation: Relation) -> Mapping[str, str]:
    """Which column has which mask."""
    return {item.column.name: item.rule.mask for item in relation.columns if item.rule is not None}


def plan_table(relation: Relation, path: tuple[str, ...] = ()) -> TablePlan:
    """The relation as a plan shows it, with what the catalogue expects."""
    table = relation.table
    return TablePlan(
        table.name,
        tuple(item.column.name for item in relation.columns),
        mask_names(relation),
        path or (str(table.name),),
        table.estimated_rows,
        table.estimated_bytes,
        _filter_digest(relation),
        tuple(item.column.name for item in relation.columns if item.raw),
    )


def _filter_digest(relation: Relation) -> str:
    return "" if relation.row_filter is None else hashlib.sha256(repr(relation.row_filter).encode()).hexdigest()


def target_name(dialect: Dialect, catalog: Catalog, table: Table) -> str:
    """How the table is written in a loadable file: bare in the export's own MySQL or SQLite database (ruling 14)."""
    if dialect.name != "postgresql" and table.name.schema == catalog.default_schema:
        return dialect.identifier(table.name.name)
    return dialect.qualified(table.name.schema, table.name.name)


async def check_select(scope: RunScope, key: SourceKey, select: Select, export: str) -> Estimate:
    """Describe and estimate; CostRefused names the export when the provider's ceiling is passed.

    Of a statement whose estimate is not to be told nothing is known.
    """
    snapshot = scope.opened[key].snapshot
    await snapshot.describe(select)
    try:
        estimate = await snapshot.estimate(select)
        return Estimate(None, None) if select.untold else estimate
    except CostRefused as error:
        raise CostRefused(error.message, resource=export, suggestions=error.suggestions) from error
