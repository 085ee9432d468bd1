"""The table of masks: a new mask is one definition and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.accounts import CARD, IBAN
from hfitd.masks.address import CITY, STREET
from hfitd.masks.amounts import BUCKET, NOISE
from hfitd.masks.constant import CONST, DROP, NULL
from hfitd.masks.derive import derive_key
from hfitd.masks.digits import DIGITS, PHONE
from hfitd.masks.fitting import integer_option, need_values, refuse
from hfitd.masks.hashed import HASH
from hfitd.masks.identifiers import INTEGER, UUID
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.masks.memory import remembering
from hfitd.masks.network import IP
from hfitd.masks.person import EMAIL, PERSON_NAME
from hfitd.masks.redact import REDACT
from hfitd.masks.shift import DATE_SHIFT
from hfitd.masks.structured import DELIMITED, JSON
from hfitd.masks.writing import TEXT
from hfitd.model import Column, Json, Kind, MaskRule, Table

MASKS: Mapping[str, Mask] = MappingProxyType({
    mask.name: mask
    for mask in (
        *(DROP, NULL, CONST, HASH, REDACT, EMAIL, PHONE, PERSON_NAME, STREET, CITY, IBAN, CARD, DIGITS, UUID, INTEGER),
        *(DATE_SHIFT, BUCKET, NOISE, TEXT, IP, JSON, DELIMITED),
    )
})

# 64 bits: one collision in 30 million runs over a million distinct values
_SHORTEST_UNIQUE_HASH = 16
_FITTING = {Kind.INTEGER: "integer", Kind.UUID: "uuid", Kind.BYTES: "hash"}
_ANY_TEXT = Column("value", "text", Kind.TEXT)


def rule_mistake(rule: MaskRule) -> str:
    """What is wrong with a rule whatever its column, or the empty text; also with the rules inside its options."""
    mask = MASKS.get(rule.mask)
    if mask is None:
        return f"there is no mask {rule.mask!r}; masks are {', '.join(sorted(MASKS))}"
    unknown = sorted(set(rule.options) - mask.options)
    if unknown:
        known = ", ".join(sorted(mask.options)) or "none"
        return f"the mask {rule.mask} has no option {unknown[0]!r}; its options: {known}"
    try:
        parts = mask.parts(rule) if mask.parts is not None else ()
    except MaskDoesNotFit as error:
        return error.message
    return next((mistake for mistake in map(rule_mistake, parts) if mistake), "")


def rule_subjects(rule: MaskRule) -> frozenset[str]:
    """The other columns of the row that the masks of a rule without mistakes look at."""
    mask, named = MASKS[rule.mask], rule.options.get("subject")
    parts = mask.parts(rule) if mask.parts is not None else ()
    own = frozenset({named} if isinstance(named, str) and named else ())
    return own.union(*map(rule_subjects, parts))


def bind_mask(
    rule: MaskRule, column: Column, master_key: bytes, *, unique: bool = False, table: Table | None = None
) -> BoundMask:
    """The mask of a rule, ready for one column.

    ``unique``: the column is part of a primary or unique key. ``table`` is the column's, for masks that look at
    another of its columns. Refuses, as MaskDoesNotFit naming the column and what to do: unknown masks and options,
    values the column cannot hold, and masks that would make duplicates in a key.
    """
    mistake = rule_mistake(rule)
    if mistake:
        raise MaskDoesNotFit(mistake, resource=column.name)
    mask = MASKS[rule.mask]
    if (mask.keyed or mask.secret) and not master_key:
        raise MaskDoesNotFit(
            f"the mask {rule.mask} needs a key", resource=column.name, suggestions=("set policy.mask_key",)
        )
    if unique and not mask.injective:
        advice = f"give it a mask that keeps distinct values distinct: {', '.join(_distinct_masks(column))}"
        raise refuse(rule.mask, column, "distinct values of a key would become equal", advice)
    if unique and rule.mask == HASH.name and integer_option(rule, "length", 32, 8, 64) < _SHORTEST_UNIQUE_HASH:
        raise refuse(rule.mask, column, "so short a digest can repeat in a key", "give the option length, at least 16")

    def part(inner: MaskRule, place: Column) -> BoundMask:
        return bind_mask(inner, place, master_key)

    bound = mask.bind(rule, column, Binding(derive_key(master_key, rule.mask), part, table, unique))
    need_values(rule.mask, column, bound)
    if mask.keyed and bound.cell is not None and bound.twin is None:
        return replace(bound, cell=remembering(bound.cell))
    return bound


def bind_text_mask(name: str, options: Mapping[str, Json], master_key: bytes) -> BoundMask:
    """A mask for text that stands in no column: a field of a file. Whatever has this text in a database or document
    has the same pseudonym there. ``BoundMask.cover`` gives what stands for a value. Refuses as ``bind_mask``."""
    return bind_mask(MaskRule(name, options), _ANY_TEXT, master_key)


def _distinct_masks(column: Column) -> list[str]:
    if column.kind is Kind.TEXT:
        return sorted(name for name, mask in MASKS.items() if mask.keyed and mask.injective and name != "integer")
    return [_FITTING.get(column.kind, "drop")]
