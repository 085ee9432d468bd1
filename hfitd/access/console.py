"""Who is at the web console: one-time tickets, and the sessions that browsers get for them.

The argument:

1. A ticket is asked for with a valid access token. It is 32 random bytes, lives for a minute, and is taken from the
   store in one step, so it opens one session, at whatever instance.
2. Only the SHA-256 of a ticket or a session id is in the store: who reads the store can use neither. Both records are
   sealed (``store.sealed``): who writes the store can make neither.
3. A ticket names its person, and is refused under another's name: the page that takes it shows whose it is, so nobody
   works, by a link that somebody sent, in that somebody's session.
4. A ticket and its session carry the epoch and the key of the login they come from. On every request the person is
   looked up: removed, disabled, revoked, or without that key, they have no session (A09, A10); roles are those of now.
5. A session is an opaque id of its own, never an access token, and the API never looks at cookies (A11). It ends when
   it was idle for a while, at its last hour however busy it was, and at once, everywhere, when its person logs out.
6. Every form of a page carries a token that only a page of this very session can know: an HMAC under the session id,
   which no script can read. ``hfitd.web.console.guard`` asks for it, and for the origin, on every POST.
7. When the store does not answer nobody has a session: nothing is trusted from memory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import cast

from hfitd.access.token_text import Claims
from hfitd.access.tokens import Tokens, lend
from hfitd.config.model import AuthConfig
from hfitd.errors import AuthFailed, TokenInvalid
from hfitd.model import Actor
from hfitd.store.fields import dump_fields, load_fields
from hfitd.store.interface import Store
from hfitd.store.keys import key_of

TICKET_SECONDS = 60
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_SECRET_BYTES = 32
_TOUCH_SECONDS = 30.0  # a session that was used so lately is not written again
_SHAPE: Mapping[str, type] = {
    "subject": str, "token_id": str, "key_fingerprint": str, "epoch": int, "issued_at": int, "expires_at": int,
    "used_at": int,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody's session: who they are now, what their session says, and the token of its forms."""

    actor: Actor
    claims: Claims
    form_token: str


class ConsoleSessions:
    """Gives tickets, turns them into sessions, says whose a session is. ``clock`` gives seconds since 1970."""

    def __init__(
        self, store: Store, tokens: Tokens, auth: AuthConfig, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._idle_seconds = int(auth.console_idle_seconds)
        self._ttl_seconds = int(auth.console_ttl_seconds)
        self._clock = clock

    async def issue_ticket(self, claims: Claims) -> str:
        """A ticket for who showed an access token with these claims (1): 43 characters base64url."""
        ticket = secrets.token_urlsafe(_SECRET_BYTES)
        record = _dump(claims, int(self._clock()))
        await self._store.write(_key("console-ticket", ticket), record, expect=0, ttl_seconds=TICKET_SECONDS)
        return ticket

    async def enter(self, email: str, ticket: str) -> str:
        """The id of a new session for a ticket, which is used up whatever follows; AuthFailed."""
        record = await self._store.take(_key("console-ticket", ticket)) if _SECRET.fullmatch(ticket) else None  # 1
        if record is None:
            raise AuthFailed("This ticket is used up, too old or unknown; ask for another with `hfit web`.")
        given, issued = _load(record)
        fresh = self._clock() < issued + TICKET_SECONDS
        if not fresh or given.subject != email or await self._tokens.actor_of(given) is None:  # 1, 3, 4
            raise AuthFailed("This ticket is used up, too old or unknown; ask for another with `hfit web`.")
        session, now = secrets.token_urlsafe(_SECRET_BYTES), int(self._clock())
        claims = Claims(
            subject=given.subject,
            token_id="console-" + _digest(session)[:22],
            key_fingerprint=given.key_fingerprint,
            epoch=given.epoch,
            issued_at=now,
            expires_at=now + self._ttl_seconds,
        )
        await self._keep(session, claims, now)
        return session

    async def verify(self, session: str) -> Visit:
        """Whose session this is (4); TokenInvalid, StoreUnavailable (7)."""
        record = await self._store.read(_key("console-session", session)) if _SECRET.fullmatch(session) else None
        if record is None:
            raise _over()
        claims, used = _load(record.value)
        now = int(self._clock())
        actor = await self._tokens.actor_of(claims)
        if actor is None or now >= claims.expires_at or now >= used + self._idle_seconds:  # 4, 5
            await self._store.delete(_key("console-session", session))
            raise _over()
        if now - used >= _TOUCH_SECONDS:
            await self._keep(session, claims, now)
        return Visit(lend(actor, self._clock()), claims, form_token(session))

    async def leave(self, session: str, actor: Actor) -> None:
        """End a session (5), also what it has under way: its downloads are looked at again by its token id."""
        await self._store.delete(_key("console-session", session))
        await self._tokens.logout(actor)

    async def _keep(self, session: str, claims: Claims, now: int) -> None:
        seconds = min(self._idle_seconds, claims.expires_at - now)
        await self._store.write(_key("console-session", session), _dump(claims, now), ttl_seconds=max(seconds, 1))


def form_token(session: str) -> str:
    """What every form of the session's pages carries (6)."""
    return _text(hmac.new(session.encode(), b"hfit-console-form-v1", hashlib.sha256).digest())


def is_form_token(given: str, expected: str) -> bool:
    """Whether a form came with the token of its session, in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _key(kind: str, secret: str) -> str:
    return key_of(kind, _digest(secret))  # 2


def _digest(secret: str) -> str:
    return _text(hashlib.sha256(secret.encode()).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _dump(claims: Claims, used: int) -> bytes:
    return dump_fields({**asdict(claims), "used_at": used})


def _load(record: bytes) -> tuple[Claims, int]:
    fields = load_fields(record, _SHAPE)
    used = cast(int, fields.pop("used_at"))
    return Claims(**fields), used  # type: ignore[arg-type]


def _over() -> TokenInvalid:
    return TokenInvalid("Your session at the console is over.", suggestions=("Open the console again: hfit web",))
