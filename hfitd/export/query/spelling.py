"""When two spellings are one column.

Whatever looks columns up or tells them apart does so by key: a query of 16 KiB can name thousands of tables' thousands
of columns, and comparing each with each would hold everybody else up (S30).
"""

from __future__ import annotations

from collections.abc import Iterable

from hfitd.engines.interface import Dialect


def column_key(dialect: Dialect, name: str) -> str:
    """Equal for two names when they mean one column or output: on MySQL and SQLite case never tells columns apart,
    whatever it does for tables."""
    return name if dialect.name == "postgresql" else name.lower()


def same_column(dialect: Dialect, left: str, right: str) -> bool:
    """Whether two names mean one column or output."""
    return column_key(dialect, left) == column_key(dialect, right)


def distinct_names(dialect: Dialect, names: Iterable[str]) -> list[str]:
    """The names, in order; doubles get ``_2``, ``_3``."""
    taken: set[str] = set()
    last: dict[str, int] = {}  # by key, the number that was given last
    found: list[str] = []
    for name in names:
        key, candidate = column_key(dialect, name), name
        number = last.get(key, 1)
        while column_key(dialect, candidate) in taken:
            number += 1
            candidate = f"{name}_{number}"
        last[key] = number
        taken.add(column_key(dialect, candidate))
        found.append(candidate)
    return found
