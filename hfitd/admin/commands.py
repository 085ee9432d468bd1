"""What an administrator can ask the running daemon: one method a verb, one table of verbs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hfitd.access.keys import parse_public_key
from hfitd.admin.arguments import need_text, read_arguments, text_of, texts_of
from hfitd.admin.audit_verbs import search_page, tail_audit
from hfitd.admin.policy_desk import PolicyDesk
from hfitd.admin.review_verbs import ReviewVerbs, Verb
from hfitd.audit.record import AuditRecord
from hfitd.errors import BadRequest, HfitError, Internal, NotFound
from hfitd.gateway.core import Gateway, Reload
from hfitd.gateway.template_checks import Round
from hfitd.model import Json
from hfitd.observe.events import ErrorRaised
from hfitd.store.users import StoredKey, User

_TARGETS = ("email", "kind", "object", "name", "id", "provider")


class AdminDesk:
    """Runs admin verbs against the gateway."""

    def __init__(self, door: Gateway) -> None:
        self._door = door
        self._review = ReviewVerbs(door)
        self._verbs: Mapping[str, Verb] = {
            "user.add": self._user_add,
            "user.list": self._user_list,
            "user.show": self._user_show,
            "user.disable": self._user_disable,
            "user.enable": self._user_enable,
            "user.remove": self._user_remove,
            "user.set-roles": self._user_set_roles,
            "user.add-key": self._user_add_key,
            "user.remove-key": self._user_remove_key,
            "key.show": self._key_show,
            "key.rotate": self._key_rotate,
            "session.revoke": self._session_revoke,
            "audit.tail": lambda arguments: tail_audit(door.audit.folder, arguments),
            "audit.search": lambda arguments: search_page(door.audit.folder, arguments),
            "status": self._status,
            **self._review.verbs,
            **PolicyDesk(door).verbs,
        }

    async def run(self, command: str, arguments: Mapping[str, Json], uid: int) -> Json:
        """Run a verb for an operating-system user; on record before and after."""
        verb = self._verbs.get(command)
        if verb is None:
            raise BadRequest("There is no such admin command.", resource=command)
        checked = read_arguments(arguments, uid)
        target = next((text_of(checked, name) for name in _TARGETS if checked.get(name)), "")
        asks = command.startswith("audit.")  # a question about an object is nothing that was given of it
        record = AuditRecord(
            f"admin.{command}",
            email=text_of(checked, "as_email"),
            objects=(target,) if target and not asks else (),
            reason=text_of(checked, "reason"),
            os_uid=uid,
            details={name: str(value) for name, value in checked.items() if name != "uid"} if asks else {},
        )
        token = await self._door.audit.begin(record)
        try:
            result = await verb(checked)
        except HfitError as error:
            await self._door.audit.end(token, "refused", code=error.code)
            raise
        except BaseException:
            await self._door.audit.end(token, "failed")
            raise
        await self._door.audit.end(token, "done")
        return result

    def report(self, error: BaseException) -> None:
        """Log what nobody expected."""
        self._door.observer.event(ErrorRaised(Internal().code, error))

    async def _user_add(self, arguments: Mapping[str, Json]) -> Json:
        roles = texts_of(arguments, "roles")
        self._check_roles(roles)
        email, key = need_text(arguments, "email"), _new_key(need_text(arguments, "key"))
        user = await self._door.users.create(email, [key], roles)
        return _user_document(user)

    async def _user_list(self, arguments: Mapping[str, Json]) -> Json:
        return [_user_document(user) for user in await self._door.users.list()]

    async def _user_show(self, arguments: Mapping[str, Json]) -> Json:
        return _user_document(await self._user(arguments))

    async def _user_disable(self, arguments: Mapping[str, Json]) -> Json:
        return _user_document(await self._door.users.save(replace(await self._user(arguments), disabled=True)))

    async def _user_enable(self, arguments: Mapping[str, Json]) -> Json:
        return _user_document(await self._door.users.save(replace(await self._user(arguments), disabled=False)))

    async def _user_remove(self, arguments: Mapping[str, Json]) -> Json:
        user = await self._user(arguments)
        await self._door.tokens.revoke(user.email)
        await self._door.users.remove(user.email)
        retired = await self._door.library.templates.retire(user.email)
        return {"removed": user.email, "retired_templates": retired}

    async def _user_set_roles(self, arguments: Mapping[str, Json]) -> Json:
        roles = texts_of(arguments, "roles")
        self._check_roles(roles)
        return _user_document(await self._door.users.save(replace(await self._user(arguments), roles=roles)))

    async def _user_add_key(self, arguments: Mapping[str, Json]) -> Json:
        user, key = await self._user(arguments), _new_key(need_text(arguments, "key"))
        if any(held.fingerprint == key.fingerprint for held in user.keys):
            raise BadRequest("The user has this key already.", resource=key.fingerprint)
        return _user_document(await self._door.users.save(replace(user, keys=(*user.keys, key))))

    async def _user_remove_key(self, arguments: Mapping[str, Json]) -> Json:
        user, fingerprint = await self._user(arguments), need_text(arguments, "fingerprint")
        kept = tuple(key for key in user.keys if key.fingerprint != fingerprint)
        if len(kept) == len(user.keys):
            raise NotFound("The user has no key of this fingerprint.", resource=fingerprint)
        return _user_document(await self._door.users.save(replace(user, keys=kept)))

    async def _key_show(self, arguments: Mapping[str, Json]) -> Json:
        return self._door.package_keys.public()

    async def _key_rotate(self, arguments: Mapping[str, Json]) -> Json:
        kind = need_text(arguments, "kind")
        if kind == "token":
            return {"kind": kind, "key": await asyncio.to_thread(self._door.token_keys.rotate)}
        if kind == "package":
            await asyncio.to_thread(self._door.package_keys.rotate)
            return {"kind": kind, "key": self._door.package_keys.current.fingerprint}
        raise BadRequest("Rotate `token` or `package`.", resource=kind)

    async def _session_revoke(self, arguments: Mapping[str, Json]) -> Json:
        user = await self._user(arguments)
        await self._door.tokens.revoke(user.email)
        return {"revoked": user.email}

    async def _status(self, arguments: Mapping[str, Json]) -> Json:
        store, providers = await self._door.readiness.ask(self._door.store, self._door.sources())
        return {
            "version": self._door.version,
            "draining": self._door.draining,
            "store": store,
            "audit": "ok" if self._door.audit.ready else "unavailable",
            "providers": dict(providers),
            "volumes": sorted(self._door.sources().volumes),
            "jobs": self._door.downloads.running,
            "extractions": self._door.downloads.extractions,
            "policy_version": self._door.sources().policy.version,
            **await self._review.alarms(),
            "instance": self._door.audit.instance,
            "instances": self._door.fleet.size,
            "connections": {name: dict(numbers) for name, numbers in self._door.places.report().items()},
            "audit_lag": self._door.audit.lag,
            "uptime_seconds": round(time.time() - self._door.started),
            "reload": _reload_document(self._door.reload),
            "templates": _checks_document(self._door.template_checks.last),
        }

    async def _user(self, arguments: Mapping[str, Json]) -> User:
        email = need_text(arguments, "email")
        user = await self._door.users.get(email)
        if user is None:
            raise NotFound("There is no such user.", resource=email)
        return user

    def _check_roles(self, roles: tuple[str, ...]) -> None:
        known = self._door.config.roles
        for role in roles:
            if role not in known:
                raise BadRequest(
                    f"There is no role `{role}` in the configuration.", suggestions=tuple(f"Known: {n}" for n in known)
                )


def _reload_document(last: Reload | None) -> Json:
    """What became of the last SIGHUP, or null when there was none."""
    if last is None:
        return None
    return {"at": _moment(last.at), "mistakes": list(last.mistakes), "needs_restart": list(last.restart)}


def _checks_document(last: Round | None) -> Json:
    """How many templates were fine at the last check, or null when this instance made none."""
    return None if last is None else {"at": _moment(last.at), **last.counts()}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _new_key(line: str) -> StoredKey:
    key = parse_public_key(line)
    return StoredKey(key.line, key.fingerprint, key.comment, datetime.now(UTC).isoformat(timespec="seconds"))


def _user_document(user: User) -> dict[str, Json]:
    return {
        "email": user.email,
        "roles": list(user.roles),
        "disabled": user.disabled,
        "created": user.created,
        "keys": [{"fingerprint": key.fingerprint, "comment": key.comment, "added": key.added} for key in user.keys],
    }
