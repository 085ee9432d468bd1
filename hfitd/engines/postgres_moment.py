"""Which moment a PostgreSQL snapshot shows: what the server calls it, and how old it is on a replica.

Source: PostgreSQL manual, "System Administration Functions", recovery information.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from hfitd.engines.lag import unknown_lag
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.errors import HfitError

T = TypeVar("T")

# From the most telling to what every role may ask. Owners can forbid these functions, and some hosts have no WAL of
# their own; a permission is looked at for a whole statement, so a CASE would not help.
_POSITIONS = (
    """
SELECT pg_catalog.concat_ws(' ',
    'snapshot=' || pg_catalog.txid_current_snapshot()::pg_catalog.text,
    'lsn=' || CASE
        WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
        ELSE pg_catalog.pg_current_wal_lsn()
    END::pg_catalog.text)
""",
    "SELECT 'snapshot=' || pg_catalog.txid_current_snapshot()::pg_catalog.text",
    "SELECT 'begun=' || pg_catalog.transaction_timestamp()::pg_catalog.text",
)
_LAG = """
SELECT pg_catalog.pg_is_in_recovery() AS replica,
    pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()
        AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AS caught_up,
    EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())
        ::pg_catalog.float8 AS age
"""


async def read_position(connection: Any) -> str:
    """What the server calls this moment; the transaction survives whatever the role may not ask."""
    for query in _POSITIONS:
        position = await _attempt(connection, partial(connection.fetchval, query))
        if position is not None:
            return str(position)
    return ""


async def read_lag(connection: Any) -> float | None:
    """Seconds that a replica is behind; None on a primary. DbUnavailable when it does not say."""
    with translated(Stage.OWN):
        record = await connection.fetchrow(_LAG)
    return lag_of(replica=record["replica"], caught_up=record["caught_up"], age_seconds=record["age"])


async def known_lag(connection: Any) -> float | None:
    """The same for who made no promise about it: None also when the role may not ask, or the replica does not say."""
    if is_replica(connection) is False:
        return None
    return await _attempt(connection, partial(read_lag, connection))


def is_replica(connection: Any) -> bool | None:
    """Whether the server is one; PostgreSQL 14 and later report it without a question, of others it is not known."""
    reported: str | None = getattr(connection.get_settings(), "in_hot_standby", None)
    return None if reported is None else reported == "on"


async def _attempt(connection: Any, question: Callable[[], Awaitable[T]]) -> T | None:
    """An answer, or None: a question that may fail without harm to the transaction. No savepoint stays: inside one
    a replica would end the whole connection, and not the statement alone, when replay is in need of what it sees."""
    answer: T | None = None
    with translated(Stage.OWN):
        await connection.execute("SAVEPOINT hfit_attempt")
        try:
            with translated(Stage.OWN):
                answer = await question()
        except HfitError:
            if connection.is_closed():
                raise
            await connection.execute("ROLLBACK TO SAVEPOINT hfit_attempt")
        await connection.execute("RELEASE SAVEPOINT hfit_attempt")
    return answer


def lag_of(*, replica: bool, caught_up: bool | None, age_seconds: float | None) -> float | None:
    """What the three answers mean.

    ``age_seconds`` since the last replayed commit grows on an idle primary too, so a replica that has replayed all it
    received, and still receives, is not behind; one that lost its primary counts by that age.
    """
    if not replica:
        return None
    if caught_up:
        return 0.0
    if age_seconds is None:
        raise unknown_lag("the replica has replayed nothing yet")
    return max(0.0, age_seconds)
