"""How far a replica is behind, and what a provider with ``max_lag`` does about it. Pure.

An engine says a number of seconds, None for a server that replicates from nobody, or raises when it cannot know:
``max_lag`` is a promise, and a replica that cannot keep it is not read.
"""

from __future__ import annotations

from hfitd.errors import DbUnavailable

RETRY_SECONDS = 30


def refuse_old(lag_seconds: float | None, max_seconds: float) -> None:
    """DbUnavailable when the replica is further behind than the provider allows."""
    if lag_seconds is not None and lag_seconds > max_seconds:
        raise DbUnavailable(
            f"The replica is {lag_seconds:.0f} seconds behind; this provider allows {max_seconds:g}.",
            suggestions=("Try again later.",),
            retry_after_seconds=RETRY_SECONDS,
        )


def unknown_lag(why: str) -> DbUnavailable:
    """The refusal when a server that should say how far it is behind does not."""
    return DbUnavailable(f"How far the database is behind is not known: {why}.", retry_after_seconds=RETRY_SECONDS)
