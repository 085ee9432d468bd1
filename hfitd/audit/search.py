"""Questions to the audit log: who got rows of a table last month, with which columns raw.

1. What was begun and how it ended is one entry. Entries come in the order in which they ended, those still open last.
2. The files are read forward, a line at a time; in memory are only the operations that fit and have not ended.
   Segments that ended before ``since`` are not read.
3. An entry with more objects than a record holds fits every question about an object: nobody hides what they took in a
   crowd of other names.
4. Of several instances' files in one folder the entries are merged by time. A page ends with a cursor; what follows it
   is found again by it, also when a clock was set back.

Nothing here checks the chain, ``verify_audit`` does. Everything blocks; use a thread.
"""

from __future__ import annotations

import fnmatch
import heapq
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hfitd.audit.segments import SEGMENT_NAME, segment_numbers, segment_path
from hfitd.errors import AuditUnavailable, BadRequest

Fields = dict[str, object]
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_HIDDEN = frozenset(("kind", "hash", "boot", "begin"))
_FROM_BEGIN = frozenset(("instance", "seq", "time"))


@dataclass(frozen=True, slots=True)
class Question:
    """What an entry has to be; empty fits all.

    ``about`` is a glob on ``PROVIDER/SCHEMA/TABLE``, ``SCHEMA.TABLE``, ``TABLE`` or ``VOLUME/PATH``; ``action`` a glob;
    ``since`` and ``until`` are times as ``parse_moment`` makes them, of the beginning; ``package`` is an id or a
    digest; ``raw`` wants columns that were given without their mask; ``after`` is the cursor of the entry before, and
    ``before`` that of the entry after, with which nothing that is still open is found.
    """

    email: str = ""
    action: str = ""
    about: str = ""
    since: str = ""
    until: str = ""
    package: str = ""
    raw: bool = False
    after: str = ""
    before: str = ""

    def concerns(self, begin: Mapping[str, object]) -> bool:
        """Whether the beginning of an operation fits."""
        time, objects = str(begin.get("time", "")), _texts(begin.get("objects"))
        return (
            self.email in ("", begin.get("email"))
            and (not self.action or fnmatch.fnmatchcase(str(begin.get("action", "")), self.action))
            and self.since <= time
            and (not self.until or time < self.until)
            and (not self.raw or bool(begin.get("raw")))
            and (
                not self.about
                or is_shortened(begin.get("objects"))  # 3
                or any(_names(text, self.about) for text in objects)
            )
        )

    def wants(self, entry: Mapping[str, object]) -> bool:
        """Whether the whole entry fits, too."""
        details = entry.get("details")
        known = [entry.get("package_digest")]
        if isinstance(details, Mapping):
            known += [details.get("package"), details.get("package_digest")]
        return not self.package or self.package in known


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation from its beginning to its end. ``cursor`` is empty while it is open."""

    fields: Fields
    cursor: str = ""


def parse_moment(text: str, now: datetime) -> str:
    """``2026-01-31``, ``2026-01-31T12:00`` (UTC unless it says otherwise) or ``30d``, ``12h``, ``90m`` ago, as records
    write it; BadRequest."""
    ago = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    try:
        if ago:
            moment = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError) as error:
        raise BadRequest("A time is 2026-01-31, 2026-01-31T12:00 or 30d, 12h, 90m ago.") from error


def search_audit(directory: Path, question: Question) -> Iterator[Entry]:
    """Every entry that fits, as they are found; AuditUnavailable when the folder cannot be read."""
    try:
        matches = (SEGMENT_NAME.fullmatch(path.name) for path in directory.iterdir())
        names = sorted({match["instance"] for match in matches if match})
        ended = heapq.merge(*(_Chain(directory, name, question).entries() for name in names), key=_place)
        waiting: list[Entry] = []
        end = _place_of(question.before) if question.before else None
        for place, entry in ended:
            if end is not None and place >= end:
                return
            if not entry.cursor:
                waiting.append(entry)
            elif not question.after or place > _place_of(question.after):
                yield entry
        if end is None:
            yield from waiting
    except OSError as error:
        raise AuditUnavailable("The audit folder cannot be read.") from error


Place = tuple[str, str, int]


def _place(item: tuple[Place, Entry]) -> Place:
    return item[0]


def _place_of(cursor: str) -> Place:
    time, _, rest = cursor.partition("/")
    instance, _, seq = rest.rpartition("/")
    if not (time and instance and seq.isascii() and seq.isdigit() and len(seq) < 16):
        raise BadRequest("This is no cursor of an earlier answer.", resource="after")
    return time, instance, int(seq)


class _Chain:
    """The entries of one instance."""

    def __init__(self, directory: Path, instance: str, question: Question) -> None:
        self._directory = directory
        self._instance = instance
        self._question = question
        self._open: dict[object, Fields] = {}
        self._latest = ""  # the latest time so far, so that order survives a clock that was set back (4)

    def entries(self) -> Iterator[tuple[Place, Entry]]:
        """Those that fit, each with its place in the order."""
        for number in self._numbers():
            for record in _read(segment_path(self._directory, self._instance, number)):
                self._latest = max(self._latest, str(record.get("time", "")))
                entry = self._follow(record)
                if entry is not None and self._question.wants(entry):
                    place = (self._latest, self._instance, _number(record))
                    yield place, Entry(entry, "/".join(map(str, place)))
            if self._question.until and self._latest >= self._question.until and not self._open:
                return
        for begin in self._open.values():
            entry = _shown(begin) | {"outcome": "open"}
            if self._question.wants(entry):
                yield ("~", self._instance, _number(begin)), Entry(entry)

    def _follow(self, record: Fields) -> Fields | None:
        kind = record.get("kind")
        if kind == "begin" and self._question.concerns(record):
            self._open[record.get("seq")] = record
        elif kind == "note" and self._question.concerns(record):
            return _shown(record)
        elif kind == "end" and (begin := self._open.pop(record.get("begin"), None)) is not None:
            ended = {name: value for name, value in _shown(record).items() if name not in _FROM_BEGIN}
            return {**_shown(begin), "ended": record.get("time"), **ended}
        return None

    def _numbers(self) -> list[int]:
        """2: the segments from the last that began before ``since`` with nothing open before it."""
        numbers = segment_numbers(self._directory, self._instance)
        first = 0
        if self._question.since:
            for place in range(len(numbers) - 1, 0, -1):
                head, time = self._head(numbers[place])
                if not head.get("open") and time and time <= self._question.since:
                    first = place
                    break
        return numbers[first:]

    def _head(self, number: int) -> tuple[Fields, str]:
        """The first record of a segment, and the first time in it."""
        records = _read(segment_path(self._directory, self._instance, number))
        head = next(records, {})
        return head, next((str(record["time"]) for record in records if "time" in record), "")


def _shown(record: Fields) -> Fields:
    return {name: value for name, value in record.items() if name not in _HIDDEN}


def _read(path: Path) -> Iterator[Fields]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the end of a line that is being written
            if isinstance(record, dict):
                yield record


def _number(record: Fields) -> int:
    seq = record.get("seq")
    return seq if isinstance(seq, int) else 0


def is_shortened(value: object) -> bool:
    """Whether a list of the record is only the beginning of what it was (3)."""
    return isinstance(value, Mapping)


def _texts(value: object) -> list[str]:
    """A list of texts, also of a shortened one what is left of it."""
    if isinstance(value, Mapping):
        value = value.get("beginning")
    return [str(item) for item in value] if isinstance(value, list) else []


def _names(text: str, glob: str) -> bool:
    """Whether an object goes by this name: in full, as ``SCHEMA.TABLE``, or as its last part."""
    parts = text.split("/")
    names = {text, ".".join(parts[-2:]) if len(parts) == 3 else text, parts[-1]}
    return any(fnmatch.fnmatchcase(name, glob) for name in names)
