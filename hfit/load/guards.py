"""Whether a target may be loaded into, decided before its first change (contract 2 and 8.4).

1. What the DDL creates must be absent, unless it creates only what is missing; then it must be empty.
2. What else is filled must be there with every column that the package writes.
3. Modes create and data fill empty tables only. A mode that nobody asked for also wants a database without any row.
4. Modes replace and upsert touch the package's tables alone; on MySQL a database of another name than the target's has
   to be named with --map-database for them.
5. upsert needs a primary key among the columns that the package writes.
6. Triggers must not fire: PostgreSQL and SQLite switch them off, which the owner of a table may; MySQL cannot.
7. In mode create the server must know all that the DDL holds, as far as the manifest tells what it asks of a server.
"""

from __future__ import annotations

from collections.abc import Mapping

from hfit.errors import HfitClientError, TargetRefused, UsageMistake
from hfit.load.interface import Loader, Mode, Script, ServerName, TableRef, TableState, Target

States = Mapping[TableRef, TableState]


def choose_mode(wanted: str | None, script: Script) -> Mode:
    """The mode that was asked for, else create with DDL and data without. UsageMistake for create without DDL."""
    if wanted is None:
        return Mode.CREATE if script.created else Mode.DATA
    mode = Mode(wanted)
    if mode is Mode.CREATE and not script.created:
        raise UsageMistake(
            "The package has no DDL to create tables with.", suggestions=["Load it into existing tables: --mode data"]
        )
    return mode


async def check_target(loader: Loader, target: Target, script: Script, mode: Mode, *, explicit: bool) -> None:
    """Steps 1 to 7. TargetRefused says what is in the way; nothing was changed."""
    if mode is Mode.CREATE:
        _check_release(loader.server, script)
    if mode in (Mode.REPLACE, Mode.UPSERT):
        _check_databases(script, target)
    tables = list(dict.fromkeys([*script.filled, *script.created]))
    states = await loader.inspect(tables)
    if mode is Mode.CREATE:
        _check_created(script, states)
    for table, columns in script.filled.items():
        state = states.get(table)
        if state is None:
            if not (mode is Mode.CREATE and table in script.created):
                raise _refusal(f"The target has no table {table}.", "Its DDL first: --mode create, or create it.")
            continue
        if missing := [name for name in columns if name not in state.columns]:
            raise _refusal(f"{table} of the target has no column {missing[0]}.", "Bring its schema up to date.")
        _check_rows(table, state, mode)
        by_key = bool(state.primary_key) and set(state.primary_key) <= set(columns)
        if mode is Mode.UPSERT and script.rows[table] and not by_key:  # 5
            raise _refusal(f"{table} has no primary key to upsert by.", "Load it with --mode replace.")
        _check_triggers(table, state, script.engine)
    if mode in (Mode.CREATE, Mode.DATA) and not explicit and (occupied := await loader.occupied()) is not None:  # 3
        raise _refusal(
            f"The database already holds rows: {occupied}.",
            f"Take an empty database, or say --mode {mode.value} if it is the right one.",
        )


def _check_release(server: ServerName, script: Script) -> None:
    unmet = [need for need in script.needs if not need.is_met_by(server)]  # 7
    if unmet:
        more = f" (and {len(unmet) - 1} more)" if len(unmet) > 1 else ""
        raise _refusal(
            f"{server} cannot take the {unmet[0]}{more}.",
            f"Load it into {unmet[0].servers} or later; METADATA/manifest.json lists all under requires.",
        )


def _check_created(script: Script, states: States) -> None:
    for table, guarded in script.created.items():  # 1
        state = states.get(table)
        if state is not None and (state.has_rows or not guarded):
            raise _refusal(
                f"The target already has a table {table}.",
                "Load into the existing tables: --mode data (empty), replace (deletes their rows) or upsert.",
            )


def _check_rows(table: TableRef, state: TableState, mode: Mode) -> None:
    if state.has_rows and mode in (Mode.CREATE, Mode.DATA):  # 3
        raise _refusal(
            f"{table} of the target already holds rows.",
            "Empty it, or say what to do with them: --mode replace (deletes them) or upsert.",
        )


def _check_triggers(table: TableRef, state: TableState, engine: str) -> None:
    if state.triggers and (engine == "mysql" or not state.owned):  # 6
        how = "MySQL has no way to switch it off" if engine == "mysql" else "only the owner of the table can do that"
        raise _refusal(
            f"The trigger {state.triggers[0]} of {table} would fire on the loaded rows.",
            f"Their effects are in the data already, and {how}; load with --mode create into an empty database.",
        )


def _check_databases(script: Script, target: Target) -> None:
    named = set(script.databases.values()) | {target.database}
    for table in script.filled:  # 4
        if script.engine == "mysql" and table.schema and table.schema not in named:
            raise _refusal(
                f"The package also writes into the database {table.schema}, which --into does not name.",
                f"Say so with --map-database {table.schema}=NAME.",
            )


def _refusal(message: str, suggestion: str) -> HfitClientError:
    return TargetRefused(message, suggestions=[suggestion])
