"""Looking around: providers, databases, tables, one table's shape. Only what the caller may see exists."""

from __future__ import annotations

from hfitd.access.policy import ColumnView
from hfitd.errors import NotFound
from hfitd.export.naming import find_table
from hfitd.export.sources import Sources
from hfitd.model import Action, Actor, Catalog, Json, Relation, Table, TableName


def list_providers(sources: Sources, actor: Actor) -> list[str]:
    """Providers of which the actor may see something."""
    return sorted(name for name in sources.engines if sources.policy.may_enter(actor, Action.ROWS, name))


def require_provider(sources: Sources, actor: Actor, provider: str) -> None:
    """NotFound unless the provider exists and the actor may see something of it."""
    if provider not in sources.engines or not sources.policy.may_enter(actor, Action.ROWS, provider):
        raise NotFound("There is no such provider.", resource=provider)


async def list_databases(sources: Sources, actor: Actor, provider: str) -> list[str]:
    """Databases of a provider of which the actor may see something.

    Grants name schemas. On MySQL a database is one, so its name alone decides; elsewhere a database holds many.
    """
    require_provider(sources, actor, provider)
    names = await sources.engines[provider].databases()
    if sources.dialect(provider).name != "mysql":
        return names
    return [name for name in names if sources.policy.may_enter(actor, Action.ROWS, provider, name)]


async def read_catalog(sources: Sources, actor: Actor, provider: str, database: str) -> Catalog:
    """The shape of a database that the actor may enter."""
    if database not in await list_databases(sources, actor, provider):
        raise NotFound("There is no such database.", resource=database)
    async with sources.engines[provider].snapshot(database, actor.email) as snapshot:
        return await snapshot.catalog()


async def list_tables(sources: Sources, actor: Actor, provider: str, database: str) -> list[str]:
    """Tables of a database, in the form that every command accepts."""
    catalog = await read_catalog(sources, actor, provider, database)
    tables = sources.policy.visible_tables(actor, provider, catalog, action=Action.ROWS)
    # A MySQL catalogue holds every database that may be read, because foreign keys cross them.
    only = catalog.default_schema if sources.dialect(provider).name == "mysql" else None
    return sorted(
        str(table.name) for table in tables if table.kind != "sequence" and only in {None, table.name.schema}
    )


async def describe_table(sources: Sources, actor: Actor, provider: str, database: str, name: str) -> Json:
    """Columns, keys, foreign keys and masks of a table, as far as the actor may see them."""
    catalog = await read_catalog(sources, actor, provider, database)
    relation = visible_relation(sources, actor, provider, catalog, name)
    seen = {str(table.name) for table in sources.policy.visible_tables(actor, provider, catalog, action=Action.ROWS)}
    views = sources.policy.columns(actor, provider, catalog, relation.table.name)
    return _document(relation.table, views, catalog, seen)


def visible_relation(sources: Sources, actor: Actor, provider: str, catalog: Catalog, name: str) -> Relation:
    """The table of that name with its masks; NotFound alike when it is missing or not granted."""
    table = find_table(name, sources.dialect(provider), catalog)
    if table is None:
        raise NotFound("There is no such table.", resource=name)
    try:
        return sources.policy.relation(actor, provider, catalog, table, columns=())
    except NotFound as error:
        raise NotFound("There is no such table.", resource=name) from error


def _document(table: Table, views: tuple[ColumnView, ...], catalog: Catalog, seen: set[str]) -> Json:
    visible = {view.column.name for view in views}
    columns: list[Json] = [
        {
            "name": view.column.name,
            "type": view.column.type_name,
            "nullable": view.column.nullable,
            "default": view.column.default if _mask_of(view) is None else None,
            "generated": view.column.generated or None,
            "identity": view.column.identity or None,
            "mask": _mask_of(view),
        }
        for view in views
    ]
    return {
        "name": str(table.name),
        "kind": table.kind,
        "columns": columns,
        "primary_key": [column for column in table.primary_key if column in visible],
        "unique_keys": [list(key.columns) for key in table.keys if not key.primary and visible.issuperset(key.columns)],
        "foreign_keys": _foreign_keys(table.name, catalog, visible, seen),
        "estimated_rows": table.estimated_rows,
    }


def _mask_of(view: ColumnView) -> str | None:
    """The mask's name; ``unclassified`` for a column that is refused until its owner gives it a class."""
    if view.unclassified:
        return "unclassified"
    return view.rule.mask if view.rule and not view.raw else None


def _foreign_keys(name: TableName, catalog: Catalog, visible: set[str], seen: set[str]) -> list[Json]:
    return [
        {
            "name": key.name,
            "columns": list(key.columns),
            "target": str(key.target),
            "target_columns": list(key.target_columns),
        }
        for key in catalog.foreign_keys
        if key.table == name and visible.issuperset(key.columns) and str(key.target) in seen
    ]
