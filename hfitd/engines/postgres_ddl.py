"""DDL of PostgreSQL tables from the catalogue: enough to load their rows into an empty database.

Order: schemas, extensions, collations, types, functions that expressions call, sequences, tables with keys and checks,
partitions attached, indexes, foreign keys, owners and positions of sequences. Foreign keys appear when both tables do.
Views are created as tables where they are asked for by name and left out of a whole schema: their text is a query
that may name what is not granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hfitd.engines.interface import DdlOptions
from hfitd.engines.postgres_ddl_facts import FactReader, Facts, Record
from hfitd.engines.postgres_ddl_plan import Shown, plan_ddl
from hfitd.engines.postgres_ddl_text import (
    PROLOGUE,
    TableText,
    create_collation,
    create_extension,
    create_schema,
    create_sequence,
    create_type,
    drop_table,
    sequence_name,
    set_sequence,
)
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_types import TYPES_SQL, type_infos
from hfitd.engines.rendering import Collector
from hfitd.model import Receipt, Relation, Sink


async def write_ddl(connection: Any, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
    """Write the statements; ``rows`` of the receipt is 0. SchemaChanged when a table is no longer there."""
    reader = FactReader(connection)
    names = [relation.table.name for relation in relations]
    schemas = sorted({name.schema for name in names}) if options.whole else []
    facts = await reader.facts([name.schema for name in names], [name.name for name in names], schemas)
    with translated(Stage.OWN):
        types = type_infos(await connection.fetch(TYPES_SQL, sorted({record["type_oid"] for record in facts.columns})))
    shown = plan_ddl(facts, relations, types, whole=options.whole)
    tables = TableText(shown, types, if_not_exists=options.option == "ifnotexists")
    out = Collector(sink)
    await out.write(PROLOGUE.encode())
    if options.only_postponed:
        statements = list(_foreign_keys(shown, tables, options))
    else:
        statements = [
            *await _before_tables(reader, facts, shown, tables),
            *_tables(shown, tables, options),
            *await _sequence_states(reader, shown, tables),
        ]
    for statement in statements:
        await out.write(statement.encode() + b"\n")
    await out.flush()
    return Receipt(rows=0, size=out.size)


async def _before_tables(reader: FactReader, facts: Facts, shown: Shown, tables: TableText) -> list[str]:
    columns = [column for table in shown.tables.values() for column in table.columns.values()]
    needed = {tables.needed_type(column) for column in columns} - {None}
    types = await reader.types(sorted(oid for oid in needed if oid is not None))
    checks = [oid for record in types for oid in record["check_oids"]]
    used = await reader.used(
        [column.default_oid for column in columns if column.keeps_default],
        [record["oid"] for record in shown.constraints] + checks,
        [record["oid"] for record in shown.indexes],
    )
    own_types = [record for record in types if record["extension"] is None]
    functions = [record for record in used if record["definition"] is not None]
    collations = [record for record in facts.collations if _is_used_collation(record, shown)]
    sequences = [record for record in shown.sequences if record["ownership"] != "i"]
    extensions = {record["extension"]: record for record in (*types, *used) if record["extension"] is not None}
    schemas = {table.name.schema for table in shown.tables.values()}
    schemas |= {record["schema"] for record in (*own_types, *functions, *collations, *sequences)}
    schemas |= {record["extension_schema"] for record in extensions.values()}
    return [
        *(create_schema(schema) for schema in sorted(schemas - {"public", "pg_catalog"})),
        *(create_extension(extensions[name]) for name in sorted(extensions)),
        *(create_collation(record) for record in collations),
        *(create_type(record) for record in own_types),
        *(f"{str(record['definition']).rstrip()};" for record in functions),
        *(create_sequence(record) for record in sequences),
    ]


def _tables(shown: Shown, tables: TableText, options: DdlOptions) -> Iterable[str]:
    if options.option == "dropcreate":
        for table in reversed(list(shown.tables.values())):
            yield drop_table(table)
    for table in shown.tables.values():
        yield tables.create(table)
    for table in shown.tables.values():
        if attached := tables.attach(table):
            yield attached
    for record in shown.constraints:
        if not record["is_validated"]:
            yield tables.add_constraint(record)
    for record in shown.indexes:
        yield tables.create_index(record)
    yield from _foreign_keys(shown, tables, options)


def _foreign_keys(shown: Shown, tables: TableText, options: DdlOptions) -> Iterable[str]:
    for record in shown.foreign_keys:
        place = (shown.tables[record["table_oid"]].name, str(record["name"]))
        if (place in options.postponed) is options.only_postponed:
            yield tables.add_constraint(record)


async def _sequence_states(reader: FactReader, shown: Shown, tables: TableText) -> list[str]:
    owned = [statement for record in shown.sequences if (statement := tables.own_sequence(record))]
    readable = [record for record in shown.sequences if record["readable"]]
    states = await reader.states([sequence_name(record) for record in readable])
    return owned + [set_sequence(record, state) for record, state in zip(readable, states, strict=True)]


def _is_used_collation(record: Record, shown: Shown) -> bool:
    name = (record["schema"], record["name"])
    return any(column.collation == name for table in shown.tables.values() for column in table.columns.values())
