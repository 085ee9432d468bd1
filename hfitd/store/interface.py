"""The state that instances share: a small set of atomic operations with the same meaning everywhere.

Keys are ``kind:rest`` with printable ASCII; values are bytes. Implementations: ``embedded`` (one process, durable)
and ``redis`` (many processes). The contract suite in ``tests/contracts`` is what an implementation promises.
Every method may raise StoreUnavailable; none blocks longer than about two seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """A stored value and the version it was written as (1 for the first write)."""

    value: bytes
    version: int


@dataclass(frozen=True, slots=True)
class RateDecision:
    """Whether one more request fits, and what to tell the caller."""

    allowed: bool
    limit: int
    remaining: int
    retry_after_seconds: float


class Store(Protocol):
    """Shared state. Versions make lost updates impossible; ``take`` makes a nonce single-use."""

    async def read(self, key: str) -> Record | None:
        """The record, or None when there is none or its time has passed."""

    async def write(
        self, key: str, value: bytes, *, expect: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """Write and return the new version. ``expect`` is the version it must replace (0: must not exist);
        otherwise errors.Conflict and nothing changes."""

    async def write_all(self, values: Mapping[str, tuple[bytes, int | None]]) -> None:
        """Write several (value, expect) at once or, on any Conflict, none."""

    async def delete(self, key: str) -> bool:
        """Remove; says whether it was there."""

    async def keys(self, prefix: str) -> list[str]:
        """Live keys that start with the prefix, sorted; of ``keys.LISTED_KINDS`` at the cost of these alone."""

    async def mend(self) -> None:
        """Bring what ``keys`` lists in line with the records, whoever wrote them; it looks at all of them, in steps."""

    async def take(self, key: str) -> bytes | None:
        """Remove and return in one step: of many callers, at any instances, exactly one gets the value."""

    async def add(self, key: str, amount: int = 1, *, ttl_seconds: float | None = None) -> int:
        """Add to a counter and return the sum; the first addition starts its time to live."""

    async def add_within(
        self, key: str, amount: int, *, limit: int, ttl_seconds: float | None = None
    ) -> int | None:
        """Add to a counter unless the sum would pass ``limit``: then None, and nothing changes.

        Looking and adding is one step, so that of many callers, at any instances, none passes the limit together."""

    async def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        """GCRA rate limit: ``limit`` requests per period, evenly refilled, a burst of ``limit`` at most.

        ``cost`` requests are counted at once, all or none."""

    async def acquire(self, key: str, owner: str, ttl_seconds: float) -> bool:
        """Take or renew a lease; False while another owner holds it."""

    async def release(self, key: str, owner: str) -> None:
        """Give a lease back if this owner still holds it."""

    async def holder(self, key: str) -> str | None:
        """The owner of a lease, or None when nobody holds it."""

    async def ping(self) -> None:
        """Raise StoreUnavailable when it does not answer."""

    async def close(self) -> None:
        """Release connections and files."""
