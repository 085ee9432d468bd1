"""Fields of forms become values here; what is wrong with one is said by its name, and no value is repeated."""

from __future__ import annotations

from hfitd.config.fields import parse_duration
from hfitd.errors import BadRequest


def read_duration(text: str) -> float | None:
    """Seconds of ``4h``; None for an empty field; BadRequest."""
    if not text.strip():
        return None
    seconds = parse_duration(text.strip())
    if not seconds:
        raise BadRequest("A duration is 30m, 4h or 2d.", resource="duration")
    return seconds


def read_whole(text: str, name: str) -> int:
    """A whole number, 0 for an empty field; BadRequest."""
    digits = text.strip()
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise BadRequest(f"{name} has to be a whole number.", resource=name)
    return int(digits or 0)
