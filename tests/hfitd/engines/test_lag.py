"""How far a replica is behind, from what servers say of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from hfitd.config.model import ProviderConfig
from hfitd.engines import mysql_lag, postgres_moment
from hfitd.engines.interface import Engine
from hfitd.engines.lag import refuse_old
from hfitd.engines.table import open_engine
from hfitd.errors import DbUnavailable
from hfitd.sql import text
from tests.live.databases import run_sql
from tests.live.postgres import distribution_binaries, standby_of
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider, query


@pytest.mark.parametrize(
    ("replica", "caught_up", "age", "lag"),
    [
        (False, None, None, None),
        (False, None, 99.0, None),
        (True, True, 4000.0, 0.0),
        (True, False, 12.5, 12.5),
        (True, None, 12.5, 12.5),
        (True, False, -0.1, 0.0),
    ],
)
def test_o08_a_postgresql_replica_is_as_far_behind_as_it_replays(
    replica: bool, caught_up: bool | None, age: float | None, lag: float | None
) -> None:
    assert postgres_moment.lag_of(replica=replica, caught_up=caught_up, age_seconds=age) == lag


def test_o08_a_postgresql_replica_that_replayed_nothing_is_not_read() -> None:
    with pytest.raises(DbUnavailable, match="not known"):
        postgres_moment.lag_of(replica=True, caught_up=False, age_seconds=None)


def test_o08_a_mysql_replica_is_as_far_behind_as_its_slowest_channel() -> None:
    assert mysql_lag.lag_of([]) is None
    assert mysql_lag.lag_of([{"Seconds_Behind_Master": "7"}]) == 7
    assert mysql_lag.lag_of([{"Seconds_Behind_Source": "1"}, {"Seconds_Behind_Source": "30"}]) == 30


@pytest.mark.parametrize("channel", [{"Seconds_Behind_Master": None}, {"Replica_IO_State": ""}])
def test_o08_a_mysql_replica_that_stands_still_is_not_read(channel: dict[str, str | None]) -> None:
    with pytest.raises(DbUnavailable, match="stopped"):
        mysql_lag.lag_of([{"Seconds_Behind_Master": "0"}, channel])


def test_o08_the_refusal_says_how_far_and_what_is_allowed() -> None:
    refuse_old(None, 5.0)
    refuse_old(5.0, 5.0)
    with pytest.raises(DbUnavailable, match="The replica is 61 seconds behind; this provider allows 60") as refused:
        refuse_old(61.2, 60.0)
    assert refused.value.retry_after_seconds


async def test_o08_a_real_replica_is_read_until_it_is_too_far_behind(
    postgres_server: Server, postgres_database: str
) -> None:
    with standby_of(postgres_server, distribution_binaries()) as standby:
        engine = open_engine(postgres_provider(standby, postgres_database, max_lag_seconds=1.0))
        try:
            run_sql(postgres_server, "CREATE TABLE t (id integer); INSERT INTO t VALUES (1);", postgres_database)
            async with asyncio.timeout(20):
                while not await _sees_the_table(engine):
                    await asyncio.sleep(0.1)
            await _check_lag_is_known(postgres_provider(standby, postgres_database), replica=True)
            await _check_lag_is_known(postgres_provider(postgres_server, postgres_database), replica=False)
            run_sql(standby, "SELECT pg_wal_replay_pause();")
            run_sql(postgres_server, "INSERT INTO t VALUES (2);", postgres_database)
            await asyncio.sleep(1.5)
            with pytest.raises(DbUnavailable, match="seconds behind; this provider allows 1") as caught:
                await _sees_the_table(engine)
            assert caught.value.retry_after_seconds == 30
            run_sql(standby, "SELECT pg_wal_replay_resume();")
            async with asyncio.timeout(20):
                while True:
                    with contextlib.suppress(DbUnavailable):
                        assert await _sees_the_table(engine)
                        break
                    await asyncio.sleep(0.1)
        finally:
            await engine.close()


async def test_o08_a_connection_that_a_replica_closed_is_taken_for_a_conflict(
    postgres_server: Server, postgres_database: str
) -> None:
    with standby_of(postgres_server, distribution_binaries()) as standby:
        for server, conflict in ((standby, True), (postgres_server, False)):
            engine = open_engine(postgres_provider(server, postgres_database))
            try:
                with pytest.raises(DbUnavailable) as caught:
                    await _loses_its_connection(engine, server)
                assert caught.value.conflict == conflict
            finally:
                await engine.close()


async def _loses_its_connection(engine: Engine, server: Server) -> None:
    async with engine.snapshot() as snapshot:
        question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hfitd';"
        assert "t" in await asyncio.to_thread(run_sql, server, question)
        await asyncio.sleep(0.2)
        await snapshot.rows(query(text("SELECT 1 AS one"), "one"), 1)


async def _check_lag_is_known(provider: ProviderConfig, *, replica: bool) -> None:
    """Also where nobody made a promise about it."""
    engine = open_engine(provider)
    try:
        async with engine.snapshot() as snapshot:
            assert (snapshot.lag_seconds is not None) == replica
            assert (await snapshot.catalog()).tables
    finally:
        await engine.close()


async def _sees_the_table(engine: Engine) -> bool:
    async with engine.snapshot() as snapshot:
        assert "lsn=" in snapshot.position
        return any(name.name == "t" for name in (await snapshot.catalog()).tables)
