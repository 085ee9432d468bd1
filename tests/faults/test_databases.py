"""A database that goes, hangs, dawdles or changes in the middle of an export: an error in time, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hfit.credentials.pins import Trust, read_pins
from hfit.package.verify import verify_archive
from tests.live.daemon import Daemon, Person, provider, role, running
from tests.live.databases import run_sql
from tests.live.mariadb import mariadb_data
from tests.live.postgres import distribution_binaries, postgres_data
from tests.live.proxy import TcpProxy, tcp_proxy
from tests.live.servers import Serve, Server, free_port
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support.http import Api, gauges

PAUSE = {"postgres": "pg_sleep(0.02)::text", "mariadb": "sleep(0.02)"}
TABLES = """
CREATE TABLE wide (id integer PRIMARY KEY, filler varchar(2000));
INSERT INTO wide {numbers};
CREATE VIEW slow AS SELECT id, {pause} AS pause FROM wide WHERE id <= 50;
"""
FEW = """
DROP TABLE IF EXISTS few;
CREATE TABLE few (id integer PRIMARY KEY, note varchar(50));
INSERT INTO few VALUES (1, 'one'), (2, 'two');
"""
NUMBERS = {
    "postgres": "SELECT i, repeat(md5(i::text), 40) FROM generate_series(1, 3000) i",
    "mariadb": "SELECT seq, repeat(md5(seq), 40) FROM seq_1_to_3000",
}
TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  0.ndjson: {{type: table-data, data: {{dbms: shop, table: wide}}}}
  2.csv: {{type: table-data, data: {{dbms: shop, table: few}}}}
"""
PAUSED = "  1.ndjson: {type: table-data, data: {dbms: shop, table: slow}}\n"
IN_USE = ("hfitd_tasks", "hfitd_provider_connections")


@dataclass
class Behind:
    """A daemon that reaches its database through a port on which a test puts a proxy, and that database."""

    daemon: Daemon
    person: Person
    serve: Serve
    server: Server
    up: contextlib.ExitStack
    port: int

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[TcpProxy]:
        """What the daemon and the database talk over."""
        async with tcp_proxy(self.server.host, self.server.port, self.port) as proxy:
            yield proxy

    async def whole(self) -> dict[str, bytes]:
        """A package, verified; its files."""
        answer = await Api(self.daemon, self.person).package("short", refresh=True)
        assert answer.status == 200, answer.body
        return self.files(answer.body)

    def files(self, package: bytes) -> dict[str, bytes]:
        """The files of a package that verifies."""
        verify_archive(io.BytesIO(package), Path("short.tar.gz"), Trust(read_pins(self.person.folder / "hfit")))
        with tarfile.open(fileobj=io.BytesIO(package)) as tar:
            named = {item.name.partition("/")[2]: tar.extractfile(item) for item in tar.getmembers() if item.isfile()}
            return {name: file.read() for name, file in named.items() if file is not None}

    async def interrupted(self, disaster: Callable[[], Awaitable[object]]) -> bytes | None:
        """A package whose first bytes have come when the disaster does; None for one that was broken off."""
        api = Api(self.daemon, self.person)
        document = {"template_name": "paused", "compression": "none", "refresh": True}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(api.url("/packdownload"), json=document, headers=self.person.bearer) as response,
        ):
            assert response.status == 200
            start = await response.content.readexactly(500_000)
            await disaster()
            try:
                async with asyncio.timeout(20):
                    return start + await response.content.read()
            except aiohttp.ClientError:
                return None

    async def settled(self, before: dict[str, float]) -> None:
        """No job is left, and no more tasks or connections than before but for two that are just being closed."""
        async with asyncio.timeout(15):
            while not self.daemon.spool_is_empty() or (await asyncio.to_thread(self.daemon.admin, "status"))["jobs"]:
                await asyncio.sleep(0.05)
            while any(n > before.get(name, 0) + 2 for name, n in (await gauges(self.daemon, IN_USE)).items()):
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    engine: str = request.param
    folder, port = tmp_path_factory.mktemp(engine), free_port()
    data = postgres_data(distribution_binaries()) if engine == "postgres" else mariadb_data()
    with data as serve, contextlib.ExitStack() as up:
        server = up.enter_context(serve(free_port()))
        run_sql(server, "CREATE DATABASE shop;")
        run_sql(server, TABLES.format(numbers=NUMBERS[engine], pause=PAUSE[engine]) + FEW, "shop")
        source = provider("shop", server, "shop").replace(f"port = {server.port}", f"port = {port}")
        source += 'statement_timeout = "2s"\n'
        with running(Daemon(folder, source + POLICY + LIMITS + role("developer", *EVERYTHING))) as daemon:
            person = daemon.add_person("dev@example.org", "developer")
            assert daemon.hfit(person, "login").code == 0
            yield Behind(daemon, person, serve, server, up, port)


@pytest.fixture
async def line(behind: Behind) -> AsyncIterator[TcpProxy]:
    async with behind.line() as proxy:
        for text in (TEMPLATE.format(name="short"), TEMPLATE.format(name="paused") + PAUSED):
            await Api(behind.daemon, behind.person).put_template(text)
        yield proxy


async def test_o07_a_database_that_restarts_under_an_export_costs_that_package_and_no_other(
    behind: Behind, line: TcpProxy
) -> None:
    await behind.whole()
    before = await gauges(behind.daemon, IN_USE)

    assert await behind.interrupted(lambda: asyncio.to_thread(behind.up.close)) is None
    await behind.settled(before)
    refused = await Api(behind.daemon, behind.person).package("short", refresh=True)
    assert (refused.status, refused.code) == (503, "DB_UNAVAILABLE")
    behind.up.enter_context(behind.serve(behind.server.port))
    await behind.whole()
    await behind.settled(before)


async def test_o07_a_slow_line_to_a_database_costs_time_only(behind: Behind, line: TcpProxy) -> None:
    fast = await behind.whole()
    line.delay_seconds = 0.01
    slow = await behind.whole()
    assert {name: slow[name] for name in ("0.ndjson", "2.csv")} == {name: fast[name] for name in ("0.ndjson", "2.csv")}


async def test_o07_a_database_that_is_gone_without_a_word_is_given_up_in_time(behind: Behind, line: TcpProxy) -> None:
    await behind.whole()
    before = await gauges(behind.daemon, IN_USE)

    async def part() -> None:
        line.part()

    assert await behind.interrupted(part) is None
    await line.restore()
    await behind.whole()
    await behind.settled(before)


async def test_o09_a_table_that_changes_between_plan_and_run_is_given_as_it_was_planned_or_not_at_all(
    behind: Behind, line: TcpProxy
) -> None:
    await asyncio.to_thread(run_sql, behind.server, FEW, "shop")
    await behind.whole()
    before = await gauges(behind.daemon, IN_USE)

    async def alter() -> None:
        patience = {"postgresql": "SET lock_timeout = '300ms';", "mysql": "SET lock_wait_timeout = 1;"}
        sql = f"{patience[behind.server.kind]} ALTER TABLE few DROP COLUMN note;"
        with contextlib.suppress(AssertionError):  # the snapshot may hold a lock that forbids it
            await asyncio.to_thread(run_sql, behind.server, sql, "shop")

    package = await behind.interrupted(alter)
    if package is not None:
        with tarfile.open(fileobj=io.BytesIO(package)) as tar:
            file = tar.extractfile("paused/2.csv")
            assert file is not None
            assert list(csv.reader(io.StringIO(file.read().decode()))) == [["id", "note"], ["1", "one"], ["2", "two"]]
    await behind.settled(before)
