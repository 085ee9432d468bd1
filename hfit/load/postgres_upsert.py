"""Updating rows whose primary key is there and inserting the others, on PostgreSQL: by way of a temporary table.

1. By the primary key's own index. A row that meets another one by another unique key fails the load.
2. A deferrable primary key cannot be asked like that; then it is an UPDATE and an INSERT of the rest.
3. GENERATED ALWAYS identity columns cannot be updated: a row that would need it fails the load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hfit.errors import LoadFailed
from hfit.load.interface import TableRef
from hfit.load.postgres_catalog import Record, place_of, scope_of
from hfit.load.statements import quote

SPOOL = ("pg_temp", "hfit_rows")
_SPOOL = ".".join(SPOOL)


async def make_spool(connection: Any, table: TableRef, columns: Sequence[str]) -> None:
    """The temporary table that takes the rows of the package."""
    listed = ", ".join(map(quote, columns))
    await connection.execute(
        f"CREATE TEMPORARY TABLE {SPOOL[1]} ON COMMIT DROP AS "  # noqa: S608 - quoted
        f"SELECT {listed} FROM ONLY {place_of(table)} WITH NO DATA"
    )


async def merge_spool(connection: Any, table: TableRef, record: Record, columns: Sequence[str]) -> None:
    """Bring its rows into the table, and drop it. LoadFailed for step 3."""
    place, listed = scope_of(record) + place_of(table), ", ".join(map(quote, columns))
    key, fixed = record["primary_key"], {*record["primary_key"], *record["always"]}
    same = " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in key)
    for name in [name for name in columns if name in record["always"] and name not in key]:  # 3
        other = f"t.{quote(name)} IS DISTINCT FROM s.{quote(name)}"
        query = f"SELECT EXISTS (SELECT FROM {place} t JOIN {_SPOOL} s ON {same} WHERE {other})"  # noqa: S608 - quoted
        if await connection.fetchval(query):
            raise LoadFailed(
                f"{table} has rows with another {name}, an identity column that nobody may change.",
                suggestions=["Load with --mode replace, or into a fresh database."],
            )
    insert = f"INSERT INTO {place_of(table)} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {_SPOOL} s"  # noqa: S608 - quoted
    changed = [quote(name) for name in columns if name not in fixed]
    if record["key_waits"]:  # 2
        if changed:
            changes = ", ".join(f"{name} = s.{name}" for name in changed)
            await connection.execute(f"UPDATE {place} t SET {changes} FROM {_SPOOL} s WHERE {same}")  # noqa: S608 - quoted
        await connection.execute(f"{insert} WHERE NOT EXISTS (SELECT FROM {place} t WHERE {same})")
    else:  # 1
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in changed)
        action = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
        await connection.execute(f"{insert} ON CONFLICT ({', '.join(map(quote, key))}) {action}")
    await connection.execute(f"DROP TABLE {_SPOOL}")
