"""Where a walk down a JSON document stands among the paths of mask rules (``hfitd/masks/json_paths.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfitd.masks.json_paths import Path, State, advance, fold_key, reached, read_path, starts
from hfitd.volumes.masked.values import JsonMask

_MAX_SPELLINGS = 1000
_LONGEST_SPELLING = 64
_OTHER_NAME = "\0"  # stands for every name that no path has a step for
_OTHER_NUMBER = -1


class Places:
    """All places of some paths; made when first met, and known from then on, so their number is finite."""

    def __init__(self, masks: Mapping[str, JsonMask]) -> None:
        self.paths: list[Path] = [read_path(text) for text in masks]
        self.masks: Sequence[JsonMask] = list(masks.values())
        self._known: dict[frozenset[State], Place] = {}
        self.root = self.at(starts(self.paths))

    def at(self, states: frozenset[State]) -> Place:
        """The place of these states."""
        if states not in self._known:
            self._known[states] = Place(self, states)
        return self._known[states]


class Place:
    """One place. ``mask`` is that of the first path that ends here; ``dead`` says that none leads further."""

    __slots__ = ("_all", "_names", "_next", "_numbers", "_spellings", "_states", "dead", "mask")

    def __init__(self, places: Places, states: frozenset[State]) -> None:
        self._all, self._states = places, states
        number = reached(places.paths, states)
        self.mask = None if number is None else places.masks[number]
        left = {step for number, taken in states for step in places.paths[number][taken:]}
        self.dead = not left
        self._names = {step for step in left if isinstance(step, str)}
        self._numbers = {step for step in left if isinstance(step, int)}
        self._next: dict[str | int, Place] = {}
        self._spellings: dict[bytes, Place] = {}  # for speed: names that were met, as they are written

    def member(self, name: bytes) -> Place:
        """The place of a member; ``name`` is what its string says."""
        known = self._spellings.get(name)
        if known is not None:
            return known
        folded = fold_key(name)
        place = self._step(folded if folded in self._names else _OTHER_NAME)
        if len(self._spellings) < _MAX_SPELLINGS and len(name) <= _LONGEST_SPELLING:
            self._spellings[name] = place
        return place

    def element(self, number: int) -> Place:
        """The place of an element."""
        return self._step(number if number in self._numbers else _OTHER_NUMBER)

    def _step(self, key: str | int) -> Place:
        if key not in self._next:
            self._next[key] = self._all.at(advance(self._all.paths, self._states, key))
        return self._next[key]
