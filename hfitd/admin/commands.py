"""What an administrator can ask the running daemon: one method a verb, one table of verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from marshmallow import RAISE, Schema, ValidationError, fields

from hfitd.access.keys import parse_public_key
from hfitd.audit.record import AuditRecord
from hfitd.audit.search import search_audit
from hfitd.errors import BadRequest, HfitError, Internal, NotFound
from hfitd.gateway.core import Gateway
from hfitd.model import Action, Actor, Json, Permission
from hfitd.observe.events import ErrorRaised
from hfitd.store.users import StoredKey, User

Verb = Callable[[Mapping[str, Json]], Awaitable[Json]]


class _Arguments(Schema):
    class Meta:
        unknown = RAISE

    email = fields.String()
    key = fields.String()
    fingerprint = fields.String()
    roles = fields.List(fields.String())
    kind = fields.String()
    object = fields.String()
    action = fields.String()
    limit = fields.Integer(strict=True)


class AdminDesk:
    """Runs admin verbs against the gateway."""

    def __init__(self, door: Gateway) -> None:
        self._door = door
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
            "template.list": self._template_list,
            "policy.explain": self._policy_explain,
            "audit.tail": self._audit_tail,
            "status": self._status,
        }

    async def run(self, command: str, arguments: Mapping[str, Json], uid: int) -> Json:
        """Run a verb for an operating-system user; on record before and after."""
        verb = self._verbs.get(command)
        if verb is None:
            raise BadRequest("There is no such admin command.", resource=command)
        try:
            checked = _Arguments().load(dict(arguments))
        except ValidationError as error:
            wrong = ", ".join(sorted(map(str, error.messages_dict)))
            raise BadRequest(f"These arguments are wrong: {wrong}.") from error
        target = str(checked.get("email") or checked.get("kind") or "")
        record = AuditRecord(f"admin.{command}", objects=(target,) if target else (), os_uid=uid)
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
        roles = _texts(arguments, "roles")
        self._check_roles(roles)
        user = await self._door.users.create(_text(arguments, "email"), [_new_key(_text(arguments, "key"))], roles)
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
        return {"removed": user.email}

    async def _user_set_roles(self, arguments: Mapping[str, Json]) -> Json:
        roles = _texts(arguments, "roles")
        self._check_roles(roles)
        return _user_document(await self._door.users.save(replace(await self._user(arguments), roles=roles)))

    async def _user_add_key(self, arguments: Mapping[str, Json]) -> Json:
        user, key = await self._user(arguments), _new_key(_text(arguments, "key"))
        if any(held.fingerprint == key.fingerprint for held in user.keys):
            raise BadRequest("The user has this key already.", resource=key.fingerprint)
        return _user_document(await self._door.users.save(replace(user, keys=(*user.keys, key))))

    async def _user_remove_key(self, arguments: Mapping[str, Json]) -> Json:
        user, fingerprint = await self._user(arguments), _text(arguments, "fingerprint")
        kept = tuple(key for key in user.keys if key.fingerprint != fingerprint)
        if len(kept) == len(user.keys):
            raise NotFound("The user has no key of this fingerprint.", resource=fingerprint)
        return _user_document(await self._door.users.save(replace(user, keys=kept)))

    async def _key_show(self, arguments: Mapping[str, Json]) -> Json:
        return self._door.package_keys.public()

    async def _key_rotate(self, arguments: Mapping[str, Json]) -> Json:
        kind = _text(arguments, "kind")
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

    async def _template_list(self, arguments: Mapping[str, Json]) -> Json:
        return [
            {"name": t.name, "owner": t.owner, "state": t.state, "digest": t.digest}
            for t in await self._door.library.templates.every()
        ]

    async def _policy_explain(self, arguments: Mapping[str, Json]) -> Json:
        user, target = await self._user(arguments), _text(arguments, "object")
        actor = Actor(user.email, user.roles)
        wanted = str(arguments.get("action") or "")
        actions = [action for action in Action if wanted in {"", action.value}]
        if not actions:
            raise BadRequest("There is no such action.", resource=wanted)
        policy = self._door.sources().policy
        decisions = [(action, policy.decide(actor, Permission(action, target))) for action in actions]
        return [{"action": a.value, "allowed": d.allowed, "reason": d.reason} for a, d in decisions]

    async def _audit_tail(self, arguments: Mapping[str, Json]) -> Json:
        limit = arguments.get("limit", 20)
        assert isinstance(limit, int)
        folder = self._door.config.server.data_dir / "audit"
        records = await asyncio.to_thread(
            lambda: search_audit(folder, email=str(arguments.get("email") or ""), limit=min(max(limit, 1), 100))
        )
        return [{name: str(value) for name, value in record.items()} for record in records]

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
        }

    async def _user(self, arguments: Mapping[str, Json]) -> User:
        email = _text(arguments, "email")
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


def _text(arguments: Mapping[str, Json], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"The argument `{name}` is missing.", resource=name)
    return value


def _texts(arguments: Mapping[str, Json], name: str) -> tuple[str, ...]:
    value = arguments.get(name) or []
    assert isinstance(value, list)
    return tuple(str(item) for item in value)


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
