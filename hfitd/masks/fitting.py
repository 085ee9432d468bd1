"""Does a mask fit a column: the refusals that all masks share, and their options read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.checks import read_check
from hfitd.masks.interface import BoundMask
from hfitd.model import Column, Kind, MaskRule, Table

INSTEAD = {
    Kind.INTEGER: "integer, bucket, noise, null or const",
    Kind.NUMBER: "bucket, noise, null or const",
    Kind.BOOLEAN: "null or const",
    Kind.BYTES: "hash, null or const",
    Kind.DATE: "date_shift, bucket, null or const",
    Kind.TIME: "null or const",
    Kind.TIMESTAMP: "date_shift, bucket, null or const",
    Kind.JSON: "json, null or const",
    Kind.UUID: "uuid, null or const",
    Kind.OTHER: "null, const or drop",
    Kind.TEXT: "hash, redact, null or const",
}


_NO_RANGE = re.compile(r"(year|bit)\b", re.IGNORECASE)


def refuse(mask: str, column: Column, why: str, advice: str = "") -> MaskDoesNotFit:
    """The error that names the column, the reason and what to do."""
    advice = advice or f"give the column another mask, for example {INSTEAD[column.kind]}"
    return MaskDoesNotFit(
        f"the mask {mask} does not fit the column {column.name}: {why}", resource=column.name, suggestions=(advice,)
    )


def need_kind(mask: str, column: Column, kinds: Sequence[Kind]) -> None:
    """Refuse a column whose values are of another kind."""
    if column.kind not in kinds:
        raise refuse(mask, column, f"it makes {' or '.join(kinds)}, the column holds {column.kind}")
    if column.kind is Kind.INTEGER and _NO_RANGE.match(column.type_name):
        raise refuse(mask, column, f"a {column.type_name} does not hold every whole number", "give it null or const")


def need_length(mask: str, column: Column, longest: int, advice: str = "") -> None:
    """Refuse a column that is shorter than the longest value the mask makes (characters)."""
    if column.max_length is not None and column.max_length < longest:
        why = f"it makes up to {longest} characters, the column holds {column.max_length}"
        raise refuse(mask, column, why, advice)


def fits_length(column: Column, value: bytes) -> bool:
    """Whether a value, UTF-8, is short enough for the column; MySQL counts its TEXT types in bytes."""
    if column.max_length is None or len(value) <= column.max_length:
        return True
    if column.kind is Kind.BYTES or column.type_name.lower().endswith("text"):
        return False
    return len(value.decode("utf-8", "replace")) <= column.max_length


def need_subject(mask: str, column: Column, subject: str, table: Table | None) -> None:
    """Refuse a subject that is no column of the table; a file has none to look at."""
    found = table.column(subject) if table is not None else None
    if subject and table is not None and (found is None or not found.readable):
        advice = "name a column of the same table, or give the column a rule of its own"
        raise refuse(mask, column, f"its table has no column {subject} that can be read", advice)


def need_values(mask: str, column: Column, bound: BoundMask) -> None:
    """Refuse a mask that makes what the column cannot hold: no member of its enumeration, or against its CHECKs."""
    checks = [check for check in (read_check(text, column.name) for text in column.checks) if check is not None]
    if bound.constant and bound.literal is None:
        return
    for members in filter(None, (column.members, *(check.members for check in checks))):
        if not bound.constant or bound.literal not in members:
            advice = "give it the mask null, or const with one of its members"
            raise refuse(mask, column, "it holds one of a few fixed values", advice)
    for check in checks:
        made = (bound.cover(sample.encode()) for sample in check.samples)
        if not all(check.passes((value or b"").decode("utf-8", "replace")) for value in made):
            raise refuse(mask, column, "what it makes does not pass a CHECK of the column")


def integer_option(rule: MaskRule, name: str, default: int, least: int, most: int) -> int:
    """A whole-number option within its bounds; MaskDoesNotFit otherwise."""
    value = rule.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise MaskDoesNotFit(f"the option {name} of the mask {rule.mask} is a whole number from {least} to {most}")
    return value


def text_option(rule: MaskRule, name: str, default: str) -> str:
    """A text option; MaskDoesNotFit for anything else."""
    value = rule.options.get(name, default)
    if not isinstance(value, str):
        raise MaskDoesNotFit(f"the option {name} of the mask {rule.mask} is a text")
    return value


def flag_option(rule: MaskRule, name: str) -> bool:
    """A true/false option, false unless given."""
    value = rule.options.get(name, False)
    if not isinstance(value, bool):
        raise MaskDoesNotFit(f"the option {name} of the mask {rule.mask} is true or false")
    return value
