"""Which columns a view reads, judged by the words of its text: rather too many than one too few.

Servers that do not say what a view depends on do show how it was written. A table whose name stands in the text
counts as read; of its columns those whose names stand there, and all of them where a ``*`` does. A text that cannot
be read, for which MySQL wants the right SHOW VIEW, may read everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfitd.model import Table, TableName


def with_reads(tables: Mapping[TableName, Table], texts: Mapping[TableName, str]) -> dict[TableName, Table]:
    """The tables, each view with what it reads; ``texts`` are the definitions of the views."""
    return {
        name: replace(table, reads=_reads(name, texts.get(name, ""), tables)) if table.kind == "view" else table
        for name, table in tables.items()
    }


def _reads(
    view: TableName, definition: str, tables: Mapping[TableName, Table]
) -> frozenset[tuple[TableName, str]]:
    text = definition.casefold()
    return frozenset(
        (name, column.name)
        for name, table in tables.items()
        if name != view and (not text or name.name.casefold() in text)
        for column in table.columns
        if not text or "*" in text or column.name.casefold() in text
    )
