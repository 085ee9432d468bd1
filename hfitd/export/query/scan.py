"""A free query as text, made safe to parse: variables found, comments gone, what is never allowed refused.

What a database runs is rendered from the tree, so a difference between this reader and a server cannot smuggle
anything; the refusals here are cheap, come first, and keep what the parser sees equal to what the author sees.

1. Length and parentheses are limited before anything recursive runs (S30).
2. ``/*!``, ``/*M!`` and ``/*+`` run on a server although a parser takes them for comments: refused (S02).
   Other comments become a blank, each dialect's by its own rules; a comment in a comment is refused (S03).
3. A string prefix (E, U&, N, X, B, _charset) and dollar quotes are refused: their escapes differ by server (S17).
4. ``${name}`` and ``$n`` are only read outside of quotes, and refused inside (T09).
5. ``;`` only at the very end, no NUL or other control characters, no ``:=``, no ``@`` (S01, S12).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hfitd.errors import SqlRefused, SqlTooComplex

MAX_LENGTH = 16 * 1024  # bytes of UTF-8
MAX_DEPTH = 40
PLACEHOLDER = "hfit_value_"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]{0,62})\}|([1-9][0-9]{0,2}))(?![A-Za-z0-9_$])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WORD_END = re.compile(r"[\w$&]", re.UNICODE)
_PLAIN = re.compile(r"[\w \t\r\n.,+*%=]+")
_QUOTES = {"postgres": "'\"", "mysql": "'\"`", "sqlite": "'\"`"}


@dataclass(slots=True)
class Scanned:
    """``text`` has ``:hfit_value_N`` where the N-th variable stood; ``variables`` are their names in order."""

    text: str = ""
    variables: list[str] = field(default_factory=list)


def scan_query(source: str, sqlglot_name: str) -> Scanned:
    """Check and clean the text of a free query. Raises SqlRefused, SqlTooComplex."""
    if len(source) > MAX_LENGTH or len(source.encode(errors="surrogatepass")) > MAX_LENGTH:  # 1
        raise SqlTooComplex(f"A query is at most {MAX_LENGTH // 1024} KiB long.")
    if _CONTROL.search(source):  # 5
        raise SqlRefused("A query cannot hold control characters.")
    if PLACEHOLDER in source.lower():
        raise SqlRefused("A query cannot use names that begin with hfit_value_.")
    return _Scanner(source.strip().removesuffix(";"), sqlglot_name).run()


class _Scanner:
    def __init__(self, source: str, dialect: str) -> None:
        self._source = source
        self._dialect = dialect
        self._out: list[str] = []
        self._variables: list[str] = []
        self._at = 0
        self._depth = 0

    def run(self) -> Scanned:
        """Read to the end."""
        while self._at < len(self._source):
            plain = _PLAIN.match(self._source, self._at)
            if plain:
                self._out.append(plain.group())
                self._at = plain.end()
            else:
                self._sign(self._source[self._at])
        return Scanned("".join(self._out), self._variables)

    def _sign(self, sign: str) -> None:
        if self._comment():
            return
        if sign in _QUOTES[self._dialect]:
            self._quoted(sign)
        elif sign == "$":
            self._variable()
        elif sign in ";@`\\:[" and not self._allowed(sign):
            raise self._refused()  # 5
        else:
            self._depth += (sign in "([") - (sign in ")]")
            if self._depth > MAX_DEPTH:  # 1
                raise SqlTooComplex(f"A query nests at most {MAX_DEPTH} deep.")
            self._take(1)

    def _allowed(self, sign: str) -> bool:
        """PostgreSQL's casts, subscripts and containment; nothing else has these signs."""
        around = self._source[max(0, self._at - 1) : self._at + 2]
        found = {":": around.count(":") == 2, "[": True, "@": "@>" in around or "<@" in around}
        return self._dialect == "postgres" and found.get(sign, False)

    def _take(self, count: int) -> None:
        self._out.append(self._source[self._at : self._at + count])
        self._at += count

    def _comment(self) -> bool:
        """Step over a comment that begins here (2)."""
        source, at = self._source, self._at
        if source.startswith("/*", at):
            end = source.find("*/", at + 2)
            body = source[at + 2 : end]
            if end < 0 or body[:1] in {"!", "+"} or body[:2].upper() == "M!" or "/*" in body:
                raise self._refused()
            self._skip(end + 2)
            return True
        if source.startswith("--", at):
            if self._dialect == "mysql" and source[at + 2 : at + 3].strip():
                raise self._refused()  # two minus signs to this server
            self._skip_line()
            return True
        if source.startswith("#", at) and self._dialect != "postgres":
            if self._dialect == "sqlite":
                raise self._refused()
            self._skip_line()
            return True
        return False

    def _skip(self, end: int) -> None:
        self._out.append(" ")
        self._at = end

    def _skip_line(self) -> None:
        end = self._source.find("\n", self._at)
        self._skip(len(self._source) if end < 0 else end)

    def _quoted(self, quote: str) -> None:
        before = self._source[self._at - 1 : self._at]
        if before and (_WORD_END.match(before) or before == quote):  # 3
            raise self._refused()
        escapes = self._dialect == "mysql" and quote != "`"
        at = self._at + 1
        while at < len(self._source):
            letter = self._source[at]
            if letter == "\\" and escapes:
                at += 2
                continue
            if letter == quote:
                if self._source[at + 1 : at + 2] != quote:
                    break
                at += 1
            at += 1
        else:
            raise self._refused()
        if _VARIABLE.search(self._source, self._at, at):  # 4
            raise SqlRefused(
                "A variable cannot stand inside quotes.", suggestions=("Write column = ${name}, without quotes.",)
            )
        self._take(at + 1 - self._at)

    def _variable(self) -> None:
        match = _VARIABLE.match(self._source, self._at)
        before = self._source[self._at - 1 : self._at]
        if match is None or _WORD_END.match(before):  # 3
            raise self._refused()
        self._out.append(f" :{PLACEHOLDER}{len(self._variables)} ")
        self._variables.append(match[1] or match[2])
        self._at = match.end()

    def _refused(self) -> SqlRefused:
        return SqlRefused(f"A query cannot have what stands at character {self._at + 1}.")


def variable_names(found: Scanned) -> Mapping[str, str]:
    """Placeholder -> variable name."""
    return {f"{PLACEHOLDER}{number}": name for number, name in enumerate(found.variables)}
