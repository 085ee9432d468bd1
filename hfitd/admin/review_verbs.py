"""The admin verbs of review: templates and their approvals, access requests, packages that can still be fetched.

Whoever speaks at the socket is root or the daemon's own user; whom they speak for they say with ``as``. The verb then
has exactly that person's rights, four eyes included, and the record has both: the person and the system's user (D06).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

from hfitd.admin.arguments import need_text, number_of, text_of, texts_of
from hfitd.errors import BadRequest, NotFound
from hfitd.export.library import describe_reviewed
from hfitd.export.review.desk import DEFAULT_SECONDS, Decision
from hfitd.export.review.validity import describe_approval
from hfitd.gateway.core import Gateway
from hfitd.gateway.wishes import describe_request
from hfitd.model import Actor, Json
from hfitd.store.access import AccessRequest, no_request
from hfitd.store.approvals import Approval
from hfitd.store.fields import timestamp_of

Verb = Callable[[Mapping[str, Json]], Awaitable[Json]]


class ReviewVerbs:
    """The verbs by name, for the desk's table."""

    def __init__(self, door: Gateway) -> None:
        self._door = door
        self.verbs: Mapping[str, Verb] = {
            "template.list": self._template_list,
            "template.check": self._template_check,
            "template.check-all": self._template_check_all,
            "template.review": self._template_review,
            "template.approve": self._template_approve,
            "template.revoke": self._template_revoke,
            "request.list": self._request_list,
            "request.show": self._request_show,
            "request.approve": self._request_approve,
            "request.deny": self._request_deny,
            "request.revoke": self._request_revoke,
            "request.review": self._request_review,
            "package.list": self._package_list,
            "package.revoke": self._package_revoke,
        }

    async def alarms(self) -> dict[str, Json]:
        """What status says of access: broken glass without a review, and how many requests wait."""
        now = time.time()
        every = await self._door.loans.requests.every()
        return {
            "break_glass": [describe_request(item, now) for item in every if item.unreviewed],
            "requests_waiting": sum(item.state_at(now) == "pending" for item in every),
        }

    async def _template_list(self, arguments: Mapping[str, Json]) -> Json:
        shelf = self._door.library.shelf
        version, approvals = self._door.sources().policy.version, await shelf.approvals.every()
        every = await shelf.templates.every()
        return [describe_reviewed(item, approvals.get((item.owner, item.name)), version) for item in every]

    async def _template_check(self, arguments: Mapping[str, Json]) -> Json:
        text, roles = text_of(arguments, "text"), texts_of(arguments, "roles")
        owner = text_of(arguments, "as_email")
        if not text:
            owner, text = await self._stored(need_text(arguments, "name"), owner)
        if not roles:
            if not owner:
                raise BadRequest("Say for whom it is checked: as EMAIL, or the roles.", suggestions=("Use --as EMAIL",))
            roles = (await self._actor(owner)).roles
        return {"problems": await self._door.reviews.problems(text, owner, roles)}

    async def _template_check_all(self, arguments: Mapping[str, Json]) -> Json:
        done = await self._door.template_checks.check()
        return [verdict.document() for verdict in done.verdicts]

    async def _template_review(self, arguments: Mapping[str, Json]) -> Json:
        approver, roles = await self._approver(arguments), texts_of(arguments, "roles")
        review = await self._door.reviews.read(approver, need_text(arguments, "name"), roles)
        return review.document()

    async def _template_approve(self, arguments: Mapping[str, Json]) -> Json:
        decision = Decision(
            reason=text_of(arguments, "reason"),
            allow=texts_of(arguments, "allow"),
            max_rows=int(number_of(arguments, "max_rows") or 0),
            max_bytes=int(number_of(arguments, "max_bytes") or 0),
            seconds=number_of(arguments, "duration") or DEFAULT_SECONDS,
            roles=texts_of(arguments, "roles"),
            template_digest=text_of(arguments, "template_digest"),
            plan_digest=text_of(arguments, "plan_digest"),
            os_uid=_uid(arguments),
        )
        approver = await self._approver(arguments)
        return _approved(await self._door.reviews.approve(approver, need_text(arguments, "name"), decision))

    async def _template_revoke(self, arguments: Mapping[str, Json]) -> Json:
        approver, reason = await self._approver(arguments), text_of(arguments, "reason")
        return _approved(
            await self._door.reviews.withdraw(approver, need_text(arguments, "name"), reason, _uid(arguments))
        )

    async def _request_list(self, arguments: Mapping[str, Json]) -> Json:
        return [_shown(request) for request in await self._door.loans.requests.every()]

    async def _request_show(self, arguments: Mapping[str, Json]) -> Json:
        request_id = need_text(arguments, "id")
        request = await self._door.loans.requests.get(request_id)
        if request is None:
            raise no_request(request_id)
        return _shown(request)

    async def _request_approve(self, arguments: Mapping[str, Json]) -> Json:
        granted = await self._door.loans.approve(
            await self._approver(arguments),
            need_text(arguments, "id"),
            reason=text_of(arguments, "reason"),
            seconds=number_of(arguments, "duration"),
            os_uid=_uid(arguments),
        )
        return _shown(granted)

    async def _request_deny(self, arguments: Mapping[str, Json]) -> Json:
        approver, reason = await self._approver(arguments), text_of(arguments, "reason")
        desk = self._door.loans
        return _shown(await desk.deny(approver, need_text(arguments, "id"), reason=reason, os_uid=_uid(arguments)))

    async def _request_revoke(self, arguments: Mapping[str, Json]) -> Json:
        approver, reason = await self._approver(arguments), text_of(arguments, "reason")
        desk = self._door.loans
        return _shown(await desk.revoke(approver, need_text(arguments, "id"), reason=reason, os_uid=_uid(arguments)))

    async def _request_review(self, arguments: Mapping[str, Json]) -> Json:
        approver, note = await self._approver(arguments), text_of(arguments, "reason")
        desk = self._door.loans
        return _shown(await desk.review(approver, need_text(arguments, "id"), note=note, os_uid=_uid(arguments)))

    async def _package_list(self, arguments: Mapping[str, Json]) -> Json:
        email = text_of(arguments, "email").lower()
        return [
            {
                "id": artifact.id,
                "template": artifact.template,
                "package_name": artifact.package_name,
                "package_digest": artifact.package_digest,
                "size": artifact.size,
                "rows": artifact.rows,
                "created": timestamp_of(artifact.created),
                "expires": timestamp_of(artifact.expires),
                "people": people,
            }
            for artifact, people in await self._door.downloads.artifacts.holders()
            if not email or email in people
        ]

    async def _package_revoke(self, arguments: Mapping[str, Json]) -> Json:
        artifact = await self._door.downloads.artifacts.revoke(need_text(arguments, "id"))
        return {"revoked": artifact.id, "package_digest": artifact.package_digest}

    async def _stored(self, name: str, owner: str) -> tuple[str, str]:
        """Owner and text of a kept template, whatever its state: an administrator may see them all."""
        templates = self._door.library.templates
        named, colon, rest = name.rpartition(":")
        found = [
            item
            for item in await templates.every()
            if item.name == rest and (not colon or item.owner == named.lower())
        ]
        if not found:
            raise NotFound("There is no template of this name.", resource=name)
        if len(found) > 1:
            full = [f"Use {item.owner}:{item.name}" for item in found]
            raise BadRequest("Several people have a template of this name.", resource=name, suggestions=full)
        text = await templates.version(found[0].digest)
        return owner or found[0].owner, text or ""

    async def _approver(self, arguments: Mapping[str, Json]) -> Actor:
        return await self._actor(need_text(arguments, "as_email"))

    async def _actor(self, email: str) -> Actor:
        user = await self._door.users.get(email)
        if user is None or user.disabled:
            raise NotFound("There is no such user, or they are disabled.", resource=email)
        return Actor(user.email, user.roles)


def _uid(arguments: Mapping[str, Json]) -> int:
    uid = arguments["uid"]
    assert isinstance(uid, int)
    return uid


def _shown(request: AccessRequest) -> Json:
    return describe_request(request, time.time())


def _approved(approval: Approval) -> Json:
    return {"name": approval.name, "owner": approval.owner, **describe_approval(approval)}
