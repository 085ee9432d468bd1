"""The YAML of templates as the server reads it (docs/templates.md), with the line of everything.

The client cannot import the server's reader; a contract test holds both against the same texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

MAX_BYTES = 64 << 10
MAX_DEPTH = 12

Pointer = tuple[str | int, ...]
Value = None | bool | int | str | list["Value"] | dict[str, "Value"]

_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,30})\Z")
_WORDS: dict[str, Value] = {"": None, "~": None, "null": None, "true": True, "false": False}
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


class Unreadable(Exception):
    """The text is no template at all: the line, and why."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line, self.words = line, words


@dataclass(slots=True)
class Text:
    """A read template: its value, the line of every pointer, and its lines."""

    value: Value
    lines: tuple[str, ...]
    places: dict[Pointer, int] = field(default_factory=dict)

    def line(self, pointer: Pointer) -> int:
        """The 1-based line of a pointer, or of the nearest thing around it."""
        while pointer and pointer not in self.places:
            pointer = pointer[:-1]
        return self.places.get(pointer, 1)


def read_text(data: bytes) -> Text:
    """Read a template; Unreadable for what the server could not read either."""
    if len(data) > MAX_BYTES:
        raise Unreadable(1, f"a template has at most {MAX_BYTES >> 10} KiB")
    try:
        source = data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(data.count(b"\n", 0, error.start) + 1, "a template is UTF-8 text") from error
    bad = _FORBIDDEN.search(source)
    if bad:
        line = source.count("\n", 0, bad.start()) + 1
        raise Unreadable(line, f"the character U+{ord(bad[0]):04X} is not allowed")
    try:
        return _Reader(source).read()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or "it cannot be read"
        raise Unreadable(mark.line + 1 if mark else 1, f"this is not YAML ({why})") from error


class _Reader:
    """Values from parser events; nothing else is ever constructed."""

    def __init__(self, source: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(source, Loader=yaml.SafeLoader)
        self._text = Text(None, tuple(source.splitlines()))

    def read(self) -> Text:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1 or event.version or event.tags:
                    raise Unreadable(_line(event), "a template is one document without directives")
                self._text.value = self._value(next(self._events), ())
        if not documents:
            raise Unreadable(1, "the template is empty")
        return self._text

    def _value(self, event: yaml.Event, pointer: Pointer) -> Value:
        self._text.places.setdefault(pointer, _line(event))
        _plain(event)
        if len(pointer) > MAX_DEPTH:
            raise Unreadable(_line(event), f"this is nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Value] = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                items.append(self._value(inner, (*pointer, len(items))))
            return items
        return self._mapping(pointer)

    def _mapping(self, pointer: Pointer) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            _plain(event)
            if not isinstance(event, yaml.ScalarEvent) or (event.value == "<<" and event.implicit[0]):
                raise Unreadable(_line(event), "a key is plain text, and there are no merge keys")
            place = (*pointer, event.value)
            if event.value in found:
                earlier = self._text.places[place]
                raise Unreadable(_line(event), f"the key {event.value!r} stands here and on line {earlier}")
            self._text.places[place] = _line(event)
            found[event.value] = self._value(next(self._events), place)
        return found


def _plain(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise Unreadable(_line(event), "anchors and aliases are not allowed")
    if getattr(event, "tag", None):
        raise Unreadable(_line(event), "tags are not allowed")


def _scalar(event: yaml.ScalarEvent) -> Value:
    text: str = event.value
    if not event.implicit[0]:
        return text
    return _WORDS[text] if text in _WORDS else int(text) if _INTEGER.match(text) else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
