"""A request with its name: on every log line that is written meanwhile, on its span, and on the line that ends it."""

from __future__ import annotations

import time
from types import TracebackType

from hfitd.gateway.core import Gateway
from hfitd.observe.events import RequestDone
from hfitd.observe.logs import RequestContext


class Measured:
    """Measures the block as a request for ``route``, a path of the route table, and tells what became of it.

    ``status`` and ``code`` are the answer's, ``size`` the bytes of its body; without an answer the client has left.
    With ``dropped`` it is answered elsewhere, and measured there.
    """

    __slots__ = ("_context", "_door", "_method", "_request_id", "_route", "_span", "_started", "_told", "code",
                 "dropped", "size", "status")  # fmt: skip

    def __init__(self, door: Gateway, request_id: str, method: str, route: str) -> None:
        self._door, self._request_id, self._method, self._route = door, request_id, method, route
        self.status, self.size, self.code, self.dropped = 499, 0, "ABORTED_BY_CLIENT", False

    def answered(self, status: int, size: int, code: str = "") -> None:
        """This is what became of it."""
        self.status, self.size, self.code = status, size, code

    def __enter__(self) -> Measured:
        self._started = time.perf_counter()
        self._context = RequestContext(self._request_id)
        self._context.__enter__()
        asked = {"http.request.method": self._method, "http.route": self._route}
        self._span = self._door.observer.span(f"{self._method} {self._route}", asked)
        self._told = self._span.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self.dropped:
                self._tell()
        finally:
            self._span.__exit__(kind, error, trace)
            self._context.__exit__()

    def _tell(self) -> None:
        self._told.set(
            {"http.response.status_code": self.status, "hfitd.request": self._request_id, "error.type": self.code}
        )
        seconds = time.perf_counter() - self._started
        self._door.observer.event(RequestDone(self._method, self._route, self.status, seconds, self.size, self.code))
