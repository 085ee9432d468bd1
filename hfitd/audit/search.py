"""Reading the audit log back: the newest records that fit, across instances' files of one folder."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from pathlib import Path

from hfitd.audit.segments import SEGMENT_NAME
from hfitd.errors import AuditUnavailable


def search_audit(
    directory: Path, *, email: str = "", action: str = "", since: str = "", limit: int = 100
) -> list[dict[str, object]]:
    """The newest ``limit`` records, oldest first; empty filters fit all. ``since`` is an ISO 8601 time in UTC.

    An ``end`` fits when its ``begin`` does, as far as both are among the files. Blocks; use a thread. Does not check
    the chain, ``verify_audit`` does. AuditUnavailable when the folder cannot be read.
    """
    try:
        fitting = (record for record in _matching(directory, email, action) if str(record.get("time", "")) >= since)
        newest = heapq.nlargest(limit, fitting, key=lambda record: (str(record.get("time", "")), _number(record)))
    except OSError as error:
        raise AuditUnavailable("The audit folder cannot be read.") from error
    return newest[::-1]


def _matching(directory: Path, email: str, action: str) -> Iterator[dict[str, object]]:
    begun: dict[tuple[object, object], dict[str, object]] = {}
    for record in _read_all(directory):
        subject = record
        if record.get("kind") == "begin":
            begun[record.get("instance"), record.get("seq")] = record
        elif record.get("kind") == "end":
            subject = begun.pop((record.get("instance"), record.get("begin")), record)
        if email in ("", subject.get("email")) and action in ("", subject.get("action")):
            yield record


def _number(record: dict[str, object]) -> int:
    seq = record.get("seq")
    return seq if isinstance(seq, int) else 0


def _read_all(directory: Path) -> Iterator[dict[str, object]]:
    for path in sorted(path for path in directory.iterdir() if SEGMENT_NAME.fullmatch(path.name)):
        with path.open("rb") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # the end of a line that is being written
                if isinstance(record, dict):
                    yield record
