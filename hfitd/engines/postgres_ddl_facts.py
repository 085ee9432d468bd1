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
    p.partattrs::int2[]::oid[] AS partition_numbers, pg_get_expr(c.relpartbound, c.oid) AS bound,
    CASE WHEN c.relkind IN ('r', 'p') THEN ARRAY(SELECT quote_ident(o.option_name) || '='
        || quote_literal(o.option_value) FROM pg_options_to_table(c.reloptions) AS o) ELSE '{}' END AS options,
    (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS width
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
    k.conkey::oid[] AS numbers, k.confrelid::int8 AS target_oid, k.confkey::oid[] AS target_numbers,
    k.convalidated AS is_validated, k.conindid::int8 AS index_oid, p.oid IS NOT NULL AS is_copy,
    pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k LEFT JOIN pg_constraint p ON p.oid = k.conparentid
WHERE k.conrelid = ANY ($1::oid[]) AND k.contype IN ('p', 'u', 'x', 'c', 'f')
    AND p.conrelid IS DISTINCT FROM k.conrelid AND (k.convalidated OR k.coninhcount = 0 OR k.contype = 'f')
ORDER BY k.conrelid, k.contype DESC, k.conname
"""
_INDEXES = """
SELECT i.indexrelid::int8 AS oid, i.indrelid::int8 AS table_oid, c.relname::text AS name,
    pg_get_indexdef(i.indexrelid) AS definition,
    i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS has_expression, i.indkey::int2[]::oid[] AS numbers,
    ARRAY(SELECT DISTINCT d.refobjsubid FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = i.indrelid AND d.refobjsubid > 0) AS used
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid
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
# The collation of a column where it is not the one of its type.
_COLUMN_COLLATIONS = """
SELECT a.attrelid::int8 AS table_oid, a.attnum AS number, n.nspname::text AS schema, o.collname::text AS name
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_collation o ON o.oid = a.attcollation
    JOIN pg_namespace n ON n.oid = o.collnamespace
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND a.attcollation <> t.typcollation
"""
_STATISTICS = """
SELECT s.oid::int8 AS oid, s.stxrelid::int8 AS table_oid, s.stxkeys::int2[]::oid[] AS numbers,
    s.stxname::text AS name, pg_get_statisticsobjdef(s.oid) AS definition,
    true AS has_expression,
    ARRAY(SELECT DISTINCT d.refobjsubid FROM pg_depend d WHERE d.classid = 'pg_statistic_ext'::regclass
        AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0) AS used
FROM pg_statistic_ext s WHERE s.stxrelid = ANY ($1::oid[]) ORDER BY s.stxrelid, s.stxname
"""
_BYSTANDERS = """
SELECT 'trigger' AS what, g.tgname::text AS name, g.tgrelid::int8 AS table_oid FROM pg_trigger g
WHERE g.tgrelid = ANY ($1::oid[]) AND NOT g.tgisinternal
UNION ALL
SELECT 'policy', p.polname::text, p.polrelid::int8 FROM pg_policy p WHERE p.polrelid = ANY ($1::oid[])
UNION ALL
SELECT 'rule', r.rulename::text, r.ev_class::int8 FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE r.ev_class = ANY ($1::oid[]) AND c.relkind IN ('r', 'p')
ORDER BY 3, 1, 2
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
    statistics: Sequence[Record]
    column_collations: Sequence[Record]


class FactReader:
    """Reads on an open snapshot."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._version = server_version(connection)

    async def facts(self, schemas: Sequence[str], names: Sequence[str], whole: Sequence[str]) -> Facts:
        """Facts of the named tables and their partitions; sequences also of the ``whole`` schemas."""
        relations = await self.read(_RELATIONS, schemas, names)
        oids = [relation["oid"] for relation in relations]
        return Facts(
            relations=relations,
            columns=await self.read(COLUMNS_SQL, oids),
            parents=await self.read(PARENTS_SQL, oids),
            defaults=await self.read(_DEFAULTS, oids),
            constraints=await self.read(_CONSTRAINTS, oids),
            indexes=await self.read(_INDEXES, oids),
            sequences=await self.read(_SEQUENCES, oids, whole),
            statistics=await self.read(_STATISTICS, oids),
            column_collations=await self.read(_COLUMN_COLLATIONS, oids),
        )

    async def bystanders(self, tables: Sequence[int]) -> Sequence[Record]:
        """Triggers, policies and rules of these tables."""
        return await self.read(_BYSTANDERS, tables)

    async def states(self, quoted_names: Sequence[str]) -> Sequence[Record]:
        """``last_value`` and ``is_called`` of sequences, in their order."""
        if not quoted_names:
            return []
        parts = [
            f"SELECT {number} AS number, last_value, is_called FROM {name}"  # noqa: S608 - quoted from the catalogue
            for number, name in enumerate(quoted_names)
        ]
        return await self.read(" UNION ALL ".join(parts) + " ORDER BY 1")

    async def read(self, sql: str, *arguments: object) -> Sequence[Record]:
        """Run one of our own queries, without what the server is too old for."""
        with translated(Stage.OWN):
            records: Sequence[Record] = await self._connection.fetch(fitting(sql, self._version), *arguments)
        return records
