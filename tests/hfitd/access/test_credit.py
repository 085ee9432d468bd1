"""Requests paid in advance: the store is asked seldom for who is busy, and nobody gets more than the limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.access.credit import SECONDS, Credit
from hfitd.store.interface import RateDecision
from hfitd.store.rate import next_arrival

PERIOD = 60.0


class Caller:
    """One caller before a limit that is kept by the algorithm of the store, on a clock of its own."""

    def __init__(self, limit: int) -> None:
        self.now = 1000.0
        self.limit, self.asked, self.paid, self.served = limit, 0, 0, 0
        self.credit = Credit(lambda: self.now)
        self._arrival = 0.0

    def _ask(self, cost: int) -> RateDecision:
        self.asked += 1
        decision, ahead = next_arrival(self._arrival - self.now, self.limit, PERIOD, cost)
        self._arrival = self.now + ahead
        self.paid += cost * decision.allowed
        return decision

    def request(self) -> bool:
        """One request, counted as ``Limits`` counts it."""
        if self.credit.spend("key") is not None:
            self.served += 1
            return True
        wanted = self.credit.wanted("key", self.limit)
        decision = self._ask(wanted)
        if not decision.allowed and wanted > 1:
            wanted, decision = 1, self._ask(1)
        if decision.allowed:
            self.credit.fill("key", decision, wanted)
            self.served += 1
        return decision.allowed


def test_a_busy_caller_costs_the_store_few_questions() -> None:
    caller = Caller(60_000)
    for _ in range(5000):
        assert caller.request()
        caller.now += 0.001
    assert caller.asked < 5000 / 30


def test_a_caller_who_comes_now_and_then_is_counted_one_by_one() -> None:
    caller = Caller(6000)
    for _ in range(50):
        assert caller.request()
        caller.now += SECONDS + 0.1
    assert (caller.asked, caller.paid) == (50, 50)


def test_a_small_limit_is_exact() -> None:
    caller = Caller(10)
    assert [caller.request() for _ in range(12)] == [True] * 10 + [False] * 2
    caller.now += PERIOD / 10
    assert [caller.request() for _ in range(2)] == [True, False]


def test_credit_is_gone_after_a_second() -> None:
    caller = Caller(6000)
    for _ in range(40):
        caller.request()
    caller.now += SECONDS
    assert caller.credit.spend("key") is None
    caller.now += SECONDS
    assert caller.credit.wanted("key", 6000) == 1


def test_who_stays_busy_begins_each_second_with_what_the_last_one_took() -> None:
    caller = Caller(60_000)
    for _ in range(4000):
        assert caller.request()
        caller.now += 0.0011
    before = caller.asked
    for _ in range(4000):
        assert caller.request()
        caller.now += 0.0011
    assert caller.asked - before <= 10


@settings(max_examples=60)
@given(st.lists(st.sampled_from((0.0, 0.001, 0.02, 0.5, 3.0)), min_size=50, max_size=400), st.sampled_from((30, 300)))
def test_nobody_is_served_more_than_was_paid_for(pauses: list[float], limit: int) -> None:
    caller = Caller(limit)
    began = caller.now
    for pause in pauses:
        caller.request()
        caller.now += pause
    assert caller.served <= caller.paid <= limit + (caller.now - began) * limit / PERIOD + 1
