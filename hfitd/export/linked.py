"""Whether rows may be linked by the raw values of their columns without telling what the masks of these hide.

Which rows belong together shows in a package: by the rows that are in it, and by counts. So a link may only say what
the values themselves say:

1. Two clear columns may be compared: both values stand in the package.
2. Two columns under the same keyed mask with the same options may be compared: their pseudonyms are equal where the
   values are.
3. Anything else may not, above all a column that shows a constant or NULL, nor a masked column with a given value.
"""

from __future__ import annotations

from collections.abc import Sequence

from hfitd.masks.constant import CONST, NULL
from hfitd.masks.table import MASKS
from hfitd.model import Json, MaskedColumn, MaskRule, Relation


def is_clear(relation: Relation, columns: Sequence[str]) -> bool:
    """Whether all of these columns are visible without a mask."""
    return all((item := relation.column(name)) is not None and item.rule is None for name in columns)


def tells_itself(relation: Relation, columns: Sequence[str]) -> bool:
    """Whether all of these columns are visible and show where they are NULL and where they are equal."""
    return all((item := relation.column(name)) is not None and _keeps_equal(item.rule) for name in columns)


def may_link(child: Relation, columns: Sequence[str], parent: Relation, targets: Sequence[str]) -> bool:
    """Whether these columns may be compared pair by pair."""
    pairs = [(child.column(here), parent.column(there)) for here, there in zip(columns, targets, strict=True)]
    return all(_alike(here, there) for here, there in pairs)


def shows_constant(relation: Relation, columns: Sequence[str]) -> bool:
    """Whether a reference by these columns shows the same made-up value in every row, which then refers to nothing: a
    column under ``const`` and none that is NULL or absent. Says nothing of the raw values."""
    rules = [item.rule.mask if (item := relation.column(name)) is not None and item.rule else "" for name in columns]
    shown = all(relation.column(name) is not None for name in columns)
    return shown and CONST.name in rules and NULL.name not in rules


def is_read(relation: Relation, name: str) -> bool:
    """Whether the column's values are made from what the database holds: it is neither absent nor a constant."""
    item = relation.column(name)
    return item is not None and (item.rule is None or item.rule.mask not in {CONST.name, NULL.name})


def _alike(here: MaskedColumn | None, there: MaskedColumn | None) -> bool:
    if here is None or there is None:
        return False
    if here.rule is None or there.rule is None:
        return here.rule is there.rule  # 1
    return here.rule.mask == there.rule.mask and _form(here.rule) == _form(there.rule) and _keeps_equal(here.rule)  # 2


def _form(rule: MaskRule) -> dict[str, Json]:
    """The options that decide what a mask makes; how it folds only decides what counts as equal."""
    return {name: value for name, value in rule.options.items() if name != "fold"}


def _keeps_equal(rule: MaskRule | None) -> bool:
    return rule is None or (rule.mask in MASKS and MASKS[rule.mask].keyed)
