"""What a PostgreSQL plan reads, from EXPLAIN (VERBOSE, FORMAT JSON). Pure.

A node names a relation, or a function it scans, with its schema; sub-plans are nested. A foreign scan without a
relation is a join that was pushed to another server: what it reads cannot be told, so it is an entry of its own, which
nothing expects. Source: PostgreSQL manual, "Using EXPLAIN".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfitd.model import TableName

Plan = Mapping[str, Any]
Entry = tuple[str, str, str]  # what it is, schema, name

_NAMED = ("Relation Name", "Function Name", "Table Function Name")
_PUSHED = "Relations"


def relation_entry(table: TableName) -> Entry:
    """How a table stands among the entries."""
    return "Relation Name", table.schema, table.name


def plan_entries(plan: Plan) -> frozenset[Entry]:
    """Every relation and function that the plan scans."""
    found: set[Entry] = set()
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        found.update((key, node.get("Schema", ""), node[key]) for key in _NAMED if key in node)
        if _PUSHED in node and "Relation Name" not in node:
            found.add((_PUSHED, "", node[_PUSHED]))
        waiting.extend(node.get("Plans", ()))
    return frozenset(found)
