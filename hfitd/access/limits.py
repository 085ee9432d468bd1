"""How much one caller may do: requests, logins, packages at once.

1. Logins are limited before anything is looked up: per address, and per address and e-mail. A person is never
   limited by what others do with the name from elsewhere (A18). Whether a user exists makes no difference.
2. A flood is stopped in the memory of the process before it reaches the store, so the store stays small (A18).
3. When the store is lost the same limits hold in memory, at this instance's share.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

from hfitd.access.credit import Credit
from hfitd.config.model import AuthConfig, LimitsConfig
from hfitd.errors import RateLimited, StoreUnavailable
from hfitd.model import Actor
from hfitd.store.interface import RateDecision, Store
from hfitd.store.keys import key_of
from hfitd.store.rate import next_arrival
from hfitd.store.slots import Slot, Slots

_MINUTE_SECONDS = 60.0
_ADDRESS_FACTOR = 20  # people behind one address, at most, who use up their attempts together
_CHALLENGES_PER_MINUTE = 300  # per address
_REMEMBERED = 20_000  # buckets kept in memory
_SLOT_RETRY_SECONDS = 5


class LocalBuckets:
    """Rate limits in memory, of a bounded number of keys; the longest unused are forgotten."""

    def __init__(self) -> None:
        self._arrival: OrderedDict[str, float] = OrderedDict()

    def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        """Like Store.allow."""
        now = time.monotonic()
        decision, ahead = next_arrival(self._arrival.get(key, 0.0) - now, limit, period_seconds, cost)
        self._arrival[key] = now + ahead
        self._arrival.move_to_end(key)
        if len(self._arrival) > _REMEMBERED:
            self._arrival.popitem(last=False)
        return decision

    def forget(self, key: str) -> None:
        """Start anew."""
        self._arrival.pop(key, None)


class Limits:
    """The limits of ``[limits]`` and ``[auth]``. ``instances`` says by how many they are divided without the store."""

    def __init__(
        self, store: Store, limits: LimitsConfig, auth: AuthConfig, *, instances: Callable[[], int] = lambda: 1
    ) -> None:
        self._store = store
        self._slots = Slots(store)
        self._limits = limits
        self._auth = auth
        self._instances = instances
        self._local = LocalBuckets()
        self._credit = Credit()
        self._running: dict[str, int] = {}
        self._asking: dict[str, asyncio.Future[RateDecision]] = {}

    def spend_request(self, actor: Actor) -> RateDecision | None:
        """Count one request of the actor that the store has counted in advance; None when it has to be asked."""
        return self._credit.spend(actor.email)

    async def count_request(self, actor: Actor) -> RateDecision:
        """Count one request of the actor and say whether it fits; ``rate_headers`` tells the caller."""
        known = self._credit.spend(actor.email)
        while known is None:
            asking = self._asking.get(actor.email)
            if asking is None:
                asking = self._asking[actor.email] = asyncio.ensure_future(self._ask(actor))
                asking.add_done_callback(_forget)
                return await asyncio.shield(asking)
            decision = await asyncio.shield(asking)
            known = self._credit.spend(actor.email) if decision.allowed else decision
        return known

    async def _ask(self, actor: Actor) -> RateDecision:
        """Count one request, and for a busy caller some in advance; once for all who ask meanwhile."""
        try:
            key, limit = key_of("rate", "requests", actor.email), self._limits.requests_per_minute
            wanted = self._credit.wanted(actor.email, limit)
            decision = await self._count(key, limit, _MINUTE_SECONDS, wanted)
            if not decision.allowed and wanted > 1:
                wanted, decision = 1, await self._count(key, limit, _MINUTE_SECONDS)
            return self._credit.fill(actor.email, decision, wanted) if decision.allowed else decision
        finally:
            del self._asking[actor.email]  # here: nobody may find an answer that is there already

    async def check_request(self, actor: Actor) -> RateDecision:
        """The same; RateLimited when it does not fit."""
        return _require(await self.count_request(actor), "requests_per_minute")

    async def check_access_request(self, actor: Actor) -> RateDecision:
        """Before an access request is looked at, whatever it names; RateLimited."""
        key = key_of("rate", "access", actor.email)
        decision = await self._count(key, self._limits.requests_per_hour, 60 * _MINUTE_SECONDS)
        return _require(decision, "requests_per_hour")

    async def check_challenge(self, address: str) -> None:
        """Before a challenge is stored; RateLimited."""
        key = key_of("rate", "challenge", _place(address))
        limit, period = _CHALLENGES_PER_MINUTE, _MINUTE_SECONDS
        _require(self._local.allow(key, limit=limit, period_seconds=period), "challenges")  # 2
        _require(await self._count(key, limit, period), "challenges")

    async def check_login(self, address: str, email: str) -> None:
        """Before a login is looked at, with the e-mail as it was sent; RateLimited."""
        limit, period = self._auth.max_attempts, self._auth.lockout_seconds
        place = key_of("rate", "address", _place(address))
        many = limit * _ADDRESS_FACTOR
        _require(self._local.allow(place, limit=many, period_seconds=period), "logins of this address")  # 2
        _require(await self._count(place, many, period), "logins of this address")
        _require(await self._count(_login_key(address, email), limit, period), "login attempts")  # 1

    async def login_succeeded(self, address: str, email: str) -> None:
        """Attempts of this e-mail from this address count anew; those of the address do not."""
        key = _login_key(address, email)
        self._local.forget(key)
        with contextlib.suppress(StoreUnavailable):
            await self._store.delete(key)

    @contextlib.asynccontextmanager
    async def package_slot(self, actor: Actor) -> AsyncIterator[None]:
        """Hold one of the actor's places for packages, at all instances together; RateLimited when all are taken."""
        if self._running.get(actor.email, 0) >= self._limits.concurrent_packages:
            raise _too_many_packages(self._limits.concurrent_packages)
        self._running[actor.email] = self._running.get(actor.email, 0) + 1
        slot: Slot | None = None
        try:
            try:
                slot = await self._slots.take(self._limits.concurrent_packages, "slot", actor.email)
            except StoreUnavailable:
                pass  # 3: the count of this process is what remains
            else:
                if slot is None:
                    raise _too_many_packages(self._limits.concurrent_packages)
            yield
        finally:
            self._leave(actor.email)
            if slot is not None:
                await self._slots.give_back(slot)

    def _leave(self, email: str) -> None:
        left = self._running[email] - 1
        if left:
            self._running[email] = left
        else:
            del self._running[email]

    async def _count(self, key: str, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        try:
            return await self._store.allow(key, limit=limit, period_seconds=period_seconds, cost=cost)
        except StoreUnavailable:
            share = max(limit // max(self._instances(), 1), 1)  # 3
            return self._local.allow(f"lost:{key}", limit=share, period_seconds=period_seconds, cost=cost)


def rate_headers(decision: RateDecision) -> dict[str, str]:
    """The ``X-RateLimit-*`` headers: requests per minute, requests left, seconds until one more fits."""
    return {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
        "X-RateLimit-Reset": str(math.ceil(decision.retry_after_seconds)),
    }


def refused_headers(error: RateLimited) -> dict[str, str]:
    """The same headers of a request that a quota refused."""
    return {
        "X-RateLimit-Limit": str(error.limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(max(error.retry_after_seconds or 1, 1)),
    }


def _forget(asking: asyncio.Future[RateDecision]) -> None:
    """Whoever still waits raises what it raised; perhaps nobody does any more."""
    if not asking.cancelled():
        asking.exception()


def _require(decision: RateDecision, quota: str) -> RateDecision:
    if decision.allowed:
        return decision
    seconds = max(math.ceil(decision.retry_after_seconds), 1)
    raise RateLimited(
        "Too many requests.",
        resource=quota,
        suggestions=[f"Try again in {seconds} seconds."],
        retry_after_seconds=seconds,
        limit=decision.limit,
    )


def _too_many_packages(limit: int) -> RateLimited:
    return RateLimited(
        "Too many of your packages are being built at once.",
        resource="concurrent_packages",
        suggestions=["Wait for one of them to finish."],
        retry_after_seconds=_SLOT_RETRY_SECONDS,
        limit=limit,
    )


def _place(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


def _login_key(address: str, email: str) -> str:
    """Whatever was sent as e-mail, of any length, is one bucket of fixed size."""
    name = hashlib.sha256(email.lower().encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return key_of("rate", "login", _place(address), name)
