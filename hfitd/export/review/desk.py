"""The reviewer's desk: read what a template does and what changed, approve it, withdraw an approval.

1. The approver needs ``template.approve`` on the name now; who may not see the template learns nothing of it.
2. Four eyes: never the owner, who alone can edit it, nobody who holds one of the owner's keys (D06), and nobody by a
   role that they took without an answer.
3. What is approved is what was read: text and plan are made anew and have to have the digests that the approver names.
4. It is read in the hands of the owner's roles, or of roles that the approver names; ``gate`` lets nobody do more.
5. Every approval and withdrawal is on the audit record with its reason, before it is stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hfitd.audit.block import recorded
from hfitd.audit.log import AuditLog
from hfitd.audit.record import AuditRecord
from hfitd.errors import BadRequest, Conflict, Forbidden, NotFound
from hfitd.export.items.interface import PlanScope
from hfitd.export.library import Library, unified_diff
from hfitd.export.plan import make_plan, needed_sources
from hfitd.export.record import actor_record
from hfitd.export.review.constraints import parse_constraints
from hfitd.export.review.problems import find_problems
from hfitd.export.review.reading import Reading, changed_lines, lines_of, read_plan
from hfitd.export.review.validity import describe_approval
from hfitd.export.sources import Sources, open_sources
from hfitd.export.template.model import Template
from hfitd.export.template.parse import parse_template
from hfitd.model import Action, Actor, Json
from hfitd.store.approvals import Approval
from hfitd.store.templates import StoredTemplate
from hfitd.store.users import Users

DEFAULT_SECONDS = 30 * 86400.0
MAX_SECONDS = 366 * 86400.0
MAX_READING = 2_000_000  # characters of a plan that is kept with its approval


@dataclass(frozen=True, slots=True)
class Decision:
    """What an approver says. Empty digests mean: whatever there is now; 0 is no budget; no roles are the owner's."""

    reason: str = ""
    allow: tuple[str, ...] = ()
    max_rows: int = 0
    max_bytes: int = 0
    seconds: float = DEFAULT_SECONDS
    roles: tuple[str, ...] = ()
    template_digest: str = ""
    plan_digest: str = ""
    os_uid: int | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What an approver reads."""

    stored: StoredTemplate
    template: Template
    roles: tuple[str, ...]
    plan_digest: str
    policy_version: str
    reading: Reading
    last: Approval | None
    last_text: str

    def document(self) -> dict[str, Json]:
        """The review as JSON: the text, the plan line by line, and what changed since the last approval."""
        lines = lines_of(self.reading)
        changes: dict[str, Json] | None = None
        if self.last is not None:
            changes = {
                "text": unified_diff(self.last_text, self.stored.text, self.stored.name),
                "plan": changed_lines(lines_of(self.last.plan), lines),
            }
        return {
            "name": self.stored.name,
            "owner": self.stored.owner,
            "digest": self.stored.digest,
            "text": self.stored.text,
            "roles": list(self.roles),
            "plan_digest": self.plan_digest,
            "policy_version": self.policy_version,
            "plan": lines,
            "last": describe_approval(self.last) if self.last else None,
            "changes": changes,
        }


class Reviews:
    """Reads, approves, withdraws. ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        library: Library,
        users: Users,
        sources: Callable[[], Sources],
        audit: AuditLog,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._shelf = library.shelf
        self._users = users
        self._sources = sources
        self._audit = audit
        self._clock = clock

    async def read(self, approver: Actor, name: str, roles: Sequence[str] = ()) -> Review:
        """What there is to approve; NotFound, Forbidden, and whatever keeps the template from being planned."""
        stored = await self._find(approver, name)
        hands = await self._hands(stored, roles)
        template = await asyncio.to_thread(parse_template, stored.text)
        sources = self._sources()
        async with open_sources(sources, needed_sources(template, sources), approver.email) as opened:
            catalogs = {key: source.catalog for key, source in opened.items()}
            reader, policy = Actor(stored.owner, hands), sources.policy
            scope = PlanScope(reader, sources, catalogs, approved=True)
            plan = await asyncio.to_thread(make_plan, template, stored.owner, scope)
            reading = read_plan(plan, catalogs, lambda volume: policy.may_enter(reader, Action.RAW, volume))
        last = await self._shelf.approvals.get(stored.owner, stored.name)
        text = await self._shelf.templates.version(last.template_digest) if last else None
        return Review(stored, template, hands, plan.digest, plan.policy_version, reading, last, text or "")

    async def approve(self, approver: Actor, name: str, decision: Decision) -> Approval:
        """Approve what is there now; Conflict when it is not what the approver has read (3)."""
        review = await self.read(approver, name, decision.roles)
        found = (review.stored.digest, review.plan_digest)
        wanted = (decision.template_digest or found[0], decision.plan_digest or found[1])
        if wanted != found:
            raise Conflict(
                "The template or what it would do has changed since you read it.",
                resource=name,
                suggestions=("Read it again, then approve it.",),
            )
        await asyncio.to_thread(parse_constraints, decision.allow, review.template)
        if not 0 < decision.seconds <= MAX_SECONDS:
            raise BadRequest("An approval lasts for at most 366 days.", resource="duration")
        if sum(map(len, lines_of(review.reading))) > MAX_READING:
            raise BadRequest("The plan of this template is too large to be kept with an approval.", resource=name)
        approval = self._make(approver, review, decision)
        async with recorded(self._audit, _record("template.approve", approver, approval, decision)):  # 5
            return await self._shelf.approvals.put(approval)

    async def withdraw(self, approver: Actor, name: str, reason: str, os_uid: int | None = None) -> Approval:
        """End the approval: a reviewer, or the owner, who gives up a right and gains none."""
        stored = await self._library.show(approver, name)
        if stored.owner != approver.email:
            self._require_right(approver, stored)
        current = await self._shelf.approvals.get(stored.owner, stored.name)
        if current is None:
            raise NotFound("This template has no approval to withdraw.", resource=name)
        record = _record("template.unapprove", approver, current, Decision(reason, os_uid=os_uid))
        async with recorded(self._audit, record):  # 5
            return await self._shelf.approvals.withdraw(
                stored.owner, stored.name, by=approver.email, reason=reason, now=self._clock()
            )

    async def problems(self, text: str, owner: str, roles: Sequence[str]) -> list[Json]:
        """Everything that would keep somebody with these roles from running the text."""
        self._check_roles(roles)
        return await find_problems(text, Actor(owner, tuple(roles)), self._sources())

    async def _find(self, approver: Actor, name: str) -> StoredTemplate:
        stored = await self._library.show(approver, name)  # 1
        self._require_right(approver, stored)
        if stored.owner == approver.email:
            raise Forbidden(
                "Nobody approves a template of their own.",
                resource=name,
                suggestions=(f"Name another owner's template as OWNER:{stored.name}.",),
            )  # 2
        held = [await self._users.get(email) for email in (approver.email, stored.owner)]
        mine, theirs = ({key.fingerprint for key in user.keys} if user else set() for user in held)
        if mine & theirs:
            raise Forbidden("You hold a key of the template's owner, so you are not a second pair of eyes.")  # 2
        return stored

    def _require_right(self, approver: Actor, stored: StoredTemplate) -> None:
        broken = {loan.role for loan in approver.loans if loan.break_glass}
        answered = replace(approver, roles=tuple(role for role in approver.roles if role not in broken))  # 2
        if not self._sources().policy.may(answered, Action.TEMPLATE_APPROVE, stored.name):
            raise Forbidden("You have no right to approve this template.", resource=stored.name)  # 1

    async def _hands(self, stored: StoredTemplate, roles: Sequence[str]) -> tuple[str, ...]:
        """The roles in whose hands it is read (4)."""
        if roles:
            self._check_roles(roles)
            return tuple(dict.fromkeys(roles))
        owner = await self._users.get(stored.owner)
        if owner is None or not owner.roles:
            raise BadRequest(
                "The owner of this template has no roles any more; say for which roles you review it.",
                resource=stored.name,
                suggestions=("Name them with --role.",),
            )
        return owner.roles

    def _check_roles(self, roles: Sequence[str]) -> None:
        known = self._sources().rules.roles
        for role in roles:
            if role not in known:
                raise BadRequest("There is no such role in the configuration.", resource=role)

    def _make(self, approver: Actor, review: Review, decision: Decision) -> Approval:
        now = self._clock()
        return Approval(
            owner=review.stored.owner,
            name=review.stored.name,
            template_digest=review.stored.digest,
            plan_digest=review.plan_digest,
            policy_version=review.policy_version,
            roles=review.roles,
            plan=review.reading,
            allow=decision.allow,
            max_rows=decision.max_rows,
            max_bytes=decision.max_bytes,
            approver=approver.email,
            os_uid=-1 if decision.os_uid is None else decision.os_uid,
            reason=decision.reason,
            approved=float(now),
            expires=now + decision.seconds,
            version=review.last.version if review.last else 0,
        )


def _record(action: str, approver: Actor, approval: Approval, decision: Decision) -> AuditRecord:
    details = {
        "owner": approval.owner,
        "approval": approval.digest,
        "plan_digest": approval.plan_digest,
        "expires": approval.document()["expires"],
        "allow": ", ".join(approval.allow),
        "max_rows": str(approval.max_rows or ""),
        "max_bytes": str(approval.max_bytes or ""),
    }
    given = {name: value for name, value in details.items() if value}
    return replace(
        actor_record(action, approver, (approval.name,), **given),
        policy_version=approval.policy_version,
        template_digest=approval.template_digest,
        reason=decision.reason,
        os_uid=decision.os_uid,
    )
