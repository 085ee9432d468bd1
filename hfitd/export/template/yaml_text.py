"""The YAML of templates: a small, predictable part of the language, with the line of everything.

1. T04: at most 64 KiB, before anything is parsed; at most 12 levels deep.
2. T03: UTF-8 without byte order mark; no control, bidirectional or zero-width characters.
3. T01, T03: no anchors, aliases, tags, merge keys, directives or second documents. Events are read, not objects made,
   so nothing can be constructed that is not a mapping, a list or a scalar.
4. T02: a key stands once; both lines are named.
5. T06: a plain scalar is null, true, false or a whole number in its one canonical spelling; all else is text
   (``no``, ``012``, ``12:30:45``, ``2024-01-01``, ``1_000``, ``1.50``, ``.inf``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from hfitd.errors import TemplateInvalid, TooLarge

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Pointer = tuple[str | int, ...]
Value = None | bool | int | str | list["Value"] | dict[str, "Value"]

BAD_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff\ud800-\udfff\ufffe\uffff]"
)
INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,30})\Z")
WORDS: dict[str, Value] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(slots=True)
class Document:
    """The values of a document and where each stands (1-based line by pointer)."""

    value: Value
    lines: dict[Pointer, int] = field(default_factory=dict)

    def line(self, pointer: Pointer) -> int:
        """The line of a pointer, or of the nearest thing around it."""
        while pointer and pointer not in self.lines:
            pointer = pointer[:-1]
        return self.lines.get(pointer, 1)


def read_yaml(text: bytes | str) -> tuple[Document, str]:
    """The document and its text. TooLarge beyond 64 KiB; TemplateInvalid, naming the line, for everything refused."""
    source = check_text(text)
    try:
        events = yaml.parse(source, Loader=LOADER)
        return Composer(events).document(), source
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise fail(line, f"this is not YAML ({getattr(error, 'problem', None) or 'it cannot be read'})") from error


def check_text(text: bytes | str) -> str:
    """The text, once size and characters are acceptable."""
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_BYTES:  # 1
            raise TooLarge(f"A template has at most {MAX_BYTES // 1024} KiB.")
        source = raw.decode()
    except UnicodeError as error:
        raise TemplateInvalid("A template is UTF-8 text.") from error
    bad = BAD_CHARACTERS.search(source)  # 2
    if bad:
        line = source.count("\n", 0, bad.start()) + 1
        raise fail(line, f"the character U+{ord(bad[0]):04X} is not allowed")
    return source


def fail(line: int, why: str) -> TemplateInvalid:
    """The error for what cannot even be read further."""
    return TemplateInvalid(f"The template is not valid:\nline {line}: {why}")


class Composer:
    """Builds values from parser events and refuses what the dialect does not have."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._lines: dict[Pointer, int] = {}

    def document(self) -> Document:
        """The only document."""
        value: Value = None
        count = 0
        for event in self._events:
            line = line_of(event)
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > 1:  # 3
                    raise fail(line, "a template is one document")
                if event.version or event.tags:  # 3
                    raise fail(line, "directives are not allowed")
                value = self._value(next(self._events), ())
        if count == 0:
            raise fail(1, "the template is empty")
        return Document(value, self._lines)

    def _value(self, event: yaml.Event, pointer: Pointer) -> Value:
        """One value with everything in it."""
        line = line_of(event)
        self._lines.setdefault(pointer, line)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):  # 3
            raise fail(line, "anchors and aliases are not allowed")
        if getattr(event, "tag", None):  # 3
            raise fail(line, "tags are not allowed")
        if len(pointer) > MAX_DEPTH:  # 1
            raise fail(line, f"this is nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.ScalarEvent):
            return scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(pointer)
        return self._mapping(pointer)

    def _list(self, pointer: Pointer) -> list[Value]:
        """A list up to its end."""
        items: list[Value] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*pointer, len(items))))
        return items

    def _mapping(self, pointer: Pointer) -> dict[str, Value]:
        """A mapping up to its end; keys are text, as written."""
        found: dict[str, Value] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = line_of(event)
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                raise fail(line, "a key is plain text, without anchor or tag")
            key = event.value
            if key == "<<" and event.implicit[0]:  # 3
                raise fail(line, "merge keys are not allowed")
            if key in found:  # 4
                raise fail(line, f"the key {key!r} stands here and on line {self._lines[(*pointer, key)]}")
            self._lines[(*pointer, key)] = line
            found[key] = self._value(next(self._events), (*pointer, key))
        return found


def scalar(event: yaml.ScalarEvent) -> Value:
    """A quoted scalar is text; a plain one may be null, a boolean or a number (5)."""
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in WORDS:
        return WORDS[text]
    return int(text) if INTEGER.match(text) else text


def line_of(event: yaml.Event) -> int:
    """The 1-based line an event begins on."""
    return event.start_mark.line + 1 if event.start_mark else 1
