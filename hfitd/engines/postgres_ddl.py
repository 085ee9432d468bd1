"""DDL of PostgreSQL tables from the catalogue: enough to load their rows into an empty database.

Order: schemas, extensions, sequences; then types, collations, functions and tables with keys and checks, each after
what it needs; partitions and heirs attached, indexes, foreign keys, owners and positions of sequences. Foreign keys
appear when both tables do. Views are created as tables where they are asked for by name and left out of a whole
schema: their text is a query that may name what is not granted. What else is not carried: ``postgres_ddl_left_out``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hfitd.engines.interface import DdlOptions, Outlook
from hfitd.engines.postgres_catalog import server_version
from hfitd.engines.postgres_ddl_carried import Carried, carried_parts, creation_seeds
from hfitd.engines.postgres_ddl_facts import FactReader, Facts, Record
from hfitd.engines.postgres_ddl_left_out import find_large_objects, find_left_out
from hfitd.engines.postgres_ddl_needs import Node, Objects, Seed, constraint_seed, index_seed, read_needs
from hfitd.engines.postgres_ddl_objects import ObjectReader
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
from hfitd.engines.postgres_releases import required_of_definitions, required_of_rows
from hfitd.engines.postgres_types import TYPES_SQL, TypeInfo, type_infos
from hfitd.engines.rendering import Collector
from hfitd.model import Receipt, Relation, Sink


@dataclass(frozen=True, slots=True)
class _Design:
    """Everything that is known before the first statement."""

    facts: Facts
    types: Mapping[int, TypeInfo]
    objects: Objects
    carried: Carried
    order: Sequence[Node]  # types, functions, collations and tables
    extensions: Sequence[Record]

    @property
    def shown(self) -> Shown:
        return self.carried.shown


async def write_ddl(connection: Any, relations: Sequence[Relation], options: DdlOptions, sink: Sink) -> Receipt:
    """Write the statements; ``rows`` of the receipt is 0. SchemaChanged when a table is no longer there."""
    reader = FactReader(connection)
    design = await _design(reader, connection, relations, options)
    tables = TableText(
        design.shown, design.types, design.carried.late, if_not_exists=options.option == "ifnotexists"
    )
    out = Collector(sink)
    await out.write(PROLOGUE.encode())
    if options.only_postponed:
        statements = list(_constraints(design.shown, tables, options))
    else:
        statements = [
            *_before_tables(design, options),
            *_tables(design, tables),
            *_around_tables(design.shown, tables, design.carried.late),
            *_constraints(design.shown, tables, options),
            *await _sequence_states(reader, design.shown, tables),
        ]
    for statement in statements:
        await out.write(statement.encode() + b"\n")
    await out.flush()
    return Receipt(rows=0, size=out.size)


async def foresee(connection: Any, relations: Sequence[Relation], options: DdlOptions | None) -> Outlook:
    """What ``write_ddl`` will leave out, and which constraints rows of the source may break; None is about rows."""
    needed = required_of_rows(relations, server_version(connection) // 10000)
    if options is None:
        return Outlook(await find_large_objects(connection, relations), requires=needed)
    reader = FactReader(connection)
    design = await _design(reader, connection, relations, options)
    shown = design.shown
    unchecked = frozenset(
        (shown.tables[record["table_oid"]].name, str(record["name"]))
        for record in (*shown.constraints, *shown.foreign_keys)
        if not record["is_validated"]
    )
    left_out = await find_left_out(reader, design.facts, relations, shown, options)
    named = (design.objects.collations.get(oid) for kind, oid in design.order if kind == "pg_collation")
    collations = [record for record in named if record is not None]
    return Outlook(left_out + design.carried.left_out, unchecked, needed + required_of_definitions(shown, collations))


async def _design(
    reader: FactReader, connection: Any, relations: Sequence[Relation], options: DdlOptions
) -> _Design:
    names = [relation.table.name for relation in relations]
    schemas = sorted({name.schema for name in names}) if options.whole else []
    facts = await reader.facts([name.schema for name in names], [name.name for name in names], schemas)
    with translated(Stage.OWN):
        types = type_infos(await connection.fetch(TYPES_SQL, sorted({record["type_oid"] for record in facts.columns})))
    shown = plan_ddl(facts, relations, types, whole=options.whole)
    objects = ObjectReader(reader)
    needs = await read_needs(objects, shown)
    text = TableText(shown, types, frozenset(), if_not_exists=False)
    carried = carried_parts(shown, needs, text)
    before = [(oid, creation_seeds(table, carried, text)) for oid, table in carried.shown.tables.items()]
    order = list(needs.ordered(before, _seeds_of_the_rest(carried)))
    extensions = {record["extension_oid"] for node in order if (record := needs.objects.extensions.get(node))}
    return _Design(facts, types, needs.objects, carried, order, await objects.extensions(sorted(extensions)))


def _seeds_of_the_rest(carried: Carried) -> list[Seed]:
    """What indexes and late checks refer to."""
    shown = carried.shown
    seeds = [index_seed(record) for record in shown.indexes]
    seeds += [("pg_statistic_ext", record["oid"], -1) for record in shown.statistics]
    return seeds + [constraint_seed(record) for record in shown.constraints if record["oid"] in carried.late]


def _before_tables(design: _Design, options: DdlOptions) -> Iterator[str]:
    shown, objects = design.shown, design.objects
    sequences = [record for record in shown.sequences if record["ownership"] != "i"]
    schemas = {table.name.schema for table in shown.tables.values()} | {record["schema"] for record in sequences}
    schemas |= {objects.made[kind][oid]["schema"] for kind, oid in design.order if oid in objects.made.get(kind, {})}
    schemas |= {record["extension_schema"] for record in design.extensions}
    yield from map(create_schema, sorted(schemas - {"public", "pg_catalog"}))
    yield from map(create_extension, design.extensions)
    if options.option == "dropcreate":
        yield from map(drop_table, reversed(list(shown.tables.values())))
    yield from map(create_sequence, sequences)


def _tables(design: _Design, tables: TableText) -> Iterator[str]:
    objects = design.objects
    for kind, oid in design.order:
        if kind == "pg_class" and oid in design.shown.tables:
            yield tables.create(design.shown.tables[oid])
        elif kind == "pg_type" and oid in objects.types:
            yield create_type(objects.types[oid])
        elif kind == "pg_collation" and oid in objects.collations:
            yield create_collation(objects.collations[oid])
        elif kind == "pg_proc" and oid in objects.functions:
            yield f"{str(objects.functions[oid]['definition']).rstrip()};"


def _around_tables(shown: Shown, tables: TableText, late: frozenset[int]) -> Iterator[str]:
    for table in shown.tables.values():
        if attached := tables.attach(table):
            yield attached
        yield from tables.inherit(table)
    for record in shown.constraints:
        if record["oid"] in late and record["is_validated"]:
            yield tables.add_constraint(record)
    places = {oid: place for place, oid in enumerate(shown.tables)}
    # Those of partitions first: what is made for the root takes up an equal index of a partition, with its name.
    for record in sorted(shown.indexes, key=lambda record: -places[record["table_oid"]]):
        yield tables.create_index(record)
    yield from map(tables.create_statistics, shown.statistics)


def _constraints(shown: Shown, tables: TableText, options: DdlOptions) -> Iterator[str]:
    """Foreign keys, and checks that rows of the source may break."""
    unchecked = [record for record in shown.constraints if not record["is_validated"]]
    for record in (*unchecked, *shown.foreign_keys):
        place = (shown.tables[record["table_oid"]].name, str(record["name"]))
        if (place in options.postponed) is options.only_postponed:
            yield tables.add_constraint(record)


async def _sequence_states(reader: FactReader, shown: Shown, tables: TableText) -> list[str]:
    owned = [statement for record in shown.sequences if (statement := tables.own_sequence(record))]
    readable = [record for record in shown.sequences if record["readable"]]
    states = await reader.states([sequence_name(record) for record in readable])
    return owned + [set_sequence(record, state) for record, state in zip(readable, states, strict=True)]
