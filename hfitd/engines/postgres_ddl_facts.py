"""What the catalogue says of the tables that are to be created elsewhere, beyond ``Catalog``.

Each query takes the OIDs it is about; none runs per table. Which of it may be shown is decided in ``postgres_ddl``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hfitd.engines.postgres_catalog import COLUMNS_SQL, PARENTS_SQL, fitting, server_version
from hfitd.engines.postgres_errors import Stage, translated

Record = Mapping[str, Any]

_RELATIONS = """
WITH RECURSIVE tree (oid) AS (
    SELECT c.oid FROM unnest($1::text[], $2::text[]) AS given (schema, name)
        JOIN pg_namespace n ON n.nspname = given.schema
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = given.name
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION
    SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
        JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
    c.relispartition AS is_partition, c.relpersistence = 'u' AS is_unlogged, pg_get_partkeydef(c.oid) AS partition_key,
    p.partattrs::int2[] AS partition_numbers, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
ORDER BY c.oid
"""
_DEFAULTS = """
SELECT d.oid::int8 AS oid, d.adrelid::int8 AS table_oid, d.adnum AS number,
    ARRAY(SELECT DISTINCT p.refobjsubid FROM pg_depend p
        WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = d.adrelid AND p.refobjsubid NOT IN (0, d.adnum)
        AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
            OR p.classid = 'pg_class'::regclass AND p.objid = d.adrelid AND p.objsubid = d.adnum)) AS used
FROM pg_attrdef d WHERE d.adrelid = ANY ($1::oid[])
"""
_CONSTRAINTS = """
SELECT k.oid::int8 AS oid, k.conname::text AS name, k.conrelid::int8 AS table_oid, k.contype::text AS sort,
    k.conkey::int2[] AS numbers, k.confrelid::int8 AS target_oid, k.confkey::int2[] AS target_numbers,
    k.convalidated AS is_validated, p.oid IS NOT NULL AS is_copy, pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k LEFT JOIN pg_constraint p ON p.oid = k.conparentid
WHERE k.conrelid = ANY ($1::oid[]) AND k.contype IN ('p', 'u', 'x', 'c', 'f')
    AND p.conrelid IS DISTINCT FROM k.conrelid
ORDER BY k.conrelid, k.contype DESC, k.conname
"""
_INDEXES = """
SELECT i.indexrelid::int8 AS oid, i.indrelid::int8 AS table_oid, c.relname::text AS name,
    pg_get_indexdef(i.indexrelid) AS definition,
    i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS has_expression, i.indkey::int2[] AS numbers,
    ARRAY(SELECT DISTINCT d.refobjsubid FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = i.indrelid AND d.refobjsubid > 0) AS used
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY i.indrelid, c.relname
"""
_SEQUENCES = """
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
    format_type(s.seqtypid, NULL) AS type_name, s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS minimum,
    s.seqmax AS maximum, s.seqcache AS cache, s.seqcycle AS cycle, o.refobjid::int8 AS table_oid,
    o.refobjsubid AS number, o.deptype::text AS ownership, has_sequence_privilege(c.oid, 'SELECT') AS readable,
    ARRAY(SELECT d.objid::int8 FROM pg_depend d WHERE d.classid = 'pg_attrdef'::regclass
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid) AS default_oids
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.deptype IN ('a', 'i')
        AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0
WHERE o.refobjid = ANY ($1::oid[]) OR n.nspname = ANY ($2::text[])
    OR EXISTS (SELECT FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
        AND a.adrelid = ANY ($1::oid[]))
ORDER BY 2, 3
"""
_TYPES = """
WITH RECURSIVE need (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT r.oid FROM need JOIN pg_type t ON t.oid = need.oid CROSS JOIN LATERAL (
        SELECT t.typelem WHERE t.typelem <> 0
        UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
        UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid
        UNION ALL SELECT a.atttypid FROM pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS r (oid)
)
SELECT t.oid::int8 AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS sort,
    format_type(t.oid, NULL) AS spelled, t.typnotnull AS not_null, t.typdefault AS default_text,
    format_type(t.typbasetype, t.typtypmod) AS base,
    (SELECT format_type(g.rngsubtype, NULL) FROM pg_range g WHERE g.rngtypid = t.oid) AS subtype,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
    ARRAY(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum) AS attributes,
    ARRAY(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint k
        WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname) AS checks,
    ARRAY(SELECT k.oid::int8 FROM pg_constraint k WHERE k.contypid = t.oid) AS check_oids,
    x.extname::text AS extension, xn.nspname::text AS extension_schema
FROM need JOIN pg_type t ON t.oid = need.oid JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    LEFT JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    LEFT JOIN pg_extension x ON x.oid = d.refobjid LEFT JOIN pg_namespace xn ON xn.oid = x.extnamespace
WHERE n.nspname <> 'pg_catalog' AND (x.oid IS NOT NULL OR t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
ORDER BY t.oid
"""
_COLLATIONS = """
SELECT o.oid::int8 AS oid, n.nspname::text AS schema, o.collname::text AS name, to_jsonb(o)::text AS description
FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
WHERE n.nspname <> 'pg_catalog' AND o.oid IN (SELECT a.attcollation FROM pg_attribute a
    WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped)
ORDER BY 2, 3
"""
# The collation of a column where it is not the one of its type.
_COLUMN_COLLATIONS = """
SELECT a.attrelid::int8 AS table_oid, a.attnum AS number, n.nspname::text AS schema, o.collname::text AS name
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_collation o ON o.oid = a.attcollation
    JOIN pg_namespace n ON n.oid = o.collnamespace
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND a.attcollation <> t.typcollation
"""
# What the shown parts use: functions of one's own, and extensions.
_USED = """
WITH used AS (
    SELECT DISTINCT d.refclassid, d.refobjid FROM pg_depend d
    WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = ANY ($1::oid[])
        OR d.classid = 'pg_constraint'::regclass AND d.objid = ANY ($2::oid[])
        OR d.classid = 'pg_class'::regclass AND d.objid = ANY ($3::oid[])
        OR d.classid = 'pg_class'::regclass AND d.objsubid > 0 AND d.objid IN
            (SELECT a.adrelid FROM pg_attrdef a WHERE a.oid = ANY ($1::oid[]) AND a.adnum = d.objsubid)
)
SELECT used.refobjid::int8 AS oid, n.nspname::text AS schema,
    CASE WHEN x.oid IS NULL THEN pg_get_functiondef(p.oid) END AS definition,
    x.extname::text AS extension, xn.nspname::text AS extension_schema
FROM used LEFT JOIN pg_proc p ON used.refclassid = 'pg_proc'::regclass AND p.oid = used.refobjid
        AND p.oid NOT IN (SELECT g.aggfnoid FROM pg_aggregate g)
    LEFT JOIN pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN pg_depend d ON d.classid = used.refclassid AND d.objid = used.refobjid AND d.deptype = 'e'
    LEFT JOIN pg_extension x ON x.oid = d.refobjid LEFT JOIN pg_namespace xn ON xn.oid = x.extnamespace
WHERE x.oid IS NOT NULL OR p.oid IS NOT NULL AND n.nspname <> 'pg_catalog'
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about a set of tables; lists are in the order in which they have to be created."""

    relations: Sequence[Record]
    columns: Sequence[Record]
    parents: Sequence[Record]
    defaults: Sequence[Record]
    constraints: Sequence[Record]
    indexes: Sequence[Record]
    sequences: Sequence[Record]
    collations: Sequence[Record]
    column_collations: Sequence[Record]


class FactReader:
    """Reads on an open snapshot."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._version = server_version(connection)

    async def facts(self, schemas: Sequence[str], names: Sequence[str], whole: Sequence[str]) -> Facts:
        """Facts of the named tables and their partitions; sequences also of the ``whole`` schemas."""
        relations = await self._read(_RELATIONS, schemas, names)
        oids = [relation["oid"] for relation in relations]
        return Facts(
            relations=relations,
            columns=await self._read(COLUMNS_SQL, oids),
            parents=await self._read(PARENTS_SQL, oids),
            defaults=await self._read(_DEFAULTS, oids),
            constraints=await self._read(_CONSTRAINTS, oids),
            indexes=await self._read(_INDEXES, oids),
            sequences=await self._read(_SEQUENCES, oids, whole),
            collations=await self._read(_COLLATIONS, oids),
            column_collations=await self._read(_COLUMN_COLLATIONS, oids),
        )

    async def types(self, oids: Sequence[int]) -> Sequence[Record]:
        """The types of one's own and of extensions that these types need, themselves included."""
        return await self._read(_TYPES, oids)

    async def used(
        self, defaults: Sequence[int], constraints: Sequence[int], indexes: Sequence[int]
    ) -> Sequence[Record]:
        """Functions and extensions that these defaults, constraints and indexes need."""
        return await self._read(_USED, defaults, constraints, indexes)

    async def states(self, quoted_names: Sequence[str]) -> Sequence[Record]:
        """``last_value`` and ``is_called`` of sequences, in their order."""
        if not quoted_names:
            return []
        parts = [
            f"SELECT {number} AS number, last_value, is_called FROM {name}"  # noqa: S608 - quoted from the catalogue
            for number, name in enumerate(quoted_names)
        ]
        return await self._read(" UNION ALL ".join(parts) + " ORDER BY 1")

    async def _read(self, sql: str, *arguments: object) -> Sequence[Record]:
        with translated(Stage.OWN):
            records: Sequence[Record] = await self._connection.fetch(fitting(sql, self._version), *arguments)
        return records
