"""CSV as RFC 4180 has it, with a header: columns by name.

1. A name is compared without case, outer blanks and in NFC, and every column of that name is masked; a rule whose
   column is not in the header refuses the file, or a renamed column would pass.
2. A record with more or fewer fields than the header is refused: its fields belong to no column for certain. So are a
   quote inside a field without quotes, text after a closing quote and a lone carriage return, which other readers
   understand in other ways.
3. A field that no rule covers keeps its bytes. A masked one has quotes if it had them or needs them. Blank lines stay.
4. Files that were put together may have a header in the middle. The same once more is a record like others; one with
   the same names in another order is refused, for the columns below it are others.
5. NULL is an empty field without quotes; it stays, except under ``const``. ``drop`` takes the column away.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from hfitd.config.model import VolumeMask
from hfitd.masks.derive import fold_person
from hfitd.volumes.masked.interface import MAX_RECORD, Format, refuse
from hfitd.volumes.masked.values import TextMask, bind_text

BOM = b"\xef\xbb\xbf"
_AROUND_NAMES = BOM + b'" '
_DELIMITERS = (",", ";", "\t", "|", ":")


class CsvMasker:
    """See ``interface.Masker``."""

    def __init__(self, columns: Mapping[str, TextMask], delimiter: bytes) -> None:
        self.dropped = 0
        self._columns = {fold_name(name.encode()): mask for name, mask in columns.items()}
        self._delimiter = delimiter
        safe = re.escape(delimiter)
        self._field = re.compile(rb'("(?:[^"]++|"")*+"|[^"\r\n' + safe + rb"]*+)(" + safe + rb"|\r?\n)")
        self._needs_quotes = re.compile(rb'["\r\n' + safe + rb"]")
        self._buffer = b""
        self._line = 1
        self._began = False
        self._width = 0
        self._names: list[bytes] = []
        self._known: frozenset[bytes] = frozenset()
        self._masks: list[tuple[int, TextMask, int]] = []  # column, mask, column of its subject or -1
        self._kept: list[int] | None = None  # columns that stay, when some are dropped

    def feed(self, data: bytes) -> bytes:
        """See ``interface.Masker``."""
        self._buffer += data
        if not self._began:
            if len(self._buffer) < len(BOM):
                return b""
            return self._skip_bom() + self._records()
        return self._records()

    def finish(self) -> bytes:
        """See ``interface.Masker``. The last line needs no line end."""
        out = b"" if self._began else self._skip_bom()
        if not self._buffer:
            return out
        self._buffer += b"\n"  # the regular expression wants one
        out += self._records()
        if self._buffer:
            raise refuse("a quoted field does not end or a record is not CSV", self._line)
        return out[:-1]

    def _skip_bom(self) -> bytes:
        self._began = True
        if not self._buffer.startswith(BOM):
            return b""
        self._buffer = self._buffer[len(BOM) :]
        return BOM

    def _records(self) -> bytes:
        """Every complete record of the buffer."""
        out: list[bytes] = []
        buffer, start = self._buffer, 0
        while (newline := buffer.find(b"\n", start)) >= 0:
            line = buffer[start:newline]
            if b'"' not in line and b"\r" not in line[:-1]:
                ending = b"\n"
                if line.endswith(b"\r"):
                    line, ending = line[:-1], b"\r\n"
                fields, end = line.split(self._delimiter), newline + 1
            else:
                found = self._fields(buffer, start)
                if found is None:
                    break
                fields, ending, end = found
            out.append(self._record(fields, ending))
            self._line += buffer.count(b"\n", start, end)
            start = end
        self._buffer = buffer[start:]
        if len(self._buffer) > MAX_RECORD:
            raise refuse(f"a record does not end within {MAX_RECORD} bytes or is not CSV", self._line)
        return b"".join(out)

    def _fields(self, buffer: bytes, position: int) -> tuple[list[bytes], bytes, int] | None:
        """The fields of a record with quotes, its line end and where the next begins; None when it is not complete."""
        fields = []
        while found := self._field.match(buffer, position):
            fields.append(found[1])
            position = found.end()
            if found[2] != self._delimiter:
                return fields, found[2], position
        return None

    def _record(self, fields: list[bytes], ending: bytes) -> bytes:
        if fields == [b""]:  # 3
            return ending
        if not self._width:
            self._read_header(fields)
        elif len(fields) != self._width:  # 2
            raise refuse("a record has another number of fields than the header", self._line)
        else:
            if fields[0].strip(_AROUND_NAMES).lower() in self._known:
                self._refuse_other_order(fields)
            given = list(fields)
            for number, mask, subject in self._masks:
                fields[number] = self._mask(mask, given[number], given[subject] if subject >= 0 else b"")
        if self._kept is not None:
            fields = [fields[number] for number in self._kept]
        return self._delimiter.join(fields) + ending

    def _read_header(self, fields: list[bytes]) -> None:
        names = [fold_name(_unquote(field)) for field in fields]
        subjects = {fold_name(mask.subject.encode()) for mask in self._columns.values() if mask.subject}
        if not (self._columns.keys() | subjects) <= set(names):  # 1
            raise refuse("its header has not every column that the rule names", self._line)
        self._width, self._names, self._known = len(fields), names, frozenset(names)
        found = [(number, self._columns[name]) for number, name in enumerate(names) if name in self._columns]
        self._masks = [
            (number, mask, names.index(fold_name(mask.subject.encode())) if mask.subject else -1)
            for number, mask in found
            if not mask.drops
        ]
        dropped = {number for number, mask in found if mask.drops}
        if len(dropped) == len(fields):
            raise refuse("every column of it is to be dropped", self._line)
        if dropped:
            self._kept = [number for number in range(len(fields)) if number not in dropped]

    def _refuse_other_order(self, fields: Sequence[bytes]) -> None:
        """4"""
        fields = [fields[0].removeprefix(BOM), *fields[1:]]
        names = [fold_name(_unquote(field)) for field in fields]
        if names != self._names and sorted(names) == sorted(self._names):
            raise refuse("a second header names its columns in another order", self._line)

    def _mask(self, mask: TextMask, field: bytes, subject: bytes) -> bytes:
        if mask.constant:
            return self._quote(mask.cover(b""), quoted=False)
        if not field:  # 5
            return field
        covered = mask.cover(_unquote(field), _unquote(subject) if subject else None)
        return self._quote(covered, quoted=field.startswith(b'"'))

    def _quote(self, value: bytes | None, *, quoted: bool) -> bytes:
        if value is None:
            return b""
        if quoted or not value or self._needs_quotes.search(value):
            return b'"' + value.replace(b'"', b'""') + b'"'
        return value


def fold_name(name: bytes) -> bytes:
    """How names of columns are compared (1)."""
    return fold_person(name)


def _unquote(field: bytes) -> bytes:
    return field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field


def _start(rules: Sequence[VolumeMask], key: bytes) -> CsvMasker:
    """All columns of all rules; of two masks for one column the first holds."""
    columns: dict[str, TextMask] = {}
    for rule in rules:
        for name, mask in rule.columns.items():
            columns.setdefault(unicodedata.normalize("NFC", name), bind_text(mask, key))
    if len({rule.delimiter for rule in rules}) > 1:
        raise refuse("two rules name different delimiters for it")
    return CsvMasker(columns, rules[0].delimiter.encode())


def _problems(rule: VolumeMask) -> list[str]:
    if not rule.columns:
        return ["columns is missing: the columns to mask, by name"]
    if rule.delimiter not in _DELIMITERS:
        return [f"delimiter is one of {', '.join(map(repr, _DELIMITERS))}"]
    return []


CSV = Format(_start, lambda rule: {name: mask.mask for name, mask in rule.columns.items()}, _problems)
