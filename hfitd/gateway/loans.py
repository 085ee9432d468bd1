"""The desk of access requests: a role or a template for a while, asked for, answered, given back, looked at.

1. Only a role marked ``requestable``, or a template that somebody shares, can be asked for. Everything else is the same
   NotFound, and asking is limited per person, so names cannot be tried out.
2. Who may answer: for a role those with one of its ``approvers`` (without any, those who have the role themselves),
   for a template those with ``template.approve`` on it. Only what they have for good counts, nothing that is on loan,
   so that nobody widens their rights by a loan. Never who asks, nor somebody who holds a key of theirs (D06).
3. A request that is not one's own and not one's to answer does not exist for the caller.
4. A loan lasts for what was asked for, at most for the role's ``max_duration``; it may be granted for less, never for
   more. It ends by the server's clock, when it is given back, and when it is revoked.
5. Breaking the glass needs a role that allows it, a reason and a ticket. It takes effect at once, is an alarm in log,
   metrics and audit, and stays on the list until another person has reviewed it.
6. Every step is on the audit record before it happens, with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from hfitd.access.grants import template_role
from hfitd.access.limits import Limits
from hfitd.access.tokens import Tokens, lend
from hfitd.audit.block import recorded
from hfitd.config.model import RoleConfig
from hfitd.errors import BadRequest, Conflict, Forbidden, NotFound
from hfitd.export.record import actor_record
from hfitd.export.workshop import Workshop
from hfitd.gateway.wishes import Wish, check_wish
from hfitd.model import Action, Actor
from hfitd.observe.events import AccessDecided, GlassBroken
from hfitd.store.access import AccessRequest, AccessRequests, new_id, no_request
from hfitd.store.templates import Templates
from hfitd.store.users import Users

MAX_OPEN = 20  # unanswered requests of one person
TEMPLATE_RULES = RoleConfig("", (), requestable=True)


class LoanDesk:
    """Takes and answers requests. ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        requests: AccessRequests,
        users: Users,
        tokens: Tokens,
        shop: Workshop,
        *,
        templates: Templates,
        limits: Limits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.requests = requests
        self._users = users
        self._templates = templates
        self._tokens = tokens
        self._limits = limits
        self._lifetime_seconds = shop.limits.request_lifetime_seconds
        self._sources = shop.sources
        self._audit = shop.audit
        self._observer = shop.observer
        self._clock = clock

    async def ask(self, actor: Actor, wish: Wish) -> AccessRequest:
        """A new request; one that breaks the glass is granted when this returns."""
        await self._limits.check_access_request(actor)  # 1
        rules, name, role = await self._wanted(wish.name)
        seconds = check_wish(wish, rules)
        now = self._clock()
        request = AccessRequest(
            email=actor.email,
            name=name,
            role=role,
            reason=wish.reason,
            ticket=wish.ticket,
            seconds=seconds,
            created=now,
            answer_by=now + self._lifetime_seconds,
            id=new_id(),
        )
        if wish.break_glass:
            return await self._break_glass(actor, request, now)
        waiting = [item for item in await self._of(actor.email) if item.state_at(now) == "pending"]
        if len(waiting) >= MAX_OPEN:
            raise BadRequest(f"You have {MAX_OPEN} unanswered requests.", suggestions=("Take one back first.",))
        async with self._recorded("access.request", actor, request, wish.reason):
            made = await self.requests.create(request)
        self._observer.event(AccessDecided("pending", made.role, made.id))
        return made

    async def visible(self, actor: Actor) -> list[AccessRequest]:
        """The actor's own requests and those they may answer, the newest first (3)."""
        lasting = await self._lasting(actor)
        every = await self.requests.every()
        return [item for item in every if item.email == actor.email or self._has_right(lasting, item)]

    async def show(self, actor: Actor, request_id: str) -> AccessRequest:
        """One of those; NotFound for every other (3)."""
        request = await self.requests.get(request_id)
        if request is None or not await self._may_see(actor, request):
            raise no_request(request_id)
        return request

    async def approve(
        self,
        actor: Actor,
        request_id: str,
        *,
        reason: str = "",
        seconds: float | None = None,
        os_uid: int | None = None,
    ) -> AccessRequest:
        """Lend what was asked for, from now on; for less than was asked for, if ``seconds`` say so (4)."""
        request = await self._to_answer(actor, request_id)
        rules, _, _ = await self._wanted(request.name)
        if await self._users.get(request.email) is None:
            raise NotFound("The person who asked is no user any more.", resource=request_id)
        lasts = min(request.seconds, rules.max_duration_seconds)
        if seconds is not None and not 0 < seconds <= lasts:
            raise BadRequest(f"It can be granted for at most {lasts:.0f} seconds.", resource="duration")
        now = self._clock()
        granted = self._decided(request, "granted", actor, reason, os_uid)
        return await self._save("access.approve", actor, replace(granted, ends=now + (seconds or lasts)), os_uid)

    async def deny(self, actor: Actor, request_id: str, *, reason: str, os_uid: int | None = None) -> AccessRequest:
        """Say no, and why."""
        if not reason.strip():
            raise BadRequest("Say why it is denied.", resource="reason")
        request = await self._to_answer(actor, request_id)
        return await self._save("access.deny", actor, self._decided(request, "denied", actor, reason, os_uid), os_uid)

    async def revoke(
        self, actor: Actor, request_id: str, *, reason: str = "", os_uid: int | None = None
    ) -> AccessRequest:
        """End a loan, or take back an unanswered request; for the person who asked and for who may answer."""
        request = await self.show(actor, request_id)
        state = request.state_at(self._clock())
        mine = request.email == actor.email
        if state == "pending" and mine:
            over = self._decided(request, "cancelled", actor, reason, os_uid)
        elif state == "granted":
            over = replace(request, state="revoked", decision=reason, ends=self._clock())
        else:
            raise Conflict(f"The request is {state}; there is nothing to revoke.", resource=request_id)
        return await self._save("access.revoke", actor, over, os_uid)

    async def review(self, actor: Actor, request_id: str, *, note: str, os_uid: int | None = None) -> AccessRequest:
        """Look at a broken glass afterwards: another person, who may answer for the role (5)."""
        request = await self.show(actor, request_id)
        if not request.break_glass:
            raise Conflict("Only a broken glass is reviewed afterwards.", resource=request_id)
        await self._require_second(actor, request)
        if not request.unreviewed:
            raise Conflict(f"It was reviewed by {request.reviewed_by}.", resource=request_id)
        if not note.strip():
            raise BadRequest("Say what the review found.", resource="note")
        looked = replace(request, reviewed_by=actor.email, reviewed=self._clock(), review=note)
        return await self._save("access.review", actor, looked, os_uid, reason=note)

    async def with_loans(self, actor: Actor) -> Actor:
        """The actor with what they have on loan now."""
        return lend(replace(actor, loans=await self.requests.loans(actor.email)), self._clock())

    async def _break_glass(self, actor: Actor, request: AccessRequest, now: float) -> AccessRequest:
        granted = replace(
            request, state="granted", break_glass=True, decided_by=actor.email, decided=now, ends=now + request.seconds
        )
        async with self._recorded("access.break_glass", actor, granted, request.reason):
            made = await self.requests.create(granted)
        self._observer.event(GlassBroken(made.email, made.role, made.id))
        self._tokens.refresh(made.email)
        return made

    async def _save(
        self, action: str, actor: Actor, request: AccessRequest, os_uid: int | None, *, reason: str = ""
    ) -> AccessRequest:
        async with self._recorded(action, actor, request, reason or request.decision, os_uid):
            saved = await self.requests.save(request)
        self._tokens.refresh(saved.email)
        outcome = "reviewed" if action == "access.review" else saved.state
        self._observer.event(AccessDecided(outcome, saved.role, saved.id))
        return saved

    def _decided(
        self, request: AccessRequest, state: str, actor: Actor, reason: str, os_uid: int | None
    ) -> AccessRequest:
        uid = -1 if os_uid is None else os_uid
        return replace(
            request, state=state, decided_by=actor.email, decided=self._clock(), decision=reason, os_uid=uid
        )

    async def _to_answer(self, actor: Actor, request_id: str) -> AccessRequest:
        request = await self.show(actor, request_id)
        await self._require_second(actor, request)
        state = request.state_at(self._clock())
        if state != "pending":
            raise Conflict(f"The request is {state} already.", resource=request_id)
        return request

    async def _require_second(self, actor: Actor, request: AccessRequest) -> None:
        """2: somebody else, with the right."""
        if request.email == actor.email:
            raise Forbidden("Nobody answers a request of their own.", resource=request.id)
        if not await self._may_answer(actor, request):
            raise Forbidden("You hold a key of the person who asks, so you are not a second person.")

    async def _may_see(self, actor: Actor, request: AccessRequest) -> bool:
        return request.email == actor.email or self._has_right(await self._lasting(actor), request)

    async def _may_answer(self, actor: Actor, request: AccessRequest) -> bool:
        held = [await self._users.get(email) for email in (actor.email, request.email)]
        mine, theirs = ({key.fingerprint for key in user.keys} if user else set() for user in held)
        return not mine & theirs and self._has_right(await self._lasting(actor), request)

    async def _lasting(self, actor: Actor) -> Actor:
        """The actor with what they have for good (2)."""
        user = await self._users.get(actor.email) if actor.loans else None
        return actor if not actor.loans else Actor(actor.email, user.roles if user else ())

    def _has_right(self, actor: Actor, request: AccessRequest) -> bool:
        sources = self._sources()
        if request.role != request.name:
            return sources.policy.may(actor, Action.TEMPLATE_APPROVE, request.name.partition(":")[2])
        role = sources.rules.roles.get(request.role)
        if role is None or not role.requestable:
            return False
        return bool(set(actor.roles) & set(role.approvers or (role.name,)))

    async def _wanted(self, name: str) -> tuple[RoleConfig, str, str]:
        """The rules for what is called so, its full name and the role that lends it; NotFound when it cannot be asked
        for (1), BadRequest with the full names when several people share a template of this name."""
        role = self._sources().rules.roles.get(name)
        if role is not None and role.requestable:
            return role, name, role.name
        try:
            template = await self._templates.shared(name)
        except NotFound:
            message = "There is no role or template of this name that can be asked for."
            raise NotFound(message, resource=name) from None
        return TEMPLATE_RULES, f"{template.owner}:{template.name}", template_role(template.owner, template.name)

    async def _of(self, email: str) -> list[AccessRequest]:
        return [item for item in await self.requests.every() if item.email == email]

    def _recorded(
        self, action: str, actor: Actor, request: AccessRequest, reason: str, os_uid: int | None = None
    ) -> AbstractAsyncContextManager[None]:
        details = {
            "person": request.email,
            "request": request.id,
            "ticket": request.ticket,
            "seconds": f"{request.seconds:.0f}",
        }
        given = {name: value for name, value in details.items() if value}
        record = actor_record(action, actor, (request.role,), **given)
        return recorded(self._audit, replace(record, reason=reason, os_uid=os_uid))  # 6
