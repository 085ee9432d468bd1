"""Random schemas of PostgreSQL with rows, by seed: any types, composite keys everywhere, references, partitions.

The same seed gives the same script. Rows that break a key are left out by ``ON CONFLICT DO NOTHING``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.support.odd_databases import ODD, quoted, read_types

KEY_TYPES = frozenset((
    "smallint", "integer", "bigint", "numeric(30,10)", "numeric", "text", "varchar(20)", "char(5)", "date", "time",
    "timestamp", "timestamptz", "timetz", "uuid", "bytea", "inet", "macaddr", "boolean", "interval", "citext", "mood",
    "positive", "oid", "name", "bit(70)", "ltree", "int4range", '"char"', "jsonb", "integer[]", "pair", "money",
    "double precision", "span", "text[]",
))  # fmt: skip
HASHED_TYPES = frozenset(("integer", "bigint", "text", "uuid", "date", "bytea", "numeric"))
SCHEMAS = ("public", "s1", '"S 2"')
DEFERRALS = ("", "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED", " MATCH FULL", " ON DELETE CASCADE")


@dataclass
class _Table:
    place: str
    key: list[tuple[str, str, list[str]]]
    columns: list[tuple[str, str, list[str]]]
    definitions: list[str] = field(default_factory=list)
    references: list[tuple[_Table, list[str]]] = field(default_factory=list)


class _Schema:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._types = [(kind, values) for kind, values in read_types("postgres_types.jsonl") if kind != "code"]
        self._keys = [item for item in self._types if item[0] in KEY_TYPES]
        self._tables: list[_Table] = []
        self.script = [(ODD / "postgres_types.sql").read_text(encoding="utf-8")]
        self.script.append('CREATE SCHEMA s1; CREATE SCHEMA "S 2";')
        self.late: list[str] = []

    def add_table(self, number: int) -> None:
        choose = self._random
        name = choose.choice((f"t{number}", f'"T {number}"', f'"Таб""{number}"'))
        key = [(f"k{place}", *choose.choice(self._keys)) for place in range(choose.randint(1, 4))]
        columns = [(f'"c {place}"', *choose.choice(self._types)) for place in range(choose.randint(0, 9))]
        table = _Table(f"{choose.choice(SCHEMAS)}.{name}", key, columns)
        self._define(table)
        self._refer(table)
        choose.shuffle(table.definitions)
        division, partitions = self._divide(table, number)
        self.script.append(f"CREATE TABLE {table.place} ({', '.join(table.definitions)}){division};")
        self.script += partitions
        for _ in range(choose.randint(1, 8)):
            self._insert(table)
        if columns and choose.random() < 0.15:
            self.script.append(f"ALTER TABLE {table.place} DROP COLUMN {columns[0][0]};")
        self._tables.append(table)

    def _define(self, table: _Table) -> None:
        choose, found = self._random, table.definitions
        found += [f"{name} {kind} NOT NULL" for name, kind, _ in table.key]
        for name, kind, values in table.columns:
            default = f" DEFAULT {quoted(choose.choice(values))}" if choose.random() < 0.3 else ""
            found.append(f"{name} {kind}{default}")
        if choose.random() < 0.3:
            found += ["n int", "g text GENERATED ALWAYS AS ((n * 2)::text || 'x') STORED"]
        if choose.random() < 0.3:
            found.append(f"i int GENERATED {choose.choice(('ALWAYS', 'BY DEFAULT'))} AS IDENTITY (INCREMENT 3)")
        elif choose.random() < 0.3:
            found.append("i serial")
        order = [name for name, _, _ in table.key]
        choose.shuffle(order)
        found.append(f"PRIMARY KEY ({', '.join(order)})")

    def _refer(self, table: _Table) -> None:
        for number in range(self._random.randint(0, 2) if self._tables else 0):
            parent = self._random.choice(self._tables)
            names = [f"r{number}_{place}" for place in range(len(parent.key))]
            table.definitions += [f"{name} {kind}" for name, (_, kind, _) in zip(names, parent.key, strict=True)]
            table.references.append((parent, names))
            target = ", ".join(name for name, _, _ in parent.key)
            self.late.append(
                f"ALTER TABLE {table.place} ADD FOREIGN KEY ({', '.join(names)}) REFERENCES {parent.place} ({target})"
                f"{self._random.choice(DEFERRALS)};"
            )

    def _divide(self, table: _Table, number: int) -> tuple[str, list[str]]:
        name, kind, values = table.key[0]
        sort = self._random.random()
        head = f"CREATE TABLE s1.p{number}"
        if sort < 0.15 and kind in HASHED_TYPES:
            parts = [f"FOR VALUES WITH (MODULUS 2, REMAINDER {rest})" for rest in (0, 1)]
        elif sort < 0.3:
            parts = [f"FOR VALUES IN ({quoted(self._random.choice(values))})", "DEFAULT"]
        else:
            return "", []
        division = f" PARTITION BY {'HASH' if 'MODULUS' in parts[0] else 'LIST'} ({name})"
        return division, [f"{head}_{place} PARTITION OF {table.place} {part};" for place, part in enumerate(parts)]

    def _insert(self, table: _Table) -> None:
        choose = self._random
        names = [name for name, _, _ in (*table.key, *table.columns)]
        cells = [quoted(choose.choice(values)) for _, _, values in table.key]
        cells += [quoted(choose.choice(values)) if choose.random() < 0.8 else "NULL" for _, _, values in table.columns]
        sources = []
        for place, (parent, columns) in enumerate(table.references):
            names += columns
            cells += [f"p{place}.{name}" for name, _, _ in parent.key]
            sources.append(f"(SELECT * FROM {parent.place} LIMIT 1) p{place}")
        origin = f" FROM {', '.join(sources)}" if sources else ""
        self.script.append(
            f"INSERT INTO {table.place} ({', '.join(names)}) SELECT {', '.join(cells)}{origin} ON CONFLICT DO NOTHING;"
        )


def postgres_schema(seed: int, tables: int) -> str:
    """A script that makes so many tables in three schemas, and fills them."""
    schema = _Schema(seed)
    for number in range(tables):
        schema.add_table(number)
    return "\n".join([*schema.script, *schema.late])
