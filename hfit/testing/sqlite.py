"""SQLite: a file that is not there is copied from one loaded once a session; one that is there is saved first."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hfit.load.interface import LoadReport, Target
from hfit.testing.databases import Filling, Way, read_report, write_report

_BESIDE = ("-wal", "-shm", "-journal")


class SqliteIsolation:
    """By file copy."""

    @contextlib.contextmanager
    def filled(self, filling: Filling) -> Iterator[LoadReport]:
        """A copy of the loaded file, or the file as it was afterwards."""
        path = Path(filling.target.database)
        if filling.mode == "create" and filling.way is not Way.RELOAD and not path.exists():
            try:
                yield _copied(filling, path)
            finally:
                _remove(path)
            return
        with tempfile.TemporaryDirectory(prefix="hfit-") as folder:
            saved = Path(folder) / "saved"
            existed = path.exists()
            if existed:
                _copy_database(path, saved)
            try:
                yield filling.run()
            finally:
                if existed:
                    _copy_database(saved, path)
                else:
                    _remove(path)


    def look(self, target: Target) -> object:
        """Nothing: a copy of the file is cheaper than any comparison."""

    def settle(self, target: Target, before: object) -> bool:
        """Always copied again."""
        return False


def _copied(filling: Filling, path: Path) -> LoadReport:
    with filling.room.turn("sqlite", *filling.content) as place:
        loaded, kept = place / "loaded.db", place / "report.json"
        if not kept.exists():
            _remove(loaded)
            target = replace(filling.target, database=str(loaded))
            write_report(kept, filling.run(target))
        shutil.copyfile(loaded, path)
        return read_report(kept, Target("sqlite", str(path)))


def _copy_database(source: Path, target: Path) -> None:
    """By SQLite's own backup, which is right also with a write-ahead log and open connections."""
    with (
        contextlib.closing(sqlite3.connect(source)) as one,
        contextlib.closing(sqlite3.connect(target)) as other,
    ):
        one.backup(other)


def _remove(path: Path) -> None:
    for suffix in ("", *_BESIDE):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
