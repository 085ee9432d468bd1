"""The table of masks: a new mask is one definition and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.constant import CONST, DROP, NULL
from hfitd.masks.derive import derive_key
from hfitd.masks.digits import DIGITS, PHONE, REDACT
from hfitd.masks.fitting import integer_option, refuse
from hfitd.masks.hashed import HASH
from hfitd.masks.identifiers import INTEGER, UUID
from hfitd.masks.interface import BoundMask, Mask
from hfitd.masks.person import EMAIL, PERSON_NAME
from hfitd.model import Column, Kind, MaskRule

MASKS: Mapping[str, Mask] = MappingProxyType(
    {mask.name: mask for mask in (DROP, NULL, CONST, HASH, REDACT, EMAIL, PHONE, PERSON_NAME, DIGITS, UUID, INTEGER)},
)

# 64 bits: one collision in 30 million runs over a million distinct values
_SHORTEST_UNIQUE_HASH = 16


def rule_mistake(rule: MaskRule) -> str:
    """What is wrong with a rule whatever its column, or the empty text."""
    mask = MASKS.get(rule.mask)
    if mask is None:
        return f"there is no mask {rule.mask!r}; masks are {', '.join(sorted(MASKS))}"
    unknown = sorted(set(rule.options) - mask.options)
    if unknown:
        known = ", ".join(sorted(mask.options)) or "none"
        return f"the mask {rule.mask} has no option {unknown[0]!r}; its options: {known}"
    return ""


def bind_mask(rule: MaskRule, column: Column, master_key: bytes, *, unique: bool = False) -> BoundMask:
    """The mask of a rule, ready for one column.

    ``unique``: the column is part of a primary or unique key. Refuses, as MaskDoesNotFit naming the column and what
    to do: unknown masks and options, values the column cannot hold, and masks that would make duplicates in a key.
    """
    mistake = rule_mistake(rule)
    if mistake:
        raise MaskDoesNotFit(mistake, resource=column.name)
    mask = MASKS[rule.mask]
    if mask.keyed and not master_key:
        raise MaskDoesNotFit(
            f"the mask {rule.mask} needs a key", resource=column.name, suggestions=("set policy.mask_key",)
        )
    if unique and not mask.injective:
        advice = f"give it a mask that keeps distinct values distinct: {', '.join(_distinct_masks(column))}"
        raise refuse(rule.mask, column, "distinct values of a key would become equal", advice)
    if unique and rule.mask == HASH.name and integer_option(rule, "length", 32, 8, 64) < _SHORTEST_UNIQUE_HASH:
        raise refuse(rule.mask, column, "so short a digest can repeat in a key", "give the option length, at least 16")
    return mask.bind(rule, column, derive_key(master_key, rule.mask))


def _distinct_masks(column: Column) -> list[str]:
    fitting = {Kind.INTEGER: "integer", Kind.UUID: "uuid", Kind.BYTES: "hash"}
    if column.kind is Kind.TEXT:
        return sorted(name for name, mask in MASKS.items() if mask.keyed and mask.injective and name != "integer")
    return [fitting.get(column.kind, "drop")]
