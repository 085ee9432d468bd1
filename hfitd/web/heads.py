"""The head of an answer given once more: line for line that of the first, with what is new each time put in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from email.utils import formatdate

from hfitd.web.ranges import Span

_NEW = frozenset(
    {"content-length", "date", "x-request-id", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
)
_DROPPED = frozenset({"connection", "content-range"})
_AT_ONCE = 512


class Head:
    """Made from the headers of a response that has left, in their order."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        lines = [_line(name, value) for name, value in headers.items() if name.lower() not in _DROPPED]
        self._lines = "\r\n".join(lines)

    def of(self, span: Span, new: Mapping[str, object], *, keep_alive: bool = True) -> bytes:
        """The head for these bytes. ``new`` has, by lower-case name, what is not the same each time but the length."""
        said = self._lines % {**new, "content-length": span.stop - span.start}
        if not keep_alive:
            said += "\r\nConnection: close"
        if span.partial:
            return f"HTTP/1.1 206 Partial Content\r\n{said}\r\nContent-Range: {span.content_range}\r\n\r\n".encode()
        return f"HTTP/1.1 200 OK\r\n{said}\r\n\r\n".encode()


class Clock:
    """The value of a Date header, put together once a second."""

    def __init__(self) -> None:
        self._said = (0, "")

    def date(self) -> str:
        """Of now."""
        second = int(time.time())
        if self._said[0] != second:
            self._said = (second, formatdate(second, usegmt=True))
        return self._said[1]


class Ids:
    """Ids of requests, as ``secrets`` gives them, taken from the system many at a time."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def next(self) -> str:
        """One that nobody has had."""
        if not self._left:
            many = secrets.token_hex(8 * _AT_ONCE)
            self._left = [many[start : start + 16] for start in range(0, len(many), 16)]
        return self._left.pop()


def _line(name: str, value: str) -> str:
    if name.lower() in _NEW:
        return f"{name}: %({name.lower()})s"
    return f"{name}: {value}".replace("%", "%%")
