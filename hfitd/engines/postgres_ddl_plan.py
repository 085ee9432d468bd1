"""Which parts of a table's definition may be shown to whom. Pure.

1. Only columns of the relations appear, and nothing that names another column.
2. A definition with words of its own (CHECK, default, expression, index condition, partition bound, enum label) that
   is about a masked column is left out: its literals are values of that column.
3. A partition that nobody named shows what its root shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hfitd.engines.postgres_catalog import column_of
from hfitd.engines.postgres_ddl_facts import Facts, Record
from hfitd.engines.postgres_types import TypeInfo
from hfitd.errors import SchemaChanged
from hfitd.model import Column, Relation, TableName


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column as it will be created."""

    column: Column
    type_oid: int
    masked: bool
    default_oid: int = 0
    keeps_default: bool = False  # its default or generation expression is shown
    collation: tuple[str, str] | None = None
    not_null: bool = False  # by itself, whatever its domain says
    as_text: bool = False  # its type cannot be created elsewhere


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table as it will be created. ``parent`` is the partition root above it, ``inherits`` its ordinary parents."""

    oid: int
    name: TableName
    columns: Mapping[int, ShownColumn]
    is_unlogged: bool
    partition_key: str | None
    parent: int | None
    bound: str | None
    inherits: tuple[int, ...]
    options: tuple[str, ...] = ()
    is_whole: bool = False  # every column is here

    def shows(self, numbers: Iterable[int]) -> bool:
        """1: whether every one of these columns is here; 0 stands for the whole row, which is never shown."""
        return all(number in self.columns for number in numbers)

    def speaks_clearly_of(self, numbers: Iterable[int]) -> bool:
        """1 and 2: whether an expression about these columns may be shown."""
        return all(number in self.columns and not self.columns[number].masked for number in numbers)


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that will be created, in order."""

    tables: Mapping[int, ShownTable]
    constraints: Sequence[Record]  # all but foreign keys
    foreign_keys: Sequence[Record]
    indexes: Sequence[Record]
    sequences: Sequence[Record]
    statistics: Sequence[Record]


def plan_ddl(
    facts: Facts, relations: Sequence[Relation], types: Mapping[int, TypeInfo], *, whole: bool
) -> Shown:
    """Decide what is shown. A relation that is no longer there is SchemaChanged."""
    given = {relation.table.name: relation for relation in relations}
    found = {TableName(record["schema"], record["name"]) for record in facts.relations}
    if missing := given.keys() - found:
        raise SchemaChanged(resource=str(min(missing)))
    tables = _Tables(facts, given, types).build(skip_views=whole)
    constraints = [record for record in facts.constraints if _is_shown_constraint(record, tables)]
    return Shown(
        tables=tables,
        constraints=[record for record in constraints if record["sort"] != "f"],
        foreign_keys=[record for record in constraints if record["sort"] == "f"],
        indexes=[record for record in facts.indexes if _is_shown_index(record, tables)],
        sequences=[record for record in facts.sequences if _is_shown_sequence(record, tables, whole=whole)],
        statistics=[record for record in facts.statistics if _is_shown_index(record, tables)],
    )


class _Tables:
    """Builds the shown tables, roots before their partitions."""

    def __init__(
        self, facts: Facts, given: Mapping[TableName, Relation], types: Mapping[int, TypeInfo]
    ) -> None:
        self._facts = facts
        self._given = given
        self._types = types
        self._columns = _by_table(facts.columns)
        self._parents = _by_table(facts.parents)
        self._defaults = {(record["table_oid"], record["number"]): record for record in facts.defaults}
        self._collations = {
            (record["table_oid"], record["number"]): (record["schema"], record["name"])
            for record in facts.column_collations
        }
        self._records = {record["oid"]: record for record in facts.relations}
        self._masks: dict[int, Mapping[str, bool]] = {}

    def build(self, *, skip_views: bool) -> dict[int, ShownTable]:
        """Tables by OID in order of creation."""
        built: dict[int, ShownTable] = {}
        waiting = [oid for oid, record in self._records.items() if not (skip_views and record["relkind"] in "vm")]
        while waiting:
            ready = [oid for oid in waiting if not any(parent in waiting for parent in self._parents_of(oid))]
            for oid in ready:
                table = self._table(self._records[oid], built)
                if table is not None:
                    built[oid] = table
            waiting = [oid for oid in waiting if oid not in ready]
        return built

    def _parents_of(self, oid: int) -> list[int]:
        return [record["parent_oid"] for record in self._parents[oid]]

    def _table(self, record: Record, built: Mapping[int, ShownTable]) -> ShownTable | None:
        oid, name = record["oid"], TableName(record["schema"], record["name"])
        parents = [parent for parent in self._parents_of(oid) if parent in built]
        if record["is_partition"] and not (parents and built[parents[0]].partition_key):
            parents = []
        if name in self._given:
            visible = {item.column.name: item.rule is not None for item in self._given[name].columns}
        elif parents:
            visible = dict(self._masks[parents[0]])  # 3
        else:
            return None
        if parents and record["is_partition"]:
            # Both have to have the same columns, and what the root masks is masked here.
            above = self._masks[parents[0]]
            visible = {column: visible.get(column, True) or masked for column, masked in above.items()}
        self._masks[oid] = visible
        columns = {
            item["number"]: self._column(item, visible)
            for item in self._columns[oid]
            if item["name"] in visible
        }
        table = ShownTable(
            oid, name, self._with_defaults(oid, columns), record["is_unlogged"], None,
            parents[0] if record["is_partition"] and parents else None,
            record["bound"], tuple(parents) if not record["is_partition"] else (),
            tuple(record["options"]), len(columns) == record["width"],
        )  # fmt: skip
        return _with_partition_key(table, record)

    def _column(self, record: Record, visible: Mapping[str, bool]) -> ShownColumn:
        column = column_of(record, self._types[record["type_oid"]])
        place = (record["table_oid"], record["number"])
        return ShownColumn(
            column, record["type_oid"], visible[record["name"]], collation=self._collations.get(place),
            not_null=record["not_null"],
        )

    def _with_defaults(self, oid: int, columns: Mapping[int, ShownColumn]) -> dict[int, ShownColumn]:
        """2: a default is shown for a clear column; a generation only if it is about clear columns."""
        shown: dict[int, ShownColumn] = {}
        for number, item in columns.items():
            record = self._defaults.get((oid, number))
            if record is None:
                shown[number] = item
                continue
            clear = not item.masked and all(used in columns and not columns[used].masked for used in record["used"])
            shown[number] = replace(item, default_oid=record["oid"], keeps_default=clear)
        return shown


def _with_partition_key(table: ShownTable, record: Record) -> ShownTable:
    numbers = record["partition_numbers"]
    if record["partition_key"] is None or not numbers:
        return table
    # An expression among the keys (0) can be about any column.
    about = table.columns if 0 in numbers else numbers
    if not table.speaks_clearly_of(about):
        return table
    return replace(table, is_unlogged=False, partition_key=record["partition_key"])


def _is_shown_constraint(record: Record, tables: Mapping[int, ShownTable]) -> bool:
    table = tables.get(record["table_oid"])
    numbers = record["numbers"]
    if table is None or numbers is None:
        return False
    if record["sort"] in ("c", "x"):
        return table.speaks_clearly_of(numbers)
    if record["sort"] == "f":
        target = tables.get(record["target_oid"])
        # Partitions get the keys of their root when they are attached.
        copied = record["is_copy"] and table.parent is not None
        return not copied and target is not None and table.shows(numbers) and target.shows(record["target_numbers"])
    return table.shows(numbers)


def _is_shown_index(record: Record, tables: Mapping[int, ShownTable]) -> bool:
    table = tables.get(record["table_oid"])
    if table is None:
        return False
    named = [number for number in record["numbers"] if number]
    if not record["has_expression"]:
        return table.shows(named)
    return bool(record["used"]) and table.speaks_clearly_of({*named, *record["used"]})


def _is_shown_sequence(record: Record, tables: Mapping[int, ShownTable], *, whole: bool) -> bool:
    if owner_column(record, tables) is not None:
        return True
    if any(
        column.default_oid in record["default_oids"] and column.keeps_default
        for table in tables.values()
        for column in table.columns.values()
    ):
        return True
    return whole and record["table_oid"] is None and record["readable"]


def owner_column(record: Record, tables: Mapping[int, ShownTable]) -> tuple[ShownTable, ShownColumn] | None:
    """The shown column that owns a sequence."""
    table = tables.get(record["table_oid"])
    column = table.columns.get(record["number"]) if table else None
    return (table, column) if table and column else None


def _by_table(records: Iterable[Record]) -> Mapping[int, list[Record]]:
    tables: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        tables[record["table_oid"]].append(record)
    return tables
