"""What stands before every page: the session of the cookie, and for a form that it comes from a page of ours.

1. The cookie is HttpOnly, SameSite=Strict, and behind https Secure with the prefix ``__Host-``, so that no other host
   of the domain can set it. Routes of the API never read it (A11), and pages never read ``Authorization``.
2. A form counts only when the browser says that a page of this origin sends it (``Origin``, and ``Sec-Fetch-Site``
   where there is one), and only with the token of its session: two checks beside SameSite, none of which needs the
   others.
3. A form that does not pass is a refusal like any other, and on record as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from hfitd.access.console import Visit, is_form_token
from hfitd.errors import BadRequest, Forbidden, TokenInvalid, UnsupportedMedia
from hfitd.web.bodies import read_bytes
from hfitd.web.context import gateway

VISIT = web.RequestKey("visit", Visit)
FORM = web.RequestKey("form", Mapping[str, str])
FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 200


def cookie_name(origin: str) -> str:
    """1: what the cookie is called behind this origin."""
    return "__Host-hfit-console" if origin.startswith("https://") else "hfit-console"


def session_of(request: web.Request) -> str:
    """The session id of the request; TokenInvalid without one."""
    session = request.cookies.get(cookie_name(gateway(request).config.server.origin), "")
    if not session:
        raise TokenInvalid("You are not logged in at the console.", suggestions=("Open the console: hfit web",))
    return session


def set_session(request: web.Request, response: web.StreamResponse, session: str) -> None:
    """Give the browser its session, or with '' take it."""
    origin = gateway(request).config.server.origin
    response.set_cookie(
        cookie_name(origin),
        session,
        max_age=None if session else 0,
        path="/",
        secure=origin.startswith("https://"),
        httponly=True,
        samesite="Strict",
    )


def check_origin(request: web.Request) -> None:
    """2: Forbidden unless a page of this very origin sends the form."""
    door = gateway(request)
    given = request.headers.getall("Origin", [])
    ours = {door.config.server.origin}
    if request.host.rpartition(":")[0] in {"127.0.0.1", "localhost", "[::1]"}:  # by the address of this machine
        ours.add(f"{request.scheme}://{request.host}")
    if len(given) != 1 or given[0] not in ours or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Forbidden("This form does not come from a page of the console.")


async def read_form(request: web.Request, max_bytes: int) -> dict[str, str]:
    """The fields of a form, each once; BadRequest, UnsupportedMedia, TooLarge."""
    if request.content_type != FORM_TYPE:
        raise UnsupportedMedia(f"Send the form as {FORM_TYPE}.")
    raw = await read_bytes(request, max_bytes)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict",
            max_num_fields=MAX_FIELDS,
        )  # fmt: skip
    except ValueError as error:
        raise BadRequest("This is not a well-formed form.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest("A field of the form stands twice.")
    return fields


async def take_form(request: web.Request, max_bytes: int) -> None:
    """2: read the form of a POST and check whose it is; the handler finds it under ``FORM``."""
    check_origin(request)
    fields = await read_form(request, max_bytes)
    if not is_form_token(fields.pop(FORM_TOKEN, ""), request[VISIT].form_token):
        raise Forbidden("This form is not of your session.", suggestions=("Load the page anew and send it again.",))
    request[FORM] = fields
