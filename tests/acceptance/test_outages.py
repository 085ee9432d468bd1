"""What the gateway says and does when the store, a database or its own set-up is not what it should be."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from redis import Redis

from tests.live import redis
from tests.live.daemon import BIN, Daemon, Person, provider, redis_store, role, run, running, sqlite_provider
from tests.live.proxy import TcpProxy, tcp_proxy
from tests.live.servers import Server, free_port
from tests.live.world import EVERYTHING, LIMITS, POLICY, Shop, package_template, small_config
from tests.support.http import Answer, Api

CANARY = "c4nary-s3cret"
DEVELOPER = role("developer", *EVERYTHING)


async def ask_challenge(daemon: Daemon, person: Person) -> Answer:
    """The first step of a login."""
    return await Api(daemon).post("/auth/challenge", {"email": person.email})


async def download_while_the_store_is_lost(api: Api, person: Person, proxy: TcpProxy) -> bytes:
    """A package that begins before Redis goes and ends after."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(
            api.url("/packdownload"), json={"template_name": "short", "parameters": []}, headers=person.bearer
        ) as response,
    ):
        first = await response.content.readany()
        await proxy.refuse()
        started = time.monotonic()
        refused = await ask_challenge(api.daemon, person)
        assert (refused.status, refused.code) == (503, "STORE_UNAVAILABLE")
        assert time.monotonic() - started < 4.0  # two seconds, and a slow machine
        assert (await api.put_template(package_template("other", "quick"))).code == "STORE_UNAVAILABLE"
        assert (await api.get("/db/music/main/Genre/rows")).status == 200  # known less than 60 s ago
        assert await asyncio.to_thread(api.daemon.status_of, "/ready") == 503
        return first + await response.content.read()


async def test_r08_o01_o02_a_lost_store_refuses_logins_and_lets_downloads_finish(shop: Shop, tmp_path: Path) -> None:
    body = provider("slow_pg", shop.postgres, shop.slow) + sqlite_provider("music", shop.music) + POLICY + LIMITS
    with redis.redis() as server:
        async with tcp_proxy(server.host, server.port) as proxy:
            daemon = Daemon(tmp_path, body + DEVELOPER + redis_store(server, proxy.port))
            try:
                await asyncio.to_thread(daemon.start)
                person = await asyncio.to_thread(daemon.add_person, "dev@example.org", "developer")
                api = Api(daemon, person)
                assert (await api.put_template(package_template("short", "quick", "slow_short"))).status == 201
                assert (await api.get("/db/dbmss")).status == 200
                whole = await download_while_the_store_is_lost(api, person, proxy)
                assert whole.endswith(bytes.fromhex("0300") + bytes(8))  # the seal: all of it arrived
                await proxy.restore()
                deadline = time.monotonic() + 5.0
                while (await ask_challenge(daemon, person)).status != 200:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)
                await refused_while_the_store_takes_nothing(api, person, server)
                redis.empty(server)
                nonce = (await ask_challenge(daemon, person)).json["nonce"]
                login = await Api(daemon).post("/auth/login", daemon.signed_login(person, nonce))
                assert login.code == "AUTH_FAILED"
                assert await asyncio.to_thread(daemon.admin, "user.list") == []
            finally:
                await asyncio.to_thread(daemon.stop)


async def refused_while_the_store_takes_nothing(api: Api, person: Person, server: Server) -> None:
    """O03: a full Redis, then one that became a replica, then the end of both; the audit log needs neither."""
    template = package_template("third", "quick")
    before = len(api.daemon.audit_records())
    for harm, cure in (
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ):
        redis.command(server, *harm)
        refused = await api.put_template(template)
        assert (refused.status, refused.code) == (503, "STORE_UNAVAILABLE")
        assert (await ask_challenge(api.daemon, person)).code == "STORE_UNAVAILABLE"
        redis.command(server, *cure)
        async with asyncio.timeout(5):
            while (await ask_challenge(api.daemon, person)).status != 200:
                await asyncio.sleep(0.1)
    codes = {record.get("code") for record in api.daemon.audit_records()[before:]}
    assert "STORE_UNAVAILABLE" in codes
    assert (await api.put_template(template)).status == 201


def give_another_role(server: Server, email: str, had: bytes, wanted: bytes) -> int:
    """Edit a user's record behind the gateway's back; how many were changed."""
    changed = 0
    with Redis(server.host, server.port, password=server.password) as client:
        for name in cast(list[bytes], client.keys("*")):
            if email.encode() not in name or client.type(name) != b"hash":
                continue
            fields = cast(Mapping[bytes, bytes], client.hgetall(name))
            for field, value in fields.items():
                if had in value:
                    client.hset(name, field, value.replace(had, wanted))  # type: ignore[arg-type]
                    changed += 1
    return changed


def test_o04_a_user_edited_in_redis_is_nobody_and_raises_an_alarm(shop: Shop, tmp_path: Path) -> None:
    body = sqlite_provider("music", shop.music) + POLICY + LIMITS + DEVELOPER + role("lowly", "rows:music/main/Genre")
    with redis.redis() as server, running(Daemon(tmp_path, body + redis_store(server))) as daemon:
        person = daemon.add_person("low@example.org", "lowly")
        assert give_another_role(server, person.email, b"lowly", b"developer") == 1
        deadline = time.monotonic() + 7.0
        while asyncio.run(Api(daemon, person).get("/db/dbmss")).status != 401:
            assert time.monotonic() < deadline  # what the store said before is trusted for 5 s
            time.sleep(0.2)
        nonce = daemon.post("/auth/challenge", {"email": person.email})["nonce"]
        refused = asyncio.run(Api(daemon).post("/auth/login", daemon.signed_login(person, nonce)))
        assert refused.code == "AUTH_FAILED"
        alarms = [record for record in daemon.audit_records() if record.get("action") == "alarm.store_tampered"]
        assert {record["code"] for record in alarms} == {"STORE_TAMPERED"}


async def test_h10_no_failure_says_a_secret_and_one_dead_database_leaves_the_others(
    shop: Shop, tmp_path: Path
) -> None:
    port = free_port()
    wrong = dataclasses.replace(shop.postgres, password=CANARY)
    wrong_my = dataclasses.replace(shop.mariadb, password=CANARY)
    dead = dataclasses.replace(shop.postgres, password=CANARY, port=port)
    body = provider("wrong_pg", wrong, "sakila") + provider("wrong_my", wrong_my, "sakila")
    body += provider("dead_pg", dead, f"{CANARY}_db") + sqlite_provider("gone", tmp_path / f"{CANARY}.sqlite")
    body += sqlite_provider("music", shop.music) + POLICY + LIMITS + DEVELOPER
    with running(Daemon(tmp_path, body)) as daemon:
        person = daemon.add_person("dev@example.org", "developer")
        api = Api(daemon, person)
        for path in ("wrong_pg/sakila/public.customer", "wrong_my/sakila/customer", f"dead_pg/{CANARY}_db/public.x"):
            for suffix in ("", "/rows"):
                answer = await api.get(f"/db/{path}{suffix}")
                assert (answer.status, answer.json["category"]) == (503, "CONNECTION")
                for secret in (CANARY, str(port), "127.0.0.1", str(tmp_path)):
                    assert secret not in answer.body.decode()
        assert (await api.get("/db/gone/main/x/rows")).status in {404, 503}
        assert (await api.get("/db/music/main/Genre/rows")).status == 200
        ready = await api.get("//ready")
        assert ready.json["providers"] == {
            "dead_pg": "unavailable", "gone": "unavailable", "music": "ok", "wrong_my": "unavailable",
            "wrong_pg": "unavailable",
        }  # fmt: skip
        said = daemon.log.read_text() + str(daemon.audit_records())
        assert "DB_UNAVAILABLE" in said  # the operator is told
        assert CANARY not in said.replace(f"{CANARY}_db", "")  # the database's name is what the caller wrote
        assert person.token not in said


async def test_a18_too_many_bad_logins_are_stopped_and_nobody_else_is(small: Daemon, shop: Shop) -> None:
    small.stop()
    small.write_config(small_config(small.folder, shop.music).replace("max_attempts = 1000", "max_attempts = 3"))
    small.start()
    person = small.add_person("dev@example.org", "developer")
    api = Api(small)
    bad = small.signed_login(person, "A" * 43)
    answers = [await api.post("/auth/login", {**bad, "email": "who@example.org"}) for _ in range(5)]
    assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert answers[-1].json["category"] == "RATE_LIMIT"
    assert small.login(person).token


WEAK = {
    "a secret in the file": ({"insecure": "[]"}, "secrets"),
    "clear text for all": ({"listen": '"0.0.0.0:1"', "origin": '"http://hfit.example.org"'}, "plaintext"),
    "a role that may write": ({"insecure": '["secrets"]'}, "db-role"),
}


@pytest.mark.parametrize("name", WEAK)
def test_o13_a_weak_setup_is_refused_at_start_by_its_name(shop: Shop, tmp_path: Path, name: str) -> None:
    server, word = WEAK[name]
    daemon = Daemon(tmp_path, provider("shop_pg", shop.postgres, "sakila") + POLICY + DEVELOPER, server)
    done = run([BIN / "hfitd", "serve", "--config", daemon.config], tmp_path, {})
    assert done.code in {1, 2, 3}
    assert word in done.err + done.out
    assert "Traceback" not in done.err
    assert shop.postgres.password not in done.err + done.out


def test_o13_a_secret_in_a_file_that_others_can_read_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(shop.postgres.password)
    (tmp_path / "password").chmod(0o644)
    body = provider("shop_pg", shop.postgres, "sakila").replace(f'"{shop.postgres.password}"', '"file:password"')
    daemon = Daemon(tmp_path, body + POLICY + DEVELOPER, {"insecure": "[]"})
    done = run([BIN / "hfitd", "check", "--config", daemon.config], tmp_path, {})
    assert (done.code, "providers.shop_pg.password" in done.err) == (2, True), done.err
    assert shop.postgres.password not in done.err
