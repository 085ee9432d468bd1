"""Masks for values in files: the masks of databases, bound to text without bounds.

What stands in a field has the pseudonym it has in a column. NULL stays NULL: an empty CSV field without quotes, JSON's
null. A mask that takes another column of the row (``subject``) works where records have columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.interface import BoundMask
from hfitd.masks.json_text import Leaves
from hfitd.masks.structured import bind_leaves
from hfitd.masks.table import bind_mask, bind_text_mask
from hfitd.model import MaskRule

_DROP, _NULL = "drop", "null"


@dataclass(frozen=True, slots=True)
class TextMask:
    """A mask ready for one column or group."""

    bound: BoundMask

    @property
    def drops(self) -> bool:
        """Whether the part is left out altogether."""
        return self.bound.name == _DROP

    @property
    def constant(self) -> bool:
        """Whether every value becomes the same, NULL included."""
        return self.bound.constant

    @property
    def subject(self) -> str:
        """The other column whose value goes with this one's, or ''."""
        return self.bound.subject

    def cover(self, value: bytes, subject: bytes | None = None) -> bytes | None:
        """What stands for the value; None is NULL."""
        return self.bound.cover(value, subject)


@dataclass(frozen=True, slots=True)
class JsonMask:
    """A mask ready for the values at one path. ``whole``: JSON that stands for a value of any kind, but null."""

    leaves: Leaves
    drops: bool = False

    @property
    def whole(self) -> bytes | None:
        """What replaces objects and arrays, too; None where each leaf is masked."""
        return None if self.leaves.literal is None else self.leaves.literal.encode()

    def cover(self, token: bytes) -> bytes:
        """What stands for a leaf, as JSON."""
        if self.leaves.literal is not None:
            return token if token == b"null" else self.leaves.literal.encode()
        return self.leaves.covered(token.decode(), None, plain=token.isascii()).encode("utf-8", "replace")


def bind_text(rule: MaskRule, master_key: bytes) -> TextMask:
    """The mask of a column or group. MaskDoesNotFit when the mask, its options or the key will not do."""
    return TextMask(bind_text_mask(rule.mask, rule.options, master_key))


def bind_json(path: str, rule: MaskRule, master_key: bytes) -> JsonMask:
    """The mask of the values at a path: of texts, and of numbers where it knows them. MaskDoesNotFit as above."""
    if rule.mask in (_DROP, _NULL):
        bind_text_mask(rule.mask, rule.options, master_key)
    leaves = bind_leaves(rule, path, lambda inner, column: bind_mask(inner, column, master_key))
    if any(mask.subject for mask in (leaves.text, leaves.whole, leaves.number) if mask is not None):
        raise MaskDoesNotFit(f"the mask {rule.mask} cannot take a subject here: a document has no columns")
    return JsonMask(leaves, drops=rule.mask == _DROP)
