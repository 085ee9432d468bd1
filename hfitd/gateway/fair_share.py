"""Threads that are shared fairly: whose turn it is does not depend on who asked for most.

Everything that blocks (reading files, listings, compression) runs in the default threads of the event loop in short
steps, ``sendfile`` in threads beside them. Steps wait in a queue of the person they are for, and the queues take turns;
so a thousand downloads of one person cost the next one a single step of waiting. Steps of nobody are one queue more.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

FOR_WHOM: ContextVar[str] = ContextVar("hfitd_for_whom", default="")  # whom the steps that are begun from here are for


@dataclass(frozen=True, slots=True)
class _Step:
    future: Future[Any]
    call: Callable[[], Any]

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.call())
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            self.future.set_exception(error)


def _stand_back(nice: int) -> None:
    """Of a thread of its own Linux takes a priority; elsewhere, or where a sandbox refuses that, it stays as it is."""
    if nice and sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


class FairThreads(ThreadPoolExecutor):
    """An executor whose steps are taken in turns of ``FOR_WHOM``, in order within each turn."""

    def __init__(self, threads: int, name: str = "hfitd", *, nice: int = 0) -> None:
        """``nice`` is how far the threads stand behind the others of this process (setpriority(2))."""
        super().__init__(threads, thread_name_prefix=name, initializer=partial(_stand_back, nice))
        self._lock = threading.Lock()
        self._queues: OrderedDict[str, deque[_Step]] = OrderedDict()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See Executor."""
        return self.submit_for(FOR_WHOM.get(), partial(fn, *args, **kwargs))

    def submit_for(self, whom: str, call: Callable[[], T]) -> Future[T]:
        """The same from a thread, where nobody is ``FOR_WHOM``."""
        step = _Step(Future(), call)
        with self._lock:
            self._queues.setdefault(whom, deque()).append(step)
        super().submit(self._take_turn)
        return step.future

    def _take_turn(self) -> None:
        with self._lock:
            whose, queue = next(iter(self._queues.items()))
            step = queue.popleft()
            if queue:
                self._queues.move_to_end(whose)
            else:
                del self._queues[whose]
        step.run()
