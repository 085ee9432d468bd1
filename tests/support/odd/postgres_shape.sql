-- Everything about the structure of a database that loading depends on, as lines of text: equal text, equal shape.
SET search_path = pg_catalog;
WITH own AS (
    SELECT n.nspname || '.' || c.relname AS place, c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), lines (line) AS (
    SELECT format('table %s %s %s %s %s %s', place, relkind, relpersistence, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid), reloptions)
    FROM own WHERE relkind IN ('r', 'p')
    UNION ALL
    SELECT format('column %s.%s %s %s notnull=%s default=%s identity=%s generated=%s collation=%s', place,
        row_number() OVER (PARTITION BY o.oid ORDER BY a.attnum), a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation)
    FROM own o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum WHERE o.relkind IN ('r', 'p', 'c')
    UNION ALL
    SELECT format('constraint %s %s %s', place, k.conname, pg_get_constraintdef(k.oid))
    FROM own o JOIN pg_constraint k ON k.conrelid = o.oid AND NOT (k.contype = 'f' AND k.conparentid <> 0)
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid)) FROM own o JOIN pg_index i ON i.indrelid = o.oid AND i.indisvalid
    UNION ALL
    SELECT format('parent %s %s %s', place, h.inhparent::regclass, h.inhseqno) FROM own o JOIN pg_inherits h ON h.inhrelid = o.oid WHERE o.relkind IN ('r', 'p')
    UNION ALL
    SELECT format('sequence %s %s %s %s %s %s %s %s %s %s', place, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
        s.seqcycle, pg_sequence_last_value(o.oid), (SELECT format('%s.%s', refobjid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = refobjid AND attnum = refobjsubid)) FROM pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = o.oid AND refobjsubid > 0 AND deptype IN ('i')))
    FROM own o JOIN pg_sequence s ON s.seqrelid = o.oid
    UNION ALL
    SELECT format('type %s %s %s %s %s %s', t.oid::regtype, t.typtype, t.typnotnull, t.typdefault, format_type(t.typbasetype, t.typtypmod),
        ARRAY(SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder))
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'r', 'm') AND t.typname NOT IN ('pos')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('check %s %s %s', k.contypid::regtype, k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k
    WHERE k.contypid >= 16384 AND k.contypid::regtype::text <> 'b.pos'
    UNION ALL
    SELECT format('range %s %s %s %s %s', rngtypid::regtype, rngsubtype::regtype, rngcollation::regcollation, rngsubdiff, rngmultitypid::regtype) FROM pg_range WHERE rngtypid >= 16384
    UNION ALL
    SELECT format('function %s', translate(pg_get_functiondef(p.oid), chr(10), ' ')) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384 AND l.lanname IN ('sql', 'plpgsql')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('statistics %s', pg_get_statisticsobjdef(oid)) FROM pg_statistic_ext
    UNION ALL
    SELECT format('collation %s %s %s', oid::regcollation, collprovider, collisdeterministic) FROM pg_collation WHERE oid >= 16384
)
SELECT line FROM lines ORDER BY line COLLATE "C";
