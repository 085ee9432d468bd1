"""In which order tables are loaded: parents first; tables that refer to each other in a circle side by side.

Strongly connected components by Tarjan's algorithm (R. Tarjan, "Depth-first search and linear graph algorithms",
1972), without recursion, for a schema may be a long chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hfitd.model import TableName

Parents = Mapping[TableName, Iterable[TableName]]


@dataclass(slots=True)
class _Search:
    index: dict[TableName, int] = field(default_factory=dict)
    low: dict[TableName, int] = field(default_factory=dict)
    stack: list[TableName] = field(default_factory=list)
    open: set[TableName] = field(default_factory=set)
    groups: list[list[TableName]] = field(default_factory=list)

    def enter(self, table: TableName) -> None:
        self.index[table] = self.low[table] = len(self.index)
        self.stack.append(table)
        self.open.add(table)

    def leave(self, table: TableName) -> None:
        """Everything below the table has been seen; if it is the first of its circle, the circle is complete."""
        if self.low[table] != self.index[table]:
            return
        group: list[TableName] = []
        while not group or group[-1] != table:
            group.append(self.stack.pop())
            self.open.discard(group[-1])
        self.groups.append(sorted(group))


def load_groups(tables: Iterable[TableName], parents: Parents) -> list[list[TableName]]:
    """The tables in load order, each group a circle of references or a single table. The same input, the same order."""
    known = sorted(tables)
    among = set(known)
    search = _Search()
    for start in known:
        if start in search.index:
            continue
        search.enter(start)
        work: list[tuple[TableName, Iterator[TableName]]] = [(start, iter(sorted(parents.get(start, ()))))]
        while work:
            table, following = work[-1]
            parent = next((item for item in following if item in among), None)
            if parent is None:
                work.pop()
                search.leave(table)
                if work:
                    child = work[-1][0]
                    search.low[child] = min(search.low[child], search.low[table])
            elif parent not in search.index:
                search.enter(parent)
                work.append((parent, iter(sorted(parents.get(parent, ())))))
            elif parent in search.open:
                search.low[table] = min(search.low[table], search.index[parent])
    return search.groups
