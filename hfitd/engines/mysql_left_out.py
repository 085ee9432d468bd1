"""What a package of MySQL tables leaves out on purpose, named so that nothing is lost in silence.

Triggers would fire on loaded rows; views are queries that may name what is not granted; events, routines and table
options that name paths or logins are the server's. Named is only what belongs to tables that the actor may see, and of
definitions about masked columns the name, never the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hfitd.engines.interface import LeftOut
from hfitd.engines.mysql_binds import text_literal
from hfitd.engines.mysql_connection import Opened
from hfitd.engines.mysql_errors import translated
from hfitd.model import Relation, TableName

_TRIGGERS = """SELECT event_object_schema, event_object_table, trigger_name FROM information_schema.triggers
WHERE event_object_schema IN ({}) ORDER BY trigger_name"""

_VERSIONED = """SELECT table_schema, table_name FROM information_schema.tables
WHERE table_schema IN ({}) AND table_type = 'SYSTEM VERSIONED' ORDER BY table_name"""


async def find_left_out(
    opened: Opened, relations: Sequence[Relation], masked: Sequence[LeftOut], *, whole: bool
) -> tuple[LeftOut, ...]:
    """What no statement makes; ``masked`` is what definitions lost for their masks."""
    names = {relation.table.name for relation in relations}
    listed = ", ".join(sorted({text_literal(name.schema) for name in names})) or "''"
    with translated():
        triggers = await opened.connection.command(_TRIGGERS.format(listed))
    found = [
        LeftOut("trigger", name or "", str(table), "It would fire on loaded rows; what it did is in the data.")
        for schema, table_name, name in triggers
        if (table := TableName(schema or "", table_name or "")) in names
    ]
    with translated():
        versioned = await opened.connection.command(_VERSIONED.format(listed))
    found += [
        LeftOut("history", table.name, str(table), "Rows as they are now are carried, not those of the past.")
        for schema, table_name in versioned
        if (table := TableName(schema or "", table_name or "")) in names
    ]
    return (*found, *masked, *_views(relations, whole=whole))


def _views(relations: Sequence[Relation], *, whole: bool) -> Iterable[LeftOut]:
    what = "It is left out of a whole database." if whole else "Its query is not shown; export its rows, or its tables."
    for relation in relations:
        if relation.table.kind == "view":
            yield LeftOut("view", relation.table.name.name, str(relation.table.name), what)
