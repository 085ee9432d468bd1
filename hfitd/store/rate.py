"""The generic cell rate algorithm, as every implementation of the store uses it.

The state is one number: how far the theoretical arrival time lies ahead of now. It refills evenly and needs no clock
that two machines would have to share. Source: ITU-T I.371, annex A, in its virtual-scheduling form.
"""

from __future__ import annotations

from hfitd.store.interface import RateDecision

_ROUNDING = 1e-9


def next_arrival(
    ahead_seconds: float, limit: int, period_seconds: float, cost: int = 1
) -> tuple[RateDecision, float]:
    """Decide on ``cost`` more requests at once, all or none; returns the decision and how far ahead of now the arrival
    time lies afterwards.

    ``limit`` below one allows nothing.
    """
    if limit < 1:
        return RateDecision(False, 0, 0, period_seconds), 0.0
    interval = period_seconds / limit
    ahead = max(ahead_seconds, 0.0)
    wait = ahead + cost * interval - period_seconds
    if wait > _ROUNDING * period_seconds:
        return RateDecision(False, limit, 0, wait), ahead
    ahead += cost * interval
    remaining = int((period_seconds - ahead) / interval + _ROUNDING * limit)
    return RateDecision(True, limit, max(remaining, 0), 0.0), ahead
