"""What a PostgreSQL database holds, cheap enough to be asked after each test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What users make, by kind and oid, without what belongs to an extension or comes along with a table.
_OBJECTS = r"""
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
loose AS (SELECT classid, objid FROM pg_depend WHERE deptype IN ('e', 'i'))
SELECT 'schema' AS kind, oid::bigint AS id, quote_ident(nspname) AS name FROM own
UNION ALL SELECT 'extension', oid::bigint, quote_ident(extname) FROM pg_extension
UNION ALL SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'matview' WHEN 'S' THEN 'sequence' ELSE 'table' END,
  c.oid::bigint, format('%I.%I', nspname, relname) FROM pg_class c JOIN own ON own.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
  AND NOT EXISTS (SELECT FROM loose WHERE classid = 'pg_class'::regclass AND objid = c.oid)
UNION ALL SELECT 'type', t.oid::bigint, format('%I.%I', nspname, typname) FROM pg_type t
  JOIN own ON own.oid = typnamespace
  LEFT JOIN pg_class c ON c.oid = typrelid
  WHERE (typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
  AND NOT EXISTS (SELECT FROM loose WHERE classid = 'pg_type'::regclass AND objid = t.oid AND typtype <> 'c')
UNION ALL SELECT 'routine', p.oid::bigint, p.oid::regprocedure::text FROM pg_proc p JOIN own ON own.oid = pronamespace
  WHERE NOT EXISTS (SELECT FROM loose WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
"""
_VERSIONS = """
SELECT count(*) AS rows, coalesce(sum(hashtext(xmin::text || ctid::text)), 0)::bigint AS versions FROM ONLY {}
"""
_COUNTERS = r"""
SELECT format('%I.%I', nspname, relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND CASE WHEN relkind <> 'S' THEN false
  ELSE has_sequence_privilege(c.oid, 'SELECT') AND has_sequence_privilege(c.oid, 'UPDATE') END ORDER BY 1
"""
_COUNTER = "SELECT last_value, is_called FROM {}"


@dataclass(frozen=True, slots=True)
class Look:
    """Objects by kind and oid, the versions of the rows of each table, and counters with where they stand."""

    objects: dict[tuple[str, int], str]
    versions: dict[str, tuple[int, int]]
    counters: dict[str, tuple[int, bool]]


async def read_objects(connection: Any) -> dict[tuple[str, int], str]:
    """What users made, with names as SQL writes them."""
    return {(row["kind"], row["id"]): row["name"] for row in await connection.fetch(_OBJECTS)}


async def read_look(connection: Any) -> Look:
    """Everything of the database. A row that was written and committed has another version, whatever is in it."""
    objects = await read_objects(connection)
    versions, counters = {}, {}
    for (kind, _), name in objects.items():  # names come quoted from the server
        if kind == "table":
            row = await connection.fetchrow(_VERSIONS.format(name))
            versions[name] = (row["rows"], row["versions"])
    for found in await connection.fetch(_COUNTERS):
        row = await connection.fetchrow(_COUNTER.format(found["name"]))
        counters[found["name"]] = (row["last_value"], row["is_called"])
    return Look(objects, versions, counters)


async def settle_look(connection: Any, before: Look) -> bool:
    """Set counters back; whether everything else is as it was."""
    after = await read_look(connection)
    for name, (value, called) in before.counters.items():
        if after.counters.get(name, (value, called)) != (value, called):
            await connection.execute("SELECT setval($1::text::regclass, $2, $3)", name, value, called)
    return (after.objects, after.versions) == (before.objects, before.versions)
