"""The admin verbs about the policy: scan a provider, write the script for its database role, explain a decision.

None of them changes anything, and none puts out a value of a row: a scan reads samples and answers with counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from hfitd.access.explain import explain_table
from hfitd.access.globs import split_column
from hfitd.access.grants import TABLE_ACTIONS
from hfitd.access.needs import needed_columns
from hfitd.access.policy import Policy
from hfitd.engines.role_scripts import ROLE_SCRIPTS
from hfitd.errors import BadRequest, NotFound
from hfitd.export.naming import find_table
from hfitd.export.survey.findings import survey_provider
from hfitd.gateway.core import Gateway
from hfitd.model import Action, Actor, Catalog, Json, Permission, TableName

Verb = Callable[[Mapping[str, Json]], Awaitable[Json]]
_FILE_ACTIONS = (Action.FILES_LIST, Action.FILES_READ)
_OTHER_ACTIONS = (Action.AUDIT_READ,)


class PolicyDesk:
    """Answers for one gateway."""

    def __init__(self, door: Gateway) -> None:
        self._door = door

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """The verbs by name."""
        return {"policy.scan": self._scan, "policy.grants": self._grants, "policy.explain": self._explain}

    async def _scan(self, arguments: Mapping[str, Json]) -> Json:
        provider, database = self._place(arguments)
        sources = self._door.sources()
        survey = await survey_provider(sources.policy, sources.engines[provider], database)
        return survey.document(only_new=arguments.get("new") is True)

    async def _grants(self, arguments: Mapping[str, Json]) -> Json:
        provider, database = self._place(arguments)
        sources = self._door.sources()
        catalog = await self._catalog(provider, database)
        needs = list(needed_columns(sources.policy, provider, catalog).values())
        config = self._door.config.providers[provider]
        role = str(arguments.get("role") or config.user)
        lines = ROLE_SCRIPTS[config.type](config, role, catalog, needs)
        version = sources.policy.version[:16]
        head = [
            f"-- hfitd policy grants {provider}: the least that its database role needs, by policy {version}.",
            "-- Run it as an administrator of the database; make it again when the policy or the tables change.",
        ]
        return "\n".join([*head, *lines]) + "\n"

    async def _explain(self, arguments: Mapping[str, Json]) -> Json:
        email, target = str(arguments.get("email") or ""), str(arguments.get("object") or "")
        user = await self._door.users.get(email)
        if user is None:
            raise NotFound("There is no such user.", resource=email)
        if not target:
            raise BadRequest("The argument `object` is missing.", resource="object")
        actor = await self._door.loans.with_loans(Actor(user.email, user.roles))
        policy = self._door.sources().policy
        wanted = str(arguments.get("action") or "")
        actions = [action for action in self._actions_on(target) if wanted in {"", action.value}]
        if not actions:
            raise BadRequest("There is no such action on this object.", resource=wanted)
        document: dict[str, Json] = {
            "user": user.email,
            "roles": list(actor.roles),
            "object": target,
            "decisions": [_decision(policy, actor, action, target) for action in actions],
        }
        if Action.ROWS in actions:
            document |= await self._explain_table(actor, target, arguments)
        return document

    async def _explain_table(self, actor: Actor, target: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """What of a table, or of one of its columns, the actor sees, when the object names exactly one."""
        path, column = split_column(target)
        parts = path.split("/")
        if len(parts) != 3 or set("*?") & set(path):
            return {}
        provider, database = self._place({**arguments, "provider": parts[0]})
        catalog = await self._catalog(provider, database)
        name = self._table(catalog, provider, parts[1], parts[2])
        if name is None:
            return {"note": "There is no such table; the decisions are about its name."}
        whys, filters = explain_table(self._door.sources().policy, actor, provider, catalog, name)
        shown = [why.document() for why in whys if column in {None, why.column}]
        return {"columns": shown, "row_filters": list(filters)}

    def _actions_on(self, target: str) -> Sequence[Action]:
        first, slash, _ = target.partition("/")
        sources = self._door.sources()
        if slash and first in sources.engines:
            return [action for action in Action if action in TABLE_ACTIONS]
        if first in sources.volumes:
            return _FILE_ACTIONS
        if slash:
            return [action for action in Action if action in TABLE_ACTIONS] + list(_FILE_ACTIONS)
        return [action for action in Action if action.value.startswith("template.")] + list(_OTHER_ACTIONS)

    def _place(self, arguments: Mapping[str, Json]) -> tuple[str, str]:
        provider, sources = str(arguments.get("provider") or ""), self._door.sources()
        if provider not in sources.engines:
            known = tuple(f"Known: {name}" for name in sorted(sources.engines))
            raise NotFound("There is no such provider.", resource=provider, suggestions=known)
        return provider, str(arguments.get("database") or sources.default_databases[provider])

    async def _catalog(self, provider: str, database: str) -> Catalog:
        async with self._door.sources().engines[provider].snapshot(database) as snapshot:
            return await snapshot.catalog()

    def _table(self, catalog: Catalog, provider: str, schema: str, table: str) -> TableName | None:
        exact = TableName(schema, table)
        if exact in catalog.tables:
            return exact
        return find_table(f"{schema}.{table}", self._door.sources().dialect(provider), catalog)


def _decision(policy: Policy, actor: Actor, action: Action, target: str) -> Json:
    decision = policy.decide(actor, Permission(action, target))
    return {"action": action.value, "allowed": decision.allowed, "reason": decision.reason}
