"""What can be wrong with a subset before any source is asked."""

from __future__ import annotations

from collections.abc import Iterator

from hfitd.export.naming import split_prefix
from hfitd.export.subset.keys import read_place
from hfitd.export.template.model import Subset

Problem = tuple[tuple[str | int, ...], str]


def subset_problems(key: str, subset: Subset) -> Iterator[Problem]:
    """Each mistake with its place below the export's data; an empty place is the export itself."""
    if not key.lower().endswith(".sql"):
        yield (), "a subset is written as SQL: its name has to end in .sql"
    for number, entry in enumerate(subset.virtual_keys):
        for end in ("from", "to"):
            try:
                read_place(split_prefix(str(entry[end]))[2])
            except ValueError as problem:
                yield ("virtual_keys", number, end), str(problem)
