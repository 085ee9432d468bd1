"""When two spellings are one column."""

from __future__ import annotations

from hfitd.engines.interface import Dialect


def same_column(dialect: Dialect, left: str, right: str) -> bool:
    """Whether two names mean one column or output: on MySQL and SQLite case never tells columns apart, whatever it
    does for tables."""
    if dialect.name == "postgresql":
        return left == right
    return left == right or left.lower() == right.lower()
