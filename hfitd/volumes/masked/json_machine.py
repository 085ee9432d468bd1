"""A JSON text (RFC 8259) on its way through masks, in pieces: what no path names keeps its very bytes.

1. Only what the grammar allows passes; the text is UTF-8. Names are compared after their escapes are read.
2. A string is covered by the mask of texts, a number by that of numbers if the mask has one. null stays; a truth value,
   and what a mask cannot cover, becomes null. It is what the mask ``json`` does in a column.
3. A mask on an array or object is one on every leaf in it, but for those that have a mask of their own; names of
   members stay. ``null`` and ``const`` replace it whole.
4. ``drop`` takes the member or element away with its comma. Of several members of one name each is masked.
5. What is held is the token that is being read and the comma and blanks before a member; the depth is bounded.
6. Only for speed: members and elements that no path can lead to are taken in one step, and others one by one instead
   of token by token. What these steps do not take the tokens do.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass, field

from hfitd.volumes.masked.interface import MAX_RECORD, refuse
from hfitd.volumes.masked.json_grammar import (
    DIGITS,
    ELEMENTS,
    LEAF_VALUE,
    MEMBERS,
    NAME,
    SMALL_VALUE,
    SPACE,
    STRING,
    TOKEN,
    WORD,
    may_go_on,
)
from hfitd.volumes.masked.json_places import Place
from hfitd.volumes.masked.values import JsonMask

MAX_DEPTH = 512

@dataclass(slots=True)
class _Level:
    """One array or object that is open."""

    array: bool
    place: Place
    inherited: JsonMask | None  # a mask on all of it (3)
    elements: int = 0
    some: bool = False  # a member has been let out, so the next needs its comma
    lead: bytearray = field(default_factory=bytearray)  # comma and blanks before the next member (5)


class JsonMachine:
    """One document. ``feed`` and ``finish`` as ``interface.Masker``; ``line`` is where the next byte stands."""

    def __init__(self, root: Place, line: int = 1) -> None:
        self.dropped = 0
        self._place = root  # of the value that comes next
        self._inherited: JsonMask | None = None
        self._levels: list[_Level] = []
        self._wants = "value"  # "value" | "first" (value or end) | "name" | "first name" | "colon" | "next" | "end"
        self._hidden: tuple[int, bytes] | None = None  # levels and replacement of a container that is not let out
        self._buffer = b""
        self._out = bytearray()
        self._line = line
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> bytes:
        """See ``interface.Masker``."""
        self._check_text(data, final=False)
        self._buffer += data
        self._run(final=False)
        if len(self._buffer) > MAX_RECORD or (self._levels and len(self._levels[-1].lead) > MAX_RECORD):
            raise refuse("it is not JSON or a text in it is too long", self._line)
        return self._take()

    def finish(self) -> bytes:
        """See ``interface.Masker``."""
        self._check_text(b"", final=True)
        self._run(final=True)
        if self._buffer or self._wants != "end":
            raise refuse("it is not JSON, or ends too early", self._line)
        return self._take()

    def _take(self) -> bytes:
        out, self._out = bytes(self._out), bytearray()
        return out

    def _check_text(self, data: bytes, *, final: bool) -> None:
        try:
            self._utf8.decode(data, final)
        except UnicodeDecodeError:
            raise refuse("it is not UTF-8", self._line) from None  # the cause would hold the text

    def _run(self, *, final: bool) -> None:
        """Every complete token of the buffer."""
        buffer, position = self._buffer, 0
        while True:
            while (end := self._leap(buffer, position)) > position:  # 6
                position = end
            found = TOKEN.match(buffer, position)
            if found is None or (found.lastindex == DIGITS and not final and may_go_on(buffer, found.end())):
                break
            kind = found.lastindex
            assert kind is not None
            begin = found.start(kind)
            self._blank(buffer[position:begin])
            position = found.end()
            self._token(kind, buffer[begin:position])
        blank = SPACE.match(buffer, position)
        if blank is not None and blank.end() == len(buffer):
            self._blank(buffer[position:])
            position = len(buffer)
        self._buffer = buffer[position:]

    def _leap(self, buffer: bytes, position: int) -> int:
        """6: behind members or elements that stand here; the same position when there is no such step."""
        wants = self._wants
        if not self._levels or wants not in ("name", "first name", "value", "first"):
            return position
        level = self._levels[-1]
        names = wants in ("name", "first name")
        if names == level.array:
            return position  # the value of a member
        if self._hidden is not None or (level.place.dead and level.inherited is None):
            found = (ELEMENTS if level.array else MEMBERS).match(buffer, position)
            if found is None:
                return position
            level.lead += found[1]
            self._let_out(level)
            self._write(found[2])
            self._line += buffer.count(b"\n", position, found.end())
            self._wants = "next"
            return found.end()
        return self._leap_members(level, buffer, position) if names else position

    def _leap_members(self, level: _Level, buffer: bytes, start: int) -> int:
        """6, where some members are masked: one after the other, as long as their values are small."""
        position, out = start, self._out
        while found := NAME.match(buffer, position):
            place = level.place.member(_decode(found[3]))
            mask = place.mask or level.inherited
            plain = mask is None and place.dead
            value = (SMALL_VALUE if plain else LEAF_VALUE).match(buffer, found.end())
            if value is None or (mask is not None and mask.drops):
                break
            level.lead += found[1]
            self._let_out(level)
            out += found[2]
            out += value[1] if mask is None else mask.cover(value[1])
            out += value[2]
            position = value.end()
            if value[3] is None:
                self._wants = "next"
                break
            level.lead += b","
            self._wants = "name"
        self._line += buffer.count(b"\n", start, position)
        return position

    def _blank(self, blanks: bytes) -> None:
        if blanks:
            self._line += blanks.count(b"\n")
            before_element = self._wants in ("value", "first") and self._levels and self._levels[-1].array
            if before_element or self._wants in ("name", "first name"):
                self._levels[-1].lead += blanks
            else:
                self._write(blanks)

    def _write(self, data: bytes) -> None:
        if self._hidden is None:
            self._out += data

    def _token(self, kind: int, token: bytes) -> None:
        wants = self._wants
        if wants in ("value", "first"):
            if token == b"]" and wants == "first":
                self._close(token)
            else:
                self._value(kind, token)
        elif kind == STRING and wants in ("name", "first name"):
            self._name(token)
        elif token == b"}" and wants == "first name":
            self._close(token)
        elif token == b":" and wants == "colon":
            self._write(token)
            self._wants = "value"
        elif wants == "next":
            self._separator(token)
        else:
            raise refuse("it is not JSON", self._line)

    def _separator(self, token: bytes) -> None:
        level = self._levels[-1]
        if token == b",":
            level.lead += token
            self._wants = "value" if level.array else "name"
            if level.array:
                level.elements += 1
                self._place, self._inherited = level.place.element(level.elements), level.inherited
        elif token == (b"]" if level.array else b"}"):
            self._close(token)
        else:
            raise refuse("it is not JSON", self._line)

    def _name(self, token: bytes) -> None:
        level = self._levels[-1]
        self._place, self._inherited = level.place.member(_decode(token)), level.inherited
        mask = self._place.mask
        if mask is None or not mask.drops:
            self._let_out(level)
            self._write(token)
        elif self._hidden is None:
            self._hidden = (len(self._levels), b"")  # 4: nothing until its value has ended
            level.lead.clear()
        self._wants = "colon"

    def _let_out(self, level: _Level) -> None:
        """What stands before a member, without the comma if it is the first that is let out."""
        if level.lead:
            self._write(bytes(level.lead) if level.some else bytes(level.lead).replace(b",", b"", 1))
            level.lead.clear()
        level.some = True

    def _value(self, kind: int, token: bytes) -> None:
        mask = self._place.mask or self._inherited
        if self._levels and self._levels[-1].array:
            level = self._levels[-1]
            if mask is not None and mask.drops and self._hidden is None and self._place.mask is mask:
                self._hidden = (len(self._levels), b"")
                level.lead.clear()
            elif self._hidden is None:
                self._let_out(level)
        if kind in (STRING, DIGITS, WORD):
            self._write(token if mask is None or self._hidden is not None else mask.cover(token))
            self._ended()
        elif token in (b"{", b"["):
            self._open(token, mask)
        else:
            raise refuse("it is not JSON", self._line)

    def _open(self, token: bytes, mask: JsonMask | None) -> None:
        if len(self._levels) == MAX_DEPTH:
            raise refuse(f"it is nested deeper than {MAX_DEPTH}", self._line)
        if mask is not None and mask.whole is not None and self._hidden is None:
            self._hidden = (len(self._levels), mask.whole)  # 3
        self._write(token)
        level = _Level(token == b"[", self._place, mask)
        self._levels.append(level)
        self._wants = "first" if level.array else "first name"
        if level.array:
            self._place, self._inherited = self._place.element(0), mask

    def _close(self, token: bytes) -> None:
        level = self._levels.pop()
        self._write(bytes(level.lead))  # blanks between the brackets of nothing
        self._write(token)
        self._ended()

    def _ended(self) -> None:
        """A value is complete; what was hidden with it has its replacement."""
        if self._hidden is not None and self._hidden[0] == len(self._levels):
            replacement, self._hidden = self._hidden[1], None
            self._write(replacement)
        self._wants = "next" if self._levels else "end"


def _decode(token: bytes) -> bytes:
    """The characters of a string token; lone surrogates as their three bytes."""
    if b"\\" not in token:
        return token[1:-1]
    text: str = json.loads(token)
    return text.encode("utf-8", "surrogatepass")
