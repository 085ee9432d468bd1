"""Text to tree: sqlglot's parsers with their knowledge of functions taken out.

A parser that knows a function may rewrite the call (``RLIKE`` to a function MariaDB has not, ``->>`` to a path it
has understood). Here a call stays a call with the name as written, and JSON operators keep their operands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects import MySQL, Postgres, SQLite
from sqlglot.dialects.dialect import Dialect as SqlglotDialect
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parsers.mysql import MySQLParser
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.parsers.sqlite import SQLiteParser
from sqlglot.tokenizer_core import TokenType

from hfitd.errors import SqlRefused, SqlTooComplex

_SHAPED = ("CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION", "GROUP_CONCAT")
_FIRST = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN})


def _keep(parsers: dict[str, Callable[..., Any]], *names: str) -> dict[str, Callable[..., Any]]:
    return {name: parsers[name] for name in names if name in parsers}


def _plain_operators(operators: dict[Any, Any]) -> dict[Any, Any]:
    return {
        **operators,
        TokenType.ARROW: lambda _, this, path: exp.JSONExtract(this=this, expression=path),
        TokenType.DARROW: lambda _, this, path: exp.JSONExtractScalar(this=this, expression=path),
    }


class _PlainPostgres(PostgresParser):
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS = _keep(PostgresParser.FUNCTION_PARSERS, "CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION")
    COLUMN_OPERATORS = _plain_operators(PostgresParser.COLUMN_OPERATORS)


class _PlainMySql(MySQLParser):
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS = _keep(MySQLParser.FUNCTION_PARSERS, *_SHAPED)
    COLUMN_OPERATORS = _plain_operators(MySQLParser.COLUMN_OPERATORS)


class _PlainSqlite(SQLiteParser):
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS = _keep(SQLiteParser.FUNCTION_PARSERS, "CAST")
    COLUMN_OPERATORS = _plain_operators(SQLiteParser.COLUMN_OPERATORS)


_PARSERS: dict[str, tuple[type[Any], type[SqlglotDialect]]] = {
    "postgres": (_PlainPostgres, Postgres),
    "mysql": (_PlainMySql, MySQL),
    "sqlite": (_PlainSqlite, SQLite),
}


def read_tree(text: str, sqlglot_name: str) -> exp.Expr:
    """The tree of one SELECT or set operation. Raises SqlRefused, SqlTooComplex; no message holds the text."""
    parser, dialect = _PARSERS[sqlglot_name]
    spelling = dialect()
    try:
        tokens = spelling.tokenize(text)
        if not tokens or tokens[0].token_type not in _FIRST:  # a command is not even parsed
            raise SqlRefused("A query has to begin with SELECT or WITH.")
        statements = parser(dialect=spelling, error_level=ErrorLevel.IMMEDIATE).parse(tokens, text)
    except RecursionError:
        raise SqlTooComplex("The query is too deeply nested.") from None
    except (SqlglotError, AttributeError, TypeError, ValueError, KeyError, IndexError, AssertionError):
        # The text is in the error, and unusual tokens make the parser stumble in many ways.
        raise SqlRefused("The query is not understood.") from None
    if len(statements) != 1 or statements[0] is None:
        raise SqlRefused("A query has to be exactly one statement.")
    root: exp.Expr = statements[0]
    while isinstance(root, exp.Subquery) and not _adorned(root):
        root = root.this
    return root


def _adorned(node: exp.Subquery) -> bool:
    return any(value for key, value in node.args.items() if key != "this")
