"""The language of regular expressions that outsiders and data owners may write, and its translation to a program.

The language: characters, ``.``, classes ``[a-z]`` ``[^…]``, ``\\d \\w \\s`` and their capitals, ``\\`` before a
punctuation mark, groups ``( )`` and ``(?: )``, where asked for ``(?P<name> )``, ``|``, ``* + ? {m,n}`` with the lazy
``?``, ``^`` and ``$``. There are no back-references and no look-around, so a pattern is a set of threads that step
through the text together (Thompson's construction).
Bounds: pattern 256 characters (1024 with names), 2000 instructions, 20 groups. RegexProblem says what is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_PATTERN = 256
MAX_NAMED_PATTERN = 1024
MAX_PROGRAM = 2000
MAX_GROUPS = 20
MAX_REPEAT = 255
MAX_NAME = 64

Test = Callable[[str], bool]


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
class Compiled:
    """A pattern as instructions. ``names`` are the numbers of named groups."""

    program: tuple[Step, ...]
    groups: int
    names: dict[str, int]


def compile_program(pattern: str, *, named: bool = False) -> Compiled:
    """The pattern's instructions; RegexProblem when it is not in the language or too large."""
    longest = MAX_NAMED_PATTERN if named else MAX_PATTERN
    if len(pattern) > longest:
        raise RegexProblem(f"a pattern has at most {longest} characters")
    parser = Parser(pattern, named=named)
    body = parser.alternatives(0)
    if parser.position < len(pattern):
        raise RegexProblem("a group is closed that was not opened")
    return Compiled((Step("save", slot=0), *body, Step("save", slot=1), Step("match")), parser.groups, parser.names)


class Parser:
    """Recursive descent from the pattern to instructions with relative targets."""

    def __init__(self, pattern: str, *, named: bool) -> None:
        self.pattern, self.position, self.groups = pattern, 0, 0
        self.named = named
        self.names: dict[str, int] = {}

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
        """``(…)`` and ``(?P<name>…)`` save where they matched, ``(?:…)`` does not; no other ``(?`` exists here."""
        capturing, name = True, ""
        if self.peek() == "?":
            self.position += 1
            kind = self.take()
            if kind == "P" and self.named:
                name = self.group_name()
            elif kind == ":":
                capturing = False
            else:
                more = " and (?P<name> )" if self.named else ""
                raise RegexProblem(f"of the (? forms only (?: ){more} is available")
        number = 0
        if capturing:
            self.groups += 1
            number = self.groups
            if number > MAX_GROUPS:
                raise RegexProblem(f"a pattern has at most {MAX_GROUPS} groups")
        if name:
            self.names[name] = number
        body = self.alternatives(depth + 1)
        if self.peek() != ")":
            raise RegexProblem("a group is not closed")
        self.position += 1
        return [Step("save", slot=2 * number), *body, Step("save", slot=2 * number + 1)] if capturing else body

    def group_name(self) -> str:
        """``<name>`` after ``(?P``: a word that no other group has."""
        closing = self.pattern.find(">", self.position)
        name = self.pattern[self.position + 1 : closing]
        if self.peek() != "<" or closing < 0 or not name.isidentifier() or len(name) > MAX_NAME:
            raise RegexProblem("a group's name is written (?P<name> ), a letter or _ first, then also digits")
        if name in self.names:
            raise RegexProblem("two groups have one name")
        self.position = closing + 1
        return name

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
