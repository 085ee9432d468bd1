"""What stands between the log and one sink: a bounded queue, a thread, and batches as the sink wants them.

1. ``put`` never waits: what does not fit is counted and reported.
2. A patient sink is asked again after a pause that doubles, with the same batch, while the queue holds what follows.
3. ``close`` gives what waits one more attempt each and a few seconds in all; what is left then is counted, too.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_QUEUE_LINES = 10_000
_CLOSE_SECONDS = 5.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_CHECKPOINT = b'"kind":"checkpoint"'  # quotes within a value are escaped, so no value can spell this


@dataclass(frozen=True, slots=True)
class Batching:
    """When a batch is whole: at ``size`` bytes, ``seconds`` after its first line, or with a checkpoint.

    The default is each line by itself. ``patient`` says that a batch which failed is worth another attempt.
    """

    size: int = 0
    seconds: float = 0.0
    patient: bool = False


AT_ONCE = Batching()


class Sink(Protocol):
    """One place that takes lines. ``send`` may block for seconds and raise OSError, or ValueError for good."""

    @property
    def batching(self) -> Batching:
        """How much it wants at a time."""

    def send(self, lines: Sequence[bytes]) -> None:
        """Take lines, each of which ends with a newline."""

    def close(self) -> None:
        """Let go of the file or connection."""


class SinkRunner:
    """A thread and a bounded queue before one sink; what does not fit or fails is counted and reported."""

    def __init__(self, name: str, sink: Sink, on_dropped: Callable[[str, int], None]) -> None:
        self._name = name
        self._sink = sink
        self._on_dropped = on_dropped
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUE_LINES)
        self._held = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"hfitd-audit-{name}", daemon=True)
        self._thread.start()

    @property
    def lag(self) -> int:
        """Lines that wait, in the queue or in a batch that was not taken yet."""
        return self._queue.qsize() + self._held

    def put(self, lines: Sequence[bytes]) -> None:
        """Take lines without waiting (1)."""
        dropped = 0
        for line in lines:
            try:
                self._queue.put_nowait(line)
            except queue.Full:
                dropped += 1
        if dropped:
            self._on_dropped(self._name, dropped)

    def close(self) -> None:
        """Give the sink a few seconds for what waits, then leave it (3)."""
        self._stopping.set()
        ends = 0
        try:
            self._queue.put(None, timeout=_CLOSE_SECONDS)
            ends = 1
            self._thread.join(_CLOSE_SECONDS)
        except queue.Full:
            pass  # counted below
        left = self.lag - ends
        if self._thread.is_alive() and left > 0:
            self._on_dropped(self._name, left)

    def _serve(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            if batch:
                self._deliver(batch)
            self._held = 0
        self._sink.close()

    def _next_batch(self) -> tuple[list[bytes], bool]:
        rule = self._sink.batching
        batch: list[bytes] = []
        size, until = 0, 0.0
        try:
            while size < rule.size or not batch:
                line = self._queue.get(timeout=max(until - time.monotonic(), 0.0) if batch else None)
                if line is None:
                    return batch, False
                if not batch:
                    until = time.monotonic() + rule.seconds
                batch.append(line)
                self._held = len(batch)
                size += len(line)
                if _CHECKPOINT in line:
                    break
        except queue.Empty:
            pass  # its time is over
        return batch, True

    def _deliver(self, batch: list[bytes]) -> None:
        pause = _FIRST_PAUSE
        while True:
            last = self._stopping.is_set() or not self._sink.batching.patient
            try:
                self._sink.send(batch)
                return
            except OSError:
                if last:
                    break
            except ValueError:
                break
            self._stopping.wait(pause)  # 2
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._on_dropped(self._name, len(batch))
