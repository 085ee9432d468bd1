"""What a package of PostgreSQL tables leaves out on purpose, named so that nothing is lost in silence.

Triggers, row security and rules would run or hide rows in the copy; views are queries that may name what is not
granted; comments, grants and owners are about people. Only what belongs to tables that the actor may see is named:

1. Nothing that is about a column which is not granted.
2. Of expressions about masked columns the name, never the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hfitd.engines.interface import DdlOptions, LeftOut
from hfitd.engines.postgres_ddl_facts import FactReader, Facts, Record
from hfitd.engines.postgres_ddl_plan import Shown, ShownTable
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.model import Kind, Relation

_MASKED = "Its words are about a masked column."
_REASONS = {
    "trigger": "It would fire on loaded rows; what it did is in the data.",
    "policy": "Row security is the source's; the copy shows what was exported.",
    "rule": "It would rewrite statements on the copy.",
}
_LARGE_OBJECTS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
"""


async def find_left_out(
    reader: FactReader, facts: Facts, relations: Sequence[Relation], shown: Shown, options: DdlOptions
) -> tuple[LeftOut, ...]:
    """What no statement makes."""
    oids = list(shown.tables)
    found = [
        LeftOut(record["what"], record["name"], str(shown.tables[record["table_oid"]].name), _REASONS[record["what"]])
        for record in await reader.bystanders(oids)
    ]
    found += _of_relations(relations, whole=options.whole)
    constraints = {record["oid"] for record in shown.constraints} | {record["oid"] for record in shown.foreign_keys}
    indexes = {record["oid"] for record in shown.indexes}
    found += _masked(facts.constraints, constraints, shown, "check")
    found += _masked(facts.indexes, indexes, shown, "index")
    for table in shown.tables.values():
        found += _masked_columns(table, facts)
    return tuple(found)


async def find_large_objects(connection: Any, relations: Iterable[Relation]) -> tuple[LeftOut, ...]:
    """Columns that may name large objects, whose contents no package carries."""
    columns = [
        (relation, item.column)
        for relation in relations
        for item in relation.columns
        if item.column.type_name in ("oid", "lo", "public.lo") and item.column.kind in (Kind.INTEGER, Kind.OTHER)
    ]
    if not columns:
        return ()
    with translated(Stage.OWN):
        if not await connection.fetchval(_LARGE_OBJECTS):
            return ()
    reason = "If it refers to large objects, their contents are not carried."
    return tuple(
        LeftOut("large objects", column.name, str(relation.table.name), reason) for relation, column in columns
    )


def _of_relations(relations: Sequence[Relation], *, whole: bool) -> Iterable[LeftOut]:
    for relation in relations:
        name = relation.table.name
        if relation.table.kind == "view":
            what = "It is left out of a whole schema." if whole else "It becomes a table with the rows it shows."
            yield LeftOut("view", name.name, str(name), what)
        elif relation.table.kind == "foreign":
            yield LeftOut("foreign table", name.name, str(name), "It becomes an ordinary table.")


def _masked(records: Iterable[Record], kept: set[int], shown: Shown, what: str) -> Iterable[LeftOut]:
    """1, 2: expressions about columns that are all there, one of them masked."""
    for record in records:
        table = shown.tables.get(record["table_oid"])
        numbers = {*(record["numbers"] or ()), *(record.get("used") or ())} - {0}
        if table is None or record["oid"] in kept or not table.shows(numbers) or table.speaks_clearly_of(numbers):
            continue
        yield LeftOut(what, record["name"], str(table.name), _MASKED)


def _masked_columns(table: ShownTable, facts: Facts) -> Iterable[LeftOut]:
    for record in facts.defaults:
        column = table.columns.get(record["number"]) if record["table_oid"] == table.oid else None
        if column is None or column.keeps_default or not table.shows(record["used"]):
            continue
        if column.masked or not table.speaks_clearly_of(record["used"]):
            what = "generation" if column.column.generated else "default"
            yield LeftOut(what, column.column.name, str(table.name), _MASKED)
    record = next(record for record in facts.relations if record["oid"] == table.oid)
    if record["partition_key"] is not None and not table.partition_key and table.is_whole:
        yield LeftOut("partitions", table.name.name, str(table.name), _MASKED)
