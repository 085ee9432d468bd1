"""Which moment a PostgreSQL snapshot shows: what the server calls it, and how old it is on a replica.

Source: PostgreSQL manual, "System Administration Functions", recovery information.
"""

from __future__ import annotations

from typing import Any

from hfitd.engines.lag import unknown_lag
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.errors import DbUnavailable, HfitError

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
        with translated(Stage.OWN):
            await connection.execute("SAVEPOINT hfit_position")
        try:
            with translated(Stage.OWN):
                position = await connection.fetchval(query)
        except DbUnavailable:
            raise
        except HfitError:
            with translated(Stage.OWN):
                await connection.execute("ROLLBACK TO SAVEPOINT hfit_position")
        else:
            with translated(Stage.OWN):
                await connection.execute("RELEASE SAVEPOINT hfit_position")
            return str(position)
    return ""


async def read_lag(connection: Any) -> float | None:
    """Seconds that a replica is behind; None on a primary. DbUnavailable when it does not say."""
    with translated(Stage.OWN):
        record = await connection.fetchrow(_LAG)
    return lag_of(replica=record["replica"], caught_up=record["caught_up"], age_seconds=record["age"])


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
