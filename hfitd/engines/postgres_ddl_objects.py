"""What the catalogue says of types, functions, collations and extensions that tables need.

Each query takes the OIDs it is about; which of it is carried is decided in ``postgres_ddl_needs``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfitd.engines.postgres_ddl_facts import FactReader, Record

# What each seed refers to, and what that refers to in turn, up to extensions and tables. Objects with an OID below
# 16384 are in every database.
_LINKS = """
WITH RECURSIVE seed (kind, oid, number) AS (
    SELECT to_regclass('pg_catalog.' || k)::oid, o::oid, n
    FROM unnest($1::text[], $2::int8[], $3::int4[]) AS g (k, o, n)
), link (kind, oid, number, target_kind, target_oid) AS (
    SELECT s.kind, s.oid, s.number, d.refclassid, d.refobjid FROM seed s
        JOIN pg_depend d ON d.classid = s.kind AND d.objid = s.oid AND (s.number < 0 OR d.objsubid = s.number)
    WHERE d.deptype IN ('n', 'a', 'i') AND d.refobjid >= 16384
        AND d.refclassid NOT IN ('pg_namespace'::regclass, 'pg_language'::regclass, 'pg_class'::regclass)
    UNION
    SELECT l.target_kind, l.target_oid, -1, n.refclassid, n.refobjid FROM link l CROSS JOIN LATERAL (
        SELECT d.refclassid, d.refobjid FROM pg_depend d LEFT JOIN pg_class c
            ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
        WHERE d.classid = l.target_kind AND d.objid = l.target_oid AND d.deptype IN ('n', 'a', 'i')
            AND d.refobjid >= 16384 AND d.refclassid NOT IN ('pg_namespace'::regclass, 'pg_language'::regclass)
            AND (c.oid IS NULL OR c.relkind IN ('c', 'r', 'p', 'f', 'v', 'm')
                AND d.classid IN ('pg_type'::regclass, 'pg_proc'::regclass))
        UNION ALL
        SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k
        WHERE l.target_kind = 'pg_type'::regclass AND k.contypid = l.target_oid
        UNION ALL
        SELECT 'pg_class'::regclass, t.typrelid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
        WHERE l.target_kind = 'pg_type'::regclass AND t.oid = l.target_oid
    ) AS n
    WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = l.target_kind AND e.objid = l.target_oid
            AND e.deptype = 'e')
        AND NOT EXISTS (SELECT FROM pg_class c WHERE l.target_kind = 'pg_class'::regclass AND c.oid = l.target_oid
            AND c.relkind <> 'c')
)
SELECT l.kind::regclass::text AS kind, l.oid::int8 AS oid, l.number, l.target_kind::regclass::text AS target_kind,
    l.target_oid::int8 AS target_oid, x.extname::text AS extension, xn.nspname::text AS extension_schema,
    x.oid::int8 AS extension_oid, coalesce(k.contypid, t.oid, 0)::int8 AS type_oid,
    l.target_kind = 'pg_constraint'::regclass OR coalesce(c.relkind = 'c', false) AS comes_along
FROM link l LEFT JOIN pg_depend e ON e.classid = l.target_kind AND e.objid = l.target_oid AND e.deptype = 'e'
    LEFT JOIN pg_extension x ON x.oid = e.refobjid LEFT JOIN pg_namespace xn ON xn.oid = x.extnamespace
    LEFT JOIN pg_constraint k ON l.kind = 'pg_constraint'::regclass AND k.oid = l.oid AND k.contypid <> 0
    LEFT JOIN pg_type t ON l.kind = 'pg_class'::regclass AND l.number < 0 AND t.typrelid = l.oid AND t.typtype = 'c'
    LEFT JOIN pg_class c ON l.target_kind = 'pg_class'::regclass AND c.oid = l.target_oid
ORDER BY l.kind, l.oid, l.number, l.target_kind, l.target_oid
"""
_TYPES = """
SELECT t.oid::int8 AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS sort,
    t.typnotnull AS not_null, t.typdefault AS default_text, format_type(t.typbasetype, t.typtypmod) AS base,
    CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation
        THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(o.collname) FROM pg_collation o
            JOIN pg_namespace cn ON cn.oid = o.collnamespace WHERE o.oid = t.typcollation) END AS collation,
    r.options AS range_options,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
    ARRAY(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(
            ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(o.collname), '')
        FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
            LEFT JOIN pg_collation o ON o.oid = a.attcollation AND a.attcollation <> y.typcollation
            LEFT JOIN pg_namespace cn ON cn.oid = o.collnamespace
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum) AS attributes,
    ARRAY(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint k
        WHERE k.contypid = t.oid AND k.contype = 'c' AND k.convalidated ORDER BY k.conname) AS checks,
    ARRAY(SELECT k.conname::text FROM pg_constraint k
        WHERE k.contypid = t.oid AND k.contype = 'c' AND NOT k.convalidated ORDER BY k.conname) AS unvalidated,
    t.typtype IN ('e', 'd') OR t.typtype = 'r' AND NOT coalesce(r.is_canonical, true) OR c.relkind = 'c'
        AS is_creatable,
    t.typtype = 'm' OR t.typelem <> 0 AND t.typlen = -1 AND t.typtype = 'b' OR c.relkind <> 'c' AS comes_along
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
    LEFT JOIN (SELECT g.rngtypid AS oid, g.rngcanonical::oid <> 0 AS is_canonical,
            concat_ws(', ', 'SUBTYPE = ' || format_type(g.rngsubtype, NULL),
                CASE WHEN NOT p.opcdefault THEN 'SUBTYPE_OPCLASS = ' || quote_ident(pn.nspname) || '.'
                    || quote_ident(p.opcname) END,
                CASE WHEN g.rngcollation <> s.typcollation THEN 'COLLATION = ' || quote_ident(cn.nspname) || '.'
                    || quote_ident(o.collname) END,
                CASE WHEN g.rngsubdiff::oid <> 0 THEN 'SUBTYPE_DIFF = ' || quote_ident(fn.nspname) || '.'
                    || quote_ident(f.proname) END,
                'MULTIRANGE_TYPE_NAME = ' || quote_ident(mn.nspname) || '.' || quote_ident(m.typname)) AS options
        FROM pg_range g JOIN pg_type s ON s.oid = g.rngsubtype JOIN pg_opclass p ON p.oid = g.rngsubopc
            JOIN pg_namespace pn ON pn.oid = p.opcnamespace
            LEFT JOIN pg_collation o ON o.oid = g.rngcollation LEFT JOIN pg_namespace cn ON cn.oid = o.collnamespace
            LEFT JOIN pg_proc f ON f.oid = g.rngsubdiff LEFT JOIN pg_namespace fn ON fn.oid = f.pronamespace
            LEFT JOIN pg_type m ON m.oid = g.rngmultitypid LEFT JOIN pg_namespace mn ON mn.oid = m.typnamespace
        WHERE g.rngtypid = ANY ($1::int8[])) AS r ON r.oid = t.oid
WHERE t.oid = ANY ($1::int8[])
"""
# Procedures of a language that an ordinary role may write in.
_FUNCTIONS = """
SELECT p.oid::int8 AS oid, n.nspname::text AS schema, p.proname::text AS name, pg_get_functiondef(p.oid) AS definition
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid = ANY ($1::int8[]) AND l.lanname IN ('sql', 'plpgsql')
    AND p.oid NOT IN (SELECT g.aggfnoid FROM pg_aggregate g)
"""
_FUNCTION_NAMES = """
SELECT p.proname::text AS name, p.oid::int8 AS oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND l.lanname IN ('sql', 'plpgsql')
    AND NOT EXISTS (SELECT FROM pg_depend e
        WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
"""
_RELATION_NAMES = """
SELECT c.relname::text AS name FROM pg_class c
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT FROM pg_depend e
        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
"""
_COLLATIONS = """
SELECT o.oid::int8 AS oid, n.nspname::text AS schema, o.collname::text AS name, to_jsonb(o)::text AS description
FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
WHERE o.oid = ANY ($1::int8[])
"""
# An extension needs those it is built on.
_EXTENSIONS = """
WITH RECURSIVE need (oid, depth) AS (
    SELECT unnest($1::int8[])::oid, 0
    UNION ALL
    SELECT d.refobjid, n.depth + 1 FROM need n JOIN pg_depend d ON d.classid = 'pg_extension'::regclass
        AND d.objid = n.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'n'
)
SELECT x.extname::text AS extension, s.nspname::text AS extension_schema, max(n.depth) AS depth
FROM need n JOIN pg_extension x ON x.oid = n.oid JOIN pg_namespace s ON s.oid = x.extnamespace
GROUP BY 1, 2 ORDER BY 3 DESC, 1
"""


class ObjectReader:
    """Reads on an open snapshot."""

    def __init__(self, reader: FactReader) -> None:
        self._reader = reader

    async def links(self, seeds: Sequence[tuple[str, int, int]]) -> list[Record]:
        """What these refer to, directly and through others."""
        kinds, oids, numbers = zip(*seeds, strict=True) if seeds else ((), (), ())
        return list(await self._reader.read(_LINKS, list(kinds), list(oids), list(numbers)))

    async def types(self, oids: Sequence[int]) -> Sequence[Record]:
        """These types."""
        return await self._reader.read(_TYPES, oids)

    async def functions(self, oids: Sequence[int]) -> Sequence[Record]:
        """Those of these functions that can be created elsewhere."""
        return await self._reader.read(_FUNCTIONS, oids)

    async def collations(self, oids: Sequence[int]) -> Sequence[Record]:
        """These collations."""
        return await self._reader.read(_COLLATIONS, oids)

    async def extensions(self, oids: Sequence[int]) -> Sequence[Record]:
        """These extensions and those they need, in order of creation."""
        return await self._reader.read(_EXTENSIONS, oids)

    async def function_names(self) -> Mapping[str, Sequence[int]]:
        """OIDs of all functions of one's own, by name."""
        names: dict[str, list[int]] = {}
        for record in await self._reader.read(_FUNCTION_NAMES):
            names.setdefault(record["name"], []).append(record["oid"])
        return names

    async def relation_names(self) -> Sequence[str]:
        """Names of all tables and views of the database."""
        return [record["name"] for record in await self._reader.read(_RELATION_NAMES)]
