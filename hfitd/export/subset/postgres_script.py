"""What stands around the data of a subset on PostgreSQL, so that any shape of references loads as one transaction.

The role that loads has to own the tables, and needs no more:

1. References between tables that refer to each other in a circle are made deferrable, if they are not, and deferred.
2. A NOT VALID key whose rows refer to nothing is taken off, for it is checked on new rows, and put back NOT VALID.
3. Triggers of users do not fire: their work is in the data already.
4. After the data everything is checked at once, put back as it was, and counters move beyond the values loaded.

A table or key that the target does not have, or that the role does not own, is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hfitd.model import TableName

Literal = Callable[[str | None], str]

_BEFORE = """BEGIN;
DO $hfit$
DECLARE
    item record;
    again text := '';
BEGIN
    FOR item IN
        SELECT c.conname, c.conrelid::pg_catalog.regclass::pg_catalog.text AS place,
            c.convalidated AND g.circle AS circle, pg_catalog.pg_get_constraintdef(c.oid) AS definition
        FROM (VALUES {keys}) AS g (schema_name, table_name, name, circle)
            JOIN pg_catalog.pg_namespace n ON n.nspname = g.schema_name
            JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = g.table_name
            JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid AND c.conname = g.name
        WHERE c.contype = 'f' AND c.coninhcount = 0 AND pg_catalog.pg_has_role(t.relowner, 'USAGE')
            AND NOT (c.condeferrable AND g.circle) AND (g.circle OR NOT c.convalidated)
        ORDER BY 2, 1
    LOOP
        IF item.circle THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE', item.place, item.conname);
            again := again || pg_catalog.format('ALTER TABLE %s ALTER CONSTRAINT %I NOT DEFERRABLE;',
                item.place, item.conname);
        ELSE
            EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', item.place, item.conname);
            again := again || pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s;',
                item.place, item.conname, item.definition);
        END IF;
    END LOOP;
    FOR item IN
        WITH RECURSIVE loaded (oid) AS (
            SELECT t.oid FROM (VALUES {tables}) AS g (schema_name, table_name)
                JOIN pg_catalog.pg_namespace n ON n.nspname = g.schema_name
                JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = g.table_name
            UNION
            SELECT i.inhrelid FROM loaded l JOIN pg_catalog.pg_class p ON p.oid = l.oid AND p.relkind = 'p'
                JOIN pg_catalog.pg_inherits i ON i.inhparent = l.oid
        )
        SELECT g.tgname, g.tgrelid::pg_catalog.regclass::pg_catalog.text AS place,
            CASE g.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END AS state
        FROM loaded l JOIN pg_catalog.pg_trigger g ON g.tgrelid = l.oid JOIN pg_catalog.pg_class t ON t.oid = l.oid
        WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND pg_catalog.pg_has_role(t.relowner, 'USAGE')
        ORDER BY 2, 1
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', item.place, item.tgname);
        again := again || pg_catalog.format('ALTER TABLE %s %s TRIGGER %I;', item.place, item.state, item.tgname);
    END LOOP;
    PERFORM pg_catalog.set_config('hfit.again', again, true);
END
$hfit$;
SET CONSTRAINTS ALL DEFERRED;

"""
_AFTER = """SET CONSTRAINTS ALL IMMEDIATE;
DO $hfit$
BEGIN
    IF pg_catalog.current_setting('hfit.again') <> '' THEN
        EXECUTE pg_catalog.current_setting('hfit.again');
    END IF;
END
$hfit$;
{counters}COMMIT;
"""
_COUNTERS = """DO $hfit$
DECLARE
    item record;
    counter text;
    state record;
    top bigint;
BEGIN
    FOR item IN SELECT * FROM (VALUES {columns}) AS g (place, name) LOOP
        counter := pg_catalog.pg_get_serial_sequence(item.place, item.name);
        CONTINUE WHEN counter IS NULL OR NOT pg_catalog.has_sequence_privilege(counter, 'UPDATE')
            OR NOT pg_catalog.has_sequence_privilege(counter, 'SELECT');
        EXECUTE pg_catalog.format(
            'SELECT last_value, is_called, seqincrement, seqmin, seqmax FROM %s, pg_catalog.pg_sequence'
            ' WHERE seqrelid = %L::pg_catalog.regclass', counter, counter) INTO state;
        EXECUTE pg_catalog.format('SELECT pg_catalog.%s(%I)::pg_catalog.int8 FROM %s',
            CASE WHEN state.seqincrement > 0 THEN 'max' ELSE 'min' END, item.name, item.place) INTO top;
        IF top BETWEEN state.seqmin AND state.seqmax AND (
            (top::pg_catalog.numeric - state.last_value) * pg_catalog.sign(state.seqincrement) > 0
            OR (top = state.last_value AND NOT state.is_called)
        ) THEN
            PERFORM pg_catalog.setval(counter::pg_catalog.regclass, top);
        END IF;
    END LOOP;
END
$hfit$;
"""


@dataclass(frozen=True, slots=True)
class LoadedKey:
    """A foreign key that is in the way of loading: in a ``circle``, or not valid and with rows that show it."""

    table: TableName
    name: str
    circle: bool


def before_data(tables: Sequence[TableName], keys: Iterable[LoadedKey], literal: Literal) -> bytes:
    """Statements in front of the data."""
    rows = [
        f"({literal(key.table.schema)}, {literal(key.table.name)}, {literal(key.name)}, {str(key.circle).lower()})"
        for key in keys
    ]
    listed = [f"({literal(table.schema)}, {literal(table.name)})" for table in tables]
    none = ["(NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, false)"]
    return _BEFORE.format(keys=", ".join(rows or none), tables=", ".join(listed)).encode()


def after_data(counted: Sequence[tuple[str, str]], literal: Literal) -> bytes:
    """Statements behind the data; ``counted`` are columns with a counter, their table quoted."""
    columns = ", ".join(f"({literal(place)}, {literal(name)})" for place, name in counted)
    return _AFTER.format(counters=_COUNTERS.format(columns=columns) if counted else "").encode()
