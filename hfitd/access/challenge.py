"""Login: a nonce to sign, and the check of the signature. Signed text and namespace: security.md 5.1.

The argument:

1. A nonce is 32 random bytes, lives for ``challenge_ttl``, belongs to the e-mail it was issued for, and is taken from
   the store in one step, so it logs in once, at whatever instance (A12, A13). Its record is sealed and says when it
   was issued: who writes the store can make none, and a used one put back lets a recorded login in again for no longer
   than ``challenge_ttl`` and what clocks may differ by.
2. One is issued for every e-mail, known or not, without looking the user up: same answer, same work (A18). Its record
   is small, the total per minute has a ceiling, and its time is short, so floods do not fill the store.
3. The signed text holds origin, e-mail, key and nonce, and the signature a namespace of its own: a signature made for
   another server or another purpose is worthless here (A14).
4. The key must be one of this user's own (A16), and the user must not be disabled.
5. The signature is verified before the user is looked at, also for unknown users; every failure is the same
   AuthFailed, whose cause is for the log alone.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from hfitd.access import sshsig
from hfitd.access.keys import parse_public_key
from hfitd.access.token_text import LEEWAY_SECONDS
from hfitd.config.model import AuthConfig
from hfitd.errors import AuthFailed, BadRequest, RateLimited
from hfitd.store.emails import normalise_email
from hfitd.store.interface import Store
from hfitd.store.keys import key_of
from hfitd.store.users import User, Users

NAMESPACE = "hfit-login@hfitd.v1"
_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")
_NONCE_BYTES = 32
CLOCKS_APART_SECONDS = 2 * LEEWAY_SECONDS  # of two instances, each of which may be off by the leeway of tokens
_CHALLENGES_PER_MINUTE = 30_000  # of everybody together; 60 s of them are about 10 MB


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client has to sign: 43 characters base64url, the origin to sign for, seconds left."""

    nonce: str
    origin: str
    expires_in: int


def login_text(origin: str, email: str, fingerprint: str, nonce: str) -> bytes:
    """The text a client signs to log in; client and server build it on their own."""
    return f"hfit-login-v1\norigin={origin}\nuser={email}\nkey={fingerprint}\nnonce={nonce}\n".encode()


class Challenges:
    """Issues nonces and logs in with them; ``origin`` is the server's own name for itself."""

    def __init__(
        self, store: Store, users: Users, auth: AuthConfig, origin: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._clock = clock
        self._users = users
        self._ttl_seconds = auth.challenge_ttl_seconds
        self._origin = origin

    async def issue(self, email: str) -> Challenge:
        """A nonce for this e-mail, known or not (2). RateLimited when everybody together asks for too many."""
        decision = await self._store.allow(
            key_of("rate", "challenges"), limit=_CHALLENGES_PER_MINUTE, period_seconds=60.0
        )
        if not decision.allowed:
            raise RateLimited("Too many logins at once.", retry_after_seconds=1)
        nonce = secrets.token_urlsafe(_NONCE_BYTES)  # 1
        record = f"{int(self._clock())} {_owner(email) or '-'}"
        await self._store.write(key_of("nonce", nonce), record.encode(), expect=0, ttl_seconds=self._ttl_seconds)
        return Challenge(nonce, self._origin, int(self._ttl_seconds))

    async def login(self, email: str, nonce: str, public_key: str, signature: str) -> tuple[User, str]:
        """The user and the fingerprint of the key that logged in; AuthFailed whatever is wrong."""
        try:
            return await self._login(email, nonce, public_key, signature)
        except (BadRequest, ValueError) as error:
            raise AuthFailed() from error  # 5

    async def _login(self, email: str, nonce: str, public_key: str, signature: str) -> tuple[User, str]:
        if not _NONCE.fullmatch(nonce):
            raise ValueError("not a nonce")
        record = await self._store.take(key_of("nonce", nonce))  # 1: used up, whatever follows
        key = parse_public_key(public_key)
        sshsig.verify(signature, login_text(self._origin, email, key.fingerprint, nonce), NAMESPACE, key)  # 3, 5
        address = normalise_email(email)
        user = await self._users.get(address)
        if record is None or self._owner_of(record) != address:
            raise ValueError("the nonce is unknown, used, too old or another's")  # 1
        if user is None or user.disabled:
            raise ValueError("no such user, or disabled")  # 4
        if key.line not in {stored.line for stored in user.keys}:
            raise ValueError("the key is not one of the user's")  # 4
        return user, key.fingerprint

    def _owner_of(self, record: bytes) -> str:
        """Whom the nonce was issued for; nobody when that was too long ago (1)."""
        issued, _, owner = record.decode().partition(" ")
        age = self._clock() - int(issued)
        return owner if -CLOCKS_APART_SECONDS <= age <= self._ttl_seconds + CLOCKS_APART_SECONDS else ""


def _owner(email: str) -> str:
    """The e-mail in its only spelling, or nothing for what can be no user."""
    try:
        return normalise_email(email)
    except BadRequest:
        return ""
