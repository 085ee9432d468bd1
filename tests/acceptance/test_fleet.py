"""Instances that share a store: a package is built once for all of them, and any of them gives it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import aiohttp
import pytest

from tests.live import redis
from tests.live.daemon import Person, provider, role
from tests.live.fleet import Fleet, make_instances, running_fleet
from tests.live.s3 import s3_server
from tests.live.world import EVERYTHING, LIMITS, POLICY, Shop, package_template
from tests.support.http import Api


@pytest.fixture(scope="module")
def fleet(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two instances before the slow tables, with their packages in a bucket."""
    folder = tmp_path_factory.mktemp("fleet")
    body = provider("slow_pg", shop.postgres, shop.slow) + POLICY + LIMITS + role("developer", *EVERYTHING)
    with redis.redis() as store, s3_server(create_only=False) as bucket:
        url, environment = "s3://packages/hfit", bucket.environment
        instances = make_instances(folder, store, body, count=2, artifacts=url, environment=environment)
        with running_fleet(instances, folder) as fleet:
            yield fleet


@pytest.fixture(scope="module")
def person(fleet: Fleet) -> Person:
    """Somebody with templates that take two seconds."""
    dev = fleet.add_person("dev@example.org", "developer")
    for name in ("one", "two", "three"):
        template = package_template(name, "quick", "slow_short")
        assert asyncio.run(Api(fleet.instances[0], dev).put_template(template)).status == 201
    return dev


async def extractions(fleet: Fleet) -> int:
    """At all instances together."""
    return await asyncio.to_thread(fleet.extractions)


async def test_equal_requests_at_several_instances_read_the_sources_once(fleet: Fleet, person: Person) -> None:
    before = await extractions(fleet)
    apis = [Api(daemon, person) for daemon in fleet.instances]
    answers = await asyncio.gather(*(api.package("one") for api in apis * 3))
    assert {answer.status for answer in answers} == {200}
    assert len({(answer.headers["ETag"], answer.body) for answer in answers}) == 1
    assert await extractions(fleet) == before + 1


async def test_a_package_that_one_instance_still_writes_is_resumed_at_another(fleet: Fleet, person: Person) -> None:
    one, two = (Api(daemon, person) for daemon in fleet.instances)
    before = await extractions(fleet)
    asked = {"template_name": "two", "parameters": []}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(one.url("/packdownload"), json=asked, headers=person.bearer) as response,
    ):
        start = await response.content.readexactly(1000)
        name, etag = response.headers["X-Hfit-Package"], response.headers["ETag"]
        rest = asyncio.create_task(two.get(f"/packages/{name}", **{"Range": "bytes=1000-", "If-Range": etag}))
        whole = start + await response.content.read()
    answer = await rest
    assert (answer.status, answer.headers["ETag"]) == (206, etag)
    assert start + answer.body == whole
    assert await extractions(fleet) == before + 1


async def test_what_one_instance_makes_is_followed_at_another(fleet: Fleet, person: Person) -> None:
    """By the name that the request had, before anybody knows the package's id, and by that; nobody else hears of it."""
    one, two = (Api(daemon, person) for daemon in fleet.instances)
    stranger = Api(fleet.instances[1], await asyncio.to_thread(fleet.add_person, "listens@example.org", "developer"))
    while {(await asyncio.to_thread(daemon.admin, "status"))["instances"] for daemon in fleet.instances} != {2}:
        await asyncio.sleep(0.1)
    name = "w." + "f" * 24
    named = asyncio.create_task(two.get(f"/packages/{name}/events"))
    asked = {"template_name": "two", "parameters": [], "refresh": True}
    headers = {"X-Hfit-Watch": name}
    async with one.opened("POST", "/packdownload", json=asked, headers=headers) as response:
        package = response.headers["X-Hfit-Package"]
        assert (await stranger.get(f"/packages/{package}/events")).status == 404
        by_id = asyncio.create_task(two.get(f"/packages/{package}/events"))
        size = len(await response.read())
    for answer in (await named, await by_id):
        said = answer.body.decode()
        assert '"expected_exports": 2' in said
        assert any(0 < int(rows) <= 3100 for rows in re.findall(r'"rows": (\d+), "expected_rows": \d+', said)), said
        last = said.strip().split("\n\n")[-1]
        assert last.startswith("event: done")
        assert f'"size": {size}' in last


async def test_a_finished_package_comes_from_every_instance_in_ranges(fleet: Fleet, person: Person) -> None:
    first = await Api(fleet.instances[0], person).package("one")
    name, etag, size = first.headers["X-Hfit-Package"], first.headers["ETag"], len(first.body)
    for daemon in fleet.instances:
        api = Api(daemon, person)
        part = await api.get(f"/packages/{name}", Range="bytes=100-1099")
        assert (part.status, part.body) == (206, first.body[100:1100])
        assert part.headers["Content-Range"] == f"bytes 100-1099/{size}"
        assert (await api.get(f"/packages/{name}", **{"If-None-Match": etag})).status == 304
    await asyncio.to_thread(fleet.instances[0].admin, "package.revoke", id=name, reason="test")
    assert (await Api(fleet.instances[0], person).get(f"/packages/{name}")).status == 404


async def test_a12_a13_a_nonce_logs_in_once_at_all_instances_together(fleet: Fleet) -> None:
    apis = [Api(daemon) for daemon in fleet.instances]
    person = await asyncio.to_thread(fleet.add_person, "nonce@example.org", "developer")
    nonce = (await apis[0].post("/auth/challenge", {"email": person.email})).json["nonce"]
    body = fleet.instances[0].signed_login(person, nonce)
    answers = await asyncio.gather(*(apis[number % 2].post("/auth/login", body) for number in range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 49
    refused = [answer for answer in answers if answer.status == 401]
    assert {(answer.code, len(answer.body)) for answer in refused} == {("AUTH_FAILED", len(refused[0].body))}


async def test_a09_a_change_at_one_instance_ends_the_token_at_every_other(fleet: Fleet) -> None:
    waiting = []
    for change in ("user.disable", "session.revoke", "user.set-roles", "user.remove"):
        email = f"{change.replace('.', '-')}@example.org"
        person = await asyncio.to_thread(fleet.add_person, email, "developer")
        apis = [Api(daemon, person) for daemon in fleet.instances]
        assert [(await api.get("/auth/whoami")).status for api in apis] == [200, 200]
        roles = {"roles": []} if change == "user.set-roles" else {}
        await asyncio.to_thread(fleet.instances[0].admin, change, email=email, **roles)
        waiting += apis
    async with asyncio.timeout(8):  # five seconds, and a slow machine
        for api in waiting:
            while (await api.get("/auth/whoami")).status != 401:
                await asyncio.sleep(0.1)


async def test_r12_what_another_instance_writes_is_nobody_elses(fleet: Fleet, person: Person) -> None:
    one, two = fleet.instances
    stranger = await asyncio.to_thread(fleet.add_person, "else@example.org", "developer")
    asked = {"template_name": "three", "parameters": []}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(Api(one).url("/packdownload"), json=asked, headers=person.bearer) as response,
    ):
        name = response.headers["X-Hfit-Package"]
        assert (await Api(two, stranger).get(f"/packages/{name}")).status == 404
        await response.read()
