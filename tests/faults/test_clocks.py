"""R17: instances whose clocks are a minute apart still give each nonce, token, lease and package its one meaning."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import aiohttp
import pytest

from tests.live import redis
from tests.live.daemon import Daemon, Person, provider, role
from tests.live.fleet import Fleet, last_accepted, make_instances, running_fleet
from tests.live.world import EVERYTHING, LIMITS, POLICY, Shop, package_template
from tests.support.http import Api
from tests.support.source import ROOT

AHEAD = (-30, 30)
TRUST_SECONDS = 5.0


@pytest.fixture(scope="module")
def fleet(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One instance half a minute behind, one half a minute ahead."""
    folder = tmp_path_factory.mktemp("clocks")
    body = provider("slow_pg", shop.postgres, shop.slow) + POLICY + LIMITS + role("developer", *EVERYTHING)
    with redis.redis() as store:
        instances = make_instances(folder, store, body, count=2)
        for daemon, seconds in zip(instances, AHEAD, strict=True):
            daemon.program = [sys.executable, "-m", "tests.faults.clock"]
            daemon.environment |= {"PYTHONPATH": str(ROOT), "HFIT_TEST_CLOCK_SECONDS": str(seconds)}
        with running_fleet(instances, folder) as fleet:
            yield fleet


@pytest.fixture(scope="module")
def person(fleet: Fleet) -> Person:
    """Somebody with a template that takes two seconds."""
    dev = fleet.add_person("dev@example.org", "developer")
    text = package_template("one", "quick", "slow_short")
    assert asyncio.run(Api(fleet.instances[0], dev).put_template(text)).status == 201
    return dev


def each_way(fleet: Fleet) -> list[tuple[Daemon, Daemon]]:
    """From the one behind to the one ahead, and back."""
    behind, ahead = fleet.instances
    return [(behind, ahead), (ahead, behind)]


async def test_r17_a_nonce_of_one_instance_logs_in_once_at_the_other_and_its_token_is_good_at_both(
    fleet: Fleet, person: Person
) -> None:
    for issuing, using in each_way(fleet):
        nonce = (await Api(issuing).post("/auth/challenge", {"email": person.email})).json["nonce"]
        login = issuing.signed_login(person, nonce)
        answers = await asyncio.gather(*(Api(daemon).post("/auth/login", login) for daemon in (using, issuing) * 4))
        assert sorted(answer.status for answer in answers) == [200] + [401] * 7
        (token,) = [answer.json["token"] for answer in answers if answer.status == 200]
        for daemon in fleet.instances:
            told = await Api(daemon, Person(person.email, person.key, person.folder, token)).get("/auth/whoami")
            assert told.status == 200


async def test_r17_equal_requests_at_both_are_one_build_and_its_package_lives_as_long_at_both(
    fleet: Fleet, person: Person
) -> None:
    before = await asyncio.to_thread(fleet.extractions)
    answers = await asyncio.gather(*(Api(daemon, person).package("one") for daemon in fleet.instances * 3))
    assert {answer.status for answer in answers} == {200}
    assert len({(answer.headers["ETag"], answer.body) for answer in answers}) == 1
    name = answers[0].headers["X-Hfit-Package"]
    for daemon in fleet.instances:
        assert (await Api(daemon, person).get(f"/packages/{name}", Range="bytes=0-99")).status == 206
        assert (await Api(daemon, person).package("one")).headers["X-Hfit-Package"] == name
    assert await asyncio.to_thread(fleet.extractions) == before + 1


async def test_r17_a_killed_instances_job_is_taken_over_whatever_the_clocks_say(fleet: Fleet, person: Person) -> None:
    behind, ahead = fleet.instances
    doomed = asyncio.create_task(Api(ahead, person).package("one", refresh=True))
    async with asyncio.timeout(10):
        while not (await asyncio.to_thread(ahead.admin, "status"))["jobs"]:
            await asyncio.sleep(0.02)
    await asyncio.to_thread(ahead.kill)
    with pytest.raises(aiohttp.ClientError):
        await doomed
    async with asyncio.timeout(40):
        while (await Api(behind, person).package("one", refresh=True)).status != 200:
            await asyncio.sleep(0.5)
    await asyncio.to_thread(ahead.start)


async def test_r17_a_session_that_one_ends_is_over_at_the_other_within_five_seconds(fleet: Fleet) -> None:
    async def leave(number: int, ending: Daemon, using: Daemon) -> None:
        leaver = await asyncio.to_thread(fleet.add_person, f"leaver{number}@example.org", "developer")
        assert (await Api(using, leaver).get("/auth/whoami")).status == 200
        await asyncio.to_thread(ending.admin, "session.revoke", email=leaver.email)
        assert await last_accepted([using], leaver) < TRUST_SECONDS

    await asyncio.gather(*(leave(number, *pair) for number, pair in enumerate(each_way(fleet))))
