"""A JSON document with some of its values replaced and every other byte as it was: duplicate keys, order, big numbers,
escapes and blanks stay. Its text is edited; it never becomes Python numbers or dictionaries and back.

1. What a path names is covered whole: of an object or array every leaf inside it. Names of members stay.
2. NULL stays. A string is covered by the mask of texts, a number by the mask of numbers if there is one, else by that
   of texts; a truth value, and whatever a mask cannot cover, becomes null.
3. A text that is no JSON (RFC 8259), or too deep to be checked, becomes ``null`` whole. One of blanks alone stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring, encode_basestring_ascii

from hfitd.masks.interface import BoundMask
from hfitd.masks.json_paths import Path, State, advance, fold_key, reached, starts

NOTHING = "null"
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MOST_NAMES, _LONGEST_NAME = 1000, 64
_WHOLE = re.compile(r"-?[0-9]{1,38}")


@dataclass(frozen=True, slots=True)
class Leaves:
    """What covers the leaves at one path. ``literal`` is JSON that stands for the whole value, whatever it is."""

    text: BoundMask | None = None
    whole: BoundMask | None = None
    number: BoundMask | None = None
    literal: str | None = None

    def covered(self, token: str, subject: bytes | None, *, plain: bool) -> str:
        """What stands for a leaf, as JSON; without characters beyond ASCII when ``plain``."""
        if token in {"null", "true", "false"}:
            return NOTHING
        if token[0] == '"':
            if self.text is None:
                return NOTHING
            masked = self.text.cover(json.loads(token).encode("utf-8", "surrogatepass"), subject)
            return NOTHING if masked is None else _string(masked, plain=plain)
        mask = self.whole if self.whole is not None and _WHOLE.fullmatch(token) else self.number or self.text
        masked = mask.cover(token.encode("ascii"), subject) if mask is not None else None
        if masked is None:
            return NOTHING
        spelled = masked.decode("utf-8", "replace")
        return spelled if _NUMBER.fullmatch(spelled) else _string(masked, plain=plain)


@dataclass(slots=True)
class _Open:
    """An object or array that has begun and not ended."""

    is_object: bool
    states: frozenset[State]
    leaves: Leaves | None  # what covers all of it
    key: str | int
    replaced_from: int = -1
    names: bool = field(init=False)  # whether the next string is a member's name

    def __post_init__(self) -> None:
        self.names = self.is_object

    def next(self) -> None:
        """After a comma."""
        if self.is_object:
            self.names = True
        elif isinstance(self.key, int):
            self.key += 1


class JsonCover:
    """The paths of one mask with what covers their values."""

    def __init__(self, rules: Sequence[tuple[Path, Leaves]]) -> None:
        self.paths = [path for path, _ in rules]
        self._leaves = [leaves for _, leaves in rules]
        self._blank = [Leaves(literal=NOTHING) for _ in rules]
        self._names: dict[str, str] = {}  # for speed: names as they were written, folded

    def covered(self, value: bytes, subject: bytes | None, *, blank: bool = False) -> bytes:
        """The document covered; with ``blank`` every value that a path names is null."""
        if not value.strip():
            return value
        try:
            text = value.decode("utf-8")
            json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return NOTHING.encode()  # 3
        edit = _Edit(text, self, self._blank if blank else self._leaves, subject)
        return edit.run().encode("utf-8", "replace")


    def name_of(self, token: str) -> str:
        """What a member's name, as it is written, is compared by."""
        known = self._names.get(token)
        if known is None:
            known = fold_key(json.loads(token).encode("utf-8", "surrogatepass"))
            if len(self._names) < _MOST_NAMES and len(token) <= _LONGEST_NAME:
                self._names[token] = known
        return known


class _Edit:
    """One pass over one document that has been checked."""

    def __init__(self, text: str, cover: JsonCover, leaves: Sequence[Leaves], subject: bytes | None) -> None:
        self._text, self._leaves, self._subject = text, leaves, subject
        self._paths, self._name_of = cover.paths, cover.name_of
        self._plain = text.isascii()
        self._open: list[_Open] = []
        self._parts: list[str] = []
        self._done = 0  # how much of the text is in the parts
        self._replacing = 0  # how many open objects and arrays stand in one that is replaced whole

    def run(self) -> str:
        """The whole text."""
        for token in _TOKEN.finditer(self._text):
            word = token[0]
            if word in "}]":
                self._close(token.end())
            elif word == ",":
                self._open[-1].next()
            elif word != ":":
                self._word(word, token.start(), token.end())
        self._parts.append(self._text[self._done :])
        return "".join(self._parts)

    def _word(self, word: str, start: int, end: int) -> None:
        inner = self._open[-1] if self._open else None
        if inner is not None and inner.names:
            inner.key, inner.names = self._name_of(word), False
            return
        states, leaves = self._place(inner)
        if word in "{[":
            whole = leaves is not None and leaves.literal is not None and not self._replacing
            self._open.append(_Open(word == "{", states, leaves, 0, start if whole else -1))
            self._replacing += bool(whole or self._replacing)
        elif leaves is not None and not self._replacing and word != "null":  # 2
            literal = leaves.literal
            covered = leaves.covered(word, self._subject, plain=self._plain) if literal is None else literal
            self._replace(start, end, covered)

    def _place(self, inner: _Open | None) -> tuple[frozenset[State], Leaves | None]:
        if inner is not None and inner.leaves is not None:
            return frozenset(), inner.leaves  # 1
        states = starts(self._paths) if inner is None else advance(self._paths, inner.states, inner.key)
        number = reached(self._paths, states)
        return states, None if number is None else self._leaves[number]

    def _close(self, end: int) -> None:
        inner = self._open.pop()
        self._replacing -= bool(self._replacing)
        if inner.replaced_from >= 0 and inner.leaves is not None and inner.leaves.literal is not None:
            self._replace(inner.replaced_from, end, inner.leaves.literal)

    def _replace(self, start: int, end: int, by: str) -> None:
        self._parts += [self._text[self._done : start], by]
        self._done = end


def _string(value: bytes, *, plain: bool) -> str:
    text = value.decode("utf-8", "replace")
    return encode_basestring_ascii(text) if plain else encode_basestring(text)


def _refuse(constant: str) -> str:
    raise ValueError("NaN and Infinity are no JSON")
