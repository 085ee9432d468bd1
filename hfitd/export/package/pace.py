"""How far the rows of a package are while it is made, and of how many; for whoever waits to know how long still.

A statement that has ended has its rows counted. Of one that runs only the bytes so far are known; its rows are judged
by the bytes a row of those that ended, or, before there are any, of what the databases expect. What is expected is what
the plan shows; of a subset, whose rows are all found before the first is written, it is their number.
"""

from __future__ import annotations

from collections.abc import Iterable

from hfitd.export.items.interface import Checked
from hfitd.model import Json, Receipt, Sink


class Pace:
    """Of one package; ``expected`` is None where a database does not know how large a table is."""

    def __init__(self) -> None:
        self.expected: int | None = None
        self._expected_bytes = 0
        self._rows = 0
        self._bytes = 0
        self._running = 0  # bytes of statements that have not ended
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether there is anything to tell."""
        return self._begun

    def expect(self, steps: Iterable[Checked]) -> None:
        """Take over what the checks of the steps found of tables whose rows are written."""
        tables = [
            table
            for step in steps
            if any(member.kind in {"data", "rows"} for member in step.members)
            for table in step.tables
        ]
        self._begun = True
        known = [table.estimated_rows for table in tables if table.estimated_rows is not None]
        self.expected = sum(known) if len(known) == len(tables) else None
        self._expected_bytes = sum(table.estimated_bytes or 0 for table in tables)

    def add_bytes(self, count: int) -> None:
        """A statement has written so much more."""
        self._running += count

    def end_statement(self, written: int, receipt: Receipt | None) -> None:
        """A statement has ended after so many bytes, well if there is a receipt."""
        self._running -= written
        if receipt is not None:
            self._rows += receipt.rows
            self._bytes += written

    def document(self) -> Json:
        """``rows`` so far, about, and ``expected_rows``, about."""
        rows, size = (self._rows, self._bytes) if self._rows else (self.expected or 0, self._expected_bytes)
        begun = self._running * rows // size if size else 0
        if self.expected is not None:  # a guess at bytes a row is no proof that there are more rows than expected
            begun = min(begun, max(self.expected - self._rows, 0))
        return {"rows": self._rows + begun, "expected_rows": self.expected}


class PacedSink:
    """The sink of one statement; ``written`` is how many bytes went through it."""

    def __init__(self, sink: Sink, pace: Pace) -> None:
        self.written = 0
        self._sink = sink
        self._pace = pace

    async def write(self, data: bytes) -> None:
        """Pass on."""
        await self._sink.write(data)
        self.written += len(data)
        self._pace.add_bytes(len(data))
