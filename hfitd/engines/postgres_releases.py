"""Which release of PostgreSQL a package needs where it is loaded, known before a row is read.

By the release notes of PostgreSQL 11 to 18: types, definitions and values that an older server refuses. What every
supported release takes (10 and later) is not listed. Of definitions the name is told, never the words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from hfitd.engines.interface import Requirement
from hfitd.engines.postgres_ddl_facts import Record
from hfitd.engines.postgres_ddl_plan import Shown, ShownTable
from hfitd.model import Column, Relation

_TYPES = {"jsonpath": "12", "xid8": "13", "pg_snapshot": "13", "regcollation": "13"}
_MULTIRANGE = "14"
_NUMERIC = re.compile(r"numeric\(([0-9]+),(-?[0-9]+)\)")
_ODD_SCALES = "15"  # a scale below zero or above the precision
_INFINITE_NUMERIC = 14  # Infinity as a value of numeric without precision
_GENERATED = {"stored": "12", "virtual": "18"}
_WORDS = (
    ("WITHOUT OVERLAPS", "18"),
    ("PERIOD ", "18"),
    ("NOT ENFORCED", "18"),
    ("NULLS NOT DISTINCT", "15"),
    ("INCLUDE (", "11"),
)
_STRINGS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")


def required_of_rows(relations: Sequence[Relation], source_version: int) -> tuple[Requirement, ...]:
    """What the values of these columns ask of a target; ``source_version`` is the major release they come from."""
    return tuple(
        found
        for relation in relations
        for item in relation.columns
        for found in _of_column(item.column, str(relation.table.name), source_version)
    )


def required_of_definitions(shown: Shown, collations: Iterable[Record]) -> tuple[Requirement, ...]:
    """What the statements that create these tables, with the collations they need, ask of a target."""
    found = [
        _requirement("collation", record["name"], "", release)
        for record in collations
        if (release := _of_collation(json.loads(record["description"])))
    ]
    for table in shown.tables.values():
        found += _of_table(table)
    parts = [("constraint", record) for record in (*shown.constraints, *shown.foreign_keys)]
    parts += [("index", record) for record in shown.indexes]
    for what, record in parts:
        table = shown.tables[record["table_oid"]]
        if release := _release_of(record, table, what):
            found.append(_requirement(what, record["name"], str(table.name), release))
    return tuple(found)


def _of_column(column: Column, table: str, source_version: int) -> Iterable[Requirement]:
    base = column.type_name.removesuffix("[]")
    if release := _TYPES.get(base) or (_MULTIRANGE if "multirange" in base else ""):
        yield _requirement("type", column.name, table, release)
    if (match := _NUMERIC.fullmatch(base)) and not 0 <= int(match[2]) <= int(match[1]):
        yield _requirement("type", column.name, table, _ODD_SCALES)
    if base == "numeric" and source_version >= _INFINITE_NUMERIC:
        release = str(_INFINITE_NUMERIC)
        yield Requirement("Infinity", column.name, table, (("postgresql", release),), if_held=True)


def _of_table(table: ShownTable) -> Iterable[Requirement]:
    name = str(table.name)
    for column in table.columns.values():
        if column.keeps_default and (release := _GENERATED.get(column.column.generated)):
            yield _requirement("generated column", column.column.name, name, release)
    if table.partition_key is not None and table.partition_key.startswith("HASH"):
        yield _requirement("partitions", table.name.name, name, "11")
    if table.bound == "DEFAULT":
        yield _requirement("partition", table.name.name, name, "11")


def _of_collation(described: Mapping[str, object]) -> str:
    if described["collprovider"] == "b":
        return "17"
    return "" if described.get("collisdeterministic", True) else "12"


def _release_of(record: Record, table: ShownTable, what: str) -> str:
    """The first release that takes the definition; "" is any."""
    words = _STRINGS.sub("''", record["definition"])
    for phrase, release in _WORDS:
        if phrase in words:
            return release
    of_partitions = table.partition_key is not None and (what == "index" or record["sort"] in "pufx")
    return "11" if of_partitions else ""


def _requirement(what: str, name: str, table: str, release: str) -> Requirement:
    return Requirement(what, name, table, (("postgresql", release),))
