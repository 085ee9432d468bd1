"""Why a row is in a subset: its chain of foreign keys from a root, out of ``METADATA/graph.json``.

The format is documented in the daemon's ``export/subset/graph``: every row has its key and its way, which is null for
a root, else the number of a step and the number of the row it was reached from, in the rows of that step's table.
Tables of other databases than the subset's own have a member and a provider; their names begin with ``provider:``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from hfit.errors import NotFound, PackageInvalid, UsageMistake
from hfit.package.containers import read_container
from hfit.package.tar_reader import read_members
from hfit.package.verify import Report

GRAPH = "METADATA/graph.json"


@dataclass(frozen=True, slots=True)
class Link:
    """A row on the way. ``foreign_key`` led to it from the one before; empty for the root."""

    table: str
    key: Mapping[str, str]
    foreign_key: str = ""
    columns: str = ""

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {"table": self.table, "key": dict(self.key), "foreign_key": self.foreign_key or None}

    def words(self) -> str:
        """As a line."""
        key = ", ".join(f"{name}={value}" if name else value for name, value in self.key.items())
        return f"{self.table} ({key})" + (f"  by {self.foreign_key}: {self.columns}" if self.foreign_key else "  root")


def explain_row(report: Report, table: str, key: str) -> list[Link]:
    """The chain from the root to the row. NotFound when the package has no such table or row."""
    if GRAPH not in report.entries:
        raise UsageMistake(
            "The package has no subset, so no row has a way to explain.",
            suggestions=["Only exports of type subset follow foreign keys."],
        )
    try:
        subsets = json.loads(_read(report))["subsets"]
        for subset in subsets:
            for entry in subset["tables"]:
                number = _find(entry, table, key)
                if number is not None:
                    return _chain(subset, _place(entry), number)
        known = sorted({_full(entry) for subset in subsets for entry in subset["tables"]})
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise PackageInvalid("The graph of the package is malformed.") from error
    same = [name for name in known if _is_named(name, table)]
    if same:
        raise NotFound(f"No row of {same[0]} in the package has the key {key}.")
    raise NotFound(f"No subset of the package has the table {table}.", suggestions=["It has: " + ", ".join(known[:20])])


def _find(entry: Mapping[str, Any], table: str, key: str) -> int | None:
    if not _is_named(_full(entry), table):
        return None
    for number, (values, _) in enumerate(entry["rows"]):
        if ",".join(values) == key:
            return number
    return None


def _is_named(full: str, written: str) -> bool:
    """The full name as it is printed, or without its schema, or without its provider, or without either."""
    provider, colon, name = full.rpartition(":") if ":" in full.partition(".")[0] else ("", "", full)
    bare = name.partition(".")[2]
    return written in (full, name, bare, f"{provider}{colon}{bare}")


def _full(entry: Mapping[str, Any]) -> str:
    """The name of a table with its provider, if that is another than the subset's."""
    return f"{entry['provider']}:{entry['table']}" if "provider" in entry else str(entry["table"])


def _place(entry: Mapping[str, Any]) -> tuple[str, str]:
    """A table among those of all databases: its member, empty for the subset's own, and its name."""
    return str(entry.get("member", "")), str(entry["table"])


def _chain(subset: Mapping[str, Any], place: tuple[str, str], number: int) -> list[Link]:
    tables = {_place(entry): entry for entry in subset["tables"]}
    links: list[Link] = []
    seen: set[tuple[tuple[str, str], int]] = set()
    while True:
        if (place, number) in seen:
            raise ValueError("a way that goes in a circle")
        seen.add((place, number))
        entry = tables[place]
        values, way = entry["rows"][number]
        key = _named(entry["key"], values)
        if way is None:
            return [Link(_full(entry), key), *reversed(links)]
        step = subset["steps"][way[0]]
        columns = f"{', '.join(step['from_columns'])} -> {', '.join(step['to_columns'])}"
        links.append(Link(_full(entry), key, step["foreign_key"], columns))
        place, number = (str(step.get("from_member", "")), str(step["from"])), way[1]


def _named(columns: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    return dict(zip(columns, values, strict=True)) if columns else {"": values[0]}


def _read(report: Report) -> bytes:
    if report.kind == "directory":
        return (report.path / GRAPH).read_bytes()
    with report.path.open("rb") as file:
        return _read_archived(file)


def _read_archived(file: BinaryIO) -> bytes:
    found = bytearray()
    for _ in read_members(
        read_container(file), lambda path, _: found.extend if path.partition("/")[2] == GRAPH else None
    ):
        continue
    return bytes(found)
