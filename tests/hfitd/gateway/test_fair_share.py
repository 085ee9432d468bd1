"""Threads that are shared fairly: who asks for little does not wait for who asks for much."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable

import pytest

from hfitd.gateway.fair_share import FOR_WHOM, FairThreads


def as_person(name: str, call: Callable[[], object]) -> object:
    def inside() -> object:
        FOR_WHOM.set(name)
        return call()

    return contextvars.copy_context().run(inside)


def test_a_person_with_one_step_waits_for_one_of_who_has_many() -> None:
    order: list[str] = []
    gate = threading.Event()
    threads = FairThreads(1)
    first = threads.submit(gate.wait)
    for number in range(50):
        as_person("many", lambda number=number: threads.submit(order.append, f"many {number}"))
    as_person("one", lambda: threads.submit(order.append, "one"))
    gate.set()
    threads.shutdown()
    assert first.done()
    assert order.index("one") == 1
    assert [step for step in order if step != "one"] == [f"many {number}" for number in range(50)]


async def test_a_step_that_was_given_up_is_not_run_and_an_error_comes_back() -> None:
    loop, gate, ran = asyncio.get_running_loop(), threading.Event(), threading.Event()
    threads = FairThreads(1)
    loop.set_default_executor(threads)
    blocked = loop.run_in_executor(None, gate.wait)
    unwanted = loop.run_in_executor(None, ran.set)
    broken = loop.run_in_executor(None, int, "x")
    unwanted.cancel()
    await asyncio.sleep(0.01)  # the executor hears of it from the loop
    gate.set()
    with pytest.raises(ValueError, match="invalid literal"):
        await broken
    assert await blocked
    assert not ran.is_set()


def test_threads_can_stand_behind_the_others_of_their_process() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    threads = FairThreads(1, "behind", nice=5)
    assert threads.submit(priority).result() == min(19, priority() + 5)
    threads.shutdown()
