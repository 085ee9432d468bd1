"""Errors of asyncpg and of the operating system become errors of ``hfitd.errors``, here and nowhere else.

The server's text is a data channel (``invalid input syntax for type integer: "user@example.com"``), so neither a
message nor a cause holds it: only the SQLSTATE goes on, for the log. Codes: PostgreSQL manual, appendix A.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg

from hfitd.errors import (
    Busy,
    DbUnavailable,
    ExportRefused,
    HfitError,
    Internal,
    LoginRefused,
    NotFound,
    ParamInvalid,
    QueryTimeout,
    SchemaChanged,
    SqlRefused,
    SqlTooComplex,
)


class Stage(enum.Enum):
    """What was being done; the same code means other things at other times."""

    CONNECT = enum.auto()
    OWN = enum.auto()  # our own statement, on the catalogue
    DESCRIBE = enum.auto()  # a caller's statement, before anything is promised
    RUN = enum.auto()  # a caller's statement that was described before


class ServerSaid(Exception):
    """The cause kept for the log: the SQLSTATE, and nothing a row could have put there."""


@contextmanager
def translated(stage: Stage) -> Iterator[None]:
    """Let only errors of our tree out. Cancellation and errors of our tree pass unchanged."""
    try:
        yield
    except (HfitError, asyncio.CancelledError):
        raise
    except asyncpg.PostgresError as error:
        state = getattr(error, "sqlstate", None) or "XX000"
        if state == _TERMINATED and _CONFLICT in str(error):
            raise _conflict() from ServerSaid(f"SQLSTATE {state}")
        raise _of_state(state, stage) from ServerSaid(f"SQLSTATE {state}")
    except TimeoutError:
        if stage is Stage.CONNECT:
            raise DbUnavailable("The database did not answer in time.") from None
        raise QueryTimeout() from None
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The driver's own words name no value, but a DataError repeats the argument.
        raise _of_driver(error) from ServerSaid(type(error).__name__)
    except (OSError, EOFError) as error:
        raise DbUnavailable() from error


def _of_driver(error: Exception) -> HfitError:
    if isinstance(error, asyncpg.DataError):
        return ParamInvalid("A parameter has a value of another type.")
    if "closed" in str(error) or isinstance(error, asyncpg.InternalClientError):
        return DbUnavailable("The connection to the database was lost.")
    return Internal()


def _of_state(state: str, stage: Stage) -> HfitError:
    exact = _EXACT.get(state)
    if exact is not None:
        return exact()
    if stage is not Stage.DESCRIBE and state in {"42P01", "42703", "42704", "3F000"}:
        return SchemaChanged()
    if stage is Stage.OWN and state.startswith(("42", "22")):
        return Internal()
    by_class = _BY_CLASS.get(state[:2])
    return by_class() if by_class else Internal()


def _lost() -> HfitError:
    return DbUnavailable()


def _refused_login() -> HfitError:
    return LoginRefused(suggestions=("Let an operator run `hfitd check`.",))


def _no_database() -> HfitError:
    return NotFound("There is no such database.")


def _locked() -> HfitError:
    return Busy("A table is locked by another session; try again shortly.", retry_after_seconds=5)


def _conflict() -> HfitError:
    error = DbUnavailable("The database ended the snapshot because of a conflict; try again.", retry_after_seconds=5)
    error.conflict = True
    return error


def _privilege() -> HfitError:
    return ExportRefused()


def _unclear_parameter() -> HfitError:
    return ParamInvalid(
        "The type of a parameter cannot be inferred from the query.",
        suggestions=("Declare the parameter with a type in the template.",),
    )


def _sql() -> HfitError:
    return SqlRefused(
        "The database does not accept this SQL.",
        suggestions=("Check names, types and the number of rows each part gives.",),
    )


_TERMINATED = "57P01"  # admin_shutdown: an operator's word, except where the server says that replay was in need
_CONFLICT = "conflict with recovery"
_EXACT: dict[str, Callable[[], HfitError]] = {
    "57014": QueryTimeout,  # query_canceled, also by statement_timeout
    "55P03": _locked,  # lock_not_available
    "25P03": _lost,  # idle_in_transaction_session_timeout
    "42501": _privilege,  # insufficient_privilege, also row security that would hide rows
    "42P18": _unclear_parameter,  # indeterminate_datatype
    "42P08": _unclear_parameter,  # ambiguous_parameter
    "3D000": _no_database,
    "54001": SqlTooComplex,  # statement_too_complex
    "25006": _sql,  # read_only_sql_transaction
}
_BY_CLASS: dict[str, Callable[[], HfitError]] = {
    "08": _lost,
    "28": _refused_login,
    "53": _lost,  # insufficient resources
    "57": _lost,  # operator intervention: shutdown, terminated
    "58": _lost,  # system error
    "40": _conflict,  # transaction rollback: replica conflict, deadlock
    "54": SqlTooComplex,  # program limit
    "0A": _sql,
    "21": _sql,
    "22": _sql,
    "2F": _sql,
    "38": _sql,
    "39": _sql,
    "42": _sql,
    "44": _sql,
    "P0": _sql,  # raised by a function
}
