"""Requests paid for in advance, so that the shared store is not asked before every one of a busy caller's.

1. Never more than the limit: a request is answered from credit only if the store has counted it before.
2. A caller who sends one request now and then is counted one by one. Whoever uses credit up within a second gets twice
   as much the next time, up to a sixtieth of the limit, and who does not gets as much as was used; what is left after a
   second is lost to the caller, so that an hour-old credit cannot be spent in a burst.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from hfitd.store.interface import RateDecision

SECONDS = 1.0
_SHARE = 60  # of the limit, at most, in advance
_MOST = 1024
_REMEMBERED = 20_000


@dataclass(slots=True)
class _Purse:
    decision: RateDecision
    left: int
    until: float
    size: int


class Credit:
    """Credit by key, in memory, of a bounded number of keys; the longest unused are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._purses: OrderedDict[str, _Purse] = OrderedDict()

    def spend(self, key: str) -> RateDecision | None:
        """The decision on one request that is paid for already, or None."""
        purse = self._purses.get(key)
        if purse is None or not purse.left or self._clock() >= purse.until:
            return None
        purse.left -= 1
        said = purse.decision
        return RateDecision(said.allowed, said.limit, said.remaining + purse.left, said.retry_after_seconds)

    def wanted(self, key: str, limit: int) -> int:
        """How many requests to count at once, the present one among them."""
        purse = self._purses.get(key)
        now = self._clock()
        if purse is None or now >= purse.until + SECONDS:
            return 1
        used = purse.size - purse.left
        return max(1, min(2 * used if now < purse.until else used, _MOST, limit // _SHARE))

    def fill(self, key: str, decision: RateDecision, paid: int) -> RateDecision:
        """Remember what the store has allowed; the decision on the present request."""
        before = self._purses.get(key)
        kept = before.left if before is not None and self._clock() < before.until else 0
        purse = _Purse(decision, kept + paid - 1, self._clock() + SECONDS, kept + paid)
        self._purses[key] = purse
        self._purses.move_to_end(key)
        if len(self._purses) > _REMEMBERED:
            self._purses.popitem(last=False)
        return replace(decision, remaining=decision.remaining + purse.left)
