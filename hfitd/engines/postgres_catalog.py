"""What a PostgreSQL database says of its shape, in a handful of queries whatever the number of tables.

Only tables of which the role may SELECT something appear, or that it may REFERENCE, which shows no rows. Columns that
it may not SELECT are marked as not readable, and keys that need one are left out. System schemas and tables that
belong to an extension are left out. Sizes come from the statistics, so that a locked table does not stop the listing.
Source: PostgreSQL manual, chapter "System Catalogs".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_types import TYPES_SQL, TypeInfo, max_length, type_infos
from hfitd.model import Catalog, Column, ForeignKey, Key, Kind, Sequence_, Table, TableName

_TABLES = """
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
    c.relispartition AS is_partition, c.reltuples::float8 AS tuples,
    (c.relpages + coalesce(t.relpages, 0))::int8 * current_setting('block_size')::int8 AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
    AND has_schema_privilege(n.oid, 'USAGE')
    AND (has_any_column_privilege(c.oid, 'SELECT') OR has_table_privilege(c.oid, 'REFERENCES'))
    AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2, 3
"""
COLUMNS_SQL = """
SELECT a.attrelid::int8 AS table_oid, a.attnum AS number, a.attnotnull AS not_null, a.attname::text AS name,
    a.atttypid::int8 AS type_oid,
    a.atttypmod AS typmod, format_type(a.atttypid, a.atttypmod) AS type_name, a.attidentity::text AS identity,
    a.attgenerated::text AS generated, NOT (a.attnotnull OR t.typnotnull) AS nullable,
    pg_get_expr(d.adbin, d.adrelid) AS default_text, o.collname::text AS collation,
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = a.atttypid ORDER BY e.enumsortorder) AS members,
    ARRAY(SELECT pg_get_expr(k.conbin, k.conrelid) FROM pg_constraint k
        WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] ORDER BY k.conname) AS checks
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation o ON o.oid = a.attcollation
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, 2
"""
_KEYS = """
SELECT i.indrelid::int8 AS table_oid, c.relname::text AS name, i.indisprimary AS is_primary,
    i.indkey::int2[]::oid[] AS numbers, i.indnkeyatts::int4 AS width
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY 1, 3 DESC, 2
"""
# A key of a partitioned table has a copy for each partition it points to; the copies are left out.
_FOREIGN_KEYS = """
SELECT k.conname::text AS name, k.conrelid::int8 AS table_oid, k.conkey::oid[] AS numbers,
    k.confrelid::int8 AS target_oid, k.confkey::oid[] AS target_numbers, k.confmatchtype::text AS match_type,
    k.condeferrable AS is_deferrable, k.convalidated AS is_validated, k.confdeltype::text AS on_delete,
    k.confupdtype::text AS on_update,
    ARRAY(SELECT n.nspname::text FROM unnest(k.conpfeqop) WITH ORDINALITY AS e (operator, place)
        JOIN pg_operator o ON o.oid = e.operator JOIN pg_namespace n ON n.oid = o.oprnamespace
        ORDER BY e.place) AS operators
FROM pg_constraint k LEFT JOIN pg_constraint p ON p.oid = k.conparentid
WHERE k.contype = 'f' AND k.conrelid = ANY ($1::oid[]) AND k.confrelid = ANY ($1::oid[])
    AND p.conrelid IS DISTINCT FROM k.conrelid
ORDER BY 2, 1
"""
PARENTS_SQL = """
SELECT inhrelid::int8 AS table_oid, inhparent::int8 AS parent_oid FROM pg_inherits
WHERE inhrelid = ANY ($1::oid[]) AND inhparent = ANY ($1::oid[]) ORDER BY 1, inhseqno
"""
# Which columns a view reads, of tables that the role cannot see too, for a view has its owner's rights. A whole row
# leaves no trace but in the text: there it is ``alias.*``.
_READS = """
SELECT DISTINCT r.ev_class::int8 AS table_oid, n.nspname::text AS schema, c.relname::text AS name,
    a.attname::text AS column_name
FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
    JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND (a.attnum = d.refobjsubid OR position('.*' IN pg_get_viewdef(r.ev_class)) > 0)
WHERE r.ev_class = ANY ($1::oid[]) AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
"""
_SEQUENCES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, d.refobjid::int8 AS table_oid, d.refobjsubid AS number
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
WHERE c.relkind = 'S' AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
    AND has_schema_privilege(n.oid, 'USAGE')
    AND (has_sequence_privilege(c.oid, 'SELECT') OR d.refobjid = ANY ($1::oid[]))
    AND NOT EXISTS (SELECT FROM pg_depend e
        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 1, 2
"""

_TABLE_KINDS = {"r": "table", "p": "partitioned", "v": "view", "m": "view", "f": "foreign"}
_GENERATED = {"s": "stored", "v": "virtual"}
_IDENTITY = {"a": "always", "d": "default"}
_ACTIONS = {"a": "", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

# What an older server's catalogue lacks, and what stands for it there.
_SINCE = (
    (120000, "a.attgenerated::text", "''"),
    (140000, "g.rngmultitypid", "0"),
    (110000, "i.indnkeyatts::int4", "i.indnatts::int4"),
    (110000, "p.oid = k.conparentid", "false"),
)


def server_version(connection: Any) -> int:
    """The version as the server counts: 150020 is 15.20."""
    version = connection.get_server_version()
    return int(version.major) * 10000 + int(version.minor)


def fitting(sql: str, version: int) -> str:
    """The query without the columns that came after ``version``."""
    for since, column, instead in _SINCE:
        if version < since:
            sql = sql.replace(column, instead)
    return sql


async def read_catalog(connection: Any, database: str) -> Catalog:
    """The whole catalogue, as the open snapshot's role may see it."""
    version = server_version(connection)

    async def read(sql: str, *arguments: object) -> list[Mapping[str, Any]]:
        with translated(Stage.OWN):
            records: list[Mapping[str, Any]] = await connection.fetch(fitting(sql, version), *arguments)
        return records

    tables = await read(_TABLES)
    oids = [table["oid"] for table in tables]
    columns = await read(COLUMNS_SQL, oids)
    types = type_infos(await read(TYPES_SQL, sorted({column["type_oid"] for column in columns})))
    names = {table["oid"]: TableName(table["schema"], table["name"]) for table in tables}
    numbered = _numbered(columns, types)
    keys = _keys(await read(_KEYS, oids), numbered)
    parents = _grouped(await read(PARENTS_SQL, oids), "table_oid")
    reads = _grouped(await read(_READS, oids), "table_oid")
    built = {
        names[table["oid"]]: Table(
            name=names[table["oid"]],
            kind="partition" if table["is_partition"] else _TABLE_KINDS[table["relkind"]],
            columns=tuple(numbered[table["oid"]].values()),
            keys=tuple(keys[table["oid"]]),
            estimated_rows=rows,
            estimated_bytes=size,
            parents=tuple(names[parent["parent_oid"]] for parent in parents[table["oid"]]),
            reads=_reads(reads[table["oid"]]) if table["relkind"] in ("v", "m") else frozenset(),
        )
        for table, rows, size in _sized(tables, parents)
    }
    return Catalog(
        engine="postgresql",
        version=f"{version // 10000}.{version % 10000}",
        database=database,
        default_schema="public",
        tables=built,
        foreign_keys=tuple(_foreign_keys(await read(_FOREIGN_KEYS, oids), names, numbered)),
        sequences=tuple(_sequences(await read(_SEQUENCES, oids), names, numbered)),
    )


Numbered = Mapping[int, Mapping[int, Column]]


def _grouped(records: Iterable[Mapping[str, Any]], key: str) -> Mapping[int, list[Mapping[str, Any]]]:
    groups: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        groups[record[key]].append(record)
    return groups


def _numbered(records: Iterable[Mapping[str, Any]], types: Mapping[int, TypeInfo]) -> Numbered:
    """Columns by table and attribute number."""
    tables: defaultdict[int, dict[int, Column]] = defaultdict(dict)
    for record in records:
        tables[record["table_oid"]][record["number"]] = column_of(record, types[record["type_oid"]])
    return tables


def column_of(record: Mapping[str, Any], info: TypeInfo) -> Column:
    """A row of the column query as a Column."""
    generated = _GENERATED.get(record["generated"], "")
    return Column(
        name=record["name"],
        type_name=record["type_name"],
        kind=info.kind,
        nullable=record["nullable"],
        default=record["default_text"],
        generated=generated,
        identity=_IDENTITY.get(record["identity"], ""),
        max_length=None if info.kind is Kind.BYTES else max_length(info, record["typmod"]),
        collation=record["collation"],
        operators=info.operators,
        readable=record["readable"],
        members=tuple(record["members"]),
        checks=tuple(record["checks"]),
    )


def _reads(records: Iterable[Mapping[str, Any]]) -> frozenset[tuple[TableName, str]]:
    return frozenset((TableName(record["schema"], record["name"]), record["column_name"]) for record in records)


def _keys(records: Iterable[Mapping[str, Any]], numbered: Numbered) -> Mapping[int, list[Key]]:
    keys: defaultdict[int, list[Key]] = defaultdict(list)
    for record in records:
        columns = _columns(record["numbers"][: record["width"]], numbered[record["table_oid"]])
        if columns and all(column.readable for column in columns):
            keys[record["table_oid"]].append(
                Key(
                    name=record["name"],
                    columns=tuple(column.name for column in columns),
                    primary=record["is_primary"],
                    nullable=any(column.nullable for column in columns),
                )
            )
    return keys


def _columns(numbers: Sequence[int], columns: Mapping[int, Column]) -> list[Column]:
    """The columns of these numbers in this order; nothing if one of them is not visible."""
    found = [columns[number] for number in numbers if number in columns]
    return found if len(found) == len(numbers) else []


def _sized(
    tables: Sequence[Mapping[str, Any]], parents: Mapping[int, list[Mapping[str, Any]]]
) -> Iterable[tuple[Mapping[str, Any], int | None, int | None]]:
    """Each table with its estimated rows and bytes; a partitioned one holds what its partitions hold."""
    own = {table["oid"]: _own_size(table) for table in tables}
    partitioned = {table["oid"] for table in tables if table["relkind"] == "p"}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for child, records in parents.items():
        for record in records:
            children[record["parent_oid"]].append(child)

    def leaves(oid: int) -> list[int]:
        return [leaf for child in children[oid] for leaf in leaves(child)] if oid in partitioned else [oid]

    for table in tables:
        sizes = [own[oid] for oid in leaves(table["oid"]) if own[oid] is not None]
        known = [size for size in sizes if size is not None]
        yield (
            table,
            sum(rows for rows, _ in known) if known else None,
            sum(size for _, size in known) if known else None,
        )


def _own_size(table: Mapping[str, Any]) -> tuple[int, int] | None:
    # Before 14 a table that was never analysed says 0 rows in 0 pages, since then -1 rows.
    if table["relkind"] not in ("r", "m") or table["tuples"] < 0 or (table["tuples"] == 0 and table["bytes"] == 0):
        return None
    return int(table["tuples"]), int(table["bytes"])


def _foreign_keys(
    records: Iterable[Mapping[str, Any]], names: Mapping[int, TableName], numbered: Numbered
) -> Iterable[ForeignKey]:
    for record in records:
        columns = _columns(record["numbers"], numbered[record["table_oid"]])
        targets = _columns(record["target_numbers"], numbered[record["target_oid"]])
        if columns and targets:
            yield ForeignKey(
                name=record["name"],
                table=names[record["table_oid"]],
                columns=tuple(column.name for column in columns),
                target=names[record["target_oid"]],
                target_columns=tuple(column.name for column in targets),
                match_full=record["match_type"] == "f",
                deferrable=record["is_deferrable"],
                validated=record["is_validated"],
                on_delete=_ACTIONS[record["on_delete"]],
                on_update=_ACTIONS[record["on_update"]],
                operators=tuple(record["operators"]),
            )


def _sequences(
    records: Iterable[Mapping[str, Any]], names: Mapping[int, TableName], numbered: Numbered
) -> Iterable[Sequence_]:
    for record in records:
        owner: tuple[TableName, str] | None = None
        table = names.get(record["table_oid"])
        if table is not None:
            column = numbered[record["table_oid"]].get(record["number"])
            owner = (table, column.name) if column else None
        yield Sequence_(name=TableName(record["schema"], record["name"]), owned_by=owner)
