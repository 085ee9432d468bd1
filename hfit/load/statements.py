"""Which statements a package may hold, and which table each is about.

1. Only the kinds of statements that ``hfitd`` writes are run; anything else is PackageInvalid, before the first
   statement runs. So a package can neither read nor write files of the database's machine (COPY, LOAD DATA, ATTACH),
   nor change accounts. On PostgreSQL it may hold code, functions and DO blocks, which can do what the loading role may:
   there a package is as good as the key that signed it, and the role should be an ordinary one.
2. Rows of MySQL are literals: no function that could read a file, no subquery. Quotes and backslashes in them are
   doubled, so that a literal ends in the same place whatever the session says of backslashes. That is proved of every
   statement before it runs; rows that a server takes as data, of which it executes nothing, are looked through as they
   are sent, and those that are no literals end the load all the same.
3. Transactions are the loader's: BEGIN and COMMIT of a member are left out. Counters of PostgreSQL wait for the end.
4. Statements are UTF-8; of MySQL's rows only the names need to be.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping

from hfit.errors import PackageInvalid
from hfit.load.grammar import COLUMNS, INSERT, MYSQL_ROWS, NAME, PLACE
from hfit.load.interface import TableRef
from hfit.load.script import Statement
from hfit.text import visible


class Kind(enum.Enum):
    """What the loader does with a statement."""

    RUN = "run"
    LATE = "late"  # counters of PostgreSQL, which no rollback takes back: just before the end
    TRANSACTION = "transaction"
    CREATE_TABLE = "create table"
    INSERT = "insert"


_TRANSACTION = re.compile(rb"(BEGIN|COMMIT|START\s+TRANSACTION|END)(\s+(TRANSACTION|WORK))?\Z", re.I)
_ALLOWED = {
    "postgresql": (
        rb"SET\s|RESET\s|SELECT\s+pg_catalog\s*\.\s*set_config\s*\(|DO\s|ALTER\s+(TABLE|SEQUENCE|TYPE|INDEX)\s|"
        rb"CREATE\s+(SCHEMA|EXTENSION|COLLATION|TYPE|DOMAIN|SEQUENCE|STATISTICS|(UNIQUE\s+)?INDEX|(OR\s+REPLACE\s+)?FUNCTION)\s|"
        rb"DROP\s+(TABLE|TYPE|SEQUENCE)\s"
    ),
    "mysql": (
        rb"SET\s+(NAMES|SESSION\s|@|sql_mode|foreign_key_checks|unique_checks|time_zone)|DROP\s+TABLE\s|"
        rb"CREATE\s+DATABASE\s+IF\s+NOT\s+EXISTS\s|CREATE\s+(OR\s+REPLACE\s+)?SEQUENCE\s|DO\s+SETVAL\s*\(|"
        rb"ALTER\s+TABLE\s|CREATE\s+(UNIQUE\s+)?INDEX\s"
    ),
    "sqlite": (
        rb"PRAGMA\s+(foreign_keys|defer_foreign_keys)\s*=\s*(ON|OFF|0|1)\s*\Z|CREATE\s+(UNIQUE\s+)?INDEX\s|"
        rb"DROP\s+TABLE\s|(DELETE\s+FROM|INSERT\s+INTO)\s+\"?sqlite_sequence\"?\s"
    ),
}
_SETVAL = re.compile(rb"SELECT\s+pg_catalog\s*\.\s*setval\s*\(", re.I)
_IS_ALLOWED = {engine: re.compile(pattern, re.I) for engine, pattern in _ALLOWED.items()}
_CREATE_TABLE = {
    engine: re.compile(rb"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(IF\s+NOT\s+EXISTS\s+)?" + place, re.I)
    for engine, place in PLACE.items()
}
_COPY = re.compile(
    rb"COPY\s+" + PLACE["postgresql"] + rb"(?:" + COLUMNS["postgresql"] + rb")?\s+FROM\s+stdin\s*\Z", re.I
)
_ONE_NAME = {engine: re.compile(name) for engine, name in NAME.items()}
_QUALIFIER = re.compile(rb"('(?:[^'\\]|\\.|'')*')|(`(?:[^`]|``)+`)(?=\.`)", re.S)


def kind_of(statement: Statement, engine: str, path: str, *, prove: bool = True) -> Kind:
    """What to do with a statement; PackageInvalid for a kind that no package holds (steps 1 to 4).

    Without ``prove``, rows of MySQL that nobody has proved to be literals yet are left for later.
    """
    text = statement.text
    rows = INSERT[engine].match(text) if engine == "mysql" else None
    _require_text(text[: rows.end()] if rows else text, path, statement.line)  # 4
    at = rows.end() if rows else -1
    settled = statement.rows_at == at and (statement.proved or not prove)
    if rows and not settled and not MYSQL_ROWS.fullmatch(text, at):  # 2
        raise PackageInvalid(f"{path}, line {statement.line}: rows of a package are literals, and these are not.")
    if engine == "postgresql" and (_SETVAL.match(text) or (text[:3].upper() == b"DO " and b".setval(" in text)):  # 3
        return Kind.LATE
    if _TRANSACTION.match(text):
        return Kind.TRANSACTION
    if _CREATE_TABLE[engine].match(text):
        return Kind.CREATE_TABLE
    if _IS_ALLOWED[engine].match(text):
        return Kind.RUN
    if engine != "postgresql" and INSERT[engine].match(text):
        return Kind.INSERT
    shown = visible(text[:40].decode("utf-8", "replace"))
    raise PackageInvalid(
        f"{path}, line {statement.line}: this statement is not one that a package may hold.",
        reason=f"It begins with: {shown}",
        suggestions=["Only rows and tables are loaded; export rows with an .sql name."],
    )


def _require_text(data: bytes, path: str, line: int) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise PackageInvalid(f"{path}, line {line}: this statement is not UTF-8.") from error


def created_table(statement: Statement, engine: str) -> tuple[TableRef, bool]:
    """The table of a CREATE TABLE, and whether it is made only if it is not there."""
    match = _CREATE_TABLE[engine].match(statement.text)
    assert match is not None
    return _table(match[2], match[3], engine), match[1] is not None


def insert_head(text: bytes, engine: str) -> tuple[TableRef, tuple[str, ...], int]:
    """Table, columns and where the values begin, of an INSERT."""
    match = INSERT[engine].match(text)
    assert match is not None
    return _table(match[1], match[2], engine), _columns(match[3], engine), match.end()


def copy_head(head: bytes, path: str, line: int) -> tuple[TableRef, tuple[str, ...]]:
    """Table and columns of a COPY; PackageInvalid for options that our packages never have."""
    _require_text(head, path, line)  # 4
    match = _COPY.match(head)
    if match is None:
        raise PackageInvalid(f"{path}, line {line}: this COPY is not one that a package may hold.")
    return _table(match[1], match[2], "postgresql"), _columns(match[3], "postgresql")


def map_databases(text: bytes, databases: Mapping[str, str]) -> bytes:
    """The statement with MySQL database names replaced where they qualify another name."""
    if not databases:
        return text
    quoted = {quote_mysql(old).encode(): quote_mysql(new).encode() for old, new in databases.items()}
    mapped = _QUALIFIER.sub(lambda found: found[1] or quoted.get(found[2], found[2]), text)
    head = re.match(rb"CREATE\s+DATABASE\s+IF\s+NOT\s+EXISTS\s+", text, re.I)
    if head:
        return head[0] + quoted.get(text[head.end() :].strip(), text[head.end() :])
    return mapped


def quote(name: str) -> str:
    """A name as PostgreSQL and SQLite quote it."""
    return '"' + name.replace('"', '""') + '"'


def quote_mysql(name: str) -> str:
    """A name as MySQL quotes it."""
    return "`" + name.replace("`", "``") + "`"


def _table(first: bytes, second: bytes | None, engine: str) -> TableRef:
    if second is None:
        return TableRef("public" if engine == "postgresql" else "", _unquote(first, engine))
    schema = _unquote(first, engine)
    return TableRef("" if engine == "sqlite" and schema == "main" else schema, _unquote(second, engine))


@functools.lru_cache(256)
def _columns(listed: bytes | None, engine: str) -> tuple[str, ...]:
    return tuple(_unquote(name, engine) for name in _ONE_NAME[engine].findall(listed)) if listed else ()


def _unquote(name: bytes, engine: str) -> str:
    text = name.decode()
    if text[0] in "\"`":
        return text[1:-1].replace(text[0] * 2, text[0])
    if text[0] == "[":
        return text[1:-1]
    return text.lower() if engine == "postgresql" else text
