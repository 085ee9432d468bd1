"""Why a row is in a subset: its chain of foreign keys from a root, out of ``METADATA/graph.json``.

The format is documented in the daemon's ``export/subset/graph``: every row has its key and its way, which is null for
a root, else the number of a step and the number of the row it was reached from, in the rows of that step's table.
Tables of other databases than the subset's own have a member and a provider; their names begin with ``provider:``.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from hfit.errors import NotFound, PackageInvalid, UsageMistake
from hfit.graph import GraphFile, GraphSubset, GraphTable
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
        with _opened(report) as file:
            graph = GraphFile(file)
            for subset in graph.subsets:
                for entry in subset.tables:
                    number = _find(graph, entry, table, key)
                    if number is not None:
                        return _chain(graph, subset, _place(entry), number)
            known = sorted({_full(entry) for subset in graph.subsets for entry in subset.tables})
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise PackageInvalid("The graph of the package is malformed.") from error
    same = [name for name in known if _is_named(name, table)]
    if same:
        raise NotFound(f"No row of {same[0]} in the package has the key {key}.")
    raise NotFound(f"No subset of the package has the table {table}.", suggestions=["It has: " + ", ".join(known[:20])])


def _find(graph: GraphFile, entry: GraphTable, table: str, key: str) -> int | None:
    if not _is_named(_full(entry), table):
        return None
    for number, (values, _) in enumerate(graph.rows(entry)):
        if ",".join(values) == key:
            return number
    return None


def _is_named(full: str, written: str) -> bool:
    """The full name as it is printed, or without its schema, or without its provider, or without either."""
    provider, colon, name = full.rpartition(":") if ":" in full.partition(".")[0] else ("", "", full)
    bare = name.partition(".")[2]
    return written in (full, name, bare, f"{provider}{colon}{bare}")


def _full(entry: GraphTable) -> str:
    """The name of a table with its provider, if that is another than the subset's."""
    facts = entry.facts
    return f"{facts['provider']}:{facts['table']}" if "provider" in facts else str(facts["table"])


def _place(entry: GraphTable) -> tuple[str, str]:
    """A table among those of all databases: its member, empty for the subset's own, and its name."""
    return str(entry.facts.get("member", "")), str(entry.facts["table"])


def _chain(graph: GraphFile, subset: GraphSubset, place: tuple[str, str], number: int) -> list[Link]:
    tables = {_place(entry): entry for entry in subset.tables}
    links: list[Link] = []
    seen: set[tuple[tuple[str, str], int]] = set()
    while True:
        if (place, number) in seen:
            raise ValueError("a way that goes in a circle")
        seen.add((place, number))
        entry = tables[place]
        values, way = graph.row(entry, number)
        key = _named(entry.facts["key"], values)
        if way is None:
            return [Link(_full(entry), key), *reversed(links)]
        step = subset.facts["steps"][way[0]]
        columns = f"{', '.join(step['from_columns'])} -> {', '.join(step['to_columns'])}"
        links.append(Link(_full(entry), key, step["foreign_key"], columns))
        place, number = (str(step.get("from_member", "")), str(step["from"])), way[1]


def _named(columns: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    return dict(zip(columns, values, strict=True)) if columns else {"": values[0]}


@contextlib.contextmanager
def _opened(report: Report) -> Iterator[BinaryIO]:
    """The graph as a file that can be sought in; that of an archive is unpacked for the while."""
    if report.kind == "directory":
        with (report.path / GRAPH).open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as spool, report.path.open("rb") as archive:
        members = read_members(
            read_container(archive), lambda path, _: _spooled(spool) if path.partition("/")[2] == GRAPH else None
        )
        for _ in members:
            continue
        yield spool


def _spooled(spool: BinaryIO) -> Callable[[bytes], None]:
    def take(piece: bytes) -> None:
        spool.write(piece)

    return take
