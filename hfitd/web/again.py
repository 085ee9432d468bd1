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
6. The short road: a small package is given at once to who sends, from the same address, the very bytes that were such
   a request before (``head_bytes``), for the whole of it. What 2 names is looked at in the same function, by one call
   from the arrival of the bytes to the one write of head and body. Where something would have to wait, for the count of
   3 or the begin of 4, and where the offer is about to be too old, the bytes are parsed as ever and nothing is counted.
   No more than ``SHORT_BYTES`` are written, and only to a connection in whose buffer nothing waits.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from aiohttp import web

from hfitd.access.limits import rate_headers
from hfitd.access.tokens import token_name
from hfitd.audit.log import AuditToken
from hfitd.errors import HfitError, Internal
from hfitd.gateway.core import Gateway
from hfitd.gateway.fair_share import FOR_WHOM
from hfitd.observe.events import ErrorRaised
from hfitd.store.interface import RateDecision
from hfitd.web.context import OFFERED, TOKEN, actor, route_of
from hfitd.web.head_bytes import bytes_of
from hfitd.web.heads import Clock, Head, Ids
from hfitd.web.measured import Measured
from hfitd.web.offers import ANSWERS, BUSY, Account, Given, Key, Offer, Sheet, end_of
from hfitd.web.ranges import Span, span_of
from hfitd.web.sendfile import Sender, can_send_file
from hfitd.web.sending import Left, Sending
from hfitd.web.standing import Watch

__all__ = ["AGAIN", "Again", "Given", "Offer"]

FRESH_SECONDS = 1.0
RENEWED_SECONDS = 0.6  # then one request goes the long way while the others still need not
MAX_SPAN = 4 << 20  # what is longer is worth the long way
SHORT_BYTES = 60 << 10  # with its head less than a connection's buffer holds before it asks for patience
KEPT = 256
KEPT_HEADS = 8  # of one offer, for clients that say who they are in different ways
HEADERS = frozenset(
    {b"authorization", b"host", b"user-agent", b"accept", b"connection", b"range", b"if-range", b"x-forwarded-for"}
)


class Again:
    """The offers of this process."""

    def __init__(self, door: Gateway, sender: Sender) -> None:
        self._door, self._sender = door, sender
        self._accounts: dict[Key, Account] = {}
        self._at_once: dict[tuple[str, bytes], tuple[Key, Account]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._given = {keep: Left(keep_alive=keep) for keep in (False, True)}
        self._clock, self._ids = Clock(), Ids()

    def offer(self, request: web.Request, response: web.StreamResponse, offer: Offer) -> None:
        """Let this request, which was answered in full by ``response``, be answered again, if it is of a kind that is
        (1, 3)."""
        key, door = _key_of(request), self._door
        if key is None or TOKEN not in request or not self._may_offer(request):
            return
        if door.sources() is not request[OFFERED]:
            return  # it was reloaded meanwhile: what was decided before may be wrong now
        person, token, route = actor(request), request[TOKEN], route_of(request)
        standing = door.tokens.trusted(token_name(token))
        if standing is None or replace(standing, address=person.address) != person:
            return
        if len(self._accounts) >= KEPT and key not in self._accounts:
            return
        path = route.path if route else "unknown"
        details = {**offer.record.details, "answers": "several"}
        account = Account(
            replace(offer, record=replace(offer.record, details=details)),
            person,
            standing,
            token_name(token),
            door.tokens.claims_of(token),
            path,
            Head(response.headers),
            Span(0, offer.size, offer.size, partial=False),
            door.observer.answers("GET", path, 200),
            request[OFFERED],
            asyncio.get_running_loop().time(),
        )
        before = self._accounts.pop(key, None)
        if before is not None:
            account.heads = before.heads
            if before.spare is not None and before.offer.record == account.offer.record:
                account.sheet, before.spare = before.spare, None
            self._end_all(before)
        self._accounts[key] = account
        self._learn(request, key, account)
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

    def at_once(self, peer: str, data: bytes, transport: asyncio.Transport) -> bool:
        """(6) Answer the request that these bytes are; False when they have to be parsed."""
        started = time.perf_counter()
        key, account = self._at_once.get((peer, data), (None, None))
        if key is None or account is None or account.offer.content is None:
            return False
        sheet = self._sheet_of(account)
        if not sheet.durable or self._wants_renewal(account) or not self._holds(account):
            return False
        decision = self._door.limits.spend_request(account.person)
        if decision is None or not decision.allowed:
            return False
        request_id, size = self._ids.next(), account.offer.size
        sheet.requests.append(request_id)
        sheet.sent += size
        head = account.head.of(account.whole, self._new(request_id, decision))
        transport.writelines((head, account.offer.content))
        self._door.observer.answered(account.answers, request_id, time.perf_counter() - started, size)
        return True

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
            decision = await self._door.limits.check_request(account.person)
        except HfitError:
            return None  # the long way says it
        sheet = self._sheet_of(account)
        sheet.active += 1
        try:
            await self._begin(account, sheet)
            if not self._holds(account):
                self._retire(key, account)
                return None
            self._learn(request, key, account)
            return await self._give(request, account, sheet, span, decision)
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
        self._door.observer.tell()

    def _learn(self, request: web.BaseRequest, key: Key, account: Account) -> None:
        """(6) The bytes of a request that may be answered by them, and those of the offer before this one."""
        data, content = bytes_of(request), account.offer.content
        if content is None or len(content) > SHORT_BYTES:
            return
        if data is not None and len(account.heads) < KEPT_HEADS and "Range" not in request.headers:
            account.heads.add((key[-1], data))
        for head in account.heads:
            self._at_once[head] = (key, account)

    def _is_renewed_by_this(self, account: Account) -> bool:
        """Whether this request is the one that goes the long way before the offer is too old for the others."""
        if not self._wants_renewal(account):
            return False
        account.renewing = True
        if len(account.sheet.requests) >= BUSY:
            self._begin_spare(account)
        return True

    def _wants_renewal(self, account: Account) -> bool:
        return not account.renewing and asyncio.get_running_loop().time() - account.made >= RENEWED_SECONDS

    def _sheet_of(self, account: Account) -> Sheet:
        """The sheet for one more answer (4)."""
        if account.sheet.full:
            self._turn(account)
        elif len(account.sheet.requests) >= ANSWERS // 2:
            self._begin_spare(account)
        return account.sheet

    def _holds(self, account: Account) -> bool:
        """(2)"""
        door, person = self._door, self._door.tokens.trusted(account.token)
        return (
            asyncio.get_running_loop().time() - account.made < FRESH_SECONDS
            and (person is account.standing or person == account.standing)
            and not door.draining
            and door.sources() is account.sources
            and account.offer.holds()
            and door.audit.stands()
        )

    async def _begin(self, account: Account, sheet: Sheet) -> None:
        """(4) The begin, once for all who wait for it."""
        begun = self._begin_soon(account, sheet)
        if not begun.done():
            await asyncio.shield(begun)
        begun.result()

    def _begin_soon(self, account: Account, sheet: Sheet) -> asyncio.Future[AuditToken]:
        if sheet.begun is None:
            sheet.begun = asyncio.ensure_future(self._door.audit.begin(account.offer.record))
        return sheet.begun

    def _begin_spare(self, account: Account) -> None:
        """The begin of the sheet after this one."""
        if account.spare is None:
            account.spare = Sheet()
            self._begin_soon(account, account.spare)

    async def _give(
        self, request: web.BaseRequest, account: Account, sheet: Sheet, span: Span, decision: RateDecision
    ) -> web.StreamResponse | None:
        """Send it, on the sheet and with a name (5); None, with nothing sent, when the connection does not take it."""
        transport, status = request.transport, 206 if span.partial else 200
        if transport is None or not can_send_file(transport):
            return None
        request_id = self._ids.next()
        head = account.head.of(span, self._new(request_id, decision), keep_alive=request.keep_alive)
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

    async def _send(self, sending: Sending, account: Account) -> None:
        content, watch = account.offer.content, Watch(self._door, account.person, sending.transport, account.claims)
        try:
            if content is None:
                FOR_WHOM.set(account.person.email)
                watch.arm()
                await sending.file(self._sender, account.offer.opening)
            elif not sending.content(content):
                watch.arm()
                await sending.drained()
        except BaseException as error:
            if sending.began or not isinstance(error, HfitError):
                sending.transport.abort()  # whatever is missing, nobody may take it for the whole
            raise
        finally:
            watch.stop()

    def _new(self, request_id: str, decision: RateDecision) -> dict[str, object]:
        """What is new in a head."""
        new = {name.lower(): value for name, value in rate_headers(decision).items()}
        return {**new, "x-request-id": request_id, "date": self._clock.date()}

    def _turn(self, account: Account) -> None:
        """What comes now stands on another sheet; the last answer that is under way ends this one."""
        old, account.sheet, account.spare = account.sheet, account.spare or Sheet(), None
        self._end(old, account.offer)

    def _end_all(self, account: Account) -> None:
        """Nothing comes any more; who is late has a sheet of their own."""
        sheets = (account.sheet, account.spare)
        account.sheet, account.spare = Sheet(over=True), None
        for sheet in sheets:
            if sheet is not None:
                self._end(sheet, account.offer)

    def _end(self, sheet: Sheet, offer: Offer) -> None:
        sheet.over = True
        self._finish(sheet, offer)

    def _retire(self, key: Key, account: Account) -> None:
        """No more answers."""
        if self._accounts.get(key) is account:
            del self._accounts[key]
            for head in account.heads:
                self._at_once.pop(head, None)
        self._end_all(account)

    def _finish(self, sheet: Sheet, offer: Offer) -> None:
        if not sheet.over or sheet.active or sheet.begun is None:
            return
        begun, sheet.begun = sheet.begun, None
        task = asyncio.create_task(end_of(sheet, offer, begun), name="end of repeated answers")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


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
