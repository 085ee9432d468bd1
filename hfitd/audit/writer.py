"""The one thread that writes the audit log: what arrives together is made durable together.

1. A submission is answered after its record is on disk, or with AuditUnavailable. While there is a problem each new
   submission tries again, so the log recovers by itself when its cause is gone.
2. On a full disk the reserve is given back and "disk full" written in its place; until the reserve can be taken
   again only ends of operations that were begun before are accepted (O11).
"""

from __future__ import annotations

import errno
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hfitd.audit.chain import sign_checkpoint
from hfitd.audit.disk import Disk
from hfitd.audit.segments import AuditProblem, Recovered, Segments, note_open
from hfitd.errors import AuditUnavailable

CHECKPOINT_RECORDS = 1000
CHECKPOINT_SECONDS = 60.0
_RESERVE_BYTES = 256 * 1024
_BATCH = 256
_FULL = "the disk of the audit log is full"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Submission:
    """A record to write and who waits for its number. ``record`` None only asks whether one could be written."""

    record: dict[str, object] | None
    answer: Callable[[int, Exception | None], None]


class Writer:
    """Owns the segments. ``submit`` may be called from any thread; ``problem`` is empty while all is well."""

    def __init__(
        self,
        segments: Segments,
        *,
        key: Ed25519PrivateKey,
        instance: str,
        boot: str,
        disk: Disk,
        on_lines: Callable[[list[bytes]], None],
        on_state: Callable[[str], None],
    ) -> None:
        self._segments, self._key, self._instance, self._boot, self._disk = segments, key, instance, boot, disk
        self._on_lines, self._on_state = on_lines, on_state
        self._open: dict[int, None] = {}
        self._since_checkpoint = 0
        self._checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS
        self._queue: queue.SimpleQueue[Submission | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="hfitd-audit", daemon=True)
        self._reserved = True
        self.problem = ""

    def start(self, recovered: Recovered) -> None:
        """Write what the start found (D04), then serve; OSError or AuditProblem when that cannot be written."""
        started: dict[str, object] = {"kind": "start"}
        if recovered.torn_size:
            started |= {"torn_size": recovered.torn_size, "torn_sha256": recovered.torn_sha256}
        self._disk.reserve(self._segments.reserve_path, _RESERVE_BYTES)
        self._open.update(dict.fromkeys(recovered.open))
        crashed = [{"kind": "end", "begin": seq, "outcome": "crashed"} for seq in recovered.open]
        self._append([started, *crashed])
        self._thread.start()

    def submit(self, submission: Submission) -> None:
        """Write it with the next batch."""
        self._queue.put(submission)

    def stands(self) -> bool:
        """Whether nothing is known that would keep the next record from being written; from any thread."""
        return not self.problem and self._segments.stands()

    def stop(self) -> None:
        """Write what is waiting, a last checkpoint, and end; blocks until done."""
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            if batch:
                self._commit(batch)
            if self._since_checkpoint and (not going or self._is_checkpoint_due()):
                self._write_checkpoint(stopping=not going)
        self._segments.close()

    def _next_batch(self) -> tuple[list[Submission], bool]:
        batch: list[Submission] = []
        wait = max(self._checkpoint_at - time.monotonic(), 0.01) if self._since_checkpoint else None
        try:
            while len(batch) < _BATCH:
                item = self._queue.get(block=not batch, timeout=wait)
                if item is None:
                    return batch, False
                batch.append(item)
        except queue.Empty:
            pass
        return batch, True

    def _commit(self, batch: list[Submission]) -> None:
        taken = self._admit(batch)
        records = [item.record for item in taken if item.record is not None]
        if self.problem and taken and not records:
            records = [{"kind": "recovered", "after": self.problem}]
        try:
            if records:
                first = self._append(records)
            else:
                self._segments.check()
                first = self._segments.position.seq
        except (OSError, AuditProblem, TypeError, ValueError) as error:
            self._fail(taken, error)
            return
        if taken and self._reserved:
            self._set_problem("")
        seq = first
        for item in taken:
            item.answer(seq, None)
            seq += item.record is not None

    def _admit(self, batch: list[Submission]) -> list[Submission]:
        """Those that may be written: all, but on a full disk only ends, until there is a reserve again (2)."""
        if self._reserved:
            return batch
        try:
            self._disk.reserve(self._segments.reserve_path, _RESERVE_BYTES)
        except OSError as error:
            ends = [item for item in batch if item.record is not None and item.record["kind"] == "end"]
            for item in batch:
                if item not in ends:
                    item.answer(0, _unavailable(_FULL, error))
            with suppress(OSError):  # nothing may end this thread: whoever waits for it would wait for ever
                self._disk.release(self._segments.reserve_path)
            return ends
        self._reserved = True
        return batch

    def _append(self, records: list[dict[str, object]]) -> int:
        """Write the records; the number of the first."""
        now = _now()
        stamped = [{**record, "instance": self._instance, "boot": self._boot, "time": now} for record in records]
        lines = self._segments.append(stamped, tuple(self._open))
        first = self._segments.position.seq - len(records) + 1
        for offset, record in enumerate(records):
            note_open(self._open, first + offset, record)
        self._since_checkpoint += len(records)
        self._on_lines(lines)
        return first

    def _fail(self, batch: list[Submission], error: Exception) -> None:
        full = isinstance(error, OSError) and error.errno in _NO_ROOM
        self._set_problem(_FULL if full else str(error) if isinstance(error, AuditProblem) else "it cannot be written")
        for item in batch:
            item.answer(0, _unavailable(self.problem, error))
        if full:
            self._reserved = False
            try:
                self._disk.release(self._segments.reserve_path)
                self._append([{"kind": "alarm", "what": "disk full"}])  # 2
            except (OSError, AuditProblem):
                pass  # the state is reported already, there is no room left to say more

    def _set_problem(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._on_state(problem)

    def _is_checkpoint_due(self) -> bool:
        return self._since_checkpoint >= CHECKPOINT_RECORDS or time.monotonic() >= self._checkpoint_at

    def _write_checkpoint(self, *, stopping: bool) -> None:
        try:
            if stopping:
                self._append([{"kind": "stop"}])
            checkpoint = sign_checkpoint(self._key, self._instance, self._segments.position, _now())
            lines = self._segments.append([checkpoint], tuple(self._open))
            self._on_lines(lines)
            self._segments.keep_checkpoint(lines[0])
            self._since_checkpoint = 0
        except (OSError, AuditProblem) as error:
            self._set_problem(str(error) if isinstance(error, AuditProblem) else "a checkpoint cannot be written")
        self._checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS


def _unavailable(problem: str, cause: Exception) -> AuditUnavailable:
    error = AuditUnavailable(f"The audit log cannot be written, so no data is given out: {problem}.")
    error.__cause__ = cause
    return error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
