"""What stands around the rows while they are loaded into PostgreSQL, all of it inside the one transaction.

1. Foreign keys of the loaded tables are taken off and put back afterwards, which checks every row at once and in any
   shape of references; never left off. What was NOT VALID is put back as that, without a check.
2. With ``replace`` also those of other tables that point here, so that no ON DELETE action touches other tables; a
   row there that would then refer to nothing refuses the load.
3. Triggers are switched off and put back in their state.
4. What the role does not own is left alone: its keys are deferred if they can be, else rows come parents first.
5. Counters move beyond what was loaded, last of all, for no rollback moves them back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from asyncpg.exceptions import ForeignKeyViolationError

from hfit.errors import HfitClientError, LoadFailed, TargetRefused
from hfit.load.postgres_catalog import Record, read_constraints, read_counters, read_family, read_triggers
from hfit.load.statements import quote

_STATED = re.compile(r"setval\s*\(\s*'((?:[^']|'')*)'", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Around:
    """What was taken off and is to be put back."""

    oids: tuple[int, ...]
    constraints: tuple[Record, ...]
    triggers: tuple[Record, ...]


async def take_off(connection: Any, oids: Sequence[int], *, replacing: bool) -> Around:
    """Steps 1 to 4. TargetRefused when a delete would act on tables that are not the role's."""
    family = await read_family(connection, oids)
    constraints = await read_constraints(connection, family, pointing_here=replacing)
    for record in constraints:
        if not record["inside"] and not record["owned"] and record["acts_on_delete"]:
            raise TargetRefused(
                f"Deleting rows would also change {record['place']}, by its foreign key {record['name']}.",
                suggestions=["Load as the owner of that table, or into a fresh database."],
            )
    triggers = await read_triggers(connection, family)
    for record in triggers:
        await connection.execute(f"ALTER TABLE ONLY {record['place']} DISABLE TRIGGER {quote(record['name'])}")  # 3
    owned = [record for record in constraints if record["owned"]]
    for record in owned:
        await connection.execute(f"ALTER TABLE {record['place']} DROP CONSTRAINT {quote(record['name'])}")  # 1, 2
    await connection.execute("SET CONSTRAINTS ALL DEFERRED")  # 4
    return Around(tuple(family), tuple(owned), tuple(triggers))


async def put_back(connection: Any, around: Around, *, allow_dangling: bool) -> list[str]:
    """Check everything and put it back (steps 1 to 4). Gives notes on keys that are NOT VALID from now on."""
    notes = []
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for record in around.constraints:
        add = f"ALTER TABLE {record['place']} ADD CONSTRAINT {quote(record['name'])} {record['definition']}"
        try:
            async with connection.transaction():
                await connection.execute(add)
        except ForeignKeyViolationError as error:
            if not allow_dangling:
                raise _dangling(record, error) from error
            await connection.execute(f"{add} NOT VALID")
            notes.append(f"{record['place']}: rows refer to nothing by {record['name']}, which is NOT VALID now.")
        if record["remark"] is not None:
            on = f"{quote(record['name'])} ON {record['place']}"
            await connection.execute(f"COMMENT ON CONSTRAINT {on} IS {record['remark']}")
    for record in around.triggers:
        state = f"{record['state']} TRIGGER {quote(record['name'])}"
        await connection.execute(f"ALTER TABLE ONLY {record['place']} {state}")
    return notes


def _dangling(record: Record, error: ForeignKeyViolationError) -> HfitClientError:
    key, detail = f"{record['place']} by {record['name']}", error.detail or ""
    if record["inside"]:
        return LoadFailed(
            f"Rows of the package refer to nothing: {key}.",
            reason=detail,
            suggestions=["Export a subset, which follows its keys, or load with --allow-dangling."],
        )
    return TargetRefused(
        f"Rows outside of the package would refer to nothing: {key}.",
        reason=detail,
        suggestions=["Load into a fresh database, or allow it with --allow-dangling."],
    )


async def state_counters(connection: Any, statements: Sequence[str]) -> frozenset[int]:
    """Run the package's own ``setval`` statements; the sequences that they are about."""
    names = []
    for statement in statements:
        await connection.execute(statement)
        names += [found[1].replace("''", "'") for found in [_STATED.search(statement)] if found]
    query = "SELECT name::pg_catalog.regclass::pg_catalog.oid FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name"
    return frozenset(record[0] for record in await connection.fetch(query, names))


async def set_counters(
    connection: Any, around: Around, stated: Collection[int], masked: Collection[tuple[str, str, str]]
) -> list[str]:
    """Step 5. What the package states stays as it was in the source, unless a mask made other numbers. Gives notes on
    counters that the role may not set."""
    notes = []
    for record in await read_counters(connection, around.oids):
        if record["oid"] in stated and (record["schema"], record["table"], record["name"]) not in masked:
            continue
        if not record["settable"]:
            notes.append(f"The sequence {record['counter']} is left as it is: this role may not set it.")
            continue
        last, called = await connection.fetchrow(f"SELECT last_value, is_called FROM {record['counter']}")  # noqa: S608 - quoted by the server
        function = "max" if record["step"] > 0 else "min"
        top = await connection.fetchval(f"SELECT {function}({quote(record['name'])}) FROM {record['place']}")  # noqa: S608 - quoted
        if top is None or not record["lowest"] <= top <= record["highest"]:
            continue
        beyond = (top - last) * (1 if record["step"] > 0 else -1)
        if beyond > 0 or (beyond == 0 and not called):
            await connection.execute("SELECT pg_catalog.setval($1::pg_catalog.regclass, $2)", record["counter"], top)
    return notes
