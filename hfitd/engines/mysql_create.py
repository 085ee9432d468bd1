"""The text of SHOW CREATE TABLE, cut into its elements, and only those that one actor may see put together again.

The server prints what no catalogue query tells completely (partitions, versioning, expression indexes). What may not
leave is taken out of its tokens:

1. Columns that are not granted, and every key, check, partition and generation that mentions one.
2. Of a masked column also its default, the members of an ENUM or SET, and every check, expression and partition that
   mentions it: their constants may be values of it. Such an ENUM or SET becomes text; so does one whose members the
   server does not print.
3. All comments, and table options that name paths or logins of the server.
4. Foreign keys to tables or columns that are not part of the export.

The tokens are those of the server's own printing under our sql_mode: names in backticks, strings in single quotes with
backslash escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hfitd.errors import Internal
from hfitd.model import TableName

_TOKEN = re.compile(
    r"""`(?:[^`]|``)*` | '(?:[^'\\]|\\.|'')*' | /\*.*?\*/ | [(),.=] | \s+ | [^\s`'(),.=/]+ | /""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"`((?:[^`]|``)*)`")
_KEYS = frozenset(("PRIMARY", "UNIQUE", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "VECTOR"))
_AFTER_DEFAULT = frozenset(("ON", "COMMENT", "CHECK", "AUTO_INCREMENT", "INVISIBLE", "GENERATED", "STORAGE"))
_PRIVATE_OPTIONS = frozenset(("COMMENT", "CONNECTION", "PASSWORD", "DIRECTORY"))
_LISTS = frozenset(("ENUM", "SET"))
_SEPARATORS, _CLOSERS = frozenset(","), frozenset(")")
_GENERATION_ENDS = frozenset(("VIRTUAL", "STORED", "PERSISTENT"))

Tokens = list[str]
MASKED = "Its words are about a masked column."
UNPRINTED = "The server does not print its members, so its values come as text."


@dataclass(frozen=True, slots=True)
class Visible:
    """What of a table may be seen: its granted columns, those among them that are clear, and all there are."""

    table: TableName
    granted: frozenset[str]
    clear: frozenset[str]
    columns: frozenset[str]
    targets: Mapping[TableName, Collection[str]]  # tables of the export with their granted columns
    unprinted: frozenset[str] = frozenset()  # ENUM and SET columns with members that are not printed


@dataclass(frozen=True, slots=True)
class Created:
    """A table's definition: the elements between the parentheses, and what follows them."""

    elements: tuple[str, ...]
    tail: str
    sequences: tuple[TableName, ...] = ()  # that defaults draw from
    lost: tuple[tuple[str, str, str], ...] = ()  # what is not shown and may be named: kind, name, reason


def visible_definition(text: str, visible: Visible) -> Created:
    """The parts of a SHOW CREATE TABLE text that may be shown. Internal when it is not one."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text or "(" not in tokens:
        raise Internal("The database describes a table in a way that is not understood.")
    start = tokens.index("(")
    elements, end = _elements(tokens, start + 1)
    keys = [tokens for tokens in elements if not _is_name(tokens[0]) and _keeps(tokens, visible)]
    columns = [tokens for tokens in elements if _is_name(tokens[0]) and _unquote(tokens[0]) in visible.granted]
    leading = {_first_column(key) for key in keys if _word(key[0]) in _KEYS}
    shown = [_column(tokens, visible, leading) for tokens in columns]
    tail = _tail(tokens[end:], visible)
    return Created(
        elements=tuple("".join(tokens).strip() for tokens in (*shown, *keys)),
        tail="".join(tail).strip(),
        sequences=tuple(_sequences(shown, visible.table.schema)),
        lost=(
            *_lost(elements, keys, visible),
            *_lost_of_columns(columns, shown, visible),
            *_lost_partitions(tokens[end:], tail, visible),
        ),
    )


def _lost(elements: Sequence[Tokens], keys: Sequence[Tokens], visible: Visible) -> Iterable[tuple[str, str, str]]:
    """Keys and checks that are left out although each of their columns is there: for a mask."""
    hidden = visible.columns - visible.granted
    for tokens in elements:
        if _is_name(tokens[0]) or tokens in keys or _mentions(tokens, hidden) or "REFERENCES" in map(_word, tokens):
            continue
        words = [_word(token) for token in tokens[: tokens.index("(") if "(" in tokens else len(tokens)]]
        names = _names(tokens[: tokens.index("(") if "(" in tokens else len(tokens)])
        yield ("check" if "CHECK" in words else "index", names[0] if names else "", MASKED)


def _lost_of_columns(
    columns: Sequence[Tokens], shown: Sequence[Tokens], visible: Visible
) -> Iterable[tuple[str, str, str]]:
    hidden = visible.columns - visible.granted
    for before, after in zip(columns, shown, strict=True):
        for word, what in (("DEFAULT", "default"), ("CHECK", "check"), ("GENERATED", "generation")):
            is_lost = word in map(_word, before) and word not in map(_word, after)
            if is_lost and _after(before, word) != "NULL" and not _mentions(before, hidden):
                yield (what, _unquote(before[0]), MASKED)
        name = _unquote(before[0])
        if name in visible.unprinted or (name not in visible.clear and _as_text(before) != before):
            yield ("members", name, UNPRINTED if name in visible.unprinted else MASKED)


def _after(tokens: Tokens, word: str) -> str:
    """The first token after a word, but blanks; DEFAULT NULL is no default."""
    at = list(map(_word, tokens)).index(word)
    return next((_word(token) for token in tokens[at + 1 :] if not token.isspace()), "")


def _lost_partitions(before: Tokens, after: Tokens, visible: Visible) -> Iterable[tuple[str, str, str]]:
    is_lost = _divides(before) and not _divides(after)
    if is_lost and not _mentions(before, visible.columns - visible.granted):
        yield ("partitions", visible.table.name, MASKED)


def _divides(tail: Tokens) -> bool:
    return any("PARTITION" in _word(token) for token in tail)


def _elements(tokens: Sequence[str], at: int) -> tuple[list[Tokens], int]:
    """The elements up to the closing parenthesis, and where it ends."""
    elements: list[Tokens] = [[]]
    depth = 0
    for number in range(at, len(tokens)):
        token = tokens[number]
        if depth == 0 and token in _CLOSERS:
            return [_trimmed(element) for element in elements], number + 1
        if depth == 0 and token in _SEPARATORS:
            elements.append([])
            continue
        depth += {"(": 1, ")": -1}.get(token, 0)
        elements[-1].append(token)
    raise Internal("The database describes a table in a way that is not understood.")


def _trimmed(tokens: Tokens) -> Tokens:
    while tokens and tokens[0].isspace():
        tokens = tokens[1:]
    return tokens


def _is_name(token: str) -> bool:
    return token.startswith("`")


def _unquote(token: str) -> str:
    return token[1:-1].replace("``", "`")


def _word(token: str) -> str:
    return token.upper()


def _names(tokens: Iterable[str]) -> list[str]:
    """Every quoted name, also those inside executable comments."""
    return [found.replace("``", "`") for token in tokens if token[0] in "`/" for found in _NAME.findall(token)]


def _mentions(tokens: Iterable[str], columns: Collection[str]) -> bool:
    return any(name in columns for name in _names(tokens))


def _keeps(tokens: Tokens, visible: Visible) -> bool:
    """1, 2, 4: whether a key, check or reference may be seen."""
    body = tokens[tokens.index("(") :] if "(" in tokens else tokens
    hidden = visible.columns - visible.granted
    if "REFERENCES" in map(_word, tokens):
        return _keeps_reference(body, visible)
    if _mentions(body, hidden):
        return False
    is_plain_key = _word(tokens[0]) in _KEYS and not any(token.startswith("'") for token in body)
    return is_plain_key or _word(tokens[0]) == "PERIOD" or not _mentions(body, visible.columns - visible.clear)


def _keeps_reference(body: Tokens, visible: Visible) -> bool:
    at = list(map(_word, body)).index("REFERENCES")
    opened = body.index("(", at)
    target = _names(body[at:opened])
    name = TableName(target[0], target[1]) if len(target) == 2 else TableName(visible.table.schema, target[0])
    columns = _names(body[opened : body.index(")", opened)])
    granted = visible.targets.get(name)
    own = _names(body[:at])
    return granted is not None and all(c in granted for c in columns) and all(c in visible.granted for c in own)


def _first_column(key: Tokens) -> str:
    names = _names(key[key.index("(") :])
    return names[0] if names else ""


def _column(tokens: Tokens, visible: Visible, leading: Collection[str]) -> Tokens:
    name = _unquote(tokens[0])
    unclear = visible.columns - visible.clear
    tokens = _without(tokens, "COMMENT", _string_end)  # 3
    if name not in visible.clear or name in visible.unprinted:
        tokens = _as_text(tokens)
    if name not in visible.clear:  # 2
        tokens = _without(tokens, "DEFAULT", _default_end)
        tokens = _without(tokens, "CHECK", _parentheses_end)
    tokens = _without(tokens, "CHECK", _parentheses_end, lambda part: _mentions(part, unclear))
    tokens = _without(tokens, "GENERATED", _generation_end, lambda part: _mentions(part, unclear))
    if name not in leading:  # the server insists on a key that begins with it
        tokens = _without(tokens, "AUTO_INCREMENT", lambda _, at: at + 1)
    return tokens


def _as_text(tokens: Tokens) -> Tokens:
    """An ENUM or SET column as text that takes each of its values, in its character set."""
    at = 2 if len(tokens) > 2 and tokens[1].isspace() else 1
    if _word(tokens[at]) not in _LISTS:
        return tokens
    end = _parentheses_end(tokens, at)
    members = [token[1:-1] for token in tokens[at:end] if token.startswith("'")]
    width = sum(len(member) + 1 for member in members) if _word(tokens[at]) == "SET" else 255
    return [*tokens[:at], f"varchar({max(width, 255)})", *tokens[end:]]


def suspicious_lists(text: str) -> dict[str, tuple[str, ...]]:
    """ENUM and SET columns of a SHOW CREATE TABLE text that print a question mark, with their members as SQL. The
    server prints one for each character beyond the basic plane, so such a member may be another."""
    tokens = _TOKEN.findall(text)
    found: dict[str, tuple[str, ...]] = {}
    for element in _elements(tokens, tokens.index("(") + 1)[0]:
        at = 2 if len(element) > 2 and element[1].isspace() else 1
        if _is_name(element[0]) and len(element) > at and _word(element[at]) in _LISTS:
            members = tuple(t for t in element[at : _parentheses_end(element, at)] if t.startswith("'"))
            if any("?" in member for member in members):
                found[_unquote(element[0])] = members
    return found


def _tail(tokens: Tokens, visible: Visible) -> Tokens:
    """3, and 1 and 2 for partitions: table options without private ones."""
    kept: Tokens = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        begins = _word(token) == "PARTITION" or (token.startswith("/*") and "PARTITION BY" in token.upper())
        if begins and _mentions(tokens[at:], visible.columns - visible.clear):
            break
        if _word(token) in _PRIVATE_OPTIONS:
            if kept and _word(token) == "DIRECTORY":
                kept = kept[:-2]  # DATA or INDEX, and the blank
            at = _string_end(tokens, at)
            continue
        kept.append(token)
        at += 1
    return kept


def _without(
    tokens: Tokens,
    word: str,
    end_of: Callable[[Tokens, int], int],
    when: Callable[[Tokens], bool] = lambda _: True,
) -> Tokens:
    """The tokens without the clause that begins with ``word`` outside parentheses, if ``when`` says so of it."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and _word(token) == word:
            end = end_of(tokens, at)
            return tokens[:at] + tokens[end:] if when(tokens[at:end]) else tokens
    return tokens


def _string_end(tokens: Tokens, at: int) -> int:
    """Past the next string."""
    while at < len(tokens) and not tokens[at].startswith("'"):
        at += 1
    return at + 1


def _parentheses_end(tokens: Tokens, at: int) -> int:
    """Past the next group in parentheses."""
    depth = 0
    while at < len(tokens):
        depth += {"(": 1, ")": -1}.get(tokens[at], 0)
        at += 1
        if depth == 0 and tokens[at - 1] == ")":
            break
    return at


def _default_end(tokens: Tokens, at: int) -> int:
    """Past the expression after DEFAULT."""
    depth = 0
    for number in range(at + 1, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[number], 0)
        if depth == 0 and _word(tokens[number]) in _AFTER_DEFAULT:
            return number
    return len(tokens)


def _generation_end(tokens: Tokens, at: int) -> int:
    """Past GENERATED ALWAYS AS (...) VIRTUAL or STORED."""
    end = _parentheses_end(tokens, at)
    following = end + 1 if end < len(tokens) and tokens[end].isspace() else end
    if following < len(tokens) and _word(tokens[following]) in _GENERATION_ENDS:
        return following + 1
    return end


def _sequences(columns: Sequence[Tokens], schema: str) -> Iterable[TableName]:
    """What ``nextval`` in defaults draws from."""
    for tokens in columns:
        for at, token in enumerate(tokens):
            if _word(token) in ("NEXTVAL", "LASTVAL") and at + 1 < len(tokens):
                names = _names(tokens[at : _parentheses_end(tokens, at + 1)])
                yield TableName(names[0], names[1]) if len(names) == 2 else TableName(schema, names[0])
