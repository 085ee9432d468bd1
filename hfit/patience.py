"""When a call that can be repeated is, and after how long."""

from __future__ import annotations

import time
from collections.abc import Callable

from hfit.answers import retry_after
from hfit.errors import HfitClientError
from hfit.transport import Response

PAUSE_SECONDS = 0.5  # times the number of the attempt, when nobody said how long
TRIES = 4
PACKAGE_SECONDS = 90.0  # of waiting for a place, or for a store that is away for a moment
TOLD_SECONDS = 2.0  # a wait as long as this is said
_OF_A_BALANCER = (502, 503)


class Patience:
    """That of one call. It is tried four times; for a ``package``, as long as it would have to be waited for."""

    def __init__(self, *, package: bool, warn: Callable[[str], None]) -> None:
        self._package, self._warn = package, warn
        self._attempt, self._waited = 1, 0.0

    def after_loss(self) -> bool:
        """After a connection that was lost: another instance may answer the next one. False when it was the last."""
        if self._attempt >= TRIES:
            return False
        self._pause(self._attempt * PAUSE_SECONDS)
        return True

    def after_answer(self, response: Response, error: HfitClientError) -> bool:
        """Wait until the call may be repeated; False when repeating it would not help, or would not end."""
        wait = self._wanted(response, error)
        if wait is None or gives_up(self._attempt, self._waited + wait, package=self._package):
            return False
        if wait >= TOLD_SECONDS:
            self._warn(f"{error.message} Asking again in {wait:.0f} s.")
        self._pause(wait)
        return True

    def _wanted(self, response: Response, error: HfitClientError) -> float | None:
        """The gateway says so itself (503 with Retry-After, for packages also 429); a load balancer whose server has
        just gone answers with a page of its own."""
        pause = self._attempt * PAUSE_SECONDS
        if error.status in _OF_A_BALANCER and error.server_body is None:
            wait: float | None = retry_after(response) or pause
        else:
            wait = retry_after(response) if error.status == 503 or (self._package and error.status == 429) else None
        return wait if wait is None or self._attempt < TRIES else max(wait, pause)

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)
        self._attempt += 1
        self._waited += seconds


def gives_up(attempt: int, waited_seconds: float, *, package: bool) -> bool:
    """Whether it has been asked often enough."""
    return waited_seconds > PACKAGE_SECONDS if package else attempt >= TRIES
