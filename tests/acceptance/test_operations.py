"""Operations that go wrong: slow stores, databases that restart, schemas that change, many downloads at a stop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import aiomysql
import pytest

from tests.live import redis
from tests.live.daemon import Daemon, provider, redis_store, role, running, sqlite_provider
from tests.live.databases import fresh_database, run_sql
from tests.live.proxy import tcp_proxy
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support.http import Api

TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
{rest}"""


async def test_o01_r08_a_store_that_hangs_makes_nobody_wait_long_and_comes_back(
    chinook_sqlite: Path, tmp_path: Path
) -> None:
    body = sqlite_provider("music", chinook_sqlite) + POLICY + LIMITS + role("developer", *EVERYTHING)
    with redis.redis() as server:
        async with tcp_proxy(server.host, server.port) as proxy:
            daemon = Daemon(tmp_path, body + redis_store(server, proxy.port))
            try:
                await asyncio.to_thread(daemon.start)
                person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
                api = Api(daemon, person)
                assert (await api.get("/db/music/main/Genre/rows")).status == 200
                proxy.freeze()
                for path, statuses in (("/db/music/main/Genre/rows", {200, 503}), ("/packtmpl", {503})):
                    started = time.monotonic()
                    answer = await api.get(path)
                    assert answer.status in statuses
                    assert time.monotonic() - started < 8.0  # each question two seconds at most, then none for a while
                await proxy.restore()
                deadline = time.monotonic() + 5
                while (await api.get("/packtmpl")).status != 200:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)
            finally:
                await asyncio.to_thread(daemon.stop)


@pytest.fixture
def shop_my(mariadb_server: Server, chinook_sqlite: Path, tmp_path: Path) -> Iterator[tuple[Daemon, str]]:
    """A daemon before a MariaDB database with many rows, and a file."""
    with fresh_database(mariadb_server) as name:
        run_sql(
            mariadb_server,
            "CREATE TABLE wide (id integer PRIMARY KEY, filler text);"
            "INSERT INTO wide SELECT seq, repeat(md5(seq), 60) FROM seq_1_to_20000;"
            "CREATE TABLE few (id integer PRIMARY KEY, email varchar(50), note varchar(50));"
            "INSERT INTO few VALUES (1, 'a@x.org', 'one'), (2, 'b@x.org', 'two');"
            "CREATE VIEW slow AS SELECT id, sleep(0.05) AS pause FROM wide WHERE id < 400;",
            name,
        )
        body = provider("my", mariadb_server, name) + sqlite_provider("music", chinook_sqlite) + POLICY + LIMITS
        with running(Daemon(tmp_path, body + role("developer", *EVERYTHING))) as daemon:
            yield daemon, name


async def _kill(server: Server, database: str, what: str) -> int:
    """End every connection (or query) of the gateway to a database."""
    connection = await aiomysql.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, autocommit=True
    )
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (database,))
        found = [row[0] for row in await cursor.fetchall()]
        for thread in found:
            await cursor.execute(f"KILL {what} {thread}")
    connection.close()
    return len(found)


@pytest.mark.parametrize("what", ["CONNECTION", "QUERY"])
async def test_o07_mariadb_ended_in_the_middle_fails_the_package_and_nothing_else(
    shop_my: tuple[Daemon, str], mariadb_server: Server, what: str
) -> None:
    daemon, name = shop_my
    person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
    api = Api(daemon, person)
    rest = "exports:\n  0.ndjson: {type: table-data, data: {dbms: my, table: wide}}\n"
    rest += "  1.ndjson: {type: table-data, data: {dbms: my, table: slow}}\n"
    assert (await api.put_template(TEMPLATE.format(name="case", rest=rest))).status == 201
    body = {"template_name": "case", "compression": "none"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(api.url("/packdownload"), json=body, headers=person.bearer) as response,
    ):
        assert response.status == 200
        assert len(await response.content.readexactly(1_000_000)) == 1_000_000  # row k has arrived
        deadline = time.monotonic() + 10
        while not await _kill(mariadb_server, name, what):
            assert time.monotonic() < deadline
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
    assert (await api.get("/db/music/main/Genre/rows?limit=1")).status == 200
    assert (await api.get(f"/db/my/{name}/few/rows")).status == 200
    deadline = time.monotonic() + 5
    while not daemon.spool_is_empty():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert not list((daemon.data / "artifacts").iterdir())


async def test_o09_a_column_that_appears_or_is_renamed_needs_a_class_and_one_that_went_is_refused(
    shop_my: tuple[Daemon, str], mariadb_server: Server
) -> None:
    daemon, name = shop_my
    policy = POLICY.replace('columns = ["*/*/*.*"]', f'columns = ["my/{name}/few.id", "my/{name}/few.note"]')
    body = daemon.config.read_text().partition("\n\n")[2].replace(POLICY, policy)
    masked = f'[[policy.mask]]\ncolumns = "my/{name}/few.email"\nmask = "const"\nvalue = "m"'
    body = body.replace('mask = "hash"', f'mask = "hash"\n{masked}', 1)
    daemon.write_config(body)
    daemon.signal(signal.SIGHUP)
    person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
    api = Api(daemon, person)
    rest = "exports:\n  few.csv: {type: table-data, data: {dbms: my, table: few, filter: \"note = 'one'\"}}\n"
    assert (await api.put_template(TEMPLATE.format(name="few", rest=rest))).status == 201
    assert (await api.package("few")).status == 200
    run_sql(mariadb_server, "ALTER TABLE few ADD COLUMN phone varchar(20) DEFAULT '+49 170 1234567';", name)
    refused = await api.package("few", refresh=True)
    assert (refused.status, refused.code) == (403, "COLUMN_UNCLASSIFIED")
    assert b"+49" not in refused.body
    run_sql(mariadb_server, "ALTER TABLE few DROP COLUMN phone, CHANGE email mail varchar(50);", name)
    renamed = await api.package("few", refresh=True)  # its mask went with its name, so nothing is given
    assert (renamed.status, renamed.code) == (403, "COLUMN_UNCLASSIFIED")
    assert b"@x.org" not in renamed.body
    run_sql(mariadb_server, "ALTER TABLE few CHANGE mail email varchar(50), DROP COLUMN note;", name)
    gone = await api.package("few", refresh=True)
    assert 400 <= gone.status < 500  # the filter names a column that is not there any more
    assert gone.json["resource"] in {"note", "few.csv"}


async def test_o12_twenty_downloads_finish_at_a_stop_and_new_work_is_refused(shop_my: tuple[Daemon, str]) -> None:
    daemon, name = shop_my
    person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
    api = Api(daemon, person)
    asked = [asyncio.create_task(api.get(f"/db/my/{name}/wide/rows")) for _ in range(20)]
    deadline = time.monotonic() + 10
    while len([r for r in daemon.audit_records() if r.get("action") == "rows"]) < 4:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    daemon.signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert (await api.get("/db/dbmss")).code == "SHUTTING_DOWN"
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} <= {200, 503}
    assert sum(answer.status == 200 for answer in answers) >= 4
    assert all(b'{"_end": {"rows": 20000' in answer.body for answer in answers if answer.status == 200)
    assert await asyncio.to_thread(daemon.wait, 35) == 0
