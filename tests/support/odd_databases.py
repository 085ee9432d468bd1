"""Scripts of databases that break tools, from the files of ``odd/``: every type with its extremes, every structure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

COLUMNS = 16  # of a table of types
ODD = Path(__file__).resolve().parent / "odd"


def postgres_structures() -> str:
    """Each feature of CREATE TABLE and its neighbours at least once."""
    return (ODD / "postgres.sql").read_text(encoding="utf-8")


def postgres_types() -> str:
    """Tables with a column for each type: its extremes and NULL, and a default."""
    script = [(ODD / "postgres_types.sql").read_text(encoding="utf-8")]
    types = [(kind, list(map(quoted, values))) for kind, values in read_types("postgres_types.jsonl")]
    return "\n".join([*script, *_tables(types, '"T {}"', " DEFAULT {}")])


def mysql_structures(*, mariadb: bool) -> str:
    """Each feature of CREATE TABLE for MySQL; MariaDB has more."""
    names = ["mysql.sql", "mariadb.sql"] if mariadb else ["mysql.sql"]
    return "\n".join((ODD / name).read_text(encoding="utf-8") for name in names)


def mysql_types(*, mariadb: bool) -> str:
    """Tables with a column for each type: its extremes and NULL."""
    script = ["SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00';"]
    types = read_types("mysql_types.jsonl") + (read_types("mariadb_types.jsonl") if mariadb else [])
    return "\n".join([*script, *_tables(types, "`t {}`", "")])


def read_types(name: str) -> list[tuple[str, list[str]]]:
    """Types with their values, from a file of ``odd/``."""
    lines = (ODD / name).read_text(encoding="utf-8").splitlines()
    return [(kind, values) for kind, *values in map(json.loads, lines)]


def _tables(types: Sequence[tuple[str, list[str]]], name: str, default: str) -> Iterator[str]:
    for start in range(0, len(types), COLUMNS):
        group = types[start : start + COLUMNS]
        table = name.format(start)
        columns = [f"v{place} {kind}{default.format(values[-1])}" for place, (kind, values) in enumerate(group)]
        yield f"CREATE TABLE {table} (id integer PRIMARY KEY, {', '.join(columns)});"
        for number in range(max(len(values) for _, values in group) + 1):
            # A domain that takes no NULL shows its last value again.
            cells = [
                values[number] if number < len(values) else values[-1] if kind == "code" else "NULL"
                for kind, values in group
            ]
            yield f"INSERT INTO {table} VALUES ({number}, {', '.join(cells)});"


def quoted(text: str) -> str:
    """A literal."""
    return "'" + text.replace("'", "''") + "'"
