"""What happens around every handler, outermost first.

1. ``identify``: a request id, the log context, the time it took.
2. ``answer_errors``: every error becomes the one shape of contract section 4; nothing of its cause goes out.
3. ``refuse_oddities``: foreign hosts, content encodings, unexpected bodies, new work while draining.
4. ``authenticate``: default deny; only routes marked public pass without a token, or for pages of the console a
   session, whose forms ``console.guard`` checks.
5. Whatever a token does is on the audit record: by the handler where it can say more, else here; refusals always.
6. Who loses a right while an answer is being sent loses the connection within a minute.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.typedefs import Handler as Next

from hfitd.access.limits import rate_headers, refused_headers
from hfitd.access.token_text import Claims
from hfitd.errors import (
    BadRequest,
    HfitError,
    Internal,
    MethodNotAllowed,
    NotFound,
    RangeInvalid,
    RateLimited,
    ShuttingDown,
    StoreUnavailable,
    TokenInvalid,
    TooLarge,
    UnsupportedMedia,
    ValidationFailed,
)
from hfitd.export.record import actor_record
from hfitd.gateway.fair_share import FOR_WHOM
from hfitd.model import Actor
from hfitd.observe.events import ErrorRaised, QuotaRefused, StoreFailed
from hfitd.web.console.guard import VISIT, session_of, take_form
from hfitd.web.console.rendering import error_page
from hfitd.web.context import (
    ACTOR,
    BEGAN,
    BROKE,
    ERROR_CODE,
    OFFERED,
    RATE,
    REQUEST_ID,
    SENT,
    TOKEN,
    gateway,
    route_of,
)
from hfitd.web.measured import Measured
from hfitd.web.operators import metrics_guard
from hfitd.web.ranges import client_address
from hfitd.web.standing import watched
from hfitd.web.table import Guard, Route

BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/=-]{1,8192})")


def error_body(error: HfitError, request_id: str) -> dict[str, object]:
    """The one error shape."""
    return {
        "category": error.category,
        "code": error.code,
        "message": error.message,
        "resource": error.resource,
        "suggestions": list(error.suggestions),
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": request_id,
    }


def error_response(error: HfitError, request_id: str) -> web.Response:
    """The error as a response."""
    headers = {"X-Request-Id": request_id, "Cache-Control": "no-store"}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, error.retry_after_seconds))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RangeInvalid) and error.resource:
        headers["Content-Range"] = error.resource
    return web.json_response(error_body(error, request_id), status=error.status, headers=headers)


@web.middleware
async def identify(request: web.Request, handler: Next) -> web.StreamResponse:
    """(1) Name the request and measure it."""
    request[REQUEST_ID] = secrets.token_hex(8)
    route = route_of(request)
    path = route.path if route else "unknown"
    with Measured(gateway(request), request[REQUEST_ID], request.method, path) as measured:
        try:
            response = await handler(request)
            measured.answered(response.status, response.body_length, request.get(ERROR_CODE, ""))
        finally:
            if SENT in request:
                measured.answered(*request[SENT])
            elif BROKE in request:  # we broke it off, and no client did
                status, code = request[BROKE]
                measured.answered(status, 0, code)
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Next) -> web.StreamResponse:
    """(2) Turn whatever was raised into a response; once bytes have left, only the connection can say it."""
    observer = gateway(request).observer
    try:
        return await handler(request)
    except HfitError as error:
        known = error
        if error.status >= 500:
            observer.event(StoreFailed() if isinstance(error, StoreUnavailable) else ErrorRaised(error.code, error))
    except web.HTTPException as error:
        known = _translate(error)
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - the last net: the cause is logged, the caller gets an id
        known = Internal()
        observer.event(ErrorRaised(known.code, error))
    if _began(request):
        request[BROKE] = (known.status, known.code)
    if request.transport is None or _began(request):
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the response had begun")
    request[ERROR_CODE] = known.code
    if isinstance(known, RateLimited):
        request[RATE] = refused_headers(known)
        observer.event(QuotaRefused(known.resource or "unknown"))
    return error_page(request, known) if _is_page(request) else error_response(known, request[REQUEST_ID])


@web.middleware
async def refuse_oddities(request: web.Request, handler: Next) -> web.StreamResponse:
    """(3) Refuse what no client of ours sends."""
    door = gateway(request)
    route = route_of(request)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Bodies are not decompressed here; send the body as it is.")
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        request.protocol.close()
        raise UnsupportedMedia("Bodies are not decompressed here; chunked is the one transfer coding.")
    if len(request.query) > 64 or len(request.raw_path) > 8192:
        raise BadRequest("The query is too long.")
    _check_host(request, route)
    if request.can_read_body and (route is None or not route.max_body):
        raise TooLarge("This route takes no body.")
    if door.draining and (route is None or route.guard in {Guard.TOKEN, Guard.CONSOLE}):
        raise ShuttingDown(retry_after_seconds=5)
    return await handler(request)


@web.middleware
async def authenticate(request: web.Request, handler: Next) -> web.StreamResponse:
    """(4) Everything but the routes marked public needs exactly one valid Bearer token; pages need a session."""
    door = gateway(request)
    route = route_of(request)
    guard = route.guard if route else Guard.CONSOLE if _is_page(request) else Guard.TOKEN
    if guard is Guard.METRICS:
        guard = metrics_guard(request)
    if guard is Guard.PUBLIC:
        return await handler(request)
    if guard is Guard.CONSOLE:
        visit = request[VISIT] = await door.console.verify(session_of(request))
        return await _act(request, visit.actor, visit.claims, _with_form(route, handler))
    headers = request.headers.getall("Authorization", [])
    match = BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise TokenInvalid("Log in first: this route needs exactly one Bearer token.")
    request[TOKEN] = match[1]
    person = await door.tokens.verify(match[1])
    return await _act(request, person, door.tokens.claims_of(match[1]), handler)


async def _act(request: web.Request, person: Actor, claims: Claims, handler: Next) -> web.StreamResponse:
    """Run the handler for somebody: counted, on record, and no longer than they may."""
    request[OFFERED] = gateway(request).sources()
    request[ACTOR] = replace(person, address=client_address(request))
    FOR_WHOM.set(person.email)
    request[RATE] = rate_headers(await gateway(request).limits.check_request(request[ACTOR]))
    async with watched(request, claims):  # 6
        return await _on_record(request, route_of(request), handler)


def _with_form(route: Route | None, handler: Next) -> Next:
    """The handler of a form, after the form."""
    if route is None or route.method != "POST":
        return handler

    async def checked(request: web.Request) -> web.StreamResponse:
        await take_form(request, route.max_body)
        return await handler(request)

    return checked


async def _on_record(request: web.Request, route: Route | None, handler: Next) -> web.StreamResponse:
    """(5) Run the handler with a begin and an end around it, or with a note of its refusal."""
    door = gateway(request)
    action = (route.action or route.operation_id) if route else "unknown"
    record = actor_record(action, request[ACTOR], tuple(request.match_info.values()))
    token = await door.audit.begin(record) if route and not route.audits_itself else None
    outcome, code = "failed", Internal().code
    try:
        response = await handler(request)
        outcome, code = "done", ""
    except HfitError as error:
        outcome, code = "refused" if error.status < 500 else "failed", error.code
        raise
    except asyncio.CancelledError:
        outcome, code = "cancelled", ""
        raise
    finally:
        if token is not None:
            await door.audit.end(token, outcome, code=code)
        elif outcome == "refused":
            await door.audit.note(record, outcome, code=code)
    return response


def _check_host(request: web.Request, route: Route | None) -> None:
    """The Host has to be the origin's, or an address of this machine for health checks and local tools; so has the
    host of an address in its absolute form, which goes before the header. What a supervisor asks of the process may be
    asked by any address, as those who scrape do: an address, unlike a name, cannot be made to mean somebody else."""
    hosts, own = request.headers.getall("Host", []), gateway(request).config.server.origin.partition("://")[2]
    if len(hosts) == 1 and hosts[0] == request.host == own:
        return
    allowed = {_name_of(own), "127.0.0.1", "localhost", "[::1]"}
    asked = {_name_of(hosts[0]), _name_of(request.host)} if len(hosts) == 1 else {""}
    if route is not None and route.tag == "system":
        asked = {name for name in asked if not _is_address(name)}
    if not asked <= allowed:
        request.protocol.close()  # without a clear host nobody knows who speaks; what was sent behind it is dropped
        raise BadRequest("This host name is not served here.")


def _name_of(host: str) -> str:
    """Without the port."""
    return re.sub(r":[0-9]*\Z", "", host).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _translate(error: web.HTTPException) -> HfitError:
    if error.status == 404:
        return NotFound()
    if error.status == 405:
        return MethodNotAllowed()
    if error.status == 413:
        return TooLarge()
    return ValidationFailed() if error.status < 500 else Internal()


def _is_page(request: web.Request) -> bool:
    """Whether a person looks at the answer."""
    return request.path == "/console" or request.path.startswith("/console/")


def _began(request: web.Request) -> bool:
    return BEGAN in request
