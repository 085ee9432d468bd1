"""``hfitd`` on a machine whose clock is wrong: ``python -m tests.faults.clock serve --config FILE``.

``HFIT_TEST_CLOCK_SECONDS`` is by how much the wall clock is ahead; clocks for time that passes are left alone.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from typing import Any

REAL = dt.datetime


class _Shifting(type):
    """What the drivers make is a ``datetime`` still."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, REAL)


def shift(seconds: float) -> None:
    """From now on whoever imports the clock gets one that is ahead."""
    real_time = time.time

    class Shifted(REAL, metaclass=_Shifting):
        __slots__ = ()  # drivers in C check the size

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return REAL.now(tz) + dt.timedelta(seconds=seconds)

    time.time = lambda: real_time() + seconds
    dt.datetime = Shifted  # type: ignore[misc]


if __name__ == "__main__":
    shift(float(os.environ["HFIT_TEST_CLOCK_SECONDS"]))
    from hfitd.cli import main

    sys.argv[0] = "hfitd"
    main()
