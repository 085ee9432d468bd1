"""Keys that a walk holds: in memory, and beyond a limit on disk, with the same answers in the same order.

A ``KeyTable`` keeps keys in the order they were added, each with two whole numbers. In memory a key of one short
column costs about 130 bytes. When all tables of a walk together pass ``SPILL_ROWS``, every one of them moves to a
SQLite file, where a key costs memory no more. The file holds raw keys: it has no name as soon as it is open, so
nothing of it is left however the process ends.

Rows that were found are such a table: a row's number is its place. ``first`` is its step: twice the edge's number,
plus one when it was reached upwards, -1 for a root. ``second`` is the number of the row it was reached from, in the
table at the other end of that edge.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path

from hfitd.engines.interface import Row
from hfitd.export.spool import SPILL_ROWS

Key = str | tuple[str, ...]
NO_STEP = -1
PORTION = 10_000
_CACHE_KIB = 16 * 1024


def pack(values: Sequence[str]) -> Key:
    """Values as a key: a single one stands for itself, which saves a tuple."""
    return values[0] if len(values) == 1 else tuple(values)


def unpack(key: Key) -> Row:
    """The values of a key."""
    return (key,) if isinstance(key, str) else key


def unpack_all(keys: Sequence[Key]) -> list[Row]:
    """The values of keys of one width."""
    if keys and isinstance(keys[0], str):
        return list(zip(keys, strict=True))  # type: ignore[arg-type]  # so are the others
    return list(keys)  # type: ignore[arg-type]  # these are tuples


class KeyStore:
    """Makes the key tables of one walk, and moves them to disk when they grow too large together.

    ``folder`` is where the file is made; without one it is where SQLite keeps temporary files.
    """

    def __init__(self, spill_rows: int = SPILL_ROWS, folder: Path | None = None) -> None:
        self._left = spill_rows
        self._folder = folder
        self._tables: list[KeyTable] = []
        self._made = 0
        self._file: sqlite3.Connection | None = None

    @property
    def spilled(self) -> bool:
        """Whether keys are on disk."""
        return self._file is not None

    def table(self) -> KeyTable:
        """A new, empty table."""
        self._made += 1
        table = KeyTable(self, f"t{self._made}")
        self._tables.append(table)
        if self._file is not None:
            table.spill(self._file)
        return table

    def grow(self, count: int) -> None:
        """So many keys more, or fewer, in memory."""
        self._left -= count
        if self._left < 0 and self._file is None:
            self._file = self._open()
            for table in self._tables:
                table.spill(self._file)

    def forget(self, table: KeyTable) -> None:
        """A table is no longer needed."""
        self._tables.remove(table)

    def close(self) -> None:
        """Drop the file. The tables are of no use any more."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> sqlite3.Connection:
        path = ""
        if self._folder is not None:
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix="keys-", delete=False) as made:
                path = made.name
        file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        file.execute("PRAGMA journal_mode = OFF")
        file.execute("PRAGMA synchronous = OFF")
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        file.execute("PRAGMA temp_store = FILE")
        file.execute("CREATE TABLE opened (number INTEGER)")
        if path:
            Path(path).unlink()
        return file


class KeyTable:
    """Keys in order; see the module. Made by a ``KeyStore``."""

    def __init__(self, store: KeyStore, name: str) -> None:
        self._store = store
        self._name = name
        self._numbers: dict[Key, int] = {}
        self._keys: list[Key] = []
        self._first = array("q")
        self._second = array("q")
        self._length = 0
        self._file: sqlite3.Connection | None = None

    def __len__(self) -> int:
        return self._length

    def find(self, keys: Sequence[Key]) -> list[int | None]:
        """The number of each key, None where it is not there."""
        if self._file is None:
            return list(map(self._numbers.get, keys))
        if not self._length:
            return [None] * len(keys)
        sql = f"SELECT t.number FROM json_each(?) AS g LEFT JOIN {self._name} AS t ON t.key = g.value ORDER BY g.key"  # noqa: S608 - our own name
        return [number for (number,) in self._file.execute(sql, (json.dumps(list(map(_spell, keys))),))]

    def unknown(self, keys: Sequence[Key]) -> Sequence[int]:
        """Where the keys stand that are not there, each at its first place."""
        if self._file is None:
            numbers, distinct = self._numbers, set(keys)
            if len(distinct) == len(keys) and numbers.keys().isdisjoint(distinct):
                return range(len(keys))
            places = [place for place, key in enumerate(keys) if key not in numbers]
        else:
            places = [place for place, number in enumerate(self.find(keys)) if number is None]
        once = {keys[place]: place for place in reversed(places)}
        return places if len(once) == len(places) else sorted(once.values())

    def add(self, keys: Sequence[Key], first: Sequence[int], second: Sequence[int]) -> None:
        """Keys that are not there, each once; ``first`` and ``second`` in their order."""
        start = self._length
        self._length += len(keys)
        if self._file is None:
            self._numbers.update(zip(keys, range(start, self._length), strict=True))
            self._keys.extend(keys)
            self._first.extend(first)
            self._second.extend(second)
            self._store.grow(len(keys))
        else:
            self._write(self._file, start, keys, first, second)

    def raise_second(self, numbers: Sequence[int], by: Sequence[int]) -> None:
        """Add to the second number of some keys."""
        if self._file is None:
            for number, more in zip(numbers, by, strict=True):
                self._second[number] += more
        else:
            sql = f"UPDATE {self._name} SET second = second + ? WHERE number = ?"  # noqa: S608 - our own name
            self._file.executemany(sql, zip(by, numbers, strict=True))

    def set_first(self, numbers: Sequence[int], value: int) -> None:
        """Change the first number of some keys."""
        if self._file is None:
            for number in numbers:
                self._first[number] = value
        else:
            sql = f"UPDATE {self._name} SET first = ? WHERE number = ?"  # noqa: S608 - our own name
            self._file.executemany(sql, zip(repeat(value), numbers, strict=False))

    def first_of(self, numbers: Sequence[int]) -> list[int]:
        """The first number of some keys."""
        if self._file is None:
            return [self._first[number] for number in numbers]
        sql = f"SELECT t.first FROM json_each(?) AS g JOIN {self._name} AS t ON t.number = g.value ORDER BY g.key"  # noqa: S608 - our own name
        return [first for (first,) in self._file.execute(sql, (json.dumps(list(numbers)),))]

    def portion(self, start: int, stop: int) -> tuple[Sequence[Key], Sequence[int], Sequence[int]]:
        """Keys with their numbers, from ``start`` to before ``stop``."""
        if self._file is None:
            return self._keys[start:stop], self._first[start:stop], self._second[start:stop]
        sql = f"SELECT key, first, second FROM {self._name} WHERE number >= ? AND number < ? ORDER BY number"  # noqa: S608 - our own name
        rows = self._file.execute(sql, (start, stop)).fetchall()
        return [_read(key) for key, _, _ in rows], [first for _, first, _ in rows], [second for _, _, second in rows]

    def portions(self, size: int = PORTION) -> Iterator[tuple[Sequence[Key], Sequence[int], Sequence[int]]]:
        """Everything in order, so many at a time."""
        for start in range(0, self._length, size):
            yield self.portion(start, min(start + size, self._length))

    def steps(self) -> set[int]:
        """Every first number there is."""
        if self._file is None:
            return set(self._first)
        return {first for (first,) in self._file.execute(f"SELECT DISTINCT first FROM {self._name}")}  # noqa: S608 - our own name

    def spill(self, file: sqlite3.Connection) -> None:
        """Move to disk."""
        file.execute(
            f"CREATE TABLE {self._name} (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, first INTEGER NOT NULL,"
            " second INTEGER NOT NULL)"
        )
        for start in range(0, self._length, PORTION):
            self._write(file, start, *self.portion(start, start + PORTION))
        self._file = file
        self._numbers, self._keys, self._first, self._second = {}, [], array("q"), array("q")

    def drop(self) -> None:
        """Forget everything; the table is of no use any more."""
        self._store.forget(self)
        if self._file is None:
            self._store.grow(-self._length)
        else:
            self._file.execute(f"DROP TABLE {self._name}")
        self._numbers, self._keys, self._length = {}, [], 0

    def _write(
        self, file: sqlite3.Connection, start: int, keys: Sequence[Key], first: Sequence[int], second: Sequence[int]
    ) -> None:
        numbers = range(start, start + len(keys))
        with _together(file):
            file.executemany(
                f"INSERT INTO {self._name} VALUES (?, ?, ?, ?)",  # noqa: S608 - our own name
                zip(numbers, map(_spell, keys), first, second, strict=True),
            )


@contextlib.contextmanager
def _together(file: sqlite3.Connection) -> Iterator[None]:
    file.execute("BEGIN")
    try:
        yield
    finally:
        file.execute("COMMIT")


def _spell(key: Key) -> str:
    """A key as text that holds no NUL and no lone surrogate."""
    return json.dumps(key)


def _read(spelt: str) -> Key:
    found = json.loads(spelt)
    return found if isinstance(found, str) else tuple(found)


class FoundRows:
    """The rows of one table in the order they were found."""

    def __init__(self, store: KeyStore) -> None:
        self.keys = store.table()
        self.copies: dict[int, int] = {}  # rows beyond the first that share a name

    def __len__(self) -> int:
        """How many names; see ``rows`` for how many rows."""
        return len(self.keys)

    @property
    def rows(self) -> int:
        """How many rows, equal ones counted one by one."""
        return len(self.keys) + sum(self.copies.values())

    def repeat(self, number: int) -> None:
        """One more row that shares the name of this one."""
        self.copies[number] = self.copies.get(number, 0) + 1
