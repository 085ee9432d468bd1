"""Three minutes of ``make soak``."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.soak import soak
from tests.live.daemon import Daemon

PEAK_MIB = 256
SECONDS = 180.0


@pytest.mark.timeout(SECONDS + 120)
async def test_r14_mixed_requests_leave_nothing_behind(small: Daemon) -> None:
    person = await asyncio.to_thread(small.add_person, "dev@example.org", "developer")
    result = await soak(small, person, SECONDS)
    assert result.unexpected == [], result.line()
    assert result.jobs == 0, result.line()
    assert result.peak < PEAK_MIB, result.line()
    assert result.descriptors[1] <= result.descriptors[0] + 2, result.line()
