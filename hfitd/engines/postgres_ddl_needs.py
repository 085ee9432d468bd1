"""What the shown parts of tables need besides tables, in the order in which it has to be created.

Types, collations, functions and extensions are found by following ``pg_depend`` from columns, defaults, checks and
indexes. Bodies of functions are text to the server, so functions that a body names are found by their words.

Carried are enums, domains, composite and range types, collations, functions in SQL and PL/pgSQL, and extensions by
name. An ordinary role can create no more than that: operators and their classes, types and functions in C, aggregates
and text search objects are not carried, nor is what needs them. And:

1. A function that names a table which is not part of the export is not carried: its text would tell of that table.
2. A type that is a table's row is carried with that table, if all of its columns are there and clear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hfitd.engines.postgres_ddl_facts import Record
from hfitd.engines.postgres_ddl_objects import ObjectReader
from hfitd.engines.postgres_ddl_plan import Shown, ShownColumn, ShownTable

Node = tuple[str, int]
"""A catalogue (``pg_type``, ``pg_proc`` ...) and an OID in it."""
Seed = tuple[str, int, int]
"""The same with a column's number; -1 is any."""

_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d]\w*)')
_TABLE_CLASS = "pg_class"


@dataclass(frozen=True, slots=True)
class Objects:
    """What can be created, by node, and what each node and seed refers to."""

    links: Mapping[Node, frozenset[Node]]
    seeds: Mapping[Seed, frozenset[Node]]
    types: Mapping[int, Record]
    functions: Mapping[int, Record]
    collations: Mapping[int, Record]
    extensions: Mapping[Node, Record]
    passed: frozenset[Node]  # nodes that come with another: arrays, multiranges, rows of composite types

    @property
    def made(self) -> Mapping[str, Mapping[int, Record]]:
        """What a statement creates, by catalogue."""
        return {"pg_type": self.types, "pg_proc": self.functions, "pg_collation": self.collations}

    def of_seeds(self, seeds: Iterable[Seed]) -> frozenset[Node]:
        """What these seeds refer to."""
        return frozenset(node for seed in seeds for node in self.seeds.get(seed, ()))


class Needs:
    """Answers, for one set of shown tables, what is carried and in which order."""

    def __init__(self, objects: Objects, tables: Mapping[int, ShownTable]) -> None:
        self.objects = objects
        self._tables = tables
        self._carried: dict[Node, bool] = {}

    def are_carried(self, seeds: Iterable[Seed]) -> bool:
        """Whether everything that these refer to will be there."""
        return all(self._is_carried(node) for node in self.objects.of_seeds(seeds))

    def reaches(self, seeds: Iterable[Seed], table: int) -> bool:
        """Whether something that these refer to needs the table to be there first."""
        waiting, seen = list(self.objects.of_seeds(seeds) - {(_TABLE_CLASS, table)}), set[Node]()
        while waiting:
            node = waiting.pop()
            if node == (_TABLE_CLASS, table):
                return True
            if node not in seen:
                seen.add(node)
                waiting += self.objects.links.get(node, ())
        return False

    def ordered(self, wanted: Iterable[tuple[int, Sequence[Seed]]], rest: Sequence[Seed]) -> Iterator[Node]:
        """Every carried node before what needs it; ``wanted`` are tables with what their creation refers to, ``rest``
        is needed after them."""
        seen: set[Node] = set()
        by_table = dict(wanted)
        for table in by_table:
            yield from self._before((_TABLE_CLASS, table), by_table, seen)
        for node in sorted(self.objects.of_seeds(rest)):
            yield from self._before(node, by_table, seen)

    def _before(self, node: Node, by_table: Mapping[int, Sequence[Seed]], seen: set[Node]) -> Iterator[Node]:
        if node in seen:
            return
        seen.add(node)
        is_wanted = node[0] == _TABLE_CLASS and node[1] in by_table
        if is_wanted:
            table = self._tables[node[1]]
            above = {(_TABLE_CLASS, oid) for oid in table.inherits}
            needed = (self.objects.of_seeds(by_table[node[1]]) | above) - {node}
        else:
            needed = self.objects.links.get(node, frozenset())
        for below in sorted(needed):
            yield from self._before(below, by_table, seen)
        if is_wanted or self._is_carried(node):
            yield node

    def _is_carried(self, node: Node) -> bool:
        if node not in self._carried:
            self._carried[node] = True  # in a circle, as far as it is known
            own = self._can_be_made(node)
            self._carried[node] = own and all(map(self._is_carried, self.objects.links.get(node, ())))
        return self._carried[node]

    def _can_be_made(self, node: Node) -> bool:
        kind, oid = node
        if node in self.objects.extensions or node in self.objects.passed:
            return True
        if kind == _TABLE_CLASS:  # 2
            table = self._tables.get(oid)
            return table is not None and table.is_whole and not any(item.masked for item in table.columns.values())
        return oid in self.objects.made.get(kind, {})


def type_seed(table: ShownTable, number: int) -> Seed:
    """What the type and collation of a column refer to."""
    return (_TABLE_CLASS, table.oid, number)


def default_seeds(table: ShownTable, number: int, column: ShownColumn) -> list[Seed]:
    """What a default or generation expression refers to."""
    return [("pg_attrdef", column.default_oid, -1), *([type_seed(table, number)] if column.column.generated else ())]


def constraint_seed(record: Record) -> Seed:
    """What a constraint refers to."""
    return ("pg_constraint", record["oid"], -1)


def index_seed(record: Record) -> Seed:
    """What an index refers to; the one of a constraint has the constraint's operator classes."""
    return (_TABLE_CLASS, record["oid"], -1)


def key_seed(table: ShownTable) -> Seed:
    """What a partition key refers to."""
    return (_TABLE_CLASS, table.oid, 0)


async def read_needs(reader: ObjectReader, shown: Shown) -> Needs:
    """Follow everything that the shown parts refer to."""
    seeds: set[Seed] = set()
    for table in shown.tables.values():
        seeds |= {type_seed(table, number) for number in table.columns}
        for number, column in table.columns.items():
            if column.keeps_default:
                seeds |= set(default_seeds(table, number, column))
        if table.partition_key:
            seeds.add(key_seed(table))
    seeds |= {constraint_seed(record) for record in shown.constraints}
    seeds |= {(_TABLE_CLASS, record["index_oid"], -1) for record in shown.constraints if record["index_oid"]}
    seeds |= {index_seed(record) for record in shown.indexes}
    seeds |= {("pg_statistic_ext", record["oid"], -1) for record in shown.statistics}
    hidden = frozenset(await reader.relation_names()) - {table.name.name for table in shown.tables.values()}
    functions = await reader.function_names()
    links = await reader.links(sorted(seeds))
    while True:
        objects = await _objects(reader, links, hidden)
        called = _called(objects.functions.values(), functions) - set(objects.functions)
        new = {("pg_proc", oid, -1) for oid in called} - {(link["kind"], link["oid"], -1) for link in links}
        links = [*links, *_body_links(objects.functions.values(), functions)]
        if not new:
            return Needs(await _objects(reader, links, hidden), shown.tables)
        links += await reader.links(sorted(new))


async def _objects(reader: ObjectReader, links: Sequence[Record], hidden: frozenset[str]) -> Objects:
    nodes = {(link["target_kind"], link["target_oid"]) for link in links}
    extensions = {(link["target_kind"], link["target_oid"]): link for link in links if link["extension"] is not None}

    def oids(kind: str) -> list[int]:
        return sorted(oid for found, oid in nodes - extensions.keys() if found == kind)

    types = await reader.types(oids("pg_type"))
    functions = await reader.functions(oids("pg_proc"))
    collations = await reader.collations(oids("pg_collation"))
    grouped: dict[Node, set[Node]] = {}
    seeds: dict[Seed, set[Node]] = {}
    for link in links:
        target = (link["target_kind"], link["target_oid"])
        seeds.setdefault((link["kind"], link["oid"], link["number"]), set()).add(target)
        source = ("pg_type", link["type_oid"]) if link["type_oid"] else (link["kind"], link["oid"])
        if source != target and source not in extensions and link["number"] < 0:
            grouped.setdefault(source, set()).add(target)
    passed = {("pg_type", record["oid"]) for record in types if record["comes_along"]}
    passed |= {(link["target_kind"], link["target_oid"]) for link in links if link["comes_along"]}
    return Objects(
        links={node: frozenset(targets) for node, targets in grouped.items()},
        seeds={seed: frozenset(targets) for seed, targets in seeds.items()},
        types={record["oid"]: record for record in types if record["is_creatable"]},
        functions={record["oid"]: record for record in functions if not _words(record) & hidden},  # 1
        collations={record["oid"]: record for record in collations},
        extensions=extensions,
        passed=frozenset(passed),
    )


def _words(record: Record) -> frozenset[str]:
    """The names that a body may mean; unquoted ones are folded."""
    found = _WORD.findall(record["definition"])
    return frozenset(quoted.replace('""', '"') or plain.lower() for quoted, plain in found)


def _called(functions: Iterable[Record], names: Mapping[str, Sequence[int]]) -> set[int]:
    return {oid for record in functions for word in _words(record) for oid in names.get(word, ())}


def _body_links(functions: Iterable[Record], names: Mapping[str, Sequence[int]]) -> list[Record]:
    return [
        {
            "kind": "pg_proc", "oid": record["oid"], "number": -1, "target_kind": "pg_proc", "target_oid": oid,
            "extension": None, "type_oid": 0, "comes_along": False,
        }
        for record in functions
        for word in _words(record)
        for oid in names.get(word, ())
        if oid != record["oid"]
    ]  # fmt: skip
