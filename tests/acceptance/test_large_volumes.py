"""A volume of very many files: listed by a process of the daemon, for everybody what they may see, and gone with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from hfitd.volumes.folder import LARGE
from tests.live.daemon import Daemon, role, running, volume
from tests.support.http import Api
from tests.support.processes import walker_lives, walkers_of


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Just so many files that a process is worth it, in two folders."""
    for folder, count in (("mine", LARGE), ("theirs", 10)):
        (tmp_path / "large" / folder).mkdir(parents=True)
        for number in range(count):
            os.close(os.open(tmp_path / "large" / folder / f"{number}.log", os.O_CREAT | os.O_WRONLY))
    return tmp_path / "large"


async def walker_of(daemon: Daemon) -> int:
    """The process that lists, once it is there."""
    async with asyncio.timeout(30):
        while not (found := walkers_of(daemon.pid)):
            await asyncio.sleep(0.05)
    return found.pop()


async def gone(pid: int) -> None:
    async with asyncio.timeout(30):
        while walker_lives(pid):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_the_process_gives_what_the_daemon_gives_and_ends_with_it(
    tmp_path: Path, large: Path, end: signal.Signals
) -> None:
    body = volume("large", large) + role("all", "files.list:**") + role("some", "files.list:large/theirs/**")
    with running(Daemon(tmp_path, body)) as daemon:
        ann = Api(daemon, daemon.add_person("ann@example.org", "all"))
        bob = Api(daemon, daemon.add_person("bob@example.org", "some"))
        first = await ann.get("/files/large")
        pid = await walker_of(daemon)
        answers = [await ann.get("/files/large") for _ in range(3)]
        assert [answer.body for answer in answers] == [first.body] * 3
        assert len(first.body.splitlines()) == LARGE + 10 + 2
        seen = [json.loads(line)["path"] for line in (await bob.get("/files/large")).body.splitlines()]
        assert {path.partition("/")[0] for path in seen} == {"theirs"}
        missing = await ann.get("/files/large?folder=none")
        assert (missing.status, missing.code) == (404, "NOT_FOUND")
        assert walkers_of(daemon.pid) == {pid}
        daemon.signal(end)
        daemon.wait()
        await gone(pid)
