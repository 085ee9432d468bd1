"""Connecting to a target: an engine's loader, and with it its driver, is imported when the first target asks for it."""

from __future__ import annotations

from hfit.load.interface import Loader, Target


async def open_loader(target: Target, lock_seconds: float) -> Loader:
    """A loader for the target; it waits ``lock_seconds`` for somebody else's lock. NetworkFailed without a server."""
    if target.engine == "postgresql":
        from hfit.load.postgres import open_postgres  # noqa: PLC0415 - lazy start-up: a driver costs 40 ms

        return await open_postgres(target, lock_seconds)
    if target.engine == "mysql":
        from hfit.load.mysql import open_mysql  # noqa: PLC0415 - as above

        return await open_mysql(target, lock_seconds)
    from hfit.load.sqlite import open_sqlite  # noqa: PLC0415 - as above

    return await open_sqlite(target, lock_seconds)
