"""Where finished packages lie for all instances, when that is not a folder they share.

A depot holds whole files under the names that the index has. Each instance keeps what it serves in its own folder: what
it does not have there it fetches once. Nothing that comes from a depot is believed before its digest is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file in a depot. ``modified`` in seconds since 1970."""

    name: str
    size: int
    modified: float


class Depot(Protocol):
    """Every method raises StoreUnavailable when the depot does not answer."""

    async def put(self, name: str, path: Path) -> None:
        """Keep a file under a name."""

    async def fetch(self, name: str, path: Path, size: int) -> bool:
        """Give ``path`` the content of that name, complete from the first moment; False when there is none of this
        size."""

    async def remove(self, name: str) -> None:
        """Forget a file; it may be gone already."""

    async def kept(self) -> Sequence[KeptFile]:
        """All files."""
