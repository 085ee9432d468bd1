"""Databases of any shape from a seed, and which rows belong to which, worked out without a database.

Tables with single, composite and no keys; references to primary and unique keys, to the own table, several to one
table, in circles of any length; NULLs in some or all columns; MATCH FULL, deferrable and unchecked keys with orphans,
partitions of one and two levels, two schemas (PostgreSQL); text keys that differ in case from what they refer to where
the engine calls that equal (MariaDB, citext).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Value = int | str | None
Row = tuple["Table", int]

TYPES = {
    "postgresql": {"int": "integer", "text": "text", "date": "date", "big": "numeric(20,2)", "fold": "public.citext"},
    "mysql": {"int": "int", "text": "varchar(30) COLLATE utf8mb4_bin", "date": "date", "big": "decimal(20,2)",
              "fold": "varchar(30) COLLATE utf8mb4_general_ci"},
    "sqlite": {"int": "INTEGER", "text": "TEXT", "date": "TEXT", "big": "NUMERIC", "fold": "TEXT COLLATE NOCASE"},
}  # fmt: skip


@dataclass(eq=False)
class Table:
    """A table with its rows. ``keys`` are tuples of columns, the primary key first if there is one."""

    schema: str
    name: str
    columns: dict[str, str] = field(default_factory=dict)  # name -> sort
    nullable: set[str] = field(default_factory=set)
    primary: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    rows: list[dict[str, Value]] = field(default_factory=list)
    partitions: int = 0  # levels

    @property
    def full(self) -> str:
        """As listings print it."""
        return f"{self.schema}.{self.name}"


@dataclass
class Reference:
    """A foreign key."""

    name: str
    child: Table
    columns: tuple[str, ...]
    parent: Table
    targets: tuple[str, ...]
    full: bool = False
    valid: bool = True
    deferrable: bool = False


class RandomSchema:
    """Made from a seed for one engine; the same every time."""

    def __init__(self, seed: int, engine: str, tables: int, schemas: Sequence[str]) -> None:
        self.engine = engine
        self._chance = random.Random(seed)
        self.tables = [self._table(number, schemas) for number in range(tables)]
        self.references = [ref for table in self.tables for ref in self._references(table)]
        for table in self.tables:
            self._fill(table)
        for reference in self.references:
            self._refer(reference)
        self.tables_by_name = {table.full: table for table in self.tables}

    def _sort(self) -> str:
        return self._chance.choice(["int", "int", "int", "text", "date", "fold", "big"])

    def _table(self, number: int, schemas: Sequence[str]) -> Table:
        chance = self._chance
        table = Table(chance.choice(schemas), f"T{number}" if chance.random() < 0.2 else f"t{number}")
        shape = chance.random()
        width = 0 if shape < 0.12 else 1 if shape < 0.6 else chance.randint(2, 4)
        table.primary = tuple(f"k{n}" for n in range(width))
        for name in table.primary:
            table.columns[name] = self._sort()
        if chance.random() < 0.35:
            table.unique = tuple(f"u{n}" for n in range(chance.randint(1, 2)))
            table.columns |= {name: self._sort() for name in table.unique}
            if chance.random() < 0.3:
                table.nullable |= set(table.unique)
        table.columns["v"] = "text"
        table.nullable.add("v")
        if self.engine == "postgresql" and width and not table.unique and chance.random() < 0.2:
            table.partitions = chance.randint(1, 2)
            table.columns[table.primary[0]] = "int"
        return table

    def _references(self, table: Table) -> Iterator[Reference]:
        chance = self._chance
        for number in range(chance.choice([0, 1, 1, 2, 3])):
            parent = table if chance.random() < 0.15 else chance.choice(self.tables)
            keys = [key for key in (parent.primary, parent.unique) if key]
            if not keys:
                continue
            targets = list(chance.choice(keys))
            if self.engine == "postgresql":
                targets = chance.sample(targets, len(targets))
            columns = tuple(f"f{number}_{place}" for place in range(len(targets)))
            for name, target in zip(columns, targets, strict=True):
                table.columns[name] = parent.columns[target]
                table.nullable.add(name)
            postgres = self.engine == "postgresql"
            yield Reference(
                f"{table.name}_f{number}", table, columns, parent, tuple(targets),
                full=postgres and len(columns) > 1 and chance.random() < 0.3,
                valid=not (postgres and not table.partitions and chance.random() < 0.15),
                deferrable=postgres and chance.random() < 0.2,
            )  # fmt: skip

    def _fill(self, table: Table) -> None:
        seen: dict[tuple[str, ...], set[tuple[Value, ...]]] = defaultdict(set)
        for _ in range(self._chance.randint(0, 7)):
            row = {name: self._value(sort) for name, sort in table.columns.items()}
            for name in table.columns:
                if name.startswith("f") or (name in table.nullable and self._chance.random() < 0.3):
                    row[name] = None
            keys = [(key, self._canon(table, key, row)) for key in (table.primary, table.unique) if key]
            if any(None not in values and values in seen[key] for key, values in keys):
                continue
            for key, values in keys:
                seen[key].add(values)
            table.rows.append(row)
            if not table.primary and not table.unique and self._chance.random() < 0.3:
                table.rows.append(dict(row))

    def _value(self, sort: str) -> Value:
        number = self._chance.randint(1, 40)
        if sort == "int":
            return number - 5
        if sort == "date":
            return f"20{number % 30 + 10}-0{number % 9 + 1}-1{number % 9}"
        if sort == "big":
            return f"{number * 977}.{number % 10}0" if self.engine != "sqlite" else number * 977
        return self._chance.choice(["Käse {}", "a'b\\{}", "x, {}", '"q{}"', "Z\tt {}", "{{{}}}"]).format(number)

    def _refer(self, reference: Reference) -> None:
        chance, rows = self._chance, reference.parent.rows
        whole = [row for row in rows if all(row[name] is not None for name in reference.targets)]
        for row in reference.child.rows:
            if not reference.valid and chance.random() < 0.4:
                for name, target in zip(reference.columns, reference.targets, strict=True):
                    row[name] = self._value(reference.parent.columns[target])
                continue
            if not whole or chance.random() < 0.25:
                continue
            chosen = chance.choice(whole)
            for name, target in zip(reference.columns, reference.targets, strict=True):
                value = chosen[target]
                if reference.parent.columns[target] == "fold" and isinstance(value, str) and chance.random() < 0.5:
                    value = value.swapcase() if self.engine != "sqlite" else value.replace("a", "A")
                row[name] = value
            if len(reference.columns) > 1 and not reference.full and chance.random() < 0.2:
                row[chance.choice(reference.columns)] = None

    def _canon(self, table: Table, names: Sequence[str], row: dict[str, Value]) -> tuple[Value, ...]:
        """The values as the engine compares them."""
        return tuple(
            value.lower() if table.columns[name] == "fold" and isinstance(value := row[name], str) else row[name]
            for name in names
        )

    def root(self, seed: int) -> tuple[Table, str, list[int]]:
        """Some rows to start from: the table, the condition, and which they are."""
        chance = random.Random(seed)
        filled = [table for table in self.tables if table.rows]
        table = chance.choice(filled)
        value = chance.choice(table.rows)["v"]
        numbers = [number for number, row in enumerate(table.rows) if row["v"] == value]
        return table, "v IS NULL" if value is None else f"v = {text_literal(str(value), '')}", numbers

    def closure(self, root: Table, numbers: Sequence[int], *, children: bool) -> set[Row]:
        """Which rows belong to the root's."""
        index: dict[int, dict[tuple[Value, ...], list[int]]] = {}
        for place, ref in enumerate(self.references):
            index[place] = defaultdict(list)
            for number, row in enumerate(ref.parent.rows):
                index[place][self._canon(ref.parent, ref.targets, row)].append(number)
        links = []
        for place, ref in enumerate(self.references):
            for number, row in enumerate(ref.child.rows):
                values = self._canon(ref.child, ref.columns, row)
                if None not in values:
                    links += [((ref.child, number), (ref.parent, there)) for there in index[place][values]]
        found: set[Row] = {(root, number) for number in numbers}
        if children:
            _spread(found, [(parent, child) for child, parent in links])
        _spread(found, links)
        return found

    def expected(self, rows: set[Row]) -> tuple[dict[str, int], dict[str, list[tuple[str, ...]]]]:
        """Rows by table, and keys by table where there is a primary key."""
        counts = Counter(table.full for table, _ in rows)
        keys: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for table, number in rows:
            if table.primary:
                keys[table.full].append(tuple(str(table.rows[number][name]) for name in table.primary))
        return dict(counts), {name: sorted(listed) for name, listed in keys.items()}

    def script(self) -> str:
        """The statements that make the database."""
        quote = "`{}`" if self.engine == "mysql" else '"{}"'

        def named(*names: str) -> str:
            return ", ".join(quote.format(name) for name in names)

        def full(table: Table) -> str:
            return named(table.name) if self.engine == "sqlite" else f"{named(table.schema)}.{named(table.name)}"

        keys = {id(ref): self._key(ref, named, full) for ref in self.references}
        lines = []
        for table in self.tables:
            parts = [
                f"{named(name)} {TYPES[self.engine][sort]}{'' if name in table.nullable else ' NOT NULL'}"
                for name, sort in table.columns.items()
            ]
            parts += [f"PRIMARY KEY ({named(*table.primary)})"] if table.primary else []
            parts += [f"UNIQUE ({named(*table.unique)})"] if table.unique else []
            if self.engine == "sqlite":
                parts += [keys[id(ref)] for ref in self.references if ref.child is table]
            by = f" PARTITION BY LIST ({named(table.primary[0])})" if table.partitions else ""
            lines.append(f"CREATE TABLE {full(table)} ({', '.join(parts)}){by};")
            lines += self._partitions(table, full(table), named)
        for table in self.tables:
            for row in table.rows:
                cells = ", ".join(self._literal(value) for value in row.values())
                lines.append(f"INSERT INTO {full(table)} ({named(*row)}) VALUES ({cells});")
        if self.engine != "sqlite":
            lines += [f"ALTER TABLE {full(ref.child)} ADD {keys[id(ref)]};" for ref in self.references]
        return "\n".join(lines)

    def _key(self, ref: Reference, named: object, full: object) -> str:
        assert callable(named) and callable(full)
        key = f"CONSTRAINT {named(ref.name)} FOREIGN KEY ({named(*ref.columns)}) REFERENCES {full(ref.parent)}"
        key += f" ({named(*ref.targets)})" + (" MATCH FULL" if ref.full else "")
        return key + (" DEFERRABLE" if ref.deferrable else "") + ("" if ref.valid else " NOT VALID")

    def _partitions(self, table: Table, name: str, named: object) -> list[str]:
        assert callable(named)
        if not table.partitions:
            return []
        place = named(table.schema)
        odd = ", ".join(str(n) for n in range(-5, 40) if n % 2)
        lines = [f"CREATE TABLE {place}.{named(table.name + '_odd')} PARTITION OF {name} FOR VALUES IN ({odd});"]
        rest = f"CREATE TABLE {place}.{named(table.name + '_rest')} PARTITION OF {name} DEFAULT"
        if table.partitions == 1:
            return [*lines, f"{rest};"]
        lines.append(f"{rest} PARTITION BY HASH ({named(table.primary[0])});")
        return lines + [
            f"CREATE TABLE {place}.{named(f'{table.name}_h{n}')} PARTITION OF {place}.{named(table.name + '_rest')}"
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {n});"
            for n in range(2)
        ]

    def _literal(self, value: Value) -> str:
        return "NULL" if value is None else str(value) if isinstance(value, int) else text_literal(value, self.engine)


def text_literal(value: str, engine: str) -> str:
    """A literal as the engine's own client reads it."""
    return "'" + (value.replace("\\", "\\\\") if engine == "mysql" else value).replace("'", "''") + "'"


def _spread(found: set[Row], links: Sequence[tuple[Row, Row]]) -> None:
    onward: dict[Row, list[Row]] = defaultdict(list)
    for here, there in links:
        onward[here].append(there)
    waiting = list(found)
    while waiting:
        for there in onward[waiting.pop()]:
            if there not in found:
                found.add(there)
                waiting.append(there)
