"""A template looked over without a server: mistakes, and advice. ``# lint: allow RULE`` on its line accepts advice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from hfit.lint.advice import advice, outline, unknown_variables
from hfit.lint.reading import Pointer, Text, Unreadable, read_text
from hfit.lint.schema import mistakes, template_schema

ERROR, ADVICE = "error", "advice"
MAX_FINDINGS = 200
_ALLOWED = re.compile(r"#\s*lint:\s*allow\s+([a-z, -]+)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change or to think of: ``rule`` is "invalid" for an error; ``line`` counts from 1."""

    level: str  # ERROR | ADVICE
    rule: str
    line: int
    pointer: str
    words: str

    def document(self) -> dict[str, object]:
        """As JSON."""
        return asdict(self)


def lint_template(data: bytes) -> list[Finding]:
    """Everything there is to say about a template, in the order of its lines. Advice only once it has no mistakes."""
    try:
        text = read_text(data)
    except Unreadable as error:
        return [Finding(ERROR, "invalid", error.line, "", error.words)]
    found = [_error(text, pointer, words) for pointer, words in mistakes(text.value, template_schema())]
    look = outline(text.value)
    if not found:
        found = [_error(text, pointer, words) for pointer, words in unknown_variables(look)]
    if not found:
        said = (Finding(ADVICE, rule, text.line(place), _spell(place), words) for rule, place, words in advice(look))
        allowed = _allowances(text)
        found = [item for item in said if item.rule not in allowed.get(item.line, ())]
    return sorted(dict.fromkeys(found), key=lambda item: (item.line, item.rule))[:MAX_FINDINGS]


def _error(text: Text, pointer: Pointer, words: str) -> Finding:
    return Finding(ERROR, "invalid", text.line(pointer), _spell(pointer), words)


def _spell(pointer: Pointer) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in pointer)


def _allowances(text: Text) -> Mapping[int, frozenset[str]]:
    """Line to the rules that a remark on it, or alone on the line before it, accepts."""
    allowed: dict[int, frozenset[str]] = {}
    for number, line in enumerate(text.lines, 1):
        match = _ALLOWED.search(line)
        if match:
            rules = frozenset(word.strip() for word in match[1].split(","))
            alone = line.lstrip().startswith("#")
            allowed[number + alone] = allowed.get(number + alone, frozenset()) | rules
    return allowed
