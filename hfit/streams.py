"""NDJSON streams as the server sends them: lines, and the end record that proves nothing is missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from hfit.errors import AnswerMalformed, DigestMismatch

MAX_LINE_BYTES = 32 << 20
_END_PREFIX = b'{"_end":'


def split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines with their newline. Refuses a line above 32 MiB, and a last line without newline."""
    pending = bytearray()
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start) + 1) > 0:
            pending += chunk[start:end]
            yield bytes(pending)
            pending.clear()
            start = end
        pending += chunk[start:]
        if len(pending) > MAX_LINE_BYTES:
            raise AnswerMalformed(f"The server sent a line of more than {MAX_LINE_BYTES} bytes.")
    if pending:
        raise AnswerMalformed("The last line of the server's answer is cut short.")


def checked_lines(lines: Iterator[bytes], *, end_required: bool) -> Iterator[bytes]:
    """The data lines; the end record (contract 8.19) is checked and dropped.

    Only the last line can be the end record, so a row with a column ``_end`` stays a row. DigestMismatch when the rows
    or their digest differ from what the record says; AnswerMalformed when it is required and missing.
    """
    digest, rows = hashlib.sha256(), 0
    held: bytes | None = None
    for line in lines:
        if held is not None:
            digest.update(held)
            rows += 1
            yield held
        held = line
    if held is not None and held.startswith(_END_PREFIX):
        _check_end(held, rows, digest.hexdigest())
    elif end_required:
        raise AnswerMalformed(
            "The server's answer ends without its end record, so rows may be missing.",
            suggestions=["Run the command again."],
        )
    elif held is not None:
        yield held


def _check_end(line: bytes, rows: int, digest: str) -> None:
    try:
        end = json.loads(line)["_end"]
        said_rows, said_digest = end.get("rows"), end.get("sha256")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise AnswerMalformed("The end record of the server's answer is damaged.") from error
    if said_rows != rows or said_digest != digest:
        raise DigestMismatch(
            "What arrived differs from what the server sent.",
            reason=f"{rows} lines arrived, {said_rows} were announced." if said_rows != rows else "The digest differs.",
            suggestions=["Run the command again."],
        )
