"""Access tokens: issued at login, verified on every request, dead when the user changes.

The argument of ``verify``:

1. The text is a valid token of this server (``token_text``). A verified text is remembered by its digest, so that a
   request costs no second signature check; its times are checked on every request.
2. The user exists, is not disabled, and has the token's epoch and key still. Every change of a user makes a new
   epoch, and a user made again under an old name has another (A09, A10). What the store said is trusted for 5 s; it
   is asked anew a little earlier, so that what asks nobody (``trusted``) goes on for who stays busy.
3. The token was not logged out; asked together with 2, remembered for the same 5 s, and at once at this instance.
4. When the store is lost, what it last said holds for 60 s, then StoreUnavailable. A token that was never checked
   against the store is not accepted on memory alone.
5. The roles are those the store gives the user now, never something in the token.
6. A role on loan counts until its end by this server's clock, also while 2 or 4 let something older stand.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from hfitd.access.token_keys import TokenKeys
from hfitd.access.token_text import LEEWAY_SECONDS, Claims, is_current, read_token, write_token
from hfitd.errors import BadRequest, StoreUnavailable, TokenInvalid
from hfitd.model import Actor
from hfitd.store.access import AccessRequests
from hfitd.store.interface import Store
from hfitd.store.keys import key_of
from hfitd.store.users import User, Users

TRUST_SECONDS = 5.0
_RENEW_SECONDS = 4.0
LOST_STORE_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_AGAIN_SECONDS = 3  # what callers are told to wait
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the login answers it; ``expires_in`` in seconds."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """A verified token and what the store last said of it; ``asked`` is None before it was asked."""

    claims: Claims
    actor: Actor | None = None
    asked: float | None = None


class Tokens:
    """Issues and verifies. ``clock`` is wall time and ``monotonic`` measures trust, both in seconds."""

    def __init__(
        self,
        keys: TokenKeys,
        users: Users,
        store: Store,
        origin: str,
        ttl_seconds: float,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._users = users
        self._requests = AccessRequests(store)
        self._store = store
        self._origin = origin
        self._ttl_seconds = int(ttl_seconds)
        self._clock = clock
        self._monotonic = monotonic
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()
        self._lost_at: float | None = None

    def issue(self, user: User, fingerprint: str) -> Token:
        """A new token of a user who just proved to hold the key of that fingerprint."""
        now = int(self._clock())
        claims = Claims(
            subject=user.email,
            token_id=secrets.token_urlsafe(16),
            key_fingerprint=fingerprint,
            epoch=user.epoch,
            issued_at=now,
            expires_at=now + self._ttl_seconds,
        )
        return Token(write_token(self._keys.current(), self._origin, claims), self._ttl_seconds)

    async def verify(self, text: str) -> Actor:
        """Who the token says is asking. TokenInvalid; StoreUnavailable when nobody can say whether it still holds."""
        name = token_name(text)
        seen = self._seen.get(name)
        if seen is None:
            seen = _Seen(read_token(text, self._keys.find, self._origin, self._clock()))  # 1
        elif not is_current(seen.claims, self._clock()):
            self._seen.pop(name, None)
            raise TokenInvalid()
        if seen.actor is None or seen.asked is None or self._monotonic() - seen.asked >= _RENEW_SECONDS:
            seen = await self._ask(name, seen)
        self._remember(name, seen)
        if seen.actor is None:
            raise TokenInvalid()
        return lend(seen.actor, self._clock())

    def trusted(self, name: bytes) -> Actor | None:
        """Whom ``verify`` would give of the token of this ``token_name`` without asking the store; None when it would
        ask or refuse."""
        seen = self._seen.get(name)
        if seen is None or seen.actor is None or seen.asked is None or not is_current(seen.claims, self._clock()):
            return None
        return lend(seen.actor, self._clock()) if self._monotonic() - seen.asked < TRUST_SECONDS else None

    def claims_of(self, text: str) -> Claims:
        """What a token says that was verified a moment ago, for ``still_holds``; TokenInvalid for any other."""
        seen = self._seen.get(token_name(text))
        if seen is None:
            raise TokenInvalid()
        return seen.claims

    async def still_holds(self, claims: Claims, actor: Actor) -> bool:
        """Whether who began something long may go on: not revoked since, and with every role they began with.

        The end of the token itself does not matter, and neither does a store that does not answer (R8).
        """
        now = self._clock()
        try:
            found = await self.actor_of(claims)
        except StoreUnavailable:
            return all(loan.ends > now for loan in actor.loans)
        return found is not None and set(actor.roles) <= set(lend(found, now).roles)

    def expires_in(self, text: str) -> int:
        """Whole seconds that a verified token still lives; TokenInvalid for any other."""
        seen = self._seen.get(token_name(text))
        if seen is None:
            raise TokenInvalid()
        return max(0, int(seen.claims.expires_at - self._clock()))

    async def revoke(self, email: str) -> None:
        """End every session of a user, here at once and elsewhere within 5 s. NotFound."""
        user = await self._users.end_sessions(email)
        self._forget(lambda seen: seen.claims.subject == user.email)

    def refresh(self, email: str) -> None:
        """Ask the store anew about this person at the next request; elsewhere that takes up to 5 s."""
        for name, seen in self._seen.items():
            if seen.claims.subject == email:
                self._seen[name] = replace(seen, asked=None)

    async def logout(self, actor: Actor) -> None:
        """End the session of this one token, here at once and elsewhere within 5 s."""
        lifetime = self._ttl_seconds + 2 * LEEWAY_SECONDS
        await self._store.write(key_of("denied", actor.token_id), b"1", ttl_seconds=lifetime)
        self._forget(lambda seen: seen.claims.token_id == actor.token_id)

    async def _ask(self, name: bytes, seen: _Seen) -> _Seen:
        now = self._monotonic()
        try:
            if self._lost_at is not None and now - self._lost_at < _RETRY_SECONDS:
                # Asked a moment ago; waiting again would slow every request.
                raise StoreUnavailable(retry_after_seconds=_AGAIN_SECONDS)
            actor = await self.actor_of(seen.claims)
        except StoreUnavailable:
            if self._lost_at is None or now - self._lost_at >= _RETRY_SECONDS:
                self._lost_at = now
            if seen.asked is None or seen.actor is None or now - seen.asked >= LOST_STORE_SECONDS:
                raise  # 4
            return seen
        self._lost_at = None
        if actor is None:
            self._seen.pop(name, None)
            raise TokenInvalid()
        return replace(seen, actor=actor, asked=now)

    async def actor_of(self, claims: Claims) -> Actor | None:
        """Who the claims are about, as the store has them now, loans that ended perhaps among theirs; or None."""
        try:
            user = await self._users.get(claims.subject)
        except BadRequest:
            return None
        if user is None or user.disabled or user.epoch != claims.epoch:  # 2
            return None
        if claims.key_fingerprint not in {key.fingerprint for key in user.keys}:  # 2
            return None
        if await self._store.read(key_of("denied", claims.token_id)) is not None:  # 3
            return None
        loans = await self._requests.loans(user.email)
        return Actor(user.email, user.roles, claims.key_fingerprint, claims.token_id, loans=loans)  # 5

    def _remember(self, name: bytes, seen: _Seen) -> None:
        self._seen[name] = seen
        self._seen.move_to_end(name)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _forget(self, which: Callable[[_Seen], bool]) -> None:
        for name in [name for name, seen in self._seen.items() if which(seen)]:
            del self._seen[name]


def lend(actor: Actor, now: float) -> Actor:
    """The actor with the roles that are on loan at this moment (6)."""
    if not actor.loans:
        return actor
    loans = tuple(loan for loan in actor.loans if loan.ends > now)
    return replace(actor, roles=tuple(dict.fromkeys([*actor.roles, *(loan.role for loan in loans)])), loans=loans)


def token_name(text: str) -> bytes:
    """What a token is remembered by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
