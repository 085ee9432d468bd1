"""Login, logout, who am I, and the public keys of this installation."""

from __future__ import annotations

from aiohttp import web

from hfitd.access.console import TICKET_SECONDS
from hfitd.audit.record import AuditRecord
from hfitd.errors import AuthFailed
from hfitd.observe.events import LoginDone
from hfitd.store.fields import timestamp_of
from hfitd.web.bodies import ChallengeBody, LoginBody, read_json
from hfitd.web.context import TOKEN, actor, gateway
from hfitd.web.ranges import client_address

MAX_LOGIN_BODY = 16 * 1024


async def challenge(request: web.Request) -> web.Response:
    """A nonce to sign, also for people who do not exist."""
    body = await read_json(request, ChallengeBody, MAX_LOGIN_BODY)
    door = gateway(request)
    await door.limits.check_challenge(client_address(request))
    issued = await door.challenges.issue(body["email"])
    return web.json_response(
        {"nonce": issued.nonce, "origin": issued.origin, "expires_in": issued.expires_in},
        headers={"Cache-Control": "no-store"},
    )


async def login(request: web.Request) -> web.Response:
    """A token for a signed challenge; every failure looks the same."""
    body = await read_json(request, LoginBody, MAX_LOGIN_BODY)
    door = gateway(request)
    address = client_address(request)
    await door.limits.check_login(address, body["email"])
    record = await door.audit.begin(AuditRecord("login", email=body["email"], address=address))
    try:
        user, fingerprint = await door.challenges.login(
            body["email"], body["nonce"], body["public_key"], body["signature"]
        )
    except AuthFailed:
        await door.audit.end(record, "refused")
        door.observer.event(LoginDone(body["email"], ok=False))
        raise
    token = door.tokens.issue(user, fingerprint)
    await door.audit.end(record, "done")
    await door.limits.login_succeeded(address, body["email"])
    door.observer.event(LoginDone(user.email, ok=True))
    return web.json_response(
        {"token": token.text, "expires_in": token.expires_in, "package_keys": door.package_keys.public()},
        headers={"Cache-Control": "no-store"},
    )


async def logout(request: web.Request) -> web.Response:
    """Deny this token from now on."""
    await gateway(request).tokens.logout(actor(request))
    return web.Response(status=204)


async def console_ticket(request: web.Request) -> web.Response:
    """A ticket that opens the web console once, within a minute, for who asks; ``hfit web`` puts it behind a #."""
    door = gateway(request)
    ticket = await door.console.issue_ticket(door.tokens.claims_of(request[TOKEN]))
    return web.json_response(
        {"ticket": ticket, "path": "/console/enter", "email": actor(request).email, "expires_in": TICKET_SECONDS},
        headers={"Cache-Control": "no-store"},
    )


async def whoami(request: web.Request) -> web.Response:
    """Who the token says you are."""
    person = actor(request)
    return web.json_response(
        {
            "email": person.email,
            "roles": list(person.roles),
            "loans": [
                {"role": loan.role, "ends": timestamp_of(loan.ends), "request": loan.request} for loan in person.loans
            ],
            "key_fingerprint": person.key_fingerprint,
            "expires_in": gateway(request).tokens.expires_in(request[TOKEN]),
        }
    )


async def package_keys(request: web.Request) -> web.Response:
    """The keys that sign packages."""
    return web.json_response({"keys": gateway(request).package_keys.public()})


async def jwks(request: web.Request) -> web.Response:
    """The keys that sign tokens, as a JWK set (RFC 7517)."""
    return web.json_response(gateway(request).token_keys.jwks())
