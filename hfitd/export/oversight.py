"""What a data owner looks at: every column of a table with its class and where that comes from.

1. Whoever may read in the audit log who got a table (``audit.read`` on it) may read by which rules: the same right, the
   same objects. Everything else is as if not there.
2. It is about the policy alone: no value of a row is read, and nobody's grants are told.
"""

from __future__ import annotations

from collections.abc import Sequence

from hfitd.access.explain import explain_classes
from hfitd.access.globs import table_object
from hfitd.errors import NotFound
from hfitd.export.naming import find_table
from hfitd.export.sources import Sources
from hfitd.model import Action, Actor, Catalog, Json, TableName


def list_overseen_providers(sources: Sources, actor: Actor) -> list[str]:
    """Providers of which the actor oversees something."""
    return sorted(name for name in sources.engines if sources.policy.may_enter(actor, Action.AUDIT_READ, name))


async def list_overseen_databases(sources: Sources, actor: Actor, provider: str) -> list[str]:
    """Databases of such a provider; NotFound for any other."""
    if provider not in list_overseen_providers(sources, actor):
        raise NotFound("There is no such provider.", resource=provider)
    names: Sequence[str] = await sources.engines[provider].databases()
    if sources.dialect(provider).name != "mysql":
        return list(names)
    return [name for name in names if sources.policy.may_enter(actor, Action.AUDIT_READ, provider, name)]


async def list_overseen_tables(sources: Sources, actor: Actor, provider: str, database: str) -> list[str]:
    """Tables of a database that the actor oversees, as listings print them; NotFound."""
    catalog = await _catalog(sources, actor, provider, database)
    only = catalog.default_schema if sources.dialect(provider).name == "mysql" else None
    tables = [t for t in catalog.tables.values() if t.kind != "sequence" and only in {None, t.name.schema}]
    return sorted(str(table.name) for table in tables if _oversees(sources, actor, provider, table.name))


async def describe_classes(sources: Sources, actor: Actor, provider: str, database: str, name: str) -> list[Json]:
    """Every column of a table with its type, its class and why; NotFound unless the actor oversees it (1)."""
    catalog = await _catalog(sources, actor, provider, database)
    table = find_table(name, sources.dialect(provider), catalog)
    if table is None or not _oversees(sources, actor, provider, table):
        raise NotFound("There is no such table.", resource=name)
    return [found.document() for found in explain_classes(sources.policy, provider, catalog, table)]


def _oversees(sources: Sources, actor: Actor, provider: str, table: TableName) -> bool:
    return sources.policy.may(actor, Action.AUDIT_READ, table_object(provider, table))


async def _catalog(sources: Sources, actor: Actor, provider: str, database: str) -> Catalog:
    if database not in await list_overseen_databases(sources, actor, provider):
        raise NotFound("There is no such database.", resource=database)
    async with sources.engines[provider].snapshot(database, actor.email) as snapshot:
        return await snapshot.catalog()
