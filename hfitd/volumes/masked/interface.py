"""What a format is: a machine that is fed a file in pieces and gives back the masked file in pieces.

What a format promises:

1. It never lets a byte out before it knows which part of a record the byte belongs to, and that no rule covers it.
2. What is not as the format demands is FileNotMaskable, never passed through; the line is named, its text is not.
3. Bytes that no rule covers come out as they went in: quotes, blanks, line ends, numbers, order, duplicates.
4. It holds at most one record, and refuses one that is longer than its cap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hfitd.config.model import VolumeMask
from hfitd.errors import FileNotMaskable

MAX_RECORD = 16 * 1024 * 1024  # bytes of one CSV record, NDJSON line or JSON text
MAX_LINE = 256 * 1024  # bytes of one log line


class Masker(Protocol):
    """One file on its way through the rules."""

    @property
    def dropped(self) -> int:
        """Records left out because no rule fitted them; logs only."""

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the file; what is known to be safe of the masked one. FileNotMaskable."""

    def finish(self) -> bytes:
        """The file has ended: the rest. FileNotMaskable when it ended inside a record."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of the table.

    ``parts`` are the names, columns or paths of a rule with their masks, as manifests list them; ``problems`` what is
    wrong with a rule; ``start`` a machine for several rules of one file under the mask key.
    """

    start: Callable[[Sequence[VolumeMask], bytes], Masker]
    parts: Callable[[VolumeMask], Mapping[str, str]]
    problems: Callable[[VolumeMask], Sequence[str]]


def refuse(why: str, line: int | None = None) -> FileNotMaskable:
    """The error for a file that is not what its rule says."""
    place = f" (line {line})" if line is not None else ""
    return FileNotMaskable(
        f"This file has parts to be masked, and {why}{place}; it is not served.",
        suggestions=("Ask the data owner to correct the file, or the mask rule of the volume.",),
    )
