"""Entries of a listing as NDJSON (contract section 2), as ``json.dumps`` would write them, without a dictionary for
each: listings have millions. ``modtime`` is whole unix seconds; ``raw_path`` and ``error`` stand where they tell
anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as _text

from hfitd.volumes.interface import FileEntry


class AsLines:
    """What a scan gives for each entry: its line; see ``scan.Shape``."""

    def below(self, prefix: str) -> Callable[[str, os.stat_result], str]:
        """Name and status of a plain file in a folder -> its line. Escapes are by character, so parts can be joined."""
        folder = _text(prefix)[:-1]

        def line(name: str, status: os.stat_result) -> str:
            text = _text(name)
            return (
                f'{{"name": {text}, "path": {folder}{text[1:]}, "size": {status.st_size}, '
                f'"modtime": {int(status.st_mtime)}, "isdir": false}}\n'
            )

        return line

    def of(self, entry: FileEntry) -> str:
        """The line of any entry."""
        name, path, size, modtime, isdir, raw_path, error = entry
        rest = "".join(
            f', "{key}": {_text(value)}' for key, value in (("raw_path", raw_path), ("error", error)) if value
        )
        return (
            f'{{"name": {_text(name)}, "path": {_text(path)}, "size": {size}, "modtime": {int(modtime)}, '
            f'"isdir": {"true" if isdir else "false"}{rest}}}\n'
        )


LINES = AsLines()


def render(entries: Sequence[FileEntry]) -> bytes:
    """The lines of some entries."""
    return join([LINES.of(entry) for entry in entries])


def join(lines: Sequence[str]) -> bytes:
    """Some lines in one piece."""
    return "".join(lines).encode()
