"""``log``: lines, of which a pattern names the parts to be masked.

1. Every place where the pattern fits is masked, by its named groups; the time is linear in the line (``hfitd.regex``).
2. A line that no pattern fits may hold anything. ``unmatched = "drop"``, the default, leaves it out and counts it;
   ``"refuse"`` refuses the file; ``"keep"`` lets it pass, which is right only where the pattern looks for a personal
   part wherever one may stand. Lines of blanks stay.
3. Parts that overlap, of two patterns or of one group in another, are masked as one, by the mask of the first.
4. A carriage return before the line feed belongs to the line end. Where a mask makes nothing of a part, or is ``drop``
   or ``null``, the part is cut out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfitd.config.model import VolumeMask
from hfitd.masks.table import MASKS
from hfitd.model import MaskRule
from hfitd.regex.program import RegexProblem, compile_program
from hfitd.regex.search import Regex, compile_regex
from hfitd.volumes.masked.interface import MAX_LINE, Format, Masker, refuse
from hfitd.volumes.masked.values import TextMask, bind_text

UNMATCHED = ("refuse", "drop", "keep")  # the strictest first


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a line that is masked; ``start`` and ``stop`` count characters."""

    start: int
    stop: int
    mask: TextMask


class LogMasker:
    """See ``interface.Masker``."""

    def __init__(self, patterns: Sequence[tuple[Regex, Mapping[int, TextMask]]], unmatched: str) -> None:
        self.dropped = 0
        self._patterns = patterns
        self._unmatched = unmatched
        self._buffer = b""
        self._line = 1

    def feed(self, data: bytes) -> bytes:
        """See ``interface.Masker``."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > MAX_LINE + 1:
            raise refuse(f"a line is longer than {MAX_LINE} bytes", self._line)
        return b"".join([self._mask(line, b"\n") for line in lines])

    def finish(self) -> bytes:
        """See ``interface.Masker``. The last line needs no line end."""
        return self._mask(self._buffer, b"") if self._buffer else b""

    def _mask(self, line: bytes, ending: bytes) -> bytes:
        if line.endswith(b"\r"):  # 4
            line, ending = line[:-1], b"\r" + ending
        if len(line) > MAX_LINE:
            raise refuse(f"a line is longer than {MAX_LINE} bytes", self._line)
        if line.strip():
            text = line.decode("utf-8", "surrogateescape")
            fits, parts = self._find(text)
            if not fits and self._unmatched == "refuse":  # 2
                raise refuse("a line does not fit its pattern", self._line)
            if (not fits and self._unmatched == "drop") or (self._unmatched == "keep" and "\0" in text):
                self.dropped += 1
                self._line += 1
                return b""
            line = _replace(text, parts)
        self._line += 1
        return line + ending

    def _find(self, text: str) -> tuple[bool, list[_Part]]:
        """Whether a pattern fits, and what it names (1)."""
        fits = False
        found: list[_Part] = []
        for regex, masks in self._patterns:
            for match in regex.find_all(text):
                fits = True
                for group, mask in masks.items():
                    start, stop = match.spans[group]
                    if start < stop:
                        found.append(_Part(start, stop, mask))
        return fits, _merge(found)


def _merge(parts: list[_Part]) -> list[_Part]:
    """3."""
    merged: list[_Part] = []
    for part in sorted(parts, key=lambda part: (part.start, -part.stop)):
        if merged and part.start < merged[-1].stop:
            last = merged.pop()
            merged.append(_Part(last.start, max(last.stop, part.stop), last.mask))
        else:
            merged.append(part)
    return merged


def _replace(text: str, parts: Sequence[_Part]) -> bytes:
    pieces, position = [], 0
    for part in parts:
        pieces.append(text[position : part.start].encode("utf-8", "surrogateescape"))
        value = text[part.start : part.stop].encode("utf-8", "surrogateescape")
        pieces.append(part.mask.cover(value) or b"")
        position = part.stop
    pieces.append(text[position:].encode("utf-8", "surrogateescape"))
    return b"".join(pieces)


def _rules_of(rule: VolumeMask) -> Mapping[str, MaskRule]:
    """The mask of each named group: what ``columns`` says, else the mask of the group's own name."""
    names = compile_program(rule.pattern, named=True).names
    return {name: rule.columns.get(name, MaskRule(name)) for name in names}


def _start(rules: Sequence[VolumeMask], key: bytes) -> Masker:
    patterns = []
    for rule in rules:
        regex = compile_regex(rule.pattern, named=True)
        masks = {regex.names[name]: bind_text(mask, key) for name, mask in _rules_of(rule).items()}
        patterns.append((regex, masks))
    return LogMasker(patterns, min((rule.unmatched for rule in rules), key=UNMATCHED.index))


def _parts(rule: VolumeMask) -> Mapping[str, str]:
    return {name: mask.mask for name, mask in _rules_of(rule).items()}


def _problems(rule: VolumeMask) -> list[str]:
    if not rule.pattern:
        return ["pattern is missing: a regular expression with named groups (?P<name> )"]
    try:
        names = compile_program(rule.pattern, named=True).names
    except RegexProblem as problem:
        return [f"pattern: {problem}"]
    found = [] if names else ["pattern: names no group; what is to be masked is written (?P<name> )"]
    found += [f"columns: {name} is no group of the pattern" for name in rule.columns if name not in names]
    for name in names:
        if name not in rule.columns and name not in MASKS:
            found.append(f"pattern: the group {name} has no mask in columns, and none is called so")
    found += [f"columns: the value of {name} would end the line" for name in names if _breaks_lines(rule, name)]
    return found


def _breaks_lines(rule: VolumeMask, name: str) -> bool:
    value = rule.columns[name].options.get("value") if name in rule.columns else None
    return isinstance(value, str) and ("\n" in value or "\r" in value)


LOG = Format(_start, _parts, _problems)
