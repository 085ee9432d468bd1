"""How far a replica is behind, from what servers say of it."""

from __future__ import annotations

import pytest

from hfitd.engines import mysql_lag, postgres_moment
from hfitd.engines.lag import refuse_old
from hfitd.errors import DbUnavailable


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
