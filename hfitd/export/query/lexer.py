"""Words of the filter language. What is not a word of it is refused here, before anything is understood.

1. Comments, ``;``, back-slashes outside strings, casts, hints and user variables have no token, so they cannot
   reach a server (S01 to S03, S12).
2. A string is ``'...'`` with ``''`` for a quote, nothing else; a prefix such as ``E`` or ``U&`` makes it no string
   (S17). Its text travels as a bound value, so the server never reads its quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfitd.errors import SqlRefused, SqlTooComplex

MAX_LENGTH = 16 * 1024  # bytes of UTF-8
_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\n]+)
  | (?P<variable>\$\{[A-Za-z_][A-Za-z0-9_]{0,62}\}|\$[1-9][0-9]{0,2})(?![A-Za-z0-9_$'"])
  | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)(?![A-Za-z0-9_$.'"])
  | (?P<word>[^\W\d]\w*+)(?!['$&])
  | (?P<string>'(?:[^'\0]|'')*')
  | (?P<quoted>"(?:[^"\0]|"")+"|`(?:[^`\0]|``)+`)
  | (?P<sign><>|!=|<=|>=|[=<>(),.])(?![=<>])
    """,
    re.VERBOSE,
)
_PREFIXED = re.compile(r"(?i)(?:DATE|TIMESTAMP)(?=')")


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is variable, number, word, string, quoted, sign or end; ``text`` is unquoted already."""

    kind: str
    text: str
    position: int


def read_tokens(source: str) -> list[Token]:
    """The tokens of a filter, the last one of kind ``end``. Raises SqlRefused, and SqlTooComplex when too long."""
    if len(source) > MAX_LENGTH or len(source.encode(errors="surrogatepass")) > MAX_LENGTH:
        raise SqlTooComplex(f"A filter is at most {MAX_LENGTH // 1024} KiB long.")
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        match = _PREFIXED.match(source, position) or _TOKEN.match(source, position)
        if match is None:
            raise _refused(position)  # 1, 2
        kind = match.lastgroup or "word"
        if kind != "blank":
            tokens.append(Token(kind, _plain(kind, match.group()), position))
        position = match.end()
    tokens.append(Token("end", "", len(source)))
    return tokens


def _plain(kind: str, text: str) -> str:
    if kind in {"string", "quoted"}:
        return text[1:-1].replace(text[0] * 2, text[0])
    if kind == "variable":
        return text.strip("${}")
    return text


def _refused(position: int) -> SqlRefused:
    return SqlRefused(
        f"A filter cannot have what stands at character {position + 1}.",
        suggestions=(
            "Use columns, values, = <> < > <= >=, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT and parentheses.",
            "Write a string as 'text', a variable as ${name}, outside of quotes.",
        ),
    )
