"""The same thing once more to the same person, a moment later: one audit record for all of it, no decision made twice.

A client that resumes, takes ranges or polls asks for one file or package many times a second. Once one of its requests
was answered in full, an ``Offer`` stands for ``FRESH_SECONDS``; what fits it exactly is answered from there.

1. It fits when method, address, token, host and the addresses it came from are the same and it has no header but those
   named here, each once. Everything else goes the long way, through every check of ``middleware``.
2. Nothing that was decided for the offer is older than ``FRESH_SECONDS``, and nothing may wait between the last look at
   all this and the first byte: the token is one that would be believed without asking the store, the person has the
   same roles, the configuration is the same, the audit log stands, the package was not taken back. A file is opened
   anew each time, beneath its folder as ever, and has to be the one it was, unchanged, under its one name.
3. Each request is counted against the limits. Where quotas by rows or bytes are set there are no offers; nor for
   people with roles on loan, for masked files, or for packages that stand under an approval.
4. One begin is durable before the first byte of the first such answer. One end names all these requests and says how
   many bytes they were given, as soon as the moment is over, there are ``ANSWERS`` of them, or one was broken off.
5. Each has an id, a span and a log line of its own, as any request.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from aiohttp import web

from hfitd.access.limits import rate_headers
from hfitd.access.token_text import Claims
from hfitd.audit.log import AuditToken
from hfitd.audit.record import MAX_ITEMS, AuditRecord
from hfitd.errors import HfitError, Internal
from hfitd.gateway.core import Gateway
from hfitd.gateway.fair_share import FOR_WHOM
from hfitd.model import Actor
from hfitd.observe.events import ErrorRaised
from hfitd.web.context import OFFERED, TOKEN, actor, route_of
from hfitd.web.measured import Measured
from hfitd.web.ranges import Span, span_of
from hfitd.web.sendfile import can_send_file
from hfitd.web.sending import Left, Sending
from hfitd.web.standing import Watch

FRESH_SECONDS = 1.0
RENEWED_SECONDS = 0.8  # then one request goes the long way while the others still need not
ANSWERS = MAX_ITEMS  # a record names them all
MAX_SPAN = 4 << 20  # what is longer is worth the long way
KEPT = 256
HEADERS = frozenset(
    {b"authorization", b"host", b"user-agent", b"accept", b"connection", b"range", b"if-range", b"x-forwarded-for"}
)
ANEW = frozenset(
    {"content-length", "content-range", "date", "connection", "x-request-id", "x-ratelimit-limit",
     "x-ratelimit-remaining", "x-ratelimit-reset"}
)  # fmt: skip

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

    ``opening`` raises HfitError when it is not what it was; ``holds`` says whether it may still be given (2).
    """

    etag: str
    size: int
    content: bytes | None
    opening: Callable[[], int]
    record: AuditRecord
    end: End
    holds: Callable[[], bool] = lambda: True


@dataclass(slots=True)
class _Sheet:
    """The answers under one record."""

    begun: asyncio.Future[AuditToken] | None = None
    requests: list[str] = field(default_factory=list)
    active: int = 0
    sent: int = 0
    broken: bool = False
    code: str = ""  # of our own failure
    over: bool = False


@dataclass(slots=True)
class _Account:
    """An offer, and to whom it was made how."""

    offer: Offer
    person: Actor
    standing: Actor  # as the token says it, without the address
    token: str
    claims: Claims
    route: str
    head: bytes
    sources: object
    made: float
    sheet: _Sheet = field(default_factory=_Sheet)
    renewing: bool = False


class Again:
    """The offers of this process."""

    def __init__(self, door: Gateway) -> None:
        self._door = door
        self._accounts: dict[Key, _Account] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._given = {keep: Left(keep_alive=keep) for keep in (False, True)}
        self._date = (0, "")

    def offer(self, request: web.Request, response: web.StreamResponse, offer: Offer) -> None:
        """Let this request, which was answered in full by ``response``, be answered again, if it is of a kind that is
        (1, 3)."""
        key, door = _key_of(request), self._door
        if key is None or TOKEN not in request or not self._may_offer(request):
            return
        if door.sources() is not request[OFFERED]:
            return  # it was reloaded meanwhile: what was decided before may be wrong now
        person, token, route = actor(request), request[TOKEN], route_of(request)
        standing = door.tokens.trusted(token)
        if standing is None or replace(standing, address=person.address) != person:
            return
        if len(self._accounts) >= KEPT and key not in self._accounts:
            return
        kept = [(name, value) for name, value in response.headers.items() if name.lower() not in ANEW]
        lines = "".join(f"{name}: {value}\r\n" for name, value in kept)
        details = {**offer.record.details, "answers": "several"}
        account = _Account(
            replace(offer, record=replace(offer.record, details=details)),
            person,
            standing,
            token,
            door.tokens.claims_of(token),
            route.path if route else "unknown",
            lines.encode(),
            request[OFFERED],
            asyncio.get_running_loop().time(),
        )
        before = self._accounts.pop(key, None)
        if before is not None:
            self._turn(before)
        self._accounts[key] = account
        asyncio.get_running_loop().call_later(FRESH_SECONDS, self._retire, key, account)

    def _may_offer(self, request: web.Request) -> bool:
        limits, transport = self._door.config.limits, request.transport
        return (
            not actor(request).loans
            and not limits.rows_per_day
            and not limits.bytes_per_day
            and transport is not None
            and transport.get_extra_info("ssl_object") is None
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer from an offer; None when the request has to go the long way."""
        key = _key_of(request) if self._accounts else None
        account = self._accounts.get(key) if key is not None else None
        if key is None or account is None or self._is_renewed_by_this(account):
            return None
        try:
            span = span_of(request.headers, account.offer.size, account.offer.etag)
            if span.stop - span.start > MAX_SPAN:
                return None
            rates = rate_headers(await self._door.limits.check_request(account.person))
        except HfitError:
            return None  # the long way says it
        sheet = self._sheet_of(account)
        sheet.active += 1
        try:
            await self._begin(account, sheet)
            if not self._holds(account):
                self._retire(key, account)
                return None
            return await self._give(request, account, sheet, span, rates)
        except HfitError:
            self._retire(key, account)
            return None
        finally:
            sheet.active -= 1
            if sheet.broken and account.sheet is sheet:
                self._turn(account)
            self._finish(sheet, account.offer)

    async def close(self) -> None:
        """End every record."""
        for key, account in list(self._accounts.items()):
            self._retire(key, account)
        await asyncio.gather(*self._closing)

    def _is_renewed_by_this(self, account: _Account) -> bool:
        """Whether this request is the one that goes the long way before the offer is too old for the others."""
        if account.renewing or asyncio.get_running_loop().time() - account.made < RENEWED_SECONDS:
            return False
        account.renewing = True
        return True

    def _sheet_of(self, account: _Account) -> _Sheet:
        """The sheet for one more answer (4)."""
        if len(account.sheet.requests) + account.sheet.active >= ANSWERS:
            self._turn(account)
        return account.sheet

    def _holds(self, account: _Account) -> bool:
        """(2)"""
        door = self._door
        return (
            asyncio.get_running_loop().time() - account.made < FRESH_SECONDS
            and door.tokens.trusted(account.token) == account.standing
            and not door.draining
            and door.sources() is account.sources
            and account.offer.holds()
            and door.audit.stands()
        )

    async def _begin(self, account: _Account, sheet: _Sheet) -> None:
        """(4) The begin, once for all who wait for it."""
        if sheet.begun is None:
            sheet.begun = asyncio.ensure_future(self._door.audit.begin(account.offer.record))
        if not sheet.begun.done():
            await asyncio.shield(sheet.begun)
        sheet.begun.result()

    async def _give(
        self, request: web.BaseRequest, account: _Account, sheet: _Sheet, span: Span, rates: Mapping[str, str]
    ) -> web.StreamResponse | None:
        """Send it, on the sheet and with a name (5); None, with nothing sent, when the connection does not take it."""
        transport, status = request.transport, 206 if span.partial else 200
        if transport is None or not can_send_file(transport):
            return None
        request_id = secrets.token_hex(8)
        head = self._head(request, account, span, {**rates, "X-Request-Id": request_id})
        with Measured(self._door, request_id, "GET", account.route) as measured:
            sending = Sending(request, transport, head, span)
            try:
                await self._send(sending, account)
            except Exception as error:
                measured.dropped = not sending.began
                if not sending.began or isinstance(error, ConnectionError):
                    raise
                known = error if isinstance(error, HfitError) else Internal()
                sheet.code = known.code
                measured.answered(known.status, 0, known.code)
                self._door.observer.event(ErrorRaised(known.code, error))
                raise ConnectionResetError("the answer had begun") from error
            finally:
                if sending.began:
                    sheet.requests.append(request_id)
                    sheet.sent += sending.left
                    sheet.broken |= not sending.whole
                if sending.whole:
                    measured.answered(status, sending.left)
        return self._given[request.keep_alive]

    async def _send(self, sending: Sending, account: _Account) -> None:
        content, watch = account.offer.content, Watch(self._door, account.person, sending.transport, account.claims)
        try:
            if content is None:
                FOR_WHOM.set(account.person.email)
                watch.arm()
                await sending.file(account.offer.opening)
            elif not sending.content(content):
                watch.arm()
                await sending.drained()
        except BaseException as error:
            if sending.began or not isinstance(error, HfitError):
                sending.transport.abort()  # whatever is missing, nobody may take it for the whole
            raise
        finally:
            watch.stop()

    def _head(self, request: web.BaseRequest, account: _Account, span: Span, more: Mapping[str, str]) -> bytes:
        status = "206 Partial Content" if span.partial else "200 OK"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {span.stop - span.start}", f"Date: {self._now()}"]
        if span.partial:
            lines.append(f"Content-Range: {span.content_range}")
        lines += [f"{name}: {value}" for name, value in more.items()]
        if not request.keep_alive:
            lines.append("Connection: close")
        return "\r\n".join([*lines, ""]).encode() + account.head + b"\r\n"

    def _now(self) -> str:
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    def _turn(self, account: _Account) -> None:
        """What comes now stands on another sheet; the last answer that is under way ends this one."""
        old, account.sheet = account.sheet, _Sheet()
        old.over = True
        self._finish(old, account.offer)

    def _retire(self, key: Key, account: _Account) -> None:
        """No more answers."""
        if self._accounts.get(key) is account:
            del self._accounts[key]
        self._turn(account)

    def _finish(self, sheet: _Sheet, offer: Offer) -> None:
        if not sheet.over or sheet.active or sheet.begun is None:
            return
        begun, sheet.begun = sheet.begun, None
        task = asyncio.create_task(_end(sheet, offer, begun), name="end of repeated answers")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _end(sheet: _Sheet, offer: Offer, begun: asyncio.Future[AuditToken]) -> None:
    """(4)"""
    try:
        outcome = "aborted_by_client" if sheet.broken else "done" if sheet.requests else "cancelled"
        await offer.end(Given(await begun, "failed" if sheet.code else outcome, sheet.code, sheet.requests, sheet.sent))
    except HfitError:
        return  # the log is red and says so; the next start writes the end


def _key_of(request: web.BaseRequest) -> Key | None:
    """(1) What has to be the same, or None when the request is not of the plain kind."""
    message = request._message
    if message.method != "GET" or message.version != (1, 1) or request.transport is None:
        return None
    found: dict[bytes, bytes] = {}
    for name, value in message.raw_headers:
        lowered = name.lower()
        if (lowered not in HEADERS and (lowered, value) != (b"accept-encoding", b"identity")) or lowered in found:
            return None
        found[lowered] = value
    peer = request.transport.get_extra_info("peername")
    if b"authorization" not in found or b"host" not in found or not isinstance(peer, tuple):
        return None
    return message.path, found[b"authorization"], found[b"host"], found.get(b"x-forwarded-for", b""), str(peer[0])


AGAIN = web.AppKey("again", Again)
