"""Rows into MySQL and MariaDB as data instead of statements, where the server takes them: LOAD DATA LOCAL.

1. The rows of our INSERT statements are sent as they are; the server is told how they are written. What the server may
   call the file does not matter: the rows are in memory, and no file is opened.
2. The server executes nothing of them. Before they are sent they are looked through all the same, for a column's
   literals have to be of one kind that means the same as data: numbers for numbers, texts for texts and times, bytes
   in hexadecimal digits for bytes.
3. LOCAL makes warnings of errors. When the server warns, or counts other rows than were sent, they are taken back to a
   savepoint and go as INSERT, which says what is wrong. So it is for tables with transactions only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from pymysql.err import MySQLError

from hfit.load.interface import TableRef
from hfit.load.mysql_catalog import literal, place_of
from hfit.load.mysql_connection import FIRST_CLIENT_ERROR, TargetConnection
from hfit.load.mysql_rows import Rows, RowsReader
from hfit.load.script import Statement
from hfit.load.statements import quote_mysql

_NUMBERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"))
_TEXTS = frozenset((
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set",
    "date", "time", "datetime", "timestamp",
))  # fmt: skip
_BYTES = frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))
_TYPE = re.compile(r"[a-z]+")
_ENDS_ALL = frozenset((1205, 1213))  # a lock: the server may have ended the transaction
_HOW = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY X'27' ESCAPED BY X'5C'"
    " LINES STARTING BY '(' TERMINATED BY X'292C0A'"
)
_BETWEEN = b",\n"
_COLUMNS = (
    "SELECT c.column_name, c.column_type FROM information_schema.columns c"
    " JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
    " JOIN information_schema.engines e ON e.engine = t.engine"
    " WHERE c.table_schema = {} AND BINARY c.table_name = {} AND e.transactions = 'YES' AND e.savepoints = 'YES'"
)


class Bulk:
    """Sends rows of one table after the other, in a connection's transaction."""

    def __init__(self, connection: TargetConnection, database: str) -> None:
        self._connection, self._database = connection, database
        self._reader = RowsReader()

    async def load(
        self,
        table: TableRef,
        columns: Sequence[str],
        statements: Iterator[Statement],
        again: Callable[[int, int], Iterable[Statement]],
        told: Callable[[int], None],
    ) -> Iterable[Statement]:
        """Send the rows of INSERT statements of one table. Gives those that are left for INSERT.

        ``again`` reads the statements from one offset to another once more; ``told`` is given rows as they are written.
        """
        first = next(statements)
        types = await self._types(table, columns)
        rows = self._suits(first, types) if types else None
        if rows is None or not await self._savepoint():
            return chain([first], statements)
        sent, last, left = 0, first, None
        try:
            await self._connection.begin_rows(_statement(table, columns, types))
            item: Statement | None = first
            while item is not None and rows is not None:
                await self._connection.send_rows(item.text[item.rows_at :] + _BETWEEN)
                sent, last = sent + rows.count, item
                told(rows.count)
                item = next(statements, None)
                rows = self._suits(item, types) if item is not None else None
            left = item
            written, warnings = await self._connection.end_rows()
            if (written, warnings) == (sent, 0):
                return statements if left is None else chain([left], statements)
        except MySQLError as error:
            if error.args[0] in _ENDS_ALL or error.args[0] >= FIRST_CLIENT_ERROR:
                raise
        await self._connection.run(b"ROLLBACK TO SAVEPOINT hfit_rows")  # 3
        told(-sent)
        rest = statements if left is None else chain([left], statements)
        return chain(again(first.offset, last.offset), rest)

    async def _savepoint(self) -> bool:
        """Step 3; False where the transaction has changed a table whose engine knows no savepoints."""
        try:
            await self._connection.run(b"SAVEPOINT hfit_rows")
        except MySQLError as error:
            if error.args[0] >= FIRST_CLIENT_ERROR:
                raise
            return False
        return True

    def _suits(self, statement: Statement, types: Sequence[str]) -> Rows | None:
        """Step 2: what a statement's rows are, or None when they have to be an INSERT."""
        rows = self._reader.read(statement.text[statement.rows_at :])
        if rows is None:
            return None
        kinds = ((rows.bare, _NUMBERS), (rows.quoted, _TEXTS), (rows.hexed, _BYTES))
        fits = all(
            not found >> number & 1 or kind in allowed for number, kind in enumerate(types) for found, allowed in kinds
        )
        return rows if fits else None

    async def _types(self, table: TableRef, columns: Sequence[str]) -> list[str]:
        """The columns' types, or nothing when one is not known here, or the table's engine takes nothing back."""
        query = _COLUMNS.format(literal(table.schema or self._database), literal(table.name))
        found = {_text(name): _TYPE.match(_text(kind).lower()) for name, kind in await self._connection.fetch(query)}
        types = [kind[0] if kind else "" for kind in map(found.get, columns)]
        return types if all(kind in _NUMBERS | _TEXTS | _BYTES for kind in types) else []


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _statement(table: TableRef, columns: Sequence[str], types: Sequence[str]) -> bytes:
    targets, values = [], []
    for number, (name, kind) in enumerate(zip(columns, types, strict=True)):
        targets.append(f"@hfit_{number}" if kind in _BYTES else quote_mysql(name))
        if kind in _BYTES:  # X'..' without what stands around the digits
            digits = f"SUBSTR(@hfit_{number}, 3, LENGTH(@hfit_{number}) - 3)"
            values.append(f"{quote_mysql(name)} = UNHEX({digits})")
    setting = f" SET {', '.join(values)}" if values else ""
    load = f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {place_of(table)} {_HOW} ({', '.join(targets)}){setting}"
    return load.encode()
