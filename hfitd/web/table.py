"""The shape of the route table: one row says everything the router, the guard and the document need."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from marshmallow import Schema

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard(enum.Enum):
    """Who may call a route at all; what they may see there is decided below."""

    PUBLIC = "public"
    TOKEN = "token"  # noqa: S105 - the name of a rule
    METRICS = "metrics"
    CONSOLE = "session"


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path."""

    method: str
    path: str
    handler: Handler
    summary: str
    guard: Guard = Guard.TOKEN
    tag: str = ""
    request: type[Schema] | str | None = None  # a JSON body's schema, or a content type
    response: str = "application/json"
    status: int = 200
    max_body: int = 0  # bytes; 0 refuses any body
    audits_itself: bool = False  # its own begin and end say more than the middleware could
    query: Mapping[str, str] = field(default_factory=dict)  # name -> description
    action: str = ""  # what it is on record as; '' is its operation id

    @property
    def operation_id(self) -> str:
        """A stable name: the handler's."""
        return self.handler.__name__
