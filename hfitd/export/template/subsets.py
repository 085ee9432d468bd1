"""What can be wrong with a subset before any source is asked."""

from __future__ import annotations

from collections.abc import Iterator

from hfitd.export.subset.keys import crosses_providers, read_place
from hfitd.export.template.model import Subset

Problem = tuple[tuple[str | int, ...], str]


def subset_problems(key: str, subset: Subset) -> Iterator[Problem]:
    """Each mistake with its place below the export's data; an empty place is the export itself."""
    if not key.lower().endswith(".sql"):
        yield (), "a subset is written as SQL: its name has to end in .sql"
    for number, entry in enumerate(subset.virtual_keys):
        for end in ("from", "to"):
            written = str(entry[end])
            here = ("virtual_keys", number, end)
            if crosses_providers(written):
                yield here, "names another provider; a virtual key stays within the provider of its export"
                continue
            try:
                read_place(written)
            except ValueError as problem:
                yield here, str(problem)
