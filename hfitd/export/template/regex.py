"""Regular expressions whose time is linear in the text, whatever the pattern (T12).

The language: characters, ``.``, classes ``[a-z]`` ``[^…]``, ``\\d \\w \\s`` and their capitals, ``\\`` before a
punctuation mark, groups ``( )`` and ``(?: )``, ``|``, ``* + ? {m,n}`` with the lazy ``?``, ``^`` and ``$``. There are
no back-references and no look-around, so a pattern is a set of threads that step through the text together (Thompson's
construction with Pike's captures); each thread stands at one instruction and no two at the same.
Bounds: pattern 256 characters, 2000 instructions, 20 groups, text 4096 characters. RegexProblem says what is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_PATTERN = 256
MAX_PROGRAM = 2000
MAX_GROUPS = 20
MAX_TEXT = 4096
MAX_REPEAT = 255
MAX_WORK = 400_000  # instructions times characters: some tenths of a second at most

Test = Callable[[str], bool]
Captures = tuple[int, ...]


class RegexProblem(Exception):
    """Why a pattern or a text is refused, in a sentence without either."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: match a character, fork (``go`` before ``other``), save a position, assert an edge, succeed."""

    kind: str  # "char" | "fork" | "save" | "start" | "end" | "match"
    test: Test | None = None
    go: int = 0  # relative
    other: int = 0  # relative
    slot: int = 0


Program = list[Step]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern was found. ``spans`` are the whole and the groups; (-1, -1) for a group that took no part."""

    text: str
    spans: tuple[tuple[int, int], ...]

    def group(self, number: int) -> str:
        """The text of a group, '' when it took no part."""
        start, end = self.spans[number]
        return self.text[start:end] if start >= 0 else ""


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled pattern."""

    program: tuple[Step, ...]
    groups: int

    def search(self, text: str) -> Match | None:
        """The leftmost match, preferring what the pattern prefers."""
        return self._run(text, anchored=False)

    def matches(self, text: str) -> bool:
        """Whether the pattern describes the whole text."""
        found = Regex((*self.program[:-1], Step("end"), self.program[-1]), self.groups)._run(text, anchored=True)
        return found is not None

    def _run(self, text: str, *, anchored: bool) -> Match | None:
        """All threads over the text, in order of preference."""
        if len(text) > MAX_TEXT or len(text) * len(self.program) > MAX_WORK:
            raise RegexProblem("the text is too long for this pattern")
        threads: dict[int, Captures] = {}
        seen: set[int] = set()
        best: Captures | None = None
        empty: Captures = (-1,) * (2 * self.groups + 2)
        for position in range(len(text) + 1):
            if best is None and (position == 0 or not anchored):
                self._enter(threads, seen, (0, empty), position, len(text))
            following: dict[int, Captures] = {}
            seen = set()
            for place, captures in threads.items():
                step = self.program[place]
                if step.kind == "match":
                    best = captures
                    break  # the rest is less preferred
                if position < len(text) and step.test is not None and step.test(text[position]):
                    self._enter(following, seen, (place + 1, captures), position + 1, len(text))
            threads = following
            if not threads and (best is not None or anchored):
                break
        if best is None:
            return None
        return Match(text, tuple(zip(best[::2], best[1::2], strict=True)))

    def _enter(
        self, threads: dict[int, Captures], seen: set[int], thread: tuple[int, Captures], position: int, end: int
    ) -> None:
        """Put a thread on a list, following every instruction that eats no character, each once per position."""
        todo = [thread]
        while todo:
            here, captures = todo.pop()
            if here in seen:
                continue
            seen.add(here)
            step = self.program[here]
            if step.kind in ("char", "match"):
                threads[here] = captures
            elif step.kind == "fork":
                todo.append((here + step.other, captures))
                todo.append((here + step.go, captures))
            elif step.kind == "save":
                todo.append((here + 1, (*captures[: step.slot], position, *captures[step.slot + 1 :])))
            elif position == (0 if step.kind == "start" else end):
                todo.append((here + 1, captures))


def compile_regex(pattern: str) -> Regex:
    """The pattern ready to run; RegexProblem when it is not in the language or too large."""
    if len(pattern) > MAX_PATTERN:
        raise RegexProblem(f"a pattern has at most {MAX_PATTERN} characters")
    parser = Parser(pattern)
    body = parser.alternatives(0)
    if parser.position < len(pattern):
        raise RegexProblem("a group is closed that was not opened")
    program = [Step("save", slot=0), *body, Step("save", slot=1), Step("match")]
    return Regex(tuple(program), parser.groups)


class Parser:
    """Recursive descent from the pattern to instructions with relative targets."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.position, self.groups = pattern, 0, 0

    def peek(self) -> str:
        """The next character, '' at the end."""
        return self.pattern[self.position : self.position + 1]

    def take(self) -> str:
        """The next character, which has to be there."""
        char = self.peek()
        if not char:
            raise RegexProblem("a pattern ends too early")
        self.position += 1
        return char

    def alternatives(self, depth: int) -> Program:
        """``a|b|c``."""
        if depth > MAX_GROUPS:
            raise RegexProblem("groups are nested too deep")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.position += 1
            branches.append(self.sequence(depth))
        program = branches.pop()
        for branch in reversed(branches):
            jump = Step("fork", go=len(program) + 1, other=len(program) + 1)
            program = [Step("fork", go=1, other=len(branch) + 2), *branch, jump, *program]
        return self.bounded(program)

    def sequence(self, depth: int) -> Program:
        """Repeated items one after the other."""
        program: Program = []
        while self.peek() not in ("", "|", ")"):
            program = self.bounded(program + self.repeated(self.item(depth)))
        return program

    def bounded(self, program: Program) -> Program:
        """The program, unless it has grown too large."""
        if len(program) > MAX_PROGRAM:
            raise RegexProblem("a pattern is too large when its repetitions are written out")
        return program

    def repeated(self, item: Program) -> Program:
        """An item with the quantifier that follows it."""
        low, high = self.quantifier()
        if (low, high) == (1, 1):
            return item
        if len(item) * max(low, high or 0, 1) > MAX_PROGRAM:
            raise RegexProblem("a pattern is too large when its repetitions are written out")
        lazy = self.peek() == "?"
        self.position += lazy
        if self.peek() in ("*", "+", "?", "{") and self.peek():
            raise RegexProblem("a quantifier follows a quantifier")
        program = item * low
        if high is None:
            loop = self.fork(1, len(item) + 2, lazy=lazy)
            return [*program, loop, *item, Step("fork", go=-len(item) - 1, other=-len(item) - 1)]
        optional: Program = []
        for _ in range(high - low):
            optional = [self.fork(1, len(item) + len(optional) + 1, lazy=lazy), *item, *optional]
        return program + optional

    def fork(self, inside: int, past: int, *, lazy: bool) -> Step:
        """Into the item or past it, whichever is preferred first."""
        return Step("fork", go=past, other=inside) if lazy else Step("fork", go=inside, other=past)

    def quantifier(self) -> tuple[int, int | None]:
        """Least and most repetitions; None is no limit."""
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        char = self.peek()
        if char in simple:
            self.position += 1
            return simple[char]
        if char != "{":
            return 1, 1
        closing = self.pattern.find("}", self.position)
        low, comma, high = self.pattern[self.position + 1 : closing].partition(",") if closing > 0 else ("", "", "")
        numbers = [text for text in (low, high) if text]
        if not low or any(not text.isascii() or not text.isdigit() or len(text) > 3 for text in numbers):
            raise RegexProblem("{ is written {m}, {m,} or {m,n}, or \\{ for the character")
        self.position = closing + 1
        most = None if comma and not high else int(high or low)
        if max(int(low), most or 0) > MAX_REPEAT or (most is not None and most < int(low)):
            raise RegexProblem(f"a repetition goes from m up to n, at most {MAX_REPEAT}")
        return int(low), most

    def item(self, depth: int) -> Program:
        """One character, class, group or edge."""
        char = self.take()
        if char == "(":
            return self.group(depth)
        if char == "^":
            return [Step("start")]
        if char == "$":
            return [Step("end")]
        if char == ".":
            return [Step("char", test=lambda c: c != "\n")]
        if char == "[":
            return [Step("char", test=self.char_class())]
        if char == "\\":
            return [Step("char", test=self.escape())]
        if char in "*+?{":
            raise RegexProblem("a quantifier has nothing to repeat")
        return [Step("char", test=same(char))]

    def group(self, depth: int) -> Program:
        """``(…)`` saves where it matched, ``(?:…)`` does not; no other ``(?`` exists here."""
        capturing = True
        if self.peek() == "?":
            self.position += 1
            if self.take() != ":":
                raise RegexProblem("of the (? forms only (?: ) is available")
            capturing = False
        number = 0
        if capturing:
            self.groups += 1
            number = self.groups
            if number > MAX_GROUPS:
                raise RegexProblem(f"a pattern has at most {MAX_GROUPS} groups")
        body = self.alternatives(depth + 1)
        if self.peek() != ")":
            raise RegexProblem("a group is not closed")
        self.position += 1
        return [Step("save", slot=2 * number), *body, Step("save", slot=2 * number + 1)] if capturing else body

    def escape(self) -> Test:
        """What stands after a backslash."""
        char = self.take()
        named = CLASSES.get(char.lower()) if char.isascii() else None
        if named is not None:
            return named if char.islower() else negate(named)
        if char.isalnum():
            raise RegexProblem("a backslash stands before d, w, s, D, W, S or a punctuation mark")
        return same(char)

    def char_class(self) -> Test:
        """``[…]`` after its first bracket."""
        negative = self.peek() == "^"
        self.position += negative
        tests: list[Test] = []
        first = True
        while first or self.peek() != "]":
            first = False
            char = self.take()
            if char == "\\" and self.peek().lower() in CLASSES:
                tests.append(self.escape())
                continue
            low = self.literal(char)
            if self.peek() == "-" and self.pattern[self.position + 1 : self.position + 2] not in ("]", ""):
                self.position += 1
                high = self.literal(self.take())
                if high < low:
                    raise RegexProblem("a range in [ ] runs backwards")
                tests.append(between(low, high))
            else:
                tests.append(same(low))
        self.position += 1
        found = any_of(tests)
        return negate(found) if negative else found

    def literal(self, char: str) -> str:
        """The character itself, or the punctuation mark after a backslash."""
        if char != "\\":
            return char
        escaped = self.take()
        if escaped.isalnum():
            raise RegexProblem("a backslash stands before d, w, s, D, W, S or a punctuation mark")
        return escaped


def same(wanted: str) -> Test:
    """Exactly that character."""
    return lambda char: char == wanted


def between(low: str, high: str) -> Test:
    """A character of the range."""
    return lambda char: low <= char <= high


def any_of(tests: list[Test]) -> Test:
    """A character that one of the tests takes."""
    return lambda char: any(test(char) for test in tests)


def negate(test: Test) -> Test:
    """A character that the test does not take."""
    return lambda char: not test(char)


CLASSES: dict[str, Test] = {
    "d": lambda char: "0" <= char <= "9",
    "w": lambda char: char == "_" or char.isalnum(),
    "s": lambda char: char in " \t\n\r\f\v",
}
