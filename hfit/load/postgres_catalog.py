"""What the loader asks a PostgreSQL target: tables, constraints, triggers, counters. Versions 10 and later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hfit.load.interface import TableRef, TableState
from hfit.load.statements import quote

Record = Any
"""A record of the driver, which has no types."""

_TABLES = """
SELECT t.oid, n.nspname AS schema, t.relname AS name, t.relkind = 'p' AS is_partitioned,
    pg_catalog.pg_has_role(t.relowner, 'USAGE') AS owned,
    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index i
            CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (number, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
        WHERE i.indrelid = t.oid AND i.indisprimary ORDER BY k.place) AS primary_key,
    EXISTS (SELECT FROM pg_catalog.pg_index i
        WHERE i.indrelid = t.oid AND i.indisprimary AND NOT i.indimmediate) AS key_waits,
    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.oid AND a.attidentity = 'a') AS always,
    ARRAY(SELECT g.tgname::pg_catalog.text FROM pg_catalog.pg_trigger g
        WHERE g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')) AS triggers
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
        AS wanted (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = wanted.name
WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_ALL_TABLES = """
SELECT n.nspname AS schema, t.relname AS name, pg_catalog.has_table_privilege(t.oid, 'SELECT') AS readable,
    t.relkind = 'r' AND pg_catalog.pg_relation_size(t.oid) > 0 AS has_pages
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE t.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
# The tables themselves, the partitions below them, and the roots above them.
_FAMILY = """
WITH RECURSIVE below (oid) AS (
    SELECT pg_catalog.unnest($1::pg_catalog.oid[])
    UNION SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_class p ON p.oid = b.oid AND p.relkind = 'p'
        JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid
), above (oid) AS (
    SELECT pg_catalog.unnest($1::pg_catalog.oid[])
    UNION SELECT i.inhparent FROM above a JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.oid
        JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p'
)
SELECT oid FROM below UNION SELECT oid FROM above
"""
_CONSTRAINTS = """
SELECT pg_catalog.format('%I.%I', n.nspname, t.relname) AS place, c.conname::pg_catalog.text AS name,
    pg_catalog.pg_get_constraintdef(c.oid) AS definition, c.contype = 'f' AS is_reference,
    pg_catalog.quote_literal(pg_catalog.obj_description(c.oid, 'pg_constraint')) AS remark,
    c.conrelid = ANY ($1::pg_catalog.oid[]) AS inside, c.confdeltype IN ('c', 'n', 'd') AS acts_on_delete,
    pg_catalog.pg_has_role(t.relowner, 'USAGE')
        AND (c.confrelid = 0 OR pg_catalog.has_table_privilege(c.confrelid, 'REFERENCES')) AS owned
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE c.coninhcount = 0 AND (
    c.contype = 'f' AND (c.conrelid = ANY ($1::pg_catalog.oid[]) OR $2 AND c.confrelid = ANY ($1::pg_catalog.oid[]))
    OR c.contype = 'c' AND NOT c.convalidated AND c.conrelid = ANY ($1::pg_catalog.oid[]))
ORDER BY 1, 2
"""
_TRIGGERS = """
SELECT pg_catalog.format('%I.%I', n.nspname, t.relname) AS place, g.tgname::pg_catalog.text AS name,
    CASE g.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END AS state
FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE g.tgrelid = ANY ($1::pg_catalog.oid[]) AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
ORDER BY 1, 2
"""
_COUNTERS = """
WITH used (sequence, table_oid, number) AS (
    SELECT d.objid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION
    SELECT d.refobjid, e.adrelid, e.adnum FROM pg_catalog.pg_attrdef e
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT s.oid, tn.nspname AS schema, t.relname AS table,
    pg_catalog.format('%I.%I', n.nspname, s.relname) AS counter,
    pg_catalog.format('%I.%I', tn.nspname, t.relname) AS place, a.attname::pg_catalog.text AS name,
    q.seqincrement AS step, q.seqmin AS lowest, q.seqmax AS highest,
    pg_catalog.has_sequence_privilege(s.oid, 'SELECT') AND pg_catalog.has_sequence_privilege(s.oid, 'UPDATE')
        AND pg_catalog.has_table_privilege(t.oid, 'SELECT') AS settable
FROM used u JOIN pg_catalog.pg_class s ON s.oid = u.sequence AND s.relkind = 'S'
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_catalog.pg_class t ON t.oid = u.table_oid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = u.table_oid AND a.attnum = u.number
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
WHERE u.table_oid = ANY ($1::pg_catalog.oid[])
    AND (CASE WHEN y.typbasetype = 0 THEN y.oid ELSE y.typbasetype END) IN (20, 21, 23)
ORDER BY 4, 5, 6
"""


def place_of(table: TableRef) -> str:
    """The quoted name of a table."""
    return f"{quote(table.schema)}.{quote(table.name)}"


async def read_tables(connection: Any, tables: Sequence[TableRef]) -> Mapping[TableRef, Record]:
    """The tables that are there."""
    records = await connection.fetch(_TABLES, [table.schema for table in tables], [table.name for table in tables])
    return {TableRef(record["schema"], record["name"]): record for record in records}


def scope_of(record: Record) -> str:
    """ONLY, so that heirs do not count twice; a partitioned table has its rows in its partitions."""
    return "" if record["is_partitioned"] else "ONLY "


async def read_states(connection: Any, tables: Sequence[TableRef]) -> dict[TableRef, TableState]:
    """Each table that is there, as the guards look at it."""
    found = {}
    for table, record in (await read_tables(connection, tables)).items():
        has_rows = await connection.fetchval(f"SELECT EXISTS (SELECT FROM {scope_of(record)}{place_of(table)})")  # noqa: S608 - quoted
        found[table] = TableState(
            columns=tuple(record["columns"]),
            primary_key=tuple(record["primary_key"]),
            has_rows=has_rows,
            triggers=tuple(record["triggers"]),
            owned=record["owned"],
        )
    return found


async def find_occupied(connection: Any) -> str | None:
    """A table with rows. One that may not be read counts when its file is not empty."""
    for record in await connection.fetch(_ALL_TABLES):
        table = TableRef(record["schema"], record["name"])
        if record["readable"]:
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM ONLY {place_of(table)})"):  # noqa: S608 - quoted
                return str(table)
        elif record["has_pages"]:
            return str(table)
    return None


async def read_family(connection: Any, oids: Sequence[int]) -> list[int]:
    """The tables, their partitions and their roots."""
    return [record["oid"] for record in await connection.fetch(_FAMILY, list(oids))]


async def read_constraints(connection: Any, oids: Sequence[int], *, pointing_here: bool) -> list[Record]:
    """Foreign keys of the tables, checks that were never validated; also foreign keys of others that point here."""
    return list(await connection.fetch(_CONSTRAINTS, list(oids), pointing_here))


async def read_triggers(connection: Any, oids: Sequence[int]) -> list[Record]:
    """Triggers that would fire."""
    return list(await connection.fetch(_TRIGGERS, list(oids)))


async def read_counters(connection: Any, oids: Sequence[int]) -> list[Record]:
    """Sequences that give whole numbers to columns of the tables."""
    return list(await connection.fetch(_COUNTERS, list(oids)))
