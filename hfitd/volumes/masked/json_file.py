"""``json``: one document; and ``ndjson``: one document a line, in which blank lines stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfitd.config.model import VolumeMask
from hfitd.errors import MaskDoesNotFit
from hfitd.masks.json_paths import read_path
from hfitd.model import MaskRule
from hfitd.volumes.masked.interface import MAX_RECORD, Format, Masker, refuse
from hfitd.volumes.masked.json_machine import JsonMachine
from hfitd.volumes.masked.json_places import Place, Places
from hfitd.volumes.masked.values import bind_json

BOM = b"\xef\xbb\xbf"


class JsonMasker:
    """One document, with a byte order mark or without; nothing at all is no document but holds nothing either."""

    def __init__(self, root: Place) -> None:
        self.dropped = 0
        self._machine = JsonMachine(root)
        self._head: bytes | None = b""
        self._some = False

    def feed(self, data: bytes) -> bytes:
        """See ``interface.Masker``."""
        self._some |= bool(data)
        if self._head is None:
            return self._machine.feed(data)
        self._head += data
        if len(self._head) < len(BOM):
            return b""
        return self._begin()

    def finish(self) -> bytes:
        """See ``interface.Masker``."""
        if not self._some:
            return b""
        return (self._begin() if self._head is not None else b"") + self._machine.finish()

    def _begin(self) -> bytes:
        head, self._head = self._head or b"", None
        mark = BOM if head.startswith(BOM) else b""
        return mark + self._machine.feed(head[len(mark) :])


class NdjsonMasker:
    """A line at a time; see ``interface.Masker``."""

    def __init__(self, root: Place) -> None:
        self.dropped = 0
        self._root = root
        self._buffer = b""
        self._line = 1

    def feed(self, data: bytes) -> bytes:
        """See ``interface.Masker``."""
        if b"\n" not in data:
            self._buffer += data
            lines: list[bytes] = []
        else:
            *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > MAX_RECORD:
            raise refuse(f"a line is longer than {MAX_RECORD} bytes", self._line)
        return b"".join(self._mask(line) + b"\n" for line in lines)

    def finish(self) -> bytes:
        """See ``interface.Masker``. The last line needs no line end."""
        return self._mask(self._buffer) if self._buffer else b""

    def _mask(self, line: bytes) -> bytes:
        mark = BOM if self._line == 1 and line.startswith(BOM) else b""
        line = line[len(mark) :]
        if line.strip(b" \t\r"):
            machine = JsonMachine(self._root, self._line)
            line = machine.feed(line) + machine.finish()
        self._line += 1
        return mark + line


def _rules_of(rule: VolumeMask) -> Mapping[str, MaskRule]:
    """The paths of a rule; a column is the member of that name of the document itself."""
    columns = {f"$['{_escape(name)}']": mask for name, mask in rule.columns.items()}
    return {**rule.paths, **columns}


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


def _root(rules: Sequence[VolumeMask], key: bytes) -> Place:
    """All paths of all rules; where two lead to one value the first holds."""
    paths = {}
    for rule in rules:
        for text, mask in _rules_of(rule).items():
            if text not in paths:
                paths[text] = bind_json(text, mask, key)
    return Places(paths).root


def _start_json(rules: Sequence[VolumeMask], key: bytes) -> Masker:
    return JsonMasker(_root(rules, key))


def _start_ndjson(rules: Sequence[VolumeMask], key: bytes) -> Masker:
    return NdjsonMasker(_root(rules, key))


def _parts(rule: VolumeMask) -> Mapping[str, str]:
    return {**{text: mask.mask for text, mask in rule.paths.items()}, **{n: m.mask for n, m in rule.columns.items()}}


def _problems(rule: VolumeMask) -> list[str]:
    found = []
    if not rule.paths and not rule.columns:
        found.append('paths is missing: the values to mask, such as {"$.user.email" = "email"}')
    for text, mask in _rules_of(rule).items():
        try:
            steps = read_path(text)
        except MaskDoesNotFit as error:
            found.append(error.message)
            continue
        if not steps and mask.mask == "drop":
            found.append(f"{text}: drop would leave no document; use null")
    return found


JSON = Format(_start_json, _parts, _problems)
NDJSON = Format(_start_ndjson, _parts, _problems)
