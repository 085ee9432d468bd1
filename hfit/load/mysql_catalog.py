"""What the loader asks a MySQL or MariaDB target: tables, triggers, rows that refer to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfit.load.interface import TableRef, TableState
from hfit.load.mysql_connection import TargetConnection
from hfit.load.mysql_values import Spelling, as_double, as_single, same
from hfit.load.statements import quote_mysql

# information_schema compares names without case; what differs in case only is told apart here.
_COLUMNS = (
    "SELECT table_name, column_name, column_type, extra FROM information_schema.columns"
    " WHERE table_schema = {} ORDER BY table_name, ordinal_position"
)
_PRIMARY_KEYS = (
    "SELECT table_name, column_name FROM information_schema.key_column_usage"
    " WHERE table_schema = {} AND constraint_name = 'PRIMARY' ORDER BY table_name, ordinal_position"
)
_UNIQUE_KEYS = (
    "SELECT DISTINCT table_name, index_name FROM information_schema.statistics"
    " WHERE table_schema = {} AND non_unique = 0 AND index_name <> 'PRIMARY' ORDER BY 1, 2"
)
_TRIGGERS = (
    "SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE event_object_schema = {}"
    " ORDER BY trigger_name"
)
_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = {}"
    " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name"
)
_LASTING = (
    "SELECT t.table_name FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine"
    " WHERE t.table_schema = {} AND COALESCE(e.transactions, 'NO') <> 'YES'"
)
_KEYS = (
    "SELECT table_schema, table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name,"
    " referenced_column_name FROM information_schema.key_column_usage WHERE referenced_table_name IS NOT NULL"
    " AND {} IN ({}) ORDER BY 1, 2, 3, ordinal_position"
)


def place_of(table: TableRef) -> str:
    """The quoted name, bare in the target's own database."""
    return f"{quote_mysql(table.schema)}.{quote_mysql(table.name)}" if table.schema else quote_mysql(table.name)


def literal(text: str) -> str:
    """A text as SQL, whatever the session says of backslashes."""
    return f"_utf8mb4 X'{text.encode().hex()}'" if text else "''"


async def read_states(
    connection: TargetConnection, tables: Sequence[TableRef], database: str
) -> dict[TableRef, TableState]:
    """Each table that is there, as the guards look at it."""
    found: dict[TableRef, TableState] = {}
    for schema in sorted({table.schema for table in tables}):
        place = literal(schema or database)
        columns = _grouped(await connection.fetch(_COLUMNS.format(place)))
        keys = _grouped(await connection.fetch(_PRIMARY_KEYS.format(place)))
        triggers = _grouped(await connection.fetch(_TRIGGERS.format(place)))
        for table in tables:
            if table.schema == schema and table.name in columns:
                found[table] = TableState(
                    columns=columns[table.name],
                    primary_key=keys.get(table.name, ()),
                    has_rows=await _has_rows(connection, table),
                    triggers=triggers.get(table.name, ()),
                )
    return found


async def find_occupied(connection: TargetConnection, database: str) -> str | None:
    """A table of the database with rows."""
    for (name,) in await connection.fetch(_TABLES.format(literal(database))):
        if await _has_rows(connection, TableRef("", name)):
            return str(name)
    return None


async def find_lasting(connection: TargetConnection, tables: Sequence[TableRef], database: str) -> list[str]:
    """Those of the tables in which no rollback takes a row back."""
    found = []
    for schema in sorted({table.schema for table in tables}):
        names = {_text(name) for (name,) in await connection.fetch(_LASTING.format(literal(schema or database)))}
        found += [str(table) for table in tables if table.schema == schema and table.name in names]
    return found


async def find_orphans(
    connection: TargetConnection, tables: Sequence[TableRef], database: str, *, pointing_here: bool
) -> dict[str, int]:
    """Rows that refer to nothing, by foreign key: of these tables, or of others that point to them."""
    wanted = {(table.schema or database, table.name) for table in tables}
    schemas = ", ".join(sorted({literal(schema) for schema, _ in wanted})) or "''"
    side = "referenced_table_schema" if pointing_here else "table_schema"
    pairs: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for schema, name, key, column, there, target, target_column in await connection.fetch(_KEYS.format(side, schemas)):
        if pointing_here and (schema, name) in wanted:
            continue
        if ((there, target) if pointing_here else (schema, name)) in wanted:
            pairs.setdefault((schema, name, key, there, target), []).append((column, target_column))
    found = {}
    for (schema, name, key, there, target), columns in pairs.items():
        whole = " AND ".join(f"c.{quote_mysql(left)} IS NOT NULL" for left, _ in columns)
        equal = " AND ".join(f"p.{quote_mysql(right)} = c.{quote_mysql(left)}" for left, right in columns)
        ((count,),) = await connection.fetch(
            f"SELECT COUNT(*) FROM {place_of(TableRef(schema, name))} c WHERE {whole} AND NOT EXISTS"  # noqa: S608 - quoted
            f" (SELECT 1 FROM {place_of(TableRef(there, target))} p WHERE {equal})"
        )
        if count:
            found[f"{schema}.{name} by {key}"] = int(count)
    return found


async def read_unique_keys(connection: TargetConnection, table: TableRef, database: str) -> tuple[str, ...]:
    """Names of the table's unique keys without the primary one."""
    return _grouped(await connection.fetch(_UNIQUE_KEYS.format(literal(table.schema or database)))).get(table.name, ())


async def read_spellings(
    connection: TargetConnection, table: TableRef, columns: Sequence[str], database: str
) -> list[Spelling]:
    """How each column is read back."""
    rows = await connection.fetch(_COLUMNS.format(literal(table.schema or database)))
    types = {_text(row[1]): _text(row[2]).lower() for row in rows if _text(row[0]) == table.name}
    return [_spelling(name, types[name]) for name in columns]


def _spelling(name: str, kind: str) -> Spelling:
    column = quote_mysql(name)
    if kind.startswith("float"):
        return Spelling(f"{column} + 0e0", as_single)  # a FLOAT is printed with six digits
    if kind.startswith("double"):
        return Spelling(column, as_double)
    if kind.startswith("bit"):
        return Spelling(f"{column} + 0", same)  # written as the whole number it is
    if "zerofill" in kind or kind.startswith("year"):
        return Spelling(f"CAST({column} AS CHAR)", lambda cell: cell.lstrip(b"0") or b"0")
    return Spelling(column, same)


async def _has_rows(connection: TargetConnection, table: TableRef) -> bool:
    return bool(await connection.fetch(f"SELECT 1 FROM {place_of(table)} LIMIT 1"))  # noqa: S608 - quoted


def _grouped(rows: Sequence[tuple[object, ...]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[_text(row[0])] = (*found.get(_text(row[0]), ()), _text(row[1]))
    return found


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
