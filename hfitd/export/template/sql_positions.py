"""Where a variable may stand in SQL: only where a value may (T09).

This looks at words, not at grammar; it runs when a template is saved and catches what could never be bound, with a
message about templates. What it lets through is parsed and bound by ``export/query``, which refuses the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hfitd.export.template.variables import VariableProblem, uses_of

TOKEN = re.compile(
    r"""
    (?P<variable>\$\{[^{}]*\}|\$[1-9][0-9]{0,2})
  | (?P<quote>'(?:[^'\\]|''|\\.)*(?:'|\Z)|"(?:[^"]|"")*(?:"|\Z)|`(?:[^`]|``)*(?:`|\Z)
      |\$[A-Za-z_]*\$(?s:.*?)(?:\$[A-Za-z_]*\$|\Z))
  | (?P<comment>--[^\n]*|/\*(?s:.*?)(?:\*/|\Z))
  | (?P<word>[^\W\d]\w*)
  | (?P<open>\()
  | (?P<close>\))
  | (?P<comma>,)
  | (?P<blank>\s+)
  | (?P<other>.)
    """,
    re.VERBOSE,
)
NAMING = frozenset({"as", "collate", "into", "update", "table"})  # a name follows
ENDING = frozenset(
    {"where", "having", "limit", "offset", "window", "union", "intersect", "except", "fetch", "for", "on"}
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL with what it is."""

    kind: str
    text: str
    start: int


def check_positions(sql: str) -> None:
    """VariableProblem when a variable stands where no value can: in quotes, as a name, in an ORDER BY."""
    list(uses_of(sql))
    tokens = [token for token in read(sql) if token.kind != "blank"]
    clauses = [""]  # per parenthesis: the list of names we are in
    for number, token in enumerate(tokens):
        before = tokens[number - 1] if number else None
        after = tokens[number + 1] if number + 1 < len(tokens) else None
        if token.kind in ("quote", "comment") and any(uses_of(token.text)):
            raise VariableProblem("a variable stands in quotes or a comment; write it without quotes, it is a value")
        if token.kind == "variable":
            check_neighbours(token, before, after)
            if clauses[-1] not in ("", "select") and starts_item(before, after, clauses[-1]):
                raise VariableProblem(f"a variable stands in {clauses[-1].upper()}, where only names can stand")
        clauses = follow(clauses, token, before)


def read(sql: str) -> Iterator[Token]:
    """The text in pieces; every character belongs to one."""
    for match in TOKEN.finditer(sql):
        yield Token(match.lastgroup or "other", match[0], match.start())


def check_neighbours(token: Token, before: Token | None, after: Token | None) -> None:
    """A value touches no name and no dot, and stands nowhere a name has to."""
    if before is not None and before.text.lower() in NAMING:
        raise VariableProblem(f"a variable stands after {before.text.upper()}, where only a name can stand")
    end = token.start + len(token.text)
    if before is not None and before.start + len(before.text) == token.start and touches(before):
        raise VariableProblem("a variable is glued to what stands before it; it is a value, never a part of a name")
    if after is not None and after.start == end and (touches(after) or after.kind == "open"):
        raise VariableProblem("a variable is glued to what stands after it; it is a value, never a name")


def touches(token: Token) -> bool:
    """Whether the piece could make one name with its neighbour."""
    return token.kind in ("word", "quote", "variable") or token.text == "."


def starts_item(before: Token | None, after: Token | None, clause: str) -> bool:
    """Whether the variable is itself the item of a list of names, not a value inside an expression."""
    if clause == "from":
        return before is not None and (before.kind == "comma" or before.text.lower() in ("from", "join"))
    alone_before = before is None or before.kind == "comma" or before.text.lower() == "by"
    alone_after = after is None or after.kind in ("comma", "close") or after.kind == "word"
    return alone_before and alone_after


def follow(clauses: list[str], token: Token, before: Token | None) -> list[str]:
    """The clauses around the next token."""
    word = token.text.lower() if token.kind == "word" else ""
    if token.kind == "open":
        return [*clauses, ""]
    if token.kind == "close":
        return clauses[:-1] or [""]
    if word == "by" and before is not None and before.text.lower() in ("order", "group"):
        return [*clauses[:-1], f"{before.text.lower()} by"]
    if word == "select":
        return [*clauses[:-1], "select"]
    if clauses[-1] and word in ("from", "join") and (before is None or before.text.lower() != "distinct"):
        return [*clauses[:-1], "from"]  # not IS DISTINCT FROM, and not the FROM inside EXTRACT( )
    if word in ENDING:
        return [*clauses[:-1], "select" if clauses[-1] else ""]
    return clauses
