"""R7: whichever operation fails, once or for good, nothing wrong is given out and nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hfit.credentials.pins import Trust, read_pins
from hfit.package.verify import verify_archive
from tests.faults.launch import KINDS, Trigger
from tests.live.daemon import Daemon, Person, running
from tests.live.world import small_config
from tests.support.http import Api
from tests.support.source import ROOT

TEMPLATE = """hfitVersion: 1
templateName: some
exports:
  genre.csv: {type: table-data, data: {dbms: music, table: Genre}}
  logs: {type: files, volume: files, filters: ["name:*.log"]}
"""


@dataclass
class Harmed:
    """A daemon that can be harmed, and somebody who downloads from it."""

    daemon: Daemon
    person: Person
    trigger: Trigger

    async def download(self) -> str:
        """``whole``, ``refused`` or ``broken``; a package that looks whole and is not is a failing test."""
        try:
            answer = await Api(self.daemon, self.person).package("some", refresh=True)
        except aiohttp.ClientError:
            return "broken"
        if answer.status != 200:
            assert answer.status in {500, 503}, answer.body
            return "refused"
        pins = Trust(read_pins(self.person.folder / "hfit"))
        verify_archive(io.BytesIO(answer.body), Path("some.tar.gz"), pins)
        return "whole"

    def left_over(self) -> list[str]:
        """Files of jobs that are over."""
        spool = [str(path) for path in (self.daemon.data / "spool").iterdir()]
        return spool + [str(path) for path in (self.daemon.data / "artifacts").iterdir() if path.suffix == ".part"]

    def descriptors(self) -> int:
        """Files and sockets that the daemon has open."""
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    async def settled(self) -> None:
        """Wait until no job is left."""
        async with asyncio.timeout(10):
            while self.left_over() or (await asyncio.to_thread(self.daemon.admin, "status"))["jobs"]:
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def harmed(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harmed]:
    """One daemon for all of them: what it survives, it survives one after the other."""
    folder = tmp_path_factory.mktemp("harmed")
    (folder / "files").mkdir()
    (folder / "files" / "a.log").write_text("a line\n" * 1000)
    daemon = Daemon(folder, small_config(folder, chinook_sqlite))
    daemon.program = [sys.executable, "-m", "tests.faults.launch"]
    place = folder / "faults.sock"
    daemon.environment |= {
        "PYTHONPATH": str(ROOT), "HFIT_TEST_FAULTS_FOLDER": str(folder), "HFIT_TEST_FAULTS_SOCKET": str(place)
    }  # fmt: skip
    with running(daemon):
        person = daemon.add_person("dev@example.org", "developer")
        assert daemon.hfit(person, "login").code == 0
        assert asyncio.run(Api(daemon, person).put_template(TEMPLATE)).status == 201
        trigger = Trigger(str(place))
        yield Harmed(daemon, person, trigger)
        trigger.close()
        daemon.stop()
        verified = daemon.hfitd("audit", "verify")
        assert verified.code == 0, verified.err


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("kind", KINDS)
async def test_r07_every_operation_may_fail(harmed: Harmed, kind: str, persistent: bool) -> None:
    assert await harmed.download() == "whole"
    await harmed.settled()
    before, seen = harmed.descriptors(), set()
    for number in range(1, 200):
        harmed.trigger.arm(kind, number, persistent=persistent)
        outcome = await harmed.download()
        fired = harmed.trigger.disarm()
        seen.add(outcome)
        await harmed.settled()
        if not fired:
            assert outcome == "whole"
            break
    else:
        raise AssertionError("a package takes fewer operations")
    assert number > 1
    if persistent:  # one alone may have a second way: a package that cannot be linked into its place is copied
        assert seen & {"refused", "broken"}
    assert await harmed.download() == "whole"
    await harmed.settled()
    assert harmed.descriptors() <= before + 2  # of connections that are just being closed
