"""Approvals and loans where two instances share Redis, and somebody else can write Redis too."""

from __future__ import annotations

import asyncio
from pathlib import Path

from redis import Redis

from tests.live import redis
from tests.live.daemon import Daemon, Person, redis_store, running
from tests.live.reviewed import TEMPLATE, config_of, running_review
from tests.live.servers import Server
from tests.support.http import Api


async def test_o04_instances_share_approvals_and_loans_and_believe_nobody_else(
    chinook_sqlite: Path, tmp_path: Path
) -> None:
    with redis.redis() as server:
        one, two = tmp_path / "one", tmp_path / "two"
        one.mkdir()
        two.mkdir()
        with running_review(one, chinook_sqlite, redis_store(server)) as world:
            keys = {"keys_dir": f'"{one}/data/keys"', "origin": f'"{world.daemon.origin}"'}
            other = Daemon(two, config_of(one, chinook_sqlite, redis_store(server)), keys)
            with running(other):
                await check_approvals(world.daemon, other, world.author, world.owner, world.dev, server)
                await check_loans(world.daemon, other, world.nobody, world.owner, server)
                alarms = [r["objects"] for r in other.audit_records() if r.get("action") == "alarm.store_tampered"]
                assert ["access-loan:nobody@example.org"] in alarms
                assert ["approval:author@example.org:case"] in alarms


async def check_approvals(
    here: Daemon, there: Daemon, author: Person, owner: Person, dev: Person, server: Server
) -> None:
    """Approved at one instance, run at the other; forged in Redis, run at none."""
    writer = Api(here, author)
    assert (await writer.put_template(TEMPLATE.format(name="case"))).status == 201
    assert (await writer.request("POST", "/packtmpl/case/share")).status == 200
    assert (await Api(here, owner).post("/packtmpl/case/approve", {"max_rows": 5})).status == 200
    elsewhere = at(there, here, dev)
    assert (await elsewhere.package("case", 5)).status == 200
    assert (await elsewhere.package("case", 6)).code == "APPROVAL_REQUIRED"
    forge(server, "approval", b'"max_rows":5', b'"max_rows":6')
    for api in (elsewhere, Api(here, dev)):
        answer = await api.package("case", 5)
        assert answer.code == "APPROVAL_REQUIRED"
        assert "nobody has approved it" in answer.json["message"]


async def check_loans(here: Daemon, there: Daemon, person: Person, owner: Person, server: Server) -> None:
    """Lent at one instance, had at the other within 5 s; forged in Redis, had at none."""
    elsewhere = at(there, here, person)
    assert await roles(elsewhere) == []
    made = await Api(here, person).post("/requests", {"name": "support", "reason": "ticket"})
    lent = await Api(here, owner).post(f"/requests/{made.json['id']}/approve", {})
    assert lent.status == 200
    assert await roles(Api(here, person)) == ["support"]
    await until(elsewhere, ["support"])
    forge(server, "-loan", b'"ends":1', b'"ends":9')
    assert await roles(at(there, here, here.login(person))) == []


def at(there: Daemon, here: Daemon, person: Person) -> Api:
    """The person at the other instance, under the one name that both have."""
    api = Api(there, person)
    api.headers = {**api.headers, "Host": here.origin.removeprefix("http://")}
    return api


async def roles(api: Api) -> list[str]:
    """What the server says one may."""
    return list((await api.get("/auth/whoami")).json["roles"])


async def until(api: Api, wanted: list[str]) -> None:
    """Ask until this instance has seen it: at most the 5 s for which it trusts what it heard."""
    async with asyncio.timeout(7):
        while await roles(api) != wanted:
            await asyncio.sleep(0.1)


def forge(server: Server, kind: str, old: bytes, new: bytes) -> None:
    """Edit the only record of the kind as somebody who can write Redis would."""
    client = Redis(host=server.host, port=server.port, password=server.password)
    (name,) = [name for name in client.scan_iter("hfit:r:*") if kind.encode() in name]
    value = client.hget(name, "v")
    assert isinstance(value, bytes)
    assert old in value
    client.hset(name, "v", value.replace(old, new))
    client.close()
