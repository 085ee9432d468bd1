"""Where a pattern is found in a text, in time that is linear in the text (T12).

Two passes, each with one table look-up per character:

1. From the end to the beginning: at each place, the set of instructions from which the pattern can still succeed.
   Sets are made when they are first met and remembered, with the set that each character leads to.
2. From the beginning of the leftmost match on: of two ways the pattern's preferred one, unless pass 1 says that it
   fails. So nothing is ever tried twice, and the result is what a backtracking search would find.

What is remembered is bounded and dropped when it grows too large. A ``Regex`` may be used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hfitd.regex.program import RegexProblem, Step, compile_program

MAX_TEXT = 4096
MAX_WORK = 400_000  # instructions times characters: some tenths of a second at most
MAX_KEPT = 10_000  # sets

Saves = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern was found. ``spans`` are the whole and the groups; (-1, -1) for a group that took no part."""

    text: str
    spans: tuple[tuple[int, int], ...]

    def group(self, number: int) -> str:
        """The text of a group, '' when it took no part."""
        start, end = self.spans[number]
        return self.text[start:end] if start >= 0 else ""


class _Place:
    """The instructions that can succeed from some place, one bit each, and where the preferred way leads from them."""

    __slots__ = ("alive", "before", "open", "ways")

    def __init__(self, alive: int) -> None:
        self.alive = alive
        self.open = bool(alive & 1)  # a match can begin here
        self.before: dict[tuple[str, bool], _Place] = {}  # by the character before, and whether the text starts there
        self.ways: dict[int, tuple[int, Saves]] = {}


class Regex:
    """A compiled pattern. ``names`` are the numbers of its named groups."""

    def __init__(self, program: tuple[Step, ...], groups: int, names: Mapping[str, int] | None = None) -> None:
        self.groups = groups
        self.names: Mapping[str, int] = dict(names or {})
        self._program = program
        self._sources = _sources(program)
        self._kept = 0
        self._known: dict[tuple[int, bool, bool], _Place] = {}

    def search(self, text: str) -> Match | None:
        """The leftmost match, preferring what the pattern prefers. RegexProblem when the text is too long for it."""
        self._bound(text)
        return next(self.find_all(text), None)

    def matches(self, text: str) -> bool:
        """Whether the pattern describes the whole text."""
        self._bound(text)
        whole = Regex((Step("start"), *self._program[:-1], Step("end"), self._program[-1]), self.groups)
        return next(whole.find_all(text), None) is not None

    def find_all(self, text: str) -> Iterator[Match]:
        """Every match after the end of the one before; the caller bounds the text."""
        places = self._places(text)
        position = 0
        while position <= len(text):
            if not places[position].open:
                position += 1
                continue
            found = self._follow(text, places, position)
            yield found
            end = found.spans[0][1]
            position = end if end > position else position + 1

    def _bound(self, text: str) -> None:
        if len(text) > MAX_TEXT or len(text) * len(self._program) > MAX_WORK:
            raise RegexProblem("the text is too long for this pattern")

    def _places(self, text: str) -> list[_Place]:
        """Pass 1."""
        place = self._place(0, start=not text, end=True)
        places = [place]
        for index in range(len(text) - 1, -1, -1):
            key = (text[index], index == 0)
            known = place.before.get(key)
            place = known if known is not None else self._step(place, key)
            places.append(place)
        places.reverse()
        return places

    def _step(self, place: _Place, key: tuple[str, bool]) -> _Place:
        char, start = key
        eaten = 0
        for number, step in enumerate(self._program):
            if step.test is not None and place.alive >> number + 1 & 1 and step.test(char):
                eaten |= 1 << number
        place.before[key] = before = self._place(eaten, start=start, end=False)
        return before

    def _place(self, found: int, *, start: bool, end: bool) -> _Place:
        """The place of these instructions, the end of the program, and all that lead to one without eating."""
        key = (found, start, end)
        place = self._known.get(key)
        if place is not None:
            return place
        self._kept += 1
        if self._kept > MAX_KEPT:
            self._known, self._kept = {}, 0
        alive = found | 1 << len(self._program) - 1
        todo = [number for number in range(len(self._program)) if alive >> number & 1]
        while todo:
            for source in self._sources[todo.pop()]:
                kind = self._program[source].kind
                if alive >> source & 1 or (kind == "start" and not start) or (kind == "end" and not end):
                    continue
                alive |= 1 << source
                todo.append(source)
        place = self._known[key] = _Place(alive)
        return place

    def _follow(self, text: str, places: list[_Place], position: int) -> Match:
        """Pass 2."""
        slots = [-1] * (2 * self.groups + 2)
        here = 0
        while True:
            place = places[position]
            way = place.ways.get(here)
            if way is None:
                way = place.ways[here] = self._way(place, here)
            leaf, saves = way
            for slot in saves:
                slots[slot] = position
            if leaf == len(self._program) - 1:
                return Match(text, tuple(zip(slots[::2], slots[1::2], strict=True)))
            here, position = leaf + 1, position + 1

    def _way(self, place: _Place, here: int) -> tuple[int, Saves]:
        """The preferred instruction that eats or ends, reached from here, and the slots saved on the way."""
        todo: list[tuple[int, Saves]] = [(here, ())]
        seen: set[int] = set()
        while todo:
            number, saves = todo.pop()
            if number in seen or not place.alive >> number & 1:
                continue
            seen.add(number)
            step = self._program[number]
            if step.kind in ("char", "match"):
                return number, saves
            if step.kind == "fork":
                todo.append((number + step.other, saves))
                todo.append((number + step.go, saves))
            else:
                todo.append((number + 1, (*saves, step.slot) if step.kind == "save" else saves))
        raise AssertionError("an instruction is alive that leads nowhere")


def _sources(program: tuple[Step, ...]) -> list[list[int]]:
    """For each instruction those that lead to it without eating a character."""
    sources: list[list[int]] = [[] for _ in program]
    for number, step in enumerate(program):
        if step.kind == "fork":
            sources[number + step.go].append(number)
            sources[number + step.other].append(number)
        elif step.kind in ("save", "start", "end"):
            sources[number + 1].append(number)
    return sources


def compile_regex(pattern: str, *, named: bool = False) -> Regex:
    """The pattern ready to run; RegexProblem when it is not in the language or too large."""
    compiled = compile_program(pattern, named=named)
    return Regex(compiled.program, compiled.groups, compiled.names)
