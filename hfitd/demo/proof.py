"""The proof at the end of the demo: the package loads, its references hold, and nothing raw is in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hfitd.errors import Unavailable

PERSONAL_COLUMNS = ("FirstName", "LastName", "Address", "Phone", "Email")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A package in a database: rows per table, and how many references lead nowhere."""

    rows: Mapping[str, int]
    dangling: int


def sql_members(package: Path) -> list[Mapping[str, object]]:
    """The loadable members of an extracted package, in load order."""
    manifest = json.loads((package / "METADATA" / "manifest.json").read_text(encoding="utf-8"))
    members = [member for member in manifest["members"] if member.get("load_order") is not None]
    return sorted(members, key=lambda member: int(member["load_order"]))


def load_package(package: Path, target: Path) -> Loaded:
    """Run the package's SQL in a fresh SQLite file and count; Unavailable when it does not hold what it says."""
    expected: dict[str, int] = {}
    with closing(sqlite3.connect(target)) as connection:
        for member in sql_members(package):
            connection.executescript((package / str(member["path"])).read_text(encoding="utf-8"))
            if isinstance(member.get("rows"), int):
                table = str(member["table"]).rpartition(".")[2]
                expected[table] = expected.get(table, 0) + int(str(member["rows"]))
        rows = {table: _count(connection, table) for table in expected}
        dangling = len(connection.execute("PRAGMA foreign_key_check").fetchall())
    if rows != expected or not rows:
        raise Unavailable("The loaded tables do not hold the rows that the manifest lists.")
    return Loaded(rows, dangling)


def _count(connection: sqlite3.Connection, table: str) -> int:
    name = table.replace('"', '""')
    return int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 - a quoted name


def read_customer(database: Path, customer: int) -> Mapping[str, str]:
    """The personal columns of one customer as text."""
    columns = ", ".join(PERSONAL_COLUMNS)
    with closing(sqlite3.connect(database)) as connection:
        query = f"SELECT {columns} FROM Customer WHERE CustomerId = ?"  # noqa: S608 - names of ours
        row = connection.execute(query, (customer,)).fetchone()
    if row is None:
        raise Unavailable(f"There is no customer {customer} in {database.name}.")
    return {column: str(value) for column, value in zip(PERSONAL_COLUMNS, row, strict=True)}


def find_raw(package: Path, values: Sequence[str]) -> list[str]:
    """Files of the package in which one of the values occurs."""
    needles = [value.encode() for value in values]
    found = []
    for path in sorted(item for item in package.rglob("*") if item.is_file()):
        content = path.read_bytes()
        if any(needle in content for needle in needles):
            found.append(path.relative_to(package).as_posix())
    return found
