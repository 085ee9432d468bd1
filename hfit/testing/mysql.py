"""MySQL and MariaDB, which have no template databases: the package is loaded for each test.

A database that is not there is made for the test and dropped after it. In one that is there, tables and views that were
not there before are dropped after the test, and tables that were empty are emptied; rows in other tables stay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pymysql.err import MySQLError

from hfit.errors import HfitClientError, LoadFailed
from hfit.load.interface import LoadReport, Target
from hfit.load.mysql_connection import TargetConnection
from hfit.testing.databases import Filling, finish

_TABLES = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"


@dataclass(frozen=True, slots=True)
class Content:
    """Tables and views by name with their type, and which tables have no rows."""

    tables: dict[str, str]
    empty: frozenset[str]


class MysqlIsolation:
    """By fast reload."""

    @contextlib.contextmanager
    def filled(self, filling: Filling) -> Iterator[LoadReport]:
        """The database with the package in it; see the module."""
        target = filling.target
        server, name = replace(target, database=""), _name(target.database)
        if not finish(_exists(target)):
            finish(_run(server, [f"CREATE DATABASE {name} CHARACTER SET utf8mb4"]))
            try:
                yield filling.run()
            finally:
                finish(_run(server, [f"DROP DATABASE IF EXISTS {name}"]))
            return
        before = finish(_content(target))
        try:
            yield filling.run()
        finally:
            finish(_put_back(target, before))


    def look(self, target: Target) -> object:
        """Tables and their checksums."""
        return finish(_checksums(target))

    def settle(self, target: Target, before: object) -> bool:
        """AUTO_INCREMENT goes on, as it does after every rollback."""
        return finish(_checksums(target)) == before


async def _checksums(target: Target) -> object:
    connection = await _open(target)
    try:
        tables = await connection.fetch(_TABLES)
        names = ", ".join(_name(str(row[0])) for row in tables if row[1] != "VIEW")
        return sorted(tables), await connection.fetch(f"CHECKSUM TABLE {names}") if names else []
    except MySQLError as error:
        raise _failed(target, error) from error
    finally:
        connection.close()


async def _open(target: Target) -> TargetConnection:
    connection = TargetConnection(target)
    try:
        await connection._connect()
    except (OSError, MySQLError) as error:
        raise _failed(target, error) from error
    return connection


async def _exists(target: Target) -> bool:
    connection = await _open(replace(target, database=""))
    try:
        listed = await connection.fetch("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
    finally:
        connection.close()
    return target.database in {str(row[0]) for row in listed}


async def _content(target: Target) -> Content:
    connection = await _open(target)
    try:
        tables = {str(row[0]): str(row[1]) for row in await connection.fetch(_TABLES)}
        empty = []
        for name, kind in tables.items():
            if kind == "BASE TABLE":
                found = await connection.fetch(f"SELECT EXISTS (SELECT 1 FROM {_name(name)})")  # noqa: S608 - quoted
                empty += [] if found[0][0] else [name]
        return Content(tables, frozenset(empty))
    except MySQLError as error:
        raise _failed(target, error) from error
    finally:
        connection.close()


async def _put_back(target: Target, before: Content) -> None:
    after = await _content(target)
    statements = ["SET SESSION FOREIGN_KEY_CHECKS = 0"]
    for name, kind in after.tables.items():
        if name not in before.tables:
            statements.append(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} IF EXISTS {_name(name)}")
        elif name in before.empty and name not in after.empty:
            statements.append(f"TRUNCATE TABLE {_name(name)}")
    await _run(target, statements)


async def _run(target: Target, statements: list[str]) -> None:
    connection = await _open(target)
    try:
        for statement in statements:
            await connection.run(statement.encode())
    except MySQLError as error:
        raise _failed(target, error) from error
    finally:
        connection.close()


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _failed(target: Target, error: Exception) -> HfitClientError:
    return LoadFailed(
        f"The test's database on {target.socket or target.host} cannot be made or put back.",
        reason=str(error),
        suggestions=["The user of the URL needs CREATE and DROP for databases that are not there yet."],
    )
