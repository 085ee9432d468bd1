"""The residual scan: does a finished package hold raw values of columns that it masks, or personal-looking text?

An alarm, not a fence: masks are what keeps values in, this looks whether one came along all the same, in a column or
file that nobody classified. What it looks at is bounded, so that it costs next to nothing:

1. While rows are masked, the hash of every distinctive raw value is kept (``watch``): Python's own, keyed anew in each
   process, up to ``MAX_VALUES`` in a package. The values themselves are not kept. Where the database computes a mask
   the value does not come here at all, and only (4) can say something.
2. While members are written, their words and fields are hashed likewise (``tap``): all of the first ``HEAD`` bytes,
   then ``WINDOW`` bytes of every ``STRIDE``, by position, so that the same member is always looked at in the same way.
   A package without masks has no raw values to find, so its words are passed over.
3. At the end the two are compared. A pseudonym that happens to be somebody's raw value is no finding.
4. E-mail addresses, account and card numbers with valid check digits, international phone numbers and secrets in the
   same windows are findings too, but for reserved domains, for pseudonyms, and for kinds of which the member has a
   column that its owner lets be seen.
5. A finding has a member, a kind, a column and a count. It never has a value.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hfitd.access.classification import personal_class
from hfitd.engines.interface import Output, Select
from hfitd.export.package.residue_words import find_forms, read_words
from hfitd.masks.interface import Cell
from hfitd.model import Json, Kind, Sink

MAX_VALUES = 100_000
MAX_PSEUDONYMS = 1_000_000
HEAD = 256 * 1024
STRIDE = 8 * 1024 * 1024
WINDOW = 16 * 1024
_SHORTEST, _LONGEST = 6, 64
_FEWEST_DIGITS = 9
RAW_VALUE = "raw value"
_QUOTES = re.compile(r"[\"`]")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One finding. ``column`` is the masked column whose raw value was seen."""

    member: str
    kind: str
    count: int
    column: str = ""

    def document(self) -> dict[str, Json]:
        """As the manifest has it."""
        document: dict[str, Json] = {"member": self.member, "kind": self.kind, "count": self.count}
        return document | ({"column": self.column} if self.column else {})


@dataclass(slots=True)
class _Member:
    """What was seen of one member: hashes of its words, and of what has a personal form, by kind."""

    words: array[int] = field(default_factory=lambda: array("q"))
    forms: list[tuple[str, int]] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)


class Residue:
    """Collects for one package. ``mode`` is ``policy.residual_scan``: "alarm", "refuse" or "off". ``masks`` says
    whether anything in the package is masked (2)."""

    def __init__(self, mode: str, *, masks: bool = True) -> None:
        self.refuses = mode == "refuse"
        self._on = mode != "off"
        self._masks = masks
        self._values: dict[int, int] = {}  # hash of a raw value -> its column
        self._columns: list[str] = []
        self._pseudonyms = array("q")
        self._members: dict[str, _Member] = {}
        self.found: tuple[Alarm, ...] = ()  # once asked for

    def watch(self, select: Select, provider: str, sink: Sink) -> Select:
        """The same statement for a sink that came from ``tap``; raw values of its masked outputs are noted."""
        if not isinstance(sink, _Tap):
            return select
        sink.member.expected |= {kind for output in select.outputs if (kind := _shown_kind(output)) is not None}
        table = sink.table or _QUOTES.sub("", select.into)
        place = f"{provider}/{table}" if table else provider
        return replace(select, outputs=tuple(self._watched(output, place) for output in select.outputs))

    def tap(self, path: str, table: str, sink: Sink) -> Sink:
        """The same sink; what is written of the member is looked at. ``table`` is its table, if it has only one."""
        return _Tap(sink, self._members.setdefault(path, _Member()), table, masks=self._masks) if self._on else sink

    def alarms(self) -> tuple[Alarm, ...]:
        """What was found; to be asked when every member is written."""
        full = len(self._pseudonyms) >= MAX_PSEUDONYMS
        pseudonyms = frozenset(self._pseudonyms)
        found: list[Alarm] = []
        for path, member in sorted(self._members.items()):
            hits = Counter(
                self._columns[self._values[word]]
                for word in member.words
                if word in self._values and word not in pseudonyms
            )
            found += [Alarm(path, RAW_VALUE, count, column) for column, count in sorted(hits.items())]
            kinds = Counter(kind for kind, word in member.forms if word not in pseudonyms)
            if full:  # some pseudonyms were not noted, and those of digits look like what they stand for
                kinds = Counter({kind: count for kind, count in kinds.items() if kind.startswith(("e-mail", "secret"))})
            found += [Alarm(path, kind, count) for kind, count in sorted(kinds.items()) if kind not in member.expected]
        self.found = tuple(found)
        return self.found

    def _watched(self, output: Output, place: str) -> Output:
        if output.cell is None or output.column is None or output.column.kind not in {Kind.TEXT, Kind.UUID}:
            return output
        number = len(self._columns)
        self._columns.append(f"{place}.{output.column.name}")
        return replace(output, cell=self._noting(output.cell, number))

    def _noting(self, cell: Cell, column: int) -> Cell:
        """The mask with a note of what goes in; of what comes out too where it has the length of the value.

        Distinctive is what is no single plain word and no short number. It is written out here: this runs per cell.
        """
        values, pseudonyms = self._values, self._pseudonyms
        note, append = values.setdefault, pseudonyms.append

        def noted(value: bytes) -> bytes:
            masked = cell(value)
            size = len(value)
            if _SHORTEST <= size <= _LONGEST and not value.isalpha():
                if len(values) < MAX_VALUES and (size >= _FEWEST_DIGITS or not value.isdigit()):
                    note(hash(value), column)
                if len(masked) == size and len(pseudonyms) < MAX_PSEUDONYMS:
                    append(hash(masked))
            return masked

        return noted


def _shown_kind(output: Output) -> str | None:
    """4: the kind that a column which is shown as it is has by its name."""
    if output.cell is not None or output.row_cell is not None or output.hidden or output.column is None:
        return None
    return personal_class("", output.column)


class _Tap:
    """A sink that passes everything on and looks at the windows (2)."""

    def __init__(self, sink: Sink, member: _Member, table: str, *, masks: bool) -> None:
        self.member = member
        self._masks = masks
        self.table = table
        self._sink = sink
        self._offset = 0
        self._unit: list[bytes] = []
        self._missing = WINDOW  # bytes until the current window is whole
        self._next = 0  # where it goes on

    async def write(self, data: bytes) -> None:
        """Look, then pass on."""
        end = self._offset + len(data)
        while self._next < end:
            start = max(self._next - self._offset, 0)
            piece = data[start : start + self._missing]
            self._unit.append(piece)
            self._missing -= len(piece)
            self._next += len(piece)
            if self._missing == 0:
                self._look()
        self._offset = end
        await self._sink.write(data)

    def finish(self) -> None:
        """Look at the last window, which the end of the member cut short."""
        if self._unit:
            self._look()

    def _look(self) -> None:
        unit = b"".join(self._unit)
        self._unit, self._missing = [], WINDOW
        if self._next >= HEAD:
            self._next = (self._next // STRIDE + 1) * STRIDE
        if self._masks:
            self.member.words.extend(map(hash, read_words(unit)))
        self.member.forms += [(kind, hash(word)) for kind, word in find_forms(unit)]


def finish_tap(sink: Sink) -> None:
    """Tell a sink that came from ``tap`` that its member is complete."""
    if isinstance(sink, _Tap):
        sink.finish()


def count_alarms(alarms: Iterable[Alarm]) -> dict[str, int]:
    """How many findings there are of each kind."""
    counts: Counter[str] = Counter()
    for alarm in alarms:
        counts[alarm.kind] += alarm.count
    return dict(sorted(counts.items()))


def describe_alarms(alarms: Sequence[Alarm]) -> str:
    """For the audit record: members, kinds, columns and counts."""
    return "; ".join(
        f"{alarm.member}: {alarm.count} of {alarm.kind}{f' of {alarm.column}' if alarm.column else ''}"
        for alarm in alarms
    )
