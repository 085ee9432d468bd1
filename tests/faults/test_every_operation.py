"""R7: whichever operation fails, once or for good, nothing wrong is given out and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hfit.credentials.pins import Trust, read_pins
from hfit.package.verify import verify_archive
from tests.faults.launch import CANARY, KINDS, Trigger
from tests.live.daemon import Daemon, Person, provider, redis_store, role, running, volume
from tests.live.databases import fresh_database, run_sql
from tests.live.redis import redis
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS, POLICY, small_config
from tests.support.http import Api, gauges
from tests.support.source import ROOT

TEMPLATE = """hfitVersion: 1
templateName: some
exports:
  genre.csv: {type: table-data, data: {dbms: music, table: Genre}}
  logs: {type: files, volume: files, filters: ["name:*.log"]}
"""
GENRES = """
CREATE TABLE genre (genre_id integer PRIMARY KEY, name text);
INSERT INTO genre SELECT i, 'genre ' || i FROM generate_series(1, 25) i;
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
        assert CANARY not in str(answer.headers)
        if answer.status != 200:
            assert answer.status in {500, 503}, answer.body
            assert CANARY.encode() not in answer.body
            return "refused"
        pins = Trust(read_pins(self.person.folder / "hfit"))
        verify_archive(io.BytesIO(answer.body), Path("some.tar.gz"), pins)
        return "whole"

    def left_over(self) -> list[str]:
        """Files of jobs that are over."""
        spool = [str(path) for path in (self.daemon.data / "spool").iterdir()]
        return spool + [str(path) for path in (self.daemon.data / "artifacts").iterdir() if path.suffix == ".part"]

    async def in_use(self) -> dict[str, float]:
        """What a job may leave behind in the process: descriptors, tasks, connections to providers."""
        held = {"descriptors": float(len(os.listdir(f"/proc/{self.daemon.pid}/fd")))}
        return held | await gauges(self.daemon, ("hfitd_tasks", "hfitd_provider_connections"))

    async def settled(self, before: Mapping[str, float] | None = None) -> None:
        """Wait until no job is left and no more is in use than before."""
        async with asyncio.timeout(10):
            while self.left_over() or (await asyncio.to_thread(self.daemon.admin, "status"))["jobs"]:
                await asyncio.sleep(0.01)
            while before is not None and not fits(await self.in_use(), before):
                await asyncio.sleep(0.1)


def fits(now: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Two more of anything are connections that are just being opened or closed."""
    return all(amount <= before.get(name, 0.0) + 2 for name, amount in now.items())


@contextlib.contextmanager
def harmed_daemon(folder: Path, body: str) -> Iterator[Harmed]:
    """The daemon of this configuration, with what ``launch`` puts between it and the world."""
    (folder / "files").mkdir()
    (folder / "files" / "a.log").write_text("a line\n" * 1000)
    daemon = Daemon(folder, body)
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
        said = daemon.log.read_text()
        assert "Error" in said  # the operator is told of what failed, without what it says (H10)
        assert CANARY not in said + str(daemon.audit_records())
        verified = daemon.hfitd("audit", "verify")
        assert verified.code == 0, verified.err


@pytest.fixture(scope="module")
def alone(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harmed]:
    """One daemon for all of them, with what it needs in files: what it survives, it survives one after the other."""
    folder = tmp_path_factory.mktemp("harmed")
    with harmed_daemon(folder, small_config(folder, chinook_sqlite)) as harmed:
        yield harmed


@pytest.fixture(scope="module")
def shared(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harmed]:
    """One with its store in Redis and a provider on PostgreSQL."""
    folder = tmp_path_factory.mktemp("shared")
    with fresh_database(postgres_server) as database, redis() as store:
        run_sql(postgres_server, GENRES, database)
        body = provider("music", postgres_server, database) + volume("files", folder / "files") + redis_store(store)
        with harmed_daemon(folder, body + POLICY + LIMITS + role("developer", *EVERYTHING)) as harmed:
            yield harmed


@pytest.fixture
def harmed(request: pytest.FixtureRequest) -> Harmed:
    """The one that a test names."""
    found: Harmed = request.getfixturevalue(request.param)
    return found


CASES = [
    *(("alone", kind, persistent) for kind in KINDS for persistent in (False, True)),
    ("shared", "fetch", False), ("shared", "store", False), ("shared", "store", True),
]  # fmt: skip


@pytest.mark.parametrize(("harmed", "kind", "persistent"), CASES, indirect=["harmed"])
async def test_r07_every_operation_may_fail(harmed: Harmed, kind: str, persistent: bool) -> None:
    assert await harmed.download() == "whole"
    await harmed.settled()
    before, seen = await harmed.in_use(), set()
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
    await harmed.settled(before)
