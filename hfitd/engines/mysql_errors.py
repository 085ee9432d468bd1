"""What a MySQL or MariaDB driver raises, as errors of ours. The one place where both meet.

The server's text never leaves: it may hold a row value (``XPATH syntax error: '~TOPSECRET'``), a host or SQL. Only its
number is kept, in ``ServerSaid``, as the cause for the log. Whatever the data is, the same mistake gives the same
message, so an error is no oracle.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Iterator

import pymysql

from hfitd.errors import (
    Busy,
    DbUnavailable,
    ExportRefused,
    HfitError,
    Internal,
    LimitExceeded,
    LoginRefused,
    NotFound,
    ParamInvalid,
    QueryTimeout,
    SchemaChanged,
    SqlRefused,
)

_ENDS_MORE = frozenset((1053, 1077, 1205, 1213, 1317, 1927))  # the connection or its transaction is gone too


class ServerSaid(Exception):
    """The number of a server's or driver's error, without its text.

    ``ended`` says that the statement is over and its transaction goes on, so the connection can be used further.
    """

    def __init__(self, what: str, *, ended: bool = False) -> None:
        super().__init__(what)
        self.ended = ended


_UNREACHABLE = "The database of this provider does not answer; try again later."
_LOGIN = "The database refuses the login of this provider."
_STOPPED = "The query was stopped on the database server; try again later."
_SLOW = "The query took longer than this provider allows; ask for less."
_TAKEN = "The database has no place for another connection or waits for a lock; try again shortly."
_CHANGED = "A table or column is no longer there; plan again."
_REFUSED = "The database refused this SQL; check the expressions in it."
_CHARSET = "A text value has characters that the column it is compared with cannot hold."
_GRANT = "The database role of this provider may not read this."
_HUGE = "A value or statement is larger than the database transfers at once."

# Numbers are those of the servers' error reference (mysqld_error.h); 2000-2999 are the client's own.
_BY_NUMBER: dict[int, tuple[type[HfitError], str]] = {
    1040: (Busy, _TAKEN),  # too many connections
    1203: (Busy, _TAKEN),  # too many connections of this user
    1226: (Busy, _TAKEN),  # resource limit of the user
    1205: (Busy, _TAKEN),  # lock wait timeout
    1213: (Busy, _TAKEN),  # deadlock
    1044: (NotFound, "There is no such database."),
    1049: (NotFound, "There is no such database."),
    1045: (LoginRefused, _LOGIN),
    1130: (LoginRefused, _LOGIN),
    1251: (LoginRefused, _LOGIN),
    1698: (LoginRefused, _LOGIN),
    2059: (LoginRefused, _LOGIN),
    2061: (LoginRefused, _LOGIN),
    1053: (DbUnavailable, _STOPPED),  # server shutdown
    1077: (DbUnavailable, _STOPPED),
    1317: (DbUnavailable, _STOPPED),  # KILL QUERY
    1927: (DbUnavailable, _STOPPED),  # KILL
    1969: (QueryTimeout, _SLOW),  # MariaDB: max_statement_time
    3024: (QueryTimeout, _SLOW),  # MySQL: max_execution_time
    1115: (SqlRefused, _REFUSED),  # unknown character set
    1253: (SqlRefused, _REFUSED),  # the collation is not one of the character set
    1273: (SqlRefused, _REFUSED),  # unknown collation
    1054: (SchemaChanged, _CHANGED),
    1146: (SchemaChanged, _CHANGED),
    1176: (SchemaChanged, _CHANGED),
    1356: (SchemaChanged, _CHANGED),  # a view whose tables are gone
    1412: (SchemaChanged, _CHANGED),  # altered since the snapshot began
    1142: (ExportRefused, _GRANT),
    1143: (ExportRefused, _GRANT),
    1227: (ExportRefused, _GRANT),
    1345: (ExportRefused, _GRANT),
    1370: (ExportRefused, _GRANT),
    1267: (ParamInvalid, _CHARSET),
    1270: (ParamInvalid, _CHARSET),
    1271: (ParamInvalid, _CHARSET),
    3854: (ParamInvalid, _CHARSET),
    1153: (LimitExceeded, _HUGE),
    1301: (LimitExceeded, _HUGE),
    1064: (SqlRefused, _REFUSED),
    1105: (SqlRefused, _REFUSED),  # XPATH
    1140: (SqlRefused, _REFUSED),
    1222: (SqlRefused, _REFUSED),
    1241: (SqlRefused, _REFUSED),
    1242: (SqlRefused, _REFUSED),
    1292: (SqlRefused, _REFUSED),
    1305: (SqlRefused, _REFUSED),
    1630: (SqlRefused, _REFUSED),
    1365: (SqlRefused, _REFUSED),
    1367: (SqlRefused, _REFUSED),
    1582: (SqlRefused, _REFUSED),
    1690: (SqlRefused, _REFUSED),
    1792: (SqlRefused, _REFUSED),  # a write in a read-only transaction
    1139: (SqlRefused, _REFUSED),  # regular expressions
    3141: (SqlRefused, _REFUSED),  # JSON text
    3143: (SqlRefused, _REFUSED),  # JSON path
    3699: (SqlRefused, _REFUSED),
}


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Run driver calls; what they raise comes out as an error of ours with the number as its cause."""
    try:
        yield
    except HfitError:
        raise
    except pymysql.MySQLError as error:
        raise _from_server(error) from _said(error)
    except (TimeoutError, OSError, EOFError, asyncio.IncompleteReadError, ssl.SSLError) as error:
        raise DbUnavailable(_UNREACHABLE) from ServerSaid(type(error).__name__)
    except (RuntimeError, AssertionError, struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        # The driver's way to say that the peer does not speak the protocol.
        raise DbUnavailable(_UNREACHABLE) from ServerSaid(type(error).__name__)


def _number(error: pymysql.MySQLError) -> int:
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def _said(error: pymysql.MySQLError) -> ServerSaid:
    number = _number(error)
    return ServerSaid(f"error {number}", ended=number not in _ENDS_MORE and (0 < number < 2000 or number >= 3000))


def _from_server(error: pymysql.MySQLError) -> HfitError:
    number = _number(error)
    if number in _BY_NUMBER:
        kind, message = _BY_NUMBER[number]
        return kind(message, retry_after_seconds=1 if kind is Busy else None)
    if number == 0 or 2000 <= number < 3000:
        return DbUnavailable(_UNREACHABLE)
    return Internal("The database could not do this; the request id finds its error number in the log.")
