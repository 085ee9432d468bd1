"""What of the shown parts can be created elsewhere, and what that leaves out, by name.

1. A column of a type that is not carried becomes ``text``: its values are the text that the server prints.
2. Defaults, generation expressions, constraints, indexes, statistics and partitions that need what is not carried, or
   such a column, are left out.
3. A check on a function that takes the table's own row is made after the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hfitd.engines.interface import LeftOut
from hfitd.engines.postgres_ddl_facts import Record
from hfitd.engines.postgres_ddl_needs import (
    Needs,
    Seed,
    constraint_seed,
    default_seeds,
    index_seed,
    key_seed,
    type_seed,
)
from hfitd.engines.postgres_ddl_plan import Shown, ShownColumn, ShownTable
from hfitd.engines.postgres_ddl_text import TableText

_SORTS = {"p": "primary key", "u": "unique key", "x": "exclusion constraint", "c": "check", "f": "foreign key"}
_NOT_CARRIED = "It needs an object that only an administrator or the program that it belongs to can create."


@dataclass(frozen=True, slots=True)
class Carried:
    """What will be created, constraints that are made after their table, and what is left out."""

    shown: Shown
    late: frozenset[int]
    left_out: tuple[LeftOut, ...]


def carried_parts(shown: Shown, needs: Needs, text: TableText) -> Carried:
    """Steps 1 to 3."""
    left_out: list[LeftOut] = []
    tables = {oid: _table(table, needs, text, left_out) for oid, table in shown.tables.items()}
    tables = _without_roots(tables)

    def kept(records: Iterable[Record], what: str) -> list[Record]:
        found = []
        for record in records:
            if _is_carried(record, tables[record["table_oid"]], needs, what):
                found.append(record)
            else:
                name = str(tables[record["table_oid"]].name)
                left_out.append(LeftOut(_SORTS.get(record.get("sort", ""), what), record["name"], name, _NOT_CARRIED))
        return found

    constraints = kept(shown.constraints, "constraint")
    late = frozenset(
        record["oid"] for record in constraints
        if record["sort"] == "c" and needs.reaches([constraint_seed(record)], record["table_oid"])
    )  # fmt: skip
    whole = replace(
        shown,
        tables=tables,
        constraints=constraints,
        indexes=kept(shown.indexes, "index"),
        statistics=kept(shown.statistics, "statistics"),
    )
    return Carried(whole, late, tuple(left_out))


def creation_seeds(table: ShownTable, carried: Carried, text: TableText) -> list[Seed]:
    """What has to be there before the table."""
    seeds: list[Seed] = [key_seed(table)] if table.partition_key else []
    for number, column in table.columns.items():
        if text.keeps_type(column):
            seeds.append(type_seed(table, number))
        if column.keeps_default:
            seeds += default_seeds(table, number, column)
    for record in carried.shown.constraints:
        if record["table_oid"] == table.oid and record["oid"] not in carried.late:
            seeds += [constraint_seed(record), ("pg_class", record["index_oid"], -1)]
    return seeds


def _table(table: ShownTable, needs: Needs, text: TableText, left_out: list[LeftOut]) -> ShownTable:
    columns: dict[int, ShownColumn] = {}
    for number, column in table.columns.items():
        as_text = text.keeps_type(column) and not needs.are_carried([type_seed(table, number)])
        if as_text:  # 1
            why = f"Values of {column.column.type_name} come as text. {_NOT_CARRIED}"
            left_out.append(LeftOut("type", column.column.name, str(table.name), why))
        seeds = default_seeds(table, number, column) if column.keeps_default else []
        keeps = column.keeps_default and not as_text and needs.are_carried(seeds)
        keeps = keeps and not needs.reaches(seeds, table.oid)
        if column.keeps_default and not keeps:  # 2
            what = "generation" if column.column.generated else "default"
            left_out.append(LeftOut(what, column.column.name, str(table.name), _NOT_CARRIED))
        plain = as_text or not text.keeps_type(column)
        collation = None if plain and column.collation and column.collation[0] != "pg_catalog" else column.collation
        columns[number] = replace(column, as_text=as_text, keeps_default=keeps, collation=collation)
    if table.partition_key and not needs.are_carried([key_seed(table)]):
        left_out.append(LeftOut("partitions", table.name.name, str(table.name), _NOT_CARRIED))
        table = replace(table, partition_key=None)
    return replace(table, columns=columns)


def _without_roots(tables: Mapping[int, ShownTable]) -> dict[int, ShownTable]:
    """Partitions of what is no partitioned table any more are tables of their own."""
    return {
        oid: replace(table, parent=None, bound=None)
        if table.parent is not None and not tables[table.parent].partition_key
        else table
        for oid, table in tables.items()
    }


def _is_carried(record: Record, table: ShownTable, needs: Needs, what: str) -> bool:
    numbers = {*record["numbers"], *(record.get("used") or ())}
    touched = any(number in table.columns and table.columns[number].as_text for number in numbers)
    if what == "constraint":
        if touched and record["sort"] in ("c", "x"):
            return False
        return needs.are_carried([constraint_seed(record), ("pg_class", record["index_oid"], -1)])
    seed = index_seed(record) if what == "index" else ("pg_statistic_ext", record["oid"], -1)
    return not touched and needs.are_carried([seed])
