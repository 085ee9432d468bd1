"""Spans of work, for those who trace: what ``Observer.span`` gives.

An attribute is a number or the name of a configured thing, never a value, a path, SQL or somebody's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Attribute = str | int | float


class Span(Protocol):
    """Work that is under way."""

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Say more of it; what is empty says nothing."""


class Tracer(Protocol):
    """Where spans go."""

    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[Span]:
        """A span around a block; what fails inside gives it the error's code."""

    def note(self, name: str, seconds: float, attributes: Mapping[str, Attribute]) -> None:
        """A span that is over: it took this long until now, inside the span that is under way."""

    def close(self) -> None:
        """Send what waits; blocks for some seconds at most."""


class _Nothing:
    """A span that nobody will see, and what begins and ends it."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing."""

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Nothing."""


class NoTraces:
    """The tracer of who does not trace."""

    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[Span]:
        """See Tracer."""
        return _Nothing()

    def note(self, name: str, seconds: float, attributes: Mapping[str, Attribute]) -> None:
        """See Tracer."""

    def close(self) -> None:
        """See Tracer."""
