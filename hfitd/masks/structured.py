"""``json`` and ``delimited``: masks for parts of a value, each part by a mask of its own.

A part's mask is a name, or a table of ``mask`` and its options. What stands in a part has the pseudonym it has in a
column of its own. What has not the form it should have is hidden whole, never shown. A value that grows beyond its
column shows its masked parts as ``null`` (json) or empty (delimited); nothing is cut.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.fitting import fits_length, need_kind, need_length, need_subject, text_option
from hfitd.masks.interface import Binding, BoundMask, Mask, RowCell
from hfitd.masks.json_paths import read_path
from hfitd.masks.json_text import NOTHING, JsonCover, Leaves
from hfitd.model import Column, Json, Kind, MaskRule

_BLANKS = b" \t\r\n"


def _read_rule(where: str, value: Json) -> MaskRule:
    name = value if isinstance(value, str) else value.get("mask") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or not name:
        raise MaskDoesNotFit(f"{where} needs the name of a mask, or a table of mask and its options")
    if name == "drop":
        raise MaskDoesNotFit(f"{where}: a part cannot be dropped; give it the mask null")
    options = {key: item for key, item in value.items() if key != "mask"} if isinstance(value, Mapping) else {}
    return MaskRule(name, options)


def _with_subject(
    rule: MaskRule, column: Column, parts: Sequence[BoundMask | None], cell: RowCell, binding: Binding
) -> BoundMask:
    """The mask of the whole, which hands the subject that a part needs down to it."""
    subjects = sorted({part.subject for part in parts if part is not None and part.subject})
    if len(subjects) > 1:
        raise MaskDoesNotFit(f"the parts of one {rule.mask} mask name several subjects", resource=column.name)
    if subjects:
        need_subject(rule.mask, column, subjects[0], binding.table)
        return BoundMask(rule.mask, subject=subjects[0], row_cell=cell)
    return BoundMask(rule.mask, cell=lambda value: cell(value, None))


def _paths(rule: MaskRule) -> Mapping[str, Json]:
    paths = rule.options.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        raise MaskDoesNotFit(f'the mask {rule.mask} needs the option paths, as {{"$.user.email" = "email"}}')
    for path in paths:
        read_path(path)
    return paths


def _json_parts(rule: MaskRule) -> tuple[MaskRule, ...]:
    return tuple(_read_rule(f"the path {path!r}", value) for path, value in _paths(rule).items())


def bind_leaves(rule: MaskRule, name: str, part: Callable[[MaskRule, Column], BoundMask]) -> Leaves:
    """What covers the values at one path, texts and, where the mask knows them, numbers. ``name`` is what a refusal
    names, ``part`` binds a mask; MaskDoesNotFit when it fits neither."""
    if rule.mask in {"null", "drop"}:
        return Leaves(literal=NOTHING)
    if rule.mask == "const":
        part(rule, Column(name, Kind.OTHER, Kind.OTHER))
        return Leaves(literal=json.dumps(rule.options.get("value"), ensure_ascii=True))
    bound: dict[Kind, BoundMask] = {}
    refusals: list[MaskDoesNotFit] = []
    for kind in (Kind.TEXT, Kind.INTEGER, Kind.NUMBER):
        try:
            bound[kind] = part(rule, Column(name, kind, kind))
        except MaskDoesNotFit as error:
            refusals.append(error)
    if not bound:
        raise refusals[0]
    return Leaves(bound.get(Kind.TEXT), bound.get(Kind.INTEGER), bound.get(Kind.NUMBER))


def _bind_json(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.JSON, Kind.TEXT))
    need_length(rule.mask, column, len(NOTHING))
    rules = _json_parts(rule)
    leaves = [bind_leaves(part, column.name, binding.part) for part in rules]
    cover = JsonCover([(read_path(path), leaf) for path, leaf in zip(_paths(rule), leaves, strict=True)])

    def cell(value: bytes, subject: bytes | None) -> bytes:
        masked = cover.covered(value, subject)
        if not fits_length(column, masked):
            masked = cover.covered(value, subject, blank=True)
        return masked if fits_length(column, masked) else NOTHING.encode()

    masks = [mask for leaf in leaves for mask in (leaf.text, leaf.whole, leaf.number)]
    return _with_subject(rule, column, masks, cell, binding)


@dataclass(frozen=True, slots=True)
class _Fields:
    """The rules of a delimited value: one for all its fields, or one for each place, None where it is shown."""

    every: MaskRule | None
    places: tuple[MaskRule | None, ...]

    @property
    def rules(self) -> tuple[MaskRule, ...]:
        """All of them."""
        return tuple(rule for rule in (self.every, *self.places) if rule is not None)


def _fields(rule: MaskRule) -> _Fields:
    parts = rule.options.get("parts")
    if not text_option(rule, "separator", ","):
        raise MaskDoesNotFit(f"the option separator of the mask {rule.mask} is not empty")
    if isinstance(parts, Sequence) and not isinstance(parts, str):
        places = tuple(_read_rule("each of the parts", part) if part != "" else None for part in parts)
        if any(places):
            return _Fields(None, places)
    elif parts is not None:
        return _Fields(_read_rule("the option parts", parts), ())
    raise MaskDoesNotFit(f'the mask {rule.mask} needs the option parts: a mask, or one for each place ("" shows it)')


def _covering(bound: BoundMask, separator: bytes) -> RowCell:
    def cover(field: bytes, subject: bytes | None) -> bytes:
        core = field.strip(_BLANKS)
        if not core:
            return field
        start = field.index(core)
        masked = (bound.cover(core, subject) or b"").replace(separator, b"")
        return field[:start] + masked + field[start + len(core) :]

    return cover


def _shown(field: bytes, subject: bytes | None) -> bytes:
    return field


def _bind_delimited(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    fields, separator = _fields(rule), text_option(rule, "separator", ",").encode()
    place = Column(column.name, Kind.TEXT, Kind.TEXT)
    bound = {id(part): binding.part(part, place) for part in fields.rules}
    covers: list[Callable[[bytes, bytes | None], bytes]] = [
        _shown if part is None else _covering(bound[id(part)], separator)
        for part in (fields.places or (fields.every,))
    ]
    every = fields.every is not None

    def cell(value: bytes, subject: bytes | None) -> bytes:
        parts = value.split(separator)
        if not every and len(parts) != len(covers):  # what stands where is not known
            return separator * (len(parts) - 1)
        used = covers * len(parts) if every else covers
        masked = separator.join([cover(part, subject) for cover, part in zip(used, parts, strict=True)])
        if fits_length(column, masked):
            return masked
        return separator.join([part if cover is _shown else b"" for cover, part in zip(used, parts, strict=True)])

    return _with_subject(rule, column, list(bound.values()), cell, binding)


JSON = Mask(
    "json",
    _bind_json,
    "the document with the values at its paths masked and all else as it was; what is no JSON becomes null",
    options=frozenset({"paths"}),
    parts=_json_parts,
)
DELIMITED = Mask(
    "delimited",
    _bind_delimited,
    "the fields between separators masked, each or by place",
    options=frozenset({"separator", "parts"}),
    parts=lambda rule: _fields(rule).rules,
)
