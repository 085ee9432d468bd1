"""O08: a replica that ends a snapshot for replay's sake costs a delay, never half a package; lag is in the manifest."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.live.daemon import Daemon, provider, role, running
from tests.live.databases import run_sql
from tests.live.postgres import distribution_binaries, standby_of
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support.http import Answer, Api

TABLES = """
CREATE TABLE churn (id integer);
CREATE TABLE quick (id integer PRIMARY KEY, filler text);
INSERT INTO quick SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 3000) i;
CREATE VIEW slow AS SELECT i AS id, pg_sleep(0.03)::text AS pause FROM generate_series(1, 100) i;
"""
CHURN = ("INSERT INTO churn SELECT generate_series(1, 10);", "DELETE FROM churn;", "VACUUM (TRUNCATE off) churn;")
TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
{exports}"""


@dataclass(frozen=True)
class Replicated:
    """A daemon that reads a streaming replica which never waits for its readers."""

    daemon: Daemon
    primary: Server
    standby: Server
    database: str

    async def ask(self, server: Server, sql: str) -> str:
        """What the server answers."""
        return (await asyncio.to_thread(run_sql, server, sql, self.database)).strip()

    async def until(self, server: Server, sql: str) -> None:
        """Until the server says t."""
        async with asyncio.timeout(30):
            while await self.ask(server, sql) != "t":
                await asyncio.sleep(0.05)

    async def disturb(self) -> None:
        """Once the daemon's statement runs on the replica, remove on the primary what its snapshot still sees."""
        await self.until(self.standby, f"SELECT count(*) > 0 FROM pg_stat_activity WHERE {RUNNING};")
        before = await self.ask(self.standby, f"SELECT pid FROM pg_stat_activity WHERE {RUNNING};")
        for statement in CHURN:
            await self.ask(self.primary, statement)
        await self.until(self.standby, f"SELECT count(*) = 0 FROM pg_stat_activity WHERE {RUNNING} AND pid = {before};")


RUNNING = "application_name = 'hfitd' AND state = 'active' AND query LIKE '%slow%'"


@pytest.fixture(scope="module")
def replicated(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    folder = tmp_path_factory.mktemp("replicated")
    run_sql(postgres_server, "CREATE DATABASE replicated;")
    run_sql(postgres_server, TABLES, "replicated")
    try:
        with standby_of(postgres_server, distribution_binaries()) as standby:
            run_sql(standby, "ALTER SYSTEM SET max_standby_streaming_delay = 0; SELECT pg_reload_conf();")
            body = [provider("shop", standby, "replicated"), POLICY, LIMITS, role("developer", *EVERYTHING)]
            with running(Daemon(folder, "\n".join(body))) as daemon:
                yield Replicated(daemon, postgres_server, standby, "replicated")
    finally:
        run_sql(postgres_server, "DROP DATABASE replicated WITH (FORCE);")


async def developer(replicated: Replicated, name: str, *tables: str) -> Api:
    """Somebody with a template of these tables, in this order."""
    person = await asyncio.to_thread(replicated.daemon.add_person, f"{name}@example.org", "developer")
    api = Api(replicated.daemon, person)
    exports = "".join(
        f"  {number}.ndjson: {{type: table-data, data: {{dbms: shop, table: public.{table}}}}}\n"
        for number, table in enumerate(tables)
    )
    if tables:
        assert (await api.put_template(TEMPLATE.format(name=name, exports=exports))).status == 201
    return api


def ends_of(replicated: Replicated, api: Api, action: str) -> list[str]:
    """How the person's records of an action ended."""
    assert api.person is not None
    records = replicated.daemon.audit_records()
    begun = {r["seq"] for r in records if r.get("email") == api.person.email and r.get("action") == action}
    return [r["outcome"] for r in records if r.get("begin") in begun]


async def empty_spool(replicated: Replicated) -> None:
    """It is emptied after the answer."""
    async with asyncio.timeout(10):
        while not replicated.daemon.spool_is_empty():
            await asyncio.sleep(0.05)


async def test_o08_a_conflict_before_the_first_byte_is_retried_once_and_lag_stands_in_the_manifest(
    replicated: Replicated,
) -> None:
    api = await developer(replicated, "before", "slow")
    asking = asyncio.create_task(api.package("before", compression="none"))
    await replicated.disturb()
    answer: Answer = await asking
    assert answer.status == 200
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        members = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        rows, manifest = members["before/0.ndjson"], members["before/METADATA/manifest.json"]
        assert rows is not None
        assert manifest is not None
        assert rows.read().count(b"\n") == 100
        document: dict[str, Any] = json.load(manifest)
    (source,) = document["sources"]
    assert source["lag_seconds"] >= 0.0
    assert "lsn=" in source["snapshot"]
    assert ends_of(replicated, api, "package.build") == ["failed", "done"]
    await empty_spool(replicated)


async def test_o08_a_conflict_after_the_first_byte_breaks_the_package_off(replicated: Replicated) -> None:
    api = await developer(replicated, "after", "quick", "slow")
    body = {"template_name": "after", "parameters": [], "compression": "none"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(api.url("/packdownload"), json=body, headers=api.headers) as response,
    ):
        assert response.status == 200
        assert await response.content.readexactly(1000)
        await replicated.disturb()
        with pytest.raises(aiohttp.ClientPayloadError):
            while await response.content.readany():
                pass
    assert ends_of(replicated, api, "package.build") == ["failed"]
    await empty_spool(replicated)


async def test_o08_rows_are_retried_once_and_then_the_conflict_is_said(replicated: Replicated) -> None:
    api = await developer(replicated, "rows")
    path = f"/db/shop/{replicated.database}/public.slow/rows"
    once = await disturbed(replicated, lambda: api.get(path), 1)
    assert (once.status, once.body.count(b"\n")) == (200, 101)
    twice = await disturbed(replicated, lambda: api.get(path), 2)
    assert (twice.status, twice.code) == (503, "DB_UNAVAILABLE")
    assert "conflict" in twice.json["message"]
    assert ends_of(replicated, api, "rows") == ["failed", "done", "failed", "failed"]


async def disturbed(replicated: Replicated, ask: Callable[[], Awaitable[Answer]], times: int) -> Answer:
    """An answer whose statements are ended by the replica so many times."""
    asking = asyncio.ensure_future(ask())
    for _ in range(times):
        await replicated.disturb()
    return await asking


async def test_o08_the_lag_is_no_part_of_the_digest(replicated: Replicated, tmp_path: Path) -> None:
    api = await developer(replicated, "digests", "quick")
    digests = []
    for _ in range(2):
        answer = await api.package("digests", compression="none", refresh=True)
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
            manifest = tar.extractfile("digests/METADATA/manifest.json")
            assert manifest is not None
            document = json.load(manifest)
            assert [entry["lag_seconds"] >= 0 for entry in document["sources"]] == [True]
            digests.append(document["package_digest"])
    assert digests[0] == digests[1]
