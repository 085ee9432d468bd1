"""When a call that can be repeated is, and after how long."""

from __future__ import annotations

from hfit.answers import retry_after
from hfit.errors import HfitClientError
from hfit.transport import Response

PAUSE_SECONDS = 0.5  # times the number of the attempt, when nobody said how long
TRIES = 4
PACKAGE_SECONDS = 90.0  # of waiting for a place, or for a store that is away for a moment
TOLD_SECONDS = 2.0  # a wait as long as this is said
_OF_A_BALANCER = (502, 503)


def pause_seconds(attempt: int) -> float:
    """After a connection that was lost: another instance may answer the next one."""
    return PAUSE_SECONDS * attempt


def pause_after(response: Response, error: HfitClientError, attempt: int, *, package: bool) -> float | None:
    """How long to wait before the call is repeated; None when repeating it would not help.

    The gateway says so itself (503 with Retry-After, for packages also 429); a load balancer whose server has just
    gone answers with a page of its own.
    """
    if error.status in _OF_A_BALANCER and error.server_body is None:
        wait: float | None = retry_after(response) or pause_seconds(attempt)
    else:
        wait = retry_after(response) if error.status == 503 or (package and error.status == 429) else None
    return wait if wait is None or attempt < TRIES else max(wait, pause_seconds(attempt))


def gives_up(attempt: int, waited_seconds: float, *, package: bool) -> bool:
    """Whether it has been asked often enough: four times; for a package, as long as it would have to be waited for."""
    return waited_seconds > PACKAGE_SECONDS if package else attempt >= TRIES
