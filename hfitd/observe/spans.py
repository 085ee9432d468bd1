"""Spans of work, for those who trace: what ``Observer.span`` gives.

An attribute is a number or the name of a configured thing, never a value, a path, SQL or somebody's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
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
    """A span that nobody will see."""

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Nothing."""


class NoTraces:
    """The tracer of who does not trace."""

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute]) -> Iterator[Span]:
        """See Tracer."""
        yield _Nothing()

    def note(self, name: str, seconds: float, attributes: Mapping[str, Attribute]) -> None:
        """See Tracer."""

    def close(self) -> None:
        """See Tracer."""
