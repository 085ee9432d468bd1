"""What a reviewer approved of a template: one sealed record per template, the latest approval.

It names everything it depends on, so that whoever checks it needs nothing but the record: the digest of the text, the
plan that was read, the policy, the parameters, the budget, the end. Withdrawing keeps the record, so that the next
reviewer sees what changed since.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import cast

from hfitd.errors import Conflict, NotFound, StoreUnavailable
from hfitd.model import Json
from hfitd.store.fields import dump_fields, load_fields, timestamp_of
from hfitd.store.interface import Record, Store
from hfitd.store.keys import key_of, parts_of

_KIND = "approval"
_SHAPE: Mapping[str, type] = {
    "owner": str,
    "name": str,
    "template_digest": str,
    "plan_digest": str,
    "policy_version": str,
    "roles": list,
    "plan": dict,
    "allow": list,
    "max_rows": int,
    "max_bytes": int,
    "approver": str,
    "os_uid": int,
    "reason": str,
    "approved": float,
    "expires": float,
    "withdrawn": float,
    "withdrawn_by": str,
    "withdrawn_reason": str,
}
_LATER = frozenset({"withdrawn", "withdrawn_by", "withdrawn_reason", "version"})


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval. Times are seconds since 1970; 0 rows, bytes or ``withdrawn`` mean none, ``os_uid`` -1 as well.

    ``plan`` is what the reviewer read, made in the hands of ``roles``; ``allow`` are the constraints on parameters as
    they were written. ``version`` is the record's.
    """

    owner: str
    name: str
    template_digest: str
    plan_digest: str
    policy_version: str
    roles: tuple[str, ...]
    plan: Mapping[str, Json]
    allow: tuple[str, ...]
    max_rows: int
    max_bytes: int
    approver: str
    os_uid: int
    reason: str
    approved: float
    expires: float
    withdrawn: float = 0.0
    withdrawn_by: str = ""
    withdrawn_reason: str = ""
    version: int = 0

    @property
    def digest(self) -> str:
        """What names this approval: SHA-256 over everything that was approved, in hex."""
        fields = {name: value for name, value in asdict(self).items() if name not in _LATER}
        return hashlib.sha256(dump_fields(fields)).hexdigest()

    def document(self) -> dict[str, str]:
        """What names it in a manifest and an audit record, and what ``Approvals.stands`` looks it up by."""
        return {
            "digest": self.digest,
            "approver": self.approver,
            "expires": timestamp_of(self.expires),
            "template": f"{self.owner}:{self.name}",
        }


class Approvals:
    """Approvals by owner and name of their template."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, owner: str, name: str) -> Approval | None:
        """The latest approval of the template, whether it still holds or not; None when there never was one."""
        key = key_of(_KIND, owner, name)
        record = await self._store.read(key)
        return None if record is None else _parse(key, record)

    async def put(self, approval: Approval) -> Approval:
        """Make it the latest; Conflict when somebody else decided since ``approval.version`` was read."""
        fields = asdict(approval)
        del fields["version"]
        key = key_of(_KIND, approval.owner, approval.name)
        version = await self._store.write(key, dump_fields(fields), expect=approval.version)
        return replace(approval, version=version)

    async def withdraw(self, owner: str, name: str, *, by: str, reason: str, now: float) -> Approval:
        """End the approval now; NotFound when there is none to end."""
        approval = await self.get(owner, name)
        if approval is None or approval.withdrawn:
            raise NotFound("This template has no approval to withdraw.", resource=name)
        return await self.put(replace(approval, withdrawn=now, withdrawn_by=by, withdrawn_reason=reason))

    async def stands(self, named: Mapping[str, str], now: float) -> bool:
        """Whether that very approval is still the latest of its template, not withdrawn and not expired."""
        owner, _, name = named["template"].partition(":")
        approval = await self.get(owner, name)
        alive = approval is not None and not approval.withdrawn and approval.expires > now
        return alive and approval is not None and approval.digest == named["digest"]

    async def every(self) -> dict[tuple[str, str], Approval]:
        """All of them by owner and name."""
        places = [parts_of(key) for key in await self._store.keys(key_of(_KIND, ""))]
        found = await asyncio.gather(*(self.get(owner, name) for owner, name in places))
        return {(approval.owner, approval.name): approval for approval in found if approval is not None}


def _parse(key: str, record: Record) -> Approval:
    fields = load_fields(record.value, _SHAPE)
    for name in ("roles", "allow"):
        items = cast(list[object], fields[name])
        if not all(isinstance(item, str) for item in items):
            raise StoreUnavailable("A record of the store cannot be read by this version.")
        fields[name] = tuple(items)
    approval = Approval(**fields, version=record.version)  # type: ignore[arg-type]
    if key_of(_KIND, approval.owner, approval.name) != key:
        raise StoreUnavailable("A record of the store cannot be read by this version.") from Conflict()
    return approval
