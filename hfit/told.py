"""Who is told how far a package is: its plan, its rows while the gateway makes it, its bytes as they arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfit.transfer import Progress, silent


@dataclass(frozen=True, slots=True)
class Planning:
    """How far a plan is: ``exports`` of it that are checked and the ``tables`` these read, and how many ``rows`` its
    subsets have found. ``share`` is the part of the whole, 0 to 1, about; None where the gateway does not know."""

    exports: int
    expected_exports: int
    tables: int
    expected_tables: int
    rows: int
    share: float | None


def unheard(_: Planning) -> None:
    """Planning that nobody sees."""


@dataclass(frozen=True, slots=True)
class Told:
    """``arriving`` is told of bytes, ``building`` of rows that the gateway has written, each with the whole where that
    is known; ``planning`` of the plan. They are called in other threads, too."""

    arriving: Progress = silent
    building: Progress = silent
    planning: Callable[[Planning], None] = unheard

    @property
    def of_the_gateway(self) -> bool:
        """Whether anybody wants to know what the gateway does."""
        return self.building is not silent or self.planning is not unheard


NOBODY = Told()
