"""The newest records as they lie in the files, and those that come. Blocks; use a thread or a command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hfitd.audit.segments import SEGMENT_NAME
from hfitd.errors import AuditUnavailable

_POLL_SECONDS = 0.3
Fields = dict[str, object]


def newest_records(directory: Path, limit: int, *, email: str = "") -> list[Fields]:
    """The newest ``limit`` records of a folder, oldest first; with ``email`` those of one person and their ends.

    Segments are read from the newest back, as far as that takes. AuditUnavailable when the folder cannot be read.
    """
    found: list[Fields] = []
    try:
        for paths in _segments(directory).values():
            mine: list[Fields] = []
            for path in reversed(paths):
                mine = [*_of_person(_read(path, 0)[0], email), *mine]
                if len(mine) >= limit:
                    break
            found += mine[max(len(mine) - limit, 0) :]
    except OSError as error:
        raise AuditUnavailable("The audit folder cannot be read.") from error
    found.sort(key=lambda record: str(record.get("time", "")))
    return found[max(len(found) - limit, 0) :]


def follow_records(directory: Path, *, going: Callable[[], bool] = lambda: True) -> Iterator[Fields]:
    """Records written from now on, as they come, while ``going``; AuditUnavailable when the folder cannot be read."""
    try:
        places = {path: path.stat().st_size for paths in _segments(directory).values() for path in paths[-1:]}
        known = {path for paths in _segments(directory).values() for path in paths}
        while going():
            for paths in _segments(directory).values():
                for path in paths:
                    if path in known and path not in places:
                        continue
                    known.add(path)
                    records, places[path] = _read(path, places.get(path, 0))
                    yield from records
            time.sleep(_POLL_SECONDS)
    except OSError as error:
        raise AuditUnavailable("The audit folder cannot be read.") from error


def _segments(directory: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.iterdir()):
        match = SEGMENT_NAME.fullmatch(path.name)
        if match:
            found.setdefault(match["instance"], []).append(path)
    return found


def _read(path: Path, start: int) -> tuple[Iterator[Fields], int]:
    """The whole lines from ``start``, and where the next begins."""
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return _parse(whole.splitlines()), start + len(whole)


def _parse(lines: list[bytes]) -> Iterator[Fields]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def _of_person(records: Iterator[Fields], email: str) -> Iterator[Fields]:
    begun: set[object] = set()
    for record in records:
        mine = email in ("", record.get("email"))
        if mine and record.get("kind") == "begin":
            begun.add(record.get("seq"))
        if record.get("kind") == "end":
            mine = not email or record.get("begin") in begun
            begun.discard(record.get("begin"))
        if mine:
            yield record
