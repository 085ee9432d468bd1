"""What somebody wants on loan, checked against what may be lent."""

from __future__ import annotations

from dataclasses import dataclass

from hfitd.config.model import RoleConfig
from hfitd.errors import BadRequest, Forbidden
from hfitd.model import Json
from hfitd.store.access import AccessRequest
from hfitd.store.fields import timestamp_of

DEFAULT_SECONDS = 4 * 3600.0
MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. ``seconds`` None is four hours, or less where the role lends for less."""

    name: str
    reason: str
    seconds: float | None = None
    ticket: str = ""
    break_glass: bool = False


def check_wish(wish: Wish, rules: RoleConfig) -> float:
    """For how many seconds it would be lent; BadRequest or Forbidden when it cannot be asked for like this."""
    if not wish.reason.strip():
        raise BadRequest("Say why you need it.", resource="reason")
    if max(len(wish.reason), len(wish.ticket)) > MAX_WORDS:
        raise BadRequest(f"Reason and ticket have at most {MAX_WORDS} characters.", resource="reason")
    if wish.break_glass and not rules.break_glass:
        raise Forbidden("This cannot be had without an answer.", resource=wish.name)
    if wish.break_glass and not wish.ticket.strip():
        raise BadRequest("Breaking the glass needs a ticket.", resource="ticket")
    most = rules.max_duration_seconds
    if wish.seconds is None:
        return min(DEFAULT_SECONDS, most)
    if not 0 < wish.seconds <= most:
        raise BadRequest(f"It is lent for at most {most:.0f} seconds.", resource="duration")
    return wish.seconds


def describe_request(request: AccessRequest, now: float) -> dict[str, Json]:
    """A request as replies show it; times are ISO 8601 or null."""
    return {
        "id": request.id,
        "email": request.email,
        "name": request.name,
        "role": request.role,
        "state": request.state_at(now),
        "reason": request.reason,
        "ticket": request.ticket or None,
        "seconds": request.seconds,
        "created": timestamp_of(request.created),
        "answer_by": timestamp_of(request.answer_by),
        "break_glass": request.break_glass,
        "decided_by": request.decided_by or None,
        "decided": _moment(request.decided),
        "decision": request.decision or None,
        "ends": _moment(request.ends),
        "reviewed_by": request.reviewed_by or None,
        "reviewed": _moment(request.reviewed),
        "review": request.review or None,
    }


def _moment(seconds: float) -> str | None:
    return timestamp_of(seconds) if seconds else None
