"""Scripts of databases that break tools, from the files of ``odd/``: every type with its extremes, every structure."""

from __future__ import annotations

import json
from pathlib import Path

ODD = Path(__file__).resolve().parent / "odd"


def postgres_structures() -> str:
    """Each feature of CREATE TABLE and its neighbours at least once."""
    return (ODD / "postgres.sql").read_text(encoding="utf-8")


def postgres_types() -> str:
    """A table for each type: its extremes, NULL, and a default."""
    script = [(ODD / "postgres_types.sql").read_text(encoding="utf-8")]
    for number, (kind, values) in enumerate(_types("postgres_types.jsonl")):
        table = f'"T {number:03}"'
        default = _quoted(values[-1])
        script.append(f"CREATE TABLE {table} (id integer PRIMARY KEY, v {kind}, d {kind} DEFAULT {default});")
        rows = ", ".join(f"({place}, {_quoted(value)})" for place, value in enumerate(values, start=1))
        script.append(f"INSERT INTO {table} (id, v) VALUES {rows};")
        if kind != "code":  # a domain that takes no NULL
            script.append(f"INSERT INTO {table} VALUES (0, NULL, NULL);")
    return "\n".join(script)


def _types(name: str) -> list[tuple[str, list[str]]]:
    lines = (ODD / name).read_text(encoding="utf-8").splitlines()
    return [(kind, values) for kind, *values in map(json.loads, lines)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def mysql_structures(*, mariadb: bool) -> str:
    """The same for MySQL; MariaDB has more."""
    names = ["mysql.sql", "mariadb.sql"] if mariadb else ["mysql.sql"]
    return "\n".join((ODD / name).read_text(encoding="utf-8") for name in names)


def mysql_types(*, mariadb: bool) -> str:
    """A table for each type: its extremes and NULL; values are SQL."""
    script = ["SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00';"]
    types = _types("mysql_types.jsonl") + (_types("mariadb_types.jsonl") if mariadb else [])
    for number, (kind, values) in enumerate(types):
        script.append(f"CREATE TABLE `t {number:03}` (id integer PRIMARY KEY, v {kind});")
        rows = ", ".join(f"({place}, {value})" for place, value in enumerate(values, start=1))
        script.append(f"INSERT INTO `t {number:03}` VALUES {rows}, (0, NULL);")
    return "\n".join(script)
