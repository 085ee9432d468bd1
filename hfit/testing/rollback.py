"""A test's own database connection, whose work is undone when the test is over.

1. Any synchronous DB-API connection (PEP 249): psycopg, psycopg2, pg8000, pymysql, mysqlclient, sqlite3.
2. The whole test is one transaction. ``commit`` becomes a savepoint and ``rollback`` goes back to the last one, so the
   program under test may do both; ``close`` does nothing before the end.
3. Autocommit is off while the test runs, and cannot be switched on.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

from hfit.errors import UsageMistake

_SAVEPOINT = "hfit_test"
_MYSQL = ("pymysql", "MySQLdb", "mysql", "mariadb")


class RolledBackConnection:
    """The connection itself, but for ``commit``, ``rollback``, ``close`` and ``autocommit``."""

    def __init__(self, connection: Any) -> None:
        object.__setattr__(self, "_hfit_connection", connection)
        library = type(connection).__module__.partition(".")[0]
        if library == "sqlite3":
            connection.isolation_level = None
            self._hfit_run("BEGIN")
        elif library in _MYSQL:
            connection.autocommit(False) if callable(connection.autocommit) else None
            self._hfit_run("START TRANSACTION")
        elif getattr(connection, "autocommit", False):
            connection.autocommit = False  # 3
        self._hfit_run(f"SAVEPOINT {_SAVEPOINT}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hfit_connection, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name != "autocommit":  # 3
            setattr(self._hfit_connection, name, value)

    def __enter__(self) -> RolledBackConnection:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.commit() if kind is None else self.rollback()

    def commit(self) -> None:
        """Step 2: nothing before this is rolled back before the test ends."""
        self._hfit_run(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        self._hfit_run(f"SAVEPOINT {_SAVEPOINT}")

    def rollback(self) -> None:
        """Step 2: back to the last commit."""
        self._hfit_run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    def close(self) -> None:
        """Step 2: the end of the test closes it."""

    def _hfit_run(self, statement: str) -> None:
        cursor = self._hfit_connection.cursor()
        try:
            cursor.execute(statement)
        finally:
            cursor.close()

    def _hfit_end(self) -> None:
        """Undo everything and close."""
        with contextlib.suppress(Exception):  # whoever closed or broke it has undone it too
            self._hfit_connection.rollback()
        with contextlib.suppress(Exception):
            self._hfit_connection.close()


def roll_back_later(connection: Any, stack: contextlib.ExitStack) -> RolledBackConnection:
    """Put a connection into a transaction that ends with ``stack``. UsageMistake for one without transactions."""
    whole = all(callable(getattr(connection, name, None)) for name in ("cursor", "commit", "rollback", "close"))
    if not whole or "Async" in type(connection).__name__:
        raise UsageMistake(
            "hfit_rollback takes a synchronous DB-API connection, such as psycopg.connect(url).",
            suggestions=["With asyncpg: transaction = connection.transaction(); await transaction.start()"],
        )
    made = RolledBackConnection(connection)
    stack.callback(made._hfit_end)
    return made
