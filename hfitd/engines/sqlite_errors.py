"""What the sqlite3 module raises, as errors of ours, without SQLite's text."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from hfitd.errors import (
    Busy,
    DbUnavailable,
    HfitError,
    Internal,
    LimitExceeded,
    QueryTimeout,
    SqlRefused,
)

_UNREADABLE = "The database file of this provider cannot be read."

# Primary result codes of sqlite3.h; extended ones carry them in their low byte.
_BY_CODE: dict[int, tuple[type[HfitError], str]] = {
    sqlite3.SQLITE_BUSY: (Busy, "The database is locked by a writer; try again shortly."),
    sqlite3.SQLITE_LOCKED: (Busy, "The database is locked by a writer; try again shortly."),
    sqlite3.SQLITE_INTERRUPT: (QueryTimeout, "The query took longer than this provider allows; ask for less."),
    sqlite3.SQLITE_CANTOPEN: (DbUnavailable, _UNREADABLE),
    sqlite3.SQLITE_NOTADB: (DbUnavailable, _UNREADABLE),
    sqlite3.SQLITE_CORRUPT: (DbUnavailable, _UNREADABLE),
    sqlite3.SQLITE_IOERR: (DbUnavailable, _UNREADABLE),
    sqlite3.SQLITE_PERM: (DbUnavailable, _UNREADABLE),
    sqlite3.SQLITE_TOOBIG: (LimitExceeded, "A value is larger than this gateway handles."),
    sqlite3.SQLITE_AUTH: (SqlRefused, "This SQL uses something that is not allowed here."),
    sqlite3.SQLITE_READONLY: (SqlRefused, "This SQL uses something that is not allowed here."),
    sqlite3.SQLITE_ERROR: (SqlRefused, "The database refused this SQL; check the expressions in it."),
    sqlite3.SQLITE_MISMATCH: (SqlRefused, "The database refused this SQL; check the expressions in it."),
    sqlite3.SQLITE_RANGE: (SqlRefused, "The database refused this SQL; check the expressions in it."),
}


class DatabaseSaid(Exception):
    """The result code of SQLite, without its text."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Run sqlite3 calls; what they raise comes out as an error of ours with the code as its cause."""
    try:
        yield
    except HfitError:
        raise
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        kind, message = _kind(error, code)
        raise kind(message, retry_after_seconds=1 if kind is Busy else None) from DatabaseSaid(f"code {code}")


def _kind(error: Exception, code: int | None) -> tuple[type[HfitError], str]:
    if code is not None and code & 0xFF in _BY_CODE:
        return _BY_CODE[code & 0xFF]
    if isinstance(error, sqlite3.DataError):
        return _BY_CODE[sqlite3.SQLITE_TOOBIG]
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.Warning | ValueError):
        # More than one statement, a NUL in the text, a connection that is closed.
        return _BY_CODE[sqlite3.SQLITE_ERROR]
    return Internal, "The database could not do this; the request id finds its error number in the log."
