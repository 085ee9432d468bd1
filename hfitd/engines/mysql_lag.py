"""How far a MySQL or MariaDB replica is behind, by SHOW REPLICA STATUS.

The statement has two names (before MySQL 8.0.22 and MariaDB 10.5.1 it is SHOW SLAVE STATUS, which newer MySQL has no
more) and two names for its column. It needs REPLICATION CLIENT, on MariaDB from 10.5 REPLICA MONITOR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfitd.engines.lag import unknown_lag
from hfitd.engines.mysql_connection import SafeConnection
from hfitd.engines.mysql_errors import translated
from hfitd.errors import ExportRefused, SqlRefused

_SECONDS = ("seconds_behind_source", "seconds_behind_master")


async def read_lag(connection: SafeConnection) -> float | None:
    """Seconds behind; None on a server that replicates from nobody. DbUnavailable when it does not say."""
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            with translated():
                rows = await connection.command(statement)
        except SqlRefused:
            continue
        except ExportRefused:
            raise unknown_lag("max_lag needs REPLICATION CLIENT, on MariaDB REPLICA MONITOR") from None
        return lag_of([dict(zip(connection.last_names, row, strict=True)) for row in rows])
    raise unknown_lag("the server has no statement for it")


def lag_of(channels: Sequence[Mapping[str, str | None]]) -> float | None:
    """The largest lag of all channels; none of them: no replica. A channel that stands still is DbUnavailable."""
    found: list[float] = []
    for channel in channels:
        lowered = {name.lower(): value for name, value in channel.items()}
        seconds = next((lowered[name] for name in _SECONDS if lowered.get(name) is not None), None)
        if seconds is None:
            raise unknown_lag("replication has stopped")
        found.append(float(seconds))
    return max(found, default=None)
