"""Requests for a role or a template for a while, and the loans that come of them.

``access-request:<id>`` is the history of one request; ``access-loan:<email>`` is what that person has on loan now.
Both are sealed and move together, so a loan without an approved request behind it cannot be made in the store (O04).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import cast

from hfitd.errors import Conflict, NotFound, StoreUnavailable
from hfitd.model import Loan
from hfitd.store.fields import check_fields, dump_fields, load_fields
from hfitd.store.interface import Store
from hfitd.store.keys import key_of, parts_of

_REQUEST_KIND = "access-request"
_LOAN_KIND = "access-loan"
_ATTEMPTS = 10
_LOANS_SHAPE: Mapping[str, type] = {"email": str, "loans": list}
_LOAN_SHAPE: Mapping[str, type] = {"role": str, "ends": float, "request": str, "break_glass": bool}
STATES = ("pending", "granted", "denied", "cancelled", "revoked")


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Somebody asks for a role. Times are seconds since 1970, 0 for not yet; ``seconds`` is how long the loan lasts.

    ``name`` is what was asked for, a role or ``OWNER:NAME`` of a template, ``role`` what the actor gets: that role, or
    ``template.run:OWNER:NAME``. ``os_uid`` is that of the administrator who decided over the socket, else -1.
    """

    email: str
    name: str
    role: str
    reason: str
    ticket: str
    seconds: float
    created: float
    answer_by: float
    break_glass: bool = False
    id: str = ""
    state: str = "pending"
    decided_by: str = ""
    decided: float = 0.0
    decision: str = ""
    os_uid: int = -1
    ends: float = 0.0
    reviewed_by: str = ""
    reviewed: float = 0.0
    review: str = ""
    version: int = 0

    def state_at(self, now: float) -> str:
        """The state at a moment: one of STATES, or ``expired`` (never answered) or ``ended`` (its time is over)."""
        if self.state == "pending" and now >= self.answer_by:
            return "expired"
        return "ended" if self.state == "granted" and now >= self.ends else self.state

    @property
    def unreviewed(self) -> bool:
        """Whether glass was broken and nobody has looked at it since."""
        return self.break_glass and not self.reviewed_by


_REQUEST_SHAPE: Mapping[str, type] = {
    **dict.fromkeys(("email", "name", "role", "reason", "ticket", "id", "state"), str),
    **dict.fromkeys(("decided_by", "decision", "reviewed_by", "review"), str),
    **dict.fromkeys(("seconds", "created", "answer_by", "decided", "ends", "reviewed"), float),
    "break_glass": bool,
    "os_uid": int,
}


class AccessRequests:
    """Requests by id, loans by person."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, request_id: str) -> AccessRequest | None:
        """The request, or None."""
        key = _request_key(request_id)
        record = await self._store.read(key) if key else None
        if record is None:
            return None
        fields = load_fields(record.value, _REQUEST_SHAPE)
        if fields["id"] != request_id or fields["state"] not in STATES:
            raise StoreUnavailable("A record of the store cannot be read by this version.")
        return AccessRequest(**fields, version=record.version)  # type: ignore[arg-type]

    async def every(self) -> list[AccessRequest]:
        """All that are kept, the newest first."""
        ids = [parts_of(key)[0] for key in await self._store.keys(key_of(_REQUEST_KIND, ""))]
        found = await asyncio.gather(*(self.get(request_id) for request_id in ids))
        return sorted((item for item in found if item is not None), key=lambda item: item.created, reverse=True)

    async def create(self, request: AccessRequest) -> AccessRequest:
        """Keep a new request, under a fresh id unless it has one; one that is granted already lends at once."""
        return await self._write(replace(request, id=request.id or new_id(), version=0))

    async def save(self, request: AccessRequest) -> AccessRequest:
        """Replace the version that was read and bring the loan in line; Conflict when somebody else decided."""
        return await self._write(request)

    async def loans(self, email: str) -> tuple[Loan, ...]:
        """What the person has on loan, ended ones perhaps among it; the reader compares ``ends`` with its clock."""
        return (await self._loans(email))[0]

    async def forget(self, email: str) -> None:
        """End every loan of a person who is removed; a person made again under the name starts with none."""
        await self._store.delete(key_of(_LOAN_KIND, email))

    async def tidy(self, before: float) -> int:
        """Remove requests that were over before that moment, and say how many; unreviewed broken glass stays."""
        old = [
            item
            for item in await self.every()
            if not item.unreviewed and max(item.created, item.answer_by, item.decided, item.ends) < before
        ]
        for item in old:
            await self._store.delete(key_of(_REQUEST_KIND, item.id))
        return len(old)

    async def _write(self, request: AccessRequest) -> AccessRequest:
        fields = asdict(request)
        del fields["version"]
        key = key_of(_REQUEST_KIND, request.id)
        for _ in range(_ATTEMPTS):
            loans, version = await self._loans(request.email)
            wanted = _with(loans, request)
            records: dict[str, tuple[bytes, int | None]] = {key: (dump_fields(fields), request.version)}
            if wanted != loans:
                document = {"email": request.email, "loans": [asdict(loan) for loan in wanted]}
                records[key_of(_LOAN_KIND, request.email)] = (dump_fields(document), version)
            try:
                await self._store.write_all(records)
                return replace(request, version=request.version + 1)
            except Conflict as error:
                current = await self.get(request.id)
                if (0 if current is None else current.version) != request.version:
                    raise Conflict("Somebody else has decided meanwhile.", resource=request.id) from error
        raise StoreUnavailable("Too many writers change one record; try again.")

    async def _loans(self, email: str) -> tuple[tuple[Loan, ...], int]:
        record = await self._store.read(key_of(_LOAN_KIND, email))
        if record is None:
            return (), 0
        fields = load_fields(record.value, _LOANS_SHAPE)
        try:
            if fields["email"] != email:
                raise ValueError("a record under another person's key")
            found = [check_fields(item, _LOAN_SHAPE) for item in cast(list[object], fields["loans"])]
        except ValueError as error:
            raise StoreUnavailable("A record of the store cannot be read by this version.") from error
        return tuple(Loan(**item) for item in found), record.version  # type: ignore[arg-type]


def _with(loans: tuple[Loan, ...], request: AccessRequest) -> tuple[Loan, ...]:
    """The loans with the one of this request as it says, and without those that ended before it was decided."""
    kept = tuple(loan for loan in loans if loan.request != request.id and loan.ends > request.decided)
    if request.state != "granted":
        return kept
    return (*kept, Loan(request.role, request.ends, request.id, request.break_glass))


def new_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_hex(8)


def _request_key(request_id: str) -> str:
    """'' for what cannot be an id: what a stranger sends never reaches the store as a key."""
    return key_of(_REQUEST_KIND, request_id) if request_id.isascii() and request_id.isalnum() else ""


def no_request(request_id: str) -> NotFound:
    """The answer for a request that is not there, or not this caller's business."""
    return NotFound("There is no such request.", resource=request_id)
