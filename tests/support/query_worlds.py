"""One small shop on PostgreSQL, MariaDB and SQLite, with canaries in everything that is masked or not granted.

The account that runs the queries can read all of it, so whatever stays hidden is hidden by the rewriting alone.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomysql
import asyncpg

from hfitd.engines.interface import Dialect, Select
from hfitd.engines.mysql_binds import compose
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.engines.sqlite_dialect import SqliteDialect, composed
from hfitd.errors import NotFound
from hfitd.export.query.free import parse_query, rewrite_query
from hfitd.masks.interface import BoundMask
from hfitd.model import Column, Key, Kind, MaskedColumn, MaskRule, Relation, Table, TableName
from hfitd.sql import Bind, Sql, text
from tests.live.servers import Server

CANARY = "CANARY"
MAX_SECONDS = 2.0  # of a query on SQLite, which would run a loop for ever
Rows = list[tuple[Any, ...]]
CELLS = list(itertools.product((None, 0, 1, -5), (None, 1, 3), (None, "", "a", "b'", "ab", "a%b")))


@dataclass(frozen=True)
class World:
    """A database with the shop. ``schema`` is what its tables are qualified with; ``run`` returns rows as they come."""

    dialect: Dialect
    schema: str
    run: Callable[[Sql], Any]
    run_text: Callable[[str], Any]

    def relation(self, name: str, *, masked: bool) -> Relation:
        """A table of the shop, masked as the policy of these tests says, or whole."""
        columns = TABLES[name]
        table = Table(
            TableName(self.schema, name),
            "table",
            tuple(columns),
            (Key(f"{name}_pkey", ("id",), primary=True),) if any(c.name == "id" for c in columns) else (),
        )
        if not masked:
            return Relation("shop", table, tuple(MaskedColumn(column) for column in columns))
        shown = [column for column in columns if column.name != "token"]
        rules = MASKS.get(name, {})
        row_filter = text(f"{self.dialect.identifier('tenant')} = 1") if name == "notes" else None
        granted = tuple(MaskedColumn(c, MaskRule(rules[c.name].name) if c.name in rules else None) for c in shown)
        return Relation("shop", table, granted, row_filter)

    def rewrite(self, query: str, values: Mapping[str, str | None] | None = None, *, masked: bool = True) -> Select:
        """The query as the daemon would send it; ``secret`` is not granted."""

        def relation_of(schema: str | None, name: str) -> Relation:
            known = [t for t in TABLES if self.dialect.same_name(t, name) and not (masked and t == "secret")]
            if not known or schema not in (None, self.schema):
                raise NotFound()
            return self.relation(known[0], masked=masked)

        def masks_of(relation: Relation) -> Mapping[str, BoundMask]:
            return MASKS.get(relation.table.name.name, {}) if masked else {}

        parsed = parse_query(query, self.dialect.sqlglot_name)
        given = dict.fromkeys(parsed.variables, "1") | dict(values or {})
        return rewrite_query(parsed, self.dialect, self.schema, relation_of, masks_of, given)

    async def rows(self, select: Select) -> Rows:
        """Run it and apply the cells."""
        found = await self.run(select.sql)
        return [
            tuple(_shown(value, output.cell) for value, output in zip(row, select.outputs, strict=True))
            for row in found
        ]

    async def ask(self, query: str, values: Mapping[str, str | None] | None = None) -> Rows:
        """Rewrite, run, mask."""
        return await self.rows(self.rewrite(query, values))


def _shown(value: Any, cell: Any) -> Any:
    return cell(str(value).encode()).decode() if cell is not None and value is not None else value


def pseudonym(value: bytes) -> bytes:
    """The keyed mask of these tests."""
    return b"masked-%d" % (sum(value) % 997)


def _column(name: str, type_name: str, kind: Kind, **more: Any) -> Column:
    return Column(name, type_name, kind, **more)


_ID = _column("id", "integer", Kind.INTEGER, nullable=False)
TABLES: Mapping[str, Sequence[Column]] = {
    "users": (
        _ID,
        _column("email", "text", Kind.TEXT),
        _column("name", "text", Kind.TEXT),
        _column("phone", "text", Kind.TEXT),
        _column("city", "text", Kind.TEXT),
        _column("born", "date", Kind.DATE),
        _column("token", "text", Kind.TEXT),
    ),
    "orders": (
        _ID,
        _column("user_id", "integer", Kind.INTEGER),
        _column("total", "numeric", Kind.NUMBER),
        _column("status", "text", Kind.TEXT),
        _column("placed", "date", Kind.DATE),
        _column("doc", "text", Kind.TEXT),
    ),
    "items": (
        _ID,
        _column("order_id", "integer", Kind.INTEGER),
        _column("sku", "text", Kind.TEXT),
        _column("amount", "integer", Kind.INTEGER),
    ),
    "notes": (_ID, _column("tenant", "integer", Kind.INTEGER), _column("body", "text", Kind.TEXT)),
    "cells": (_ID, *(_column(n, "integer", Kind.INTEGER) for n in "ab"), _column("s", "text", Kind.TEXT)),
    "secret": (_ID, _column("user_id", "integer", Kind.INTEGER), _column("token", "text", Kind.TEXT)),
}
MASKS: Mapping[str, Mapping[str, BoundMask]] = {
    "users": {
        "email": BoundMask("email", cell=pseudonym),
        "name": BoundMask("const", constant=True, literal="anon"),
        "phone": BoundMask("null", constant=True, literal=None),
    }
}


def shop_script(prefix: str, text_type: str, binary: str = "") -> list[str]:
    """Statements that make the shop; ``prefix`` qualifies the tables, ``binary`` is the collation by bytes."""
    made = [
        (
            f"CREATE TABLE {prefix}users (id integer PRIMARY KEY, email {text_type}, name {text_type},"
            f" phone {text_type}, city {text_type}, born date, token {text_type})"
        ),
        (
            f"CREATE TABLE {prefix}orders (id integer PRIMARY KEY, user_id integer, total numeric(10,2),"
            f" status {text_type}, placed date, doc {text_type})"
        ),
        f"CREATE TABLE {prefix}items (id integer PRIMARY KEY, order_id integer, sku {text_type}, amount integer)",
        f"CREATE TABLE {prefix}notes (id integer PRIMARY KEY, tenant integer, body {text_type})",
        f"CREATE TABLE {prefix}secret (id integer PRIMARY KEY, user_id integer, token {text_type})",
    ]
    made.append(f"CREATE TABLE {prefix}cells (id integer PRIMARY KEY, a integer, b integer, s {text_type} {binary})")
    for n, cell in enumerate(CELLS, 1):
        spelled = ["NULL" if v is None else "'" + v.replace("'", "''") + "'" if isinstance(v, str) else v for v in cell]
        made.append(f"INSERT INTO {prefix}cells VALUES ({n}, {', '.join(map(str, spelled))})")
    for n in range(1, 9):
        city = ("'Berlin'", "'Rome'", "'Oslo'", "NULL")[n % 4]
        made.append(
            f"INSERT INTO {prefix}users VALUES ({n}, '{CANARY}-email-{9 - n}@example.com', '{CANARY}-name-{9 - n}',"
            f" '{CANARY}-phone-{n}', {city}, '19{60 + n * 3}-0{n}-1{n % 3}', '{CANARY}-token-{n}')"
        )
        made.append(f"INSERT INTO {prefix}secret VALUES ({n}, {n}, '{CANARY}-secret-{n}')")
        body = f"'note {n}'" if n % 2 else f"'{CANARY}-note-{n}'"
        made.append(f"INSERT INTO {prefix}notes VALUES ({n}, {1 if n % 2 else 2}, {body})")
    for n in range(1, 21):
        status = ("new", "paid", "sent", "Paid")[n % 4]
        doc = "NULL" if n % 5 == 0 else f"""'{{"a": {n}, "b": {{"c": "v{n % 3}"}}, "l": [1, {n}]}}'"""
        made.append(
            f"INSERT INTO {prefix}orders VALUES ({n}, {n % 7 + 1}, {n * 7 % 50}.{n % 10}5, '{status}',"
            f" '2024-{n % 12 + 1:02d}-{n:02d}', {doc})"
        )
        for m in range(n % 3):
            made.append(f"INSERT INTO {prefix}items VALUES ({n * 10 + m}, {n}, 'sku{(n + m) % 4}', {m + 1})")
    return made


@contextlib.asynccontextmanager
async def postgres_world(server: Server, database: str, *, make: bool = True) -> AsyncIterator[World]:
    """The shop in schema ``public``."""
    connection = await asyncpg.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, database=database
    )
    try:
        if make:
            for statement in shop_script("public.", "text", 'COLLATE "C"'):
                await connection.execute(statement)
        await connection.execute("SET default_transaction_read_only = on; SET search_path = ''")

        async def run(sql: Sql) -> Rows:
            words: list[str] = []
            for piece in sql.pieces:
                if isinstance(piece, Bind):
                    number = sum(word.startswith(("$", "CAST($")) for word in words) + 1
                    words.append(f"CAST(${number}::text AS {piece.type_name})" if piece.type_name else f"${number}")
                else:
                    words.append(piece.sql)
            return [tuple(row) for row in await connection.fetch("".join(words), *[b.value for b in sql.binds])]

        async def run_text(query: str) -> Rows:
            await connection.execute("SET search_path = public")
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.execute("SET search_path = ''")

        yield World(PostgresDialect(), "public", run, run_text)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def mariadb_world(server: Server, database: str, *, make: bool = True) -> AsyncIterator[World]:
    """The shop in the database."""
    connection = await aiomysql.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        db=database,
        charset="utf8mb4",
        autocommit=True,
    )
    try:

        async def run_text(query: str) -> Rows:
            async with connection.cursor() as cursor:
                await cursor.execute(query)
                return list(await cursor.fetchall())

        async def run(sql: Sql) -> Rows:
            return await run_text(compose(sql))

        if make:
            for statement in shop_script("", "varchar(200)", "COLLATE utf8mb4_bin"):
                await run_text(statement)
        await run_text("SET SESSION TRANSACTION READ ONLY")
        yield World(MysqlDialect(), database, run, run_text)
    finally:
        await connection.ensure_closed()


@contextlib.contextmanager
def sqlite_world(path: Path | str = ":memory:", *, make: bool = True) -> Any:
    """The shop in a file or in memory."""
    connection = sqlite3.connect(path)
    deadline = [float("inf")]
    try:
        if make:
            for statement in shop_script("", "text"):
                connection.execute(statement)
            connection.commit()
        connection.execute("PRAGMA query_only = on")
        connection.set_progress_handler(lambda: time.monotonic() > deadline[0], 10_000)

        async def run(sql: Sql) -> Rows:
            deadline[0] = time.monotonic() + MAX_SECONDS
            statement, values = composed(sql)
            return connection.execute(statement, values).fetchall()

        async def run_text(query: str) -> Rows:
            deadline[0] = time.monotonic() + MAX_SECONDS
            return connection.execute(query).fetchall()

        yield World(SqliteDialect(), "main", run, run_text)
    finally:
        connection.close()
