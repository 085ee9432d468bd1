"""What somebody with the store's database may try: every kind of record, on a running daemon (O04, O05)."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from tests.live import redis
from tests.live.daemon import Daemon, redis_store, role, running, sqlite_provider
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support.http import Api

GENRES = """hfitVersion: 1
templateName: genres
packageName: genres
exports:
  genre.csv: {type: table-data, data: {dbms: music, table: Genre}}
"""


@pytest.fixture
def forged(chinook_sqlite: Path, tmp_path: Path) -> Iterator[tuple[Daemon, Server]]:
    body = sqlite_provider("music", chinook_sqlite) + POLICY + LIMITS + role("developer", *EVERYTHING)
    with redis.redis() as server, running(Daemon(tmp_path, body + redis_store(server))) as daemon:
        yield daemon, server


def edit(server: Server, kind: str, old: bytes, new: bytes) -> int:
    """Change the value of every record of a kind; how many."""
    changed = 0
    with Redis(server.host, server.port, password=server.password) as client:
        for name in cast(list[bytes], client.keys(f"hfit:r:{{{kind}}}*")):
            value = cast(bytes, client.hget(name, "v"))
            if old in value:
                client.hset(name, "v", value.replace(old, new))  # type: ignore[arg-type]
                changed += 1
    return changed


def alarms(daemon: Daemon, kind: str) -> set[str]:
    """Keys of this kind that were found forged."""
    records = [r for r in daemon.audit_records() if r.get("action") == "alarm.store_tampered"]
    assert all(record["code"] == "STORE_TAMPERED" for record in records)
    return {key for record in records for key in record["objects"] if key.startswith(f"{kind}:")}


async def test_o05_a_package_whose_record_was_edited_is_built_anew_and_rings(forged: tuple[Daemon, Server]) -> None:
    daemon, server = forged
    person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
    api = Api(daemon, person)
    assert (await api.put_template(GENRES)).status == 201
    first = await api.package("genres")
    deadline = time.monotonic() + 5
    while (await asyncio.to_thread(daemon.admin, "status"))["jobs"]:
        assert time.monotonic() < deadline
    assert (await api.package("genres")).headers["X-Hfit-Cache"] == "hit"
    assert edit(server, "artifact", b'"rows": 25', b'"rows": 1') == 1
    again = await api.package("genres")
    assert (again.status, again.headers["X-Hfit-Cache"]) == (200, "miss")
    assert edit(server, "package", b'"template": "genres"', b'"template": "others"') >= 1
    assert (await api.get(f"/packages/{first.headers['X-Hfit-Package']}")).status == 404
    assert alarms(daemon, "artifact")
    assert alarms(daemon, "package")


async def test_o05_a_grant_that_was_written_by_hand_opens_nothing(forged: tuple[Daemon, Server]) -> None:
    daemon, server = forged
    owner = await asyncio.to_thread(daemon.add_person, "owner@example.org", "developer")
    thief = await asyncio.to_thread(daemon.add_person, "thief@example.org", "developer")
    assert (await Api(daemon, owner).put_template(GENRES)).status == 201
    package = (await Api(daemon, owner).package("genres")).headers["X-Hfit-Package"]
    assert (await Api(daemon, thief).get(f"/packages/{package}")).status == 404
    with Redis(server.host, server.port, password=server.password) as client:
        (mine,) = cast(list[bytes], client.keys("hfit:r:{grant}:*"))
        digest = mine.rpartition(b":")[2]
        theirs = mine.replace(digest, hashlib.sha256(thief.email.encode()).hexdigest().encode())
        client.copy(mine, theirs)
    assert (await Api(daemon, thief).get(f"/packages/{package}")).status == 404
    deadline = time.monotonic() + 5
    while not alarms(daemon, "grant"):  # the answer does not wait for the alarm
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert (await Api(daemon, owner).get(f"/packages/{package}")).status == 200


async def test_o04_a_template_that_was_edited_is_not_run_and_rings(forged: tuple[Daemon, Server]) -> None:
    daemon, server = forged
    person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
    api = Api(daemon, person)
    assert (await api.put_template(GENRES)).status == 201
    assert edit(server, "template", b"table: Genre", b"table: Album") >= 1
    assert (await api.package("genres")).status == 404
    assert alarms(daemon, "template-version") | alarms(daemon, "template")
    assert (await api.put_template(GENRES)).status in {201, 409}
