"""Answers of one kind that are told together: a line of the log and the metrics cost more than a small answer itself.

1. Each has a line of its own, with the time at which it left, and counts once; only the writing is shared.
2. They wait for ``TOLD_SECONDS`` at most, there are at most ``MOST`` of them, and nothing reads metrics before them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

TOLD_SECONDS = 0.05
MOST = 500

Answer = tuple[float, str, float, int]  # when it left (seconds since 1970), its id, seconds it took, bytes of its body


@dataclass(slots=True)
class Answers:
    """Answers to ``method`` at ``route``, a path of the route table, with ``status``, as ``Observer.answers`` makes
    them."""

    method: str
    route: str
    status: int
    waiting: list[Answer] = field(default_factory=list)

    def add(self, request_id: str, seconds: float, size: int) -> None:
        """One more has left."""
        self.waiting.append((time.time(), request_id, seconds, size))

    def take(self) -> list[Answer]:
        """Those that wait; they do not any more."""
        taken, self.waiting = self.waiting, []
        return taken
