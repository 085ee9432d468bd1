"""Whether who began something long may still go on with it (security design 5.2).

A token is checked when a request begins. While the answer is being sent, the person is looked at again every minute:
revoked, disabled, a role taken away or a loan that has ended close the connection, and the audit record says so. The
end of the token itself does not, as nobody could download for longer than it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from hfitd.access.token_text import Claims
from hfitd.export.record import actor_record
from hfitd.gateway.core import Gateway
from hfitd.model import Actor
from hfitd.web.context import actor, gateway

RECHECK_SECONDS = 60.0


@contextlib.asynccontextmanager
async def watched(request: web.Request, claims: Claims, seconds: float = RECHECK_SECONDS) -> AsyncIterator[None]:
    """Look at the person of the request every so many seconds while the block runs."""
    watch = Watch(gateway(request), actor(request), request.transport, claims, seconds)
    watch.arm()
    try:
        yield
    finally:
        watch.stop()


class Watch:
    """A timer, and the check it starts; requests that are short never get further than the timer."""

    def __init__(
        self,
        door: Gateway,
        person: Actor,
        transport: asyncio.Transport | None,
        claims: Claims,
        seconds: float = RECHECK_SECONDS,
    ) -> None:
        self._door, self._person, self._transport = door, person, transport
        self._claims = claims
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None

    def arm(self) -> None:
        """Start the timer."""
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._fire)

    def stop(self) -> None:
        """The answer is over."""
        if self._timer is not None:
            self._timer.cancel()
        if self._check is not None:
            self._check.cancel()

    def _fire(self) -> None:
        self._check = asyncio.create_task(self._look(), name="standing")

    async def _look(self) -> None:
        if await self._door.tokens.still_holds(self._claims, self._person):
            self.arm()
            return
        try:
            record = actor_record("access.ended", self._person)
            await self._door.audit.note(record, "refused", code="TOKEN_INVALID")
        finally:
            if self._transport is not None:
                self._transport.abort()
