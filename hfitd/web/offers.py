"""What ``again`` knows: offers, to whom they were made, and what was given under which audit record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from hfitd.access.token_text import Claims
from hfitd.audit.log import AuditToken
from hfitd.audit.record import MAX_ITEMS, AuditRecord
from hfitd.errors import HfitError
from hfitd.model import Actor
from hfitd.observe.answers import Answers
from hfitd.web.heads import Head
from hfitd.web.ranges import Span

ANSWERS = MAX_ITEMS  # a record names them all
BUSY = 8  # who had that many answers under one record will want more

Key = tuple[str, bytes, bytes, bytes, str]
End = Callable[["Given"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Given:
    """What was given under one record: the ids of the requests, the bytes that left, and how it ended."""

    token: AuditToken
    outcome: str
    code: str
    requests: Sequence[str]
    sent: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody may have again: ``content``, or a file that ``opening`` opens in a thread.

    ``opening`` raises HfitError when it is not what it was; ``holds`` says whether it may still be given.
    """

    etag: str
    size: int
    content: bytes | None
    opening: Callable[[], int]
    record: AuditRecord
    end: End
    holds: Callable[[], bool] = lambda: True


@dataclass(slots=True)
class Sheet:
    """The answers under one record."""

    begun: asyncio.Future[AuditToken] | None = None
    requests: list[str] = field(default_factory=list)
    active: int = 0
    sent: int = 0
    broken: bool = False
    code: str = ""  # of our own failure
    over: bool = False

    @property
    def durable(self) -> bool:
        """Whether its begin is on disk."""
        begun = self.begun
        return begun is not None and begun.done() and not begun.cancelled() and begun.exception() is None

    @property
    def full(self) -> bool:
        """Whether it takes no further answer."""
        return len(self.requests) + self.active >= ANSWERS


@dataclass(slots=True)
class Account:
    """An offer, and to whom it was made how."""

    offer: Offer
    person: Actor
    standing: Actor  # as the token says it, without the address
    token: bytes  # its name
    claims: Claims
    route: str
    head: Head
    whole: Span
    answers: Answers
    sources: object
    made: float
    sheet: Sheet = field(default_factory=Sheet)
    spare: Sheet | None = None  # begun before the other is full, so that nobody has to wait for the disk
    renewing: bool = False
    heads: set[tuple[str, bytes]] = field(default_factory=set)  # what is answered before it is parsed


async def end_of(sheet: Sheet, offer: Offer, begun: asyncio.Future[AuditToken]) -> None:
    """Write how a sheet ended."""
    try:
        outcome = "aborted_by_client" if sheet.broken else "done" if sheet.requests else "cancelled"
        await offer.end(Given(await begun, "failed" if sheet.code else outcome, sheet.code, sheet.requests, sheet.sent))
    except HfitError:
        return  # the log is red and says so; the next start writes the end
