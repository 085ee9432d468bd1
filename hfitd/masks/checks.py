"""CHECK constraints of one column, as far as they can be read: does what a mask makes pass them?

Read are lists of values, comparisons with a number, lengths and LIKE, as PostgreSQL, MySQL and MariaDB print them. A
mask is tried on values that pass: if one of its pseudonyms does not, the mask does not fit. What cannot be read
(regular expressions, several conditions, functions) is not judged; whoever loads the package will be told then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_CAST = re.compile(
    r"::(?:character varying|double precision|time(?:stamp)? with(?:out)? time zone|\"[^\"]+\"|[a-z_][\w.]*)"
    r"(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])?"
)
_TOKEN = re.compile(
    r"'((?:[^']|'')*)'|([-+]?\d+(?:\.\d+)?)|(`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|\w+)|([<>=!~]+|,)|[()\[\]\s]+|(.)"
)
_LENGTHS = frozenset({"length", "char_length", "character_length"})
_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": Decimal.__eq__, "<": Decimal.__lt__, "<=": Decimal.__le__, ">": Decimal.__gt__, ">=": Decimal.__ge__,
    "<>": Decimal.__ne__, "!=": Decimal.__ne__,
}  # fmt: skip
_MOST_SAMPLES = 16
_LONGEST_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on a value's text, and some values that pass it. ``members`` are all that pass, if it lists them."""

    passes: Callable[[str], bool]
    samples: tuple[str, ...]
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "text" | "number" | "word" | "sign"
    value: str


def read_check(expression: str, column: str) -> Check | None:
    """The condition of a CHECK over that column alone; None when it is of another form."""
    tokens = _tokens(expression)
    if not tokens:
        return None
    kinds = "".join("c" if _is_column(token, column) else token.kind[0] for token in tokens)
    values = [token.value for token in tokens]
    words = [value.lower() for value in values]
    listed = [token.value for token in tokens if token.kind == "text"]
    is_list = words[1:2] == ["in"] or words[1:3] == ["=", "any"]
    if is_list and re.fullmatch(r"c(w|sw)t(st)*", kinds):
        return _members(listed)
    if re.fullmatch(r"cst(wcst)*", kinds) and set(words[1::4]) == {"="} and set(words[3::4]) <= {"or"}:
        return _members(listed)
    if kinds in {"cst", "cwt"} and words[1] in {"~~", "like"}:
        return _like(values[2])
    if kinds == "csn" and words[1] in _COMPARISONS:
        return _compared(((words[1], values[2]),), _number, _near)
    if kinds == "cwnwn" and words[1] == "between":
        return _compared(((">=", values[2]), ("<=", values[4])), _number, _near)
    if kinds == "wcsn" and words[0] in _LENGTHS and words[2] in _COMPARISONS:
        return _compared(((words[2], values[3]),), _length, _of_length)
    if kinds == "wcwnwn" and words[0] in _LENGTHS and words[2] == "between":
        return _compared(((">=", values[3]), ("<=", values[5])), _length, _of_length)
    return None


def _tokens(expression: str) -> list[_Token]:
    # MySQL escapes the quotes around its literals, and those inside them twice.
    bare = re.sub(r"\b_utf8mb[34](?=\\?')", "", expression).replace("\\\\\\'", "''").replace("\\'", "'")
    plain = _CAST.sub("", bare)
    tokens = []
    for found in _TOKEN.finditer(plain):
        text, number, word, sign, strange = found.groups()
        if strange is not None:
            return []
        if text is not None:
            tokens.append(_Token("text", text.replace("''", "'")))
        elif number is not None:
            tokens.append(_Token("number", number))
        elif word is not None and word.lower() != "array":
            tokens.append(_Token("word", word))
        elif sign is not None:
            tokens.append(_Token("sign", sign))
    return tokens


def _is_column(token: _Token, column: str) -> bool:
    name = token.value[1:-1] if token.value[:1] in "`\"" else token.value
    return token.kind == "word" and name in {column, "VALUE"}


def _members(values: Sequence[str]) -> Check:
    return Check(lambda value: value in values, tuple(values[:_MOST_SAMPLES]), tuple(values))


def _like(pattern: str) -> Check:
    parts = [".*" if part == "%" else "." if part == "_" else re.escape(part) for part in re.split("([%_])", pattern)]
    like = re.compile("".join(parts), re.DOTALL | re.IGNORECASE)
    samples = tuple(pattern.replace("%", some).replace("_", "a") for some in ("", "a", "ann.lee", "7"))
    return Check(lambda value: like.fullmatch(value) is not None, samples)


def _compared(
    bounds: Sequence[tuple[str, str]],
    measure: Callable[[str], Decimal | None],
    around: Callable[[Decimal], Sequence[str]],
) -> Check:
    def passes(value: str) -> bool:
        size = measure(value)
        return size is None or all(_COMPARISONS[sign](size, Decimal(bound)) for sign, bound in bounds)

    tried = [sample for _, bound in bounds for sample in around(Decimal(bound))]
    return Check(passes, tuple(dict.fromkeys(sample for sample in tried if passes(sample)))[:_MOST_SAMPLES])


def _number(value: str) -> Decimal | None:
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _near(bound: Decimal) -> Sequence[str]:
    return [str(bound + step) for step in (0, 1, -1, 2, -2, 3, -3, 5, -5, 7, -7, 10, -10, 100, -100)]


def _length(value: str) -> Decimal:
    return Decimal(len(value))


def _of_length(bound: Decimal) -> Sequence[str]:
    sizes = [min(max(int(bound) + step, 1), _LONGEST_SAMPLE) for step in (0, 1, -1, 5)]
    return [letter * size for size in sizes for letter in ("7", "a")]
