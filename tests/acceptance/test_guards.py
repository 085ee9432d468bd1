"""Production is protected, by two daemons on one Redis as by one: connections, ceilings, quotas, cancelled work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import aiomysql
import asyncpg
import pytest

from tests.live import redis
from tests.live.daemon import Daemon, Person, provider, redis_store, role
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.live.world import EVERYTHING, POLICY
from tests.support.http import Answer, Api

CAP = 2
PASSWORD = "capped-user-of-tests"
POSTGRES = """
CREATE TABLE t (id integer PRIMARY KEY, next integer REFERENCES t (id), v text);
INSERT INTO t SELECT g, nullif(g - 1, 0), repeat('x', 50) FROM generate_series(1, 3000) g; ANALYZE t;
CREATE VIEW nap AS SELECT 1 AS id, pg_sleep(0.15)::text AS pause;
CREATE VIEW sleep AS SELECT g AS id, pg_sleep(0.1)::text AS pause FROM generate_series(1, 600) g;
"""
MARIADB = """
CREATE TABLE t (id integer PRIMARY KEY, next integer REFERENCES t (id), v text);
INSERT INTO t SELECT seq, nullif(seq - 1, 0), repeat('x', 50) FROM seq_1_to_3000; ANALYZE TABLE t;
CREATE VIEW nap AS SELECT id, sleep(0.15) AS pause FROM t WHERE id = 1;
CREATE VIEW sleep AS SELECT id, sleep(0.1) AS pause FROM t WHERE id < 600;
"""
LIMITS = """
[limits]
requests_per_minute = 100000
concurrent_packages = 100
queue_length = 30
orphan_grace = "200ms"
rows_per_day = 3500
tables_per_hour = 3
[auth]
max_attempts = 1000
"""
Count = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Fleet:
    """Two daemons, and what stands behind them."""

    daemons: tuple[Daemon, Daemon]
    postgres: Server
    mariadb: Server
    postgres_database: str
    mariadb_database: str

    def path(self, name: str, table: str) -> str:
        """The rows of a table or view of a provider."""
        if name == "pg":
            return f"/db/pg/{self.postgres_database}/public.{table}/rows"
        return f"/db/my/{self.mariadb_database}/{table}/rows"


def capped(text: str, more: str = "") -> str:
    """A provider with few connections."""
    return f"{text.rstrip()}\nmax_connections = {CAP}\n{more}\n"


@pytest.fixture(scope="module")
def fleet(
    postgres_server: Server, mariadb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    user = f"CREATE OR REPLACE USER capped@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"
    run_sql(postgres_server, "CREATE DATABASE capped;")
    run_sql(postgres_server, POSTGRES, "capped")
    grant = "GRANT SELECT, SHOW VIEW ON capped.* TO capped@'127.0.0.1'"
    run_sql(mariadb_server, f"CREATE DATABASE capped; {user}; {grant};")
    run_sql(mariadb_server, MARIADB, "capped")
    weak = replace(mariadb_server, user="capped", password=PASSWORD)
    with redis.redis() as store:
        body = capped(provider("pg", postgres_server, "capped"), "max_cost = 100000.0\nmax_rows = 100000")
        body += capped(provider("my", weak, "capped"), "max_cost = 100000.0")
        body += capped(provider("tight", postgres_server, "capped"), "max_cost = 1000.0")
        body += POLICY + LIMITS + redis_store(store) + role("developer", *EVERYTHING)
        keys = {"keys_dir": f'"{folder}/keys"'}
        daemons = []
        try:
            for name in ("one", "two"):
                (folder / name).mkdir()
                daemon = Daemon(folder / name, body, {**keys, "instance": f'"{name}"'})
                daemon.start()
                daemons.append(daemon)
            yield Fleet((daemons[0], daemons[1]), postgres_server, mariadb_server, "capped", "capped")
        finally:
            for daemon in daemons:
                daemon.stop()
            run_sql(postgres_server, "DROP DATABASE capped WITH (FORCE);")
            run_sql(mariadb_server, "DROP DATABASE capped; DROP USER capped@'127.0.0.1';")


def people(fleet: Fleet, *names: str) -> list[Person]:
    """Users with a token of each daemon in turn."""
    first, second = fleet.daemons
    found = []
    for number, name in enumerate(names):
        person = first.add_person(f"{name}@example.org", "developer")
        found.append(second.login(person) if number % 2 else person)
    return found


def api(fleet: Fleet, number: int, person: Person) -> Api:
    """The person at the daemon whose token it has."""
    return Api(fleet.daemons[number % 2], person)


@asynccontextmanager
async def counting(fleet: Fleet, name: str) -> AsyncIterator[Count]:
    """How many connections of the gateway the server has now."""
    if name == "pg":
        server = fleet.postgres
        admin = await asyncpg.connect(
            host=server.host, port=server.port, user=server.user, password=server.password, database="postgres"
        )
        question = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'capped' AND application_name = 'hfitd'"
        yield lambda: admin.fetchval(question)
        await admin.close()
        return
    server = fleet.mariadb
    connection = await aiomysql.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, autocommit=True
    )

    async def count() -> int:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT count(*) FROM information_schema.processlist WHERE user = 'capped'")
            return int((await cursor.fetchone())[0])

    yield count
    connection.close()


@pytest.mark.parametrize("name", ["pg", "my"])
async def test_r10_two_daemons_together_never_open_more_connections_than_the_cap(fleet: Fleet, name: str) -> None:
    users = await asyncio.to_thread(people, fleet, *(f"{name}{number}" for number in range(4)))
    most, done = 0, asyncio.Event()

    async def watch(count: Count) -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, await count())
            await asyncio.sleep(0.01)

    async with counting(fleet, name) as count:
        watching = asyncio.create_task(watch(count))
        asked = [api(fleet, n, user).get(fleet.path(name, "nap")) for n, user in enumerate(users) for _ in range(3)]
        answers: list[Answer] = await asyncio.gather(*asked)
        done.set()
        await watching
    assert {answer.status for answer in answers} == {200}, {answer.body[:300] for answer in answers}
    assert most == CAP



async def test_who_finds_the_queue_full_is_told_when_to_come_again(fleet: Fleet) -> None:
    (user,) = await asyncio.to_thread(people, fleet, "queue")
    asked = [api(fleet, 0, user).get(fleet.path("pg", "nap")) for _ in range(60)]
    answers = await asyncio.gather(*asked)
    busy = [answer for answer in answers if answer.status == 503]
    assert busy
    assert {answer.code for answer in busy} == {"BUSY"}
    assert {answer.headers["Retry-After"] for answer in busy} == {"10"}
    assert {answer.status for answer in answers} == {200, 503}
    status = await asyncio.to_thread(fleet.daemons[0].admin, "status")
    assert status["connections"]["pg"] == {"connections": CAP, "in_use": 0, "waiting": 0}
    assert status["instance"] == "one"
    async with asyncio.timeout(12):  # they count each other every five seconds
        while (await asyncio.to_thread(fleet.daemons[0].admin, "status"))["instances"] != 2:
            await asyncio.sleep(0.2)
    metrics = (await Api(fleet.daemons[0]).get("//metrics")).body.decode()
    assert 'hfitd_queue_seconds_count{queue="pg"}' in metrics
    assert 'hfitd_queue_waiting{queue="pg"} 0.0' in metrics
    assert "hfitd_audit_lag_records 0.0" in metrics
    assert 'hfitd_rows_total{way="stream"}' in metrics


@pytest.mark.parametrize("name", ["pg", "my"])
async def test_r12_s28_a_client_that_leaves_leaves_no_query_after_two_seconds(fleet: Fleet, name: str) -> None:
    (user,) = await asyncio.to_thread(people, fleet, f"leaver-{name}")
    async with counting(fleet, name) as count:
        async with aiohttp.ClientSession() as session:
            asking = asyncio.create_task(
                session.get(api(fleet, 0, user).url(fleet.path(name, "sleep")), headers=user.bearer)
            )
            async with asyncio.timeout(10):
                while not await count():
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            asking.cancel()
            (found,) = await asyncio.gather(asking, return_exceptions=True)
            if isinstance(found, aiohttp.ClientResponse):  # the head had come already
                found.close()
        left = time.monotonic()
        while await count():
            assert time.monotonic() - left < 2.0 + 1.0  # and a slow machine
            await asyncio.sleep(0.02)


TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
{rest}"""
COSTLY = {
    "free query": 'exports:\n  x.csv: {{type: database, provider: {p}, query: "SELECT a.v FROM t a, t b, t c"}}',
    "prepare query": (
        "prepare:\n  - {{setVar: n, from: hot-data, hdata: {{type: dbquery, dbms: {p},"
        ' query: "SELECT count(*) AS n FROM t a, t b, t c"}}}}\n'
        "exports:\n  x.csv: {{type: table-data, data: {{dbms: {p}, table: {t}, filter: 'id = 1'}}}}"
    ),
}


@pytest.mark.parametrize("kind", COSTLY)
@pytest.mark.parametrize("name", ["pg", "my"])
async def test_s28_what_the_planner_expects_to_be_too_much_is_refused_before_it_runs(
    fleet: Fleet, name: str, kind: str
) -> None:
    user = (await asyncio.to_thread(people, fleet, f"costly-{name}-{kind.replace(' ', '-')}"))[0]
    person = Api(fleet.daemons[0], user)
    table = "public.t" if name == "pg" else "t"
    text = TEMPLATE.format(name=f"costly-{name}", rest=COSTLY[kind].format(p=name, t=table))
    assert (await person.put_template(text)).status == 201
    refused = await person.package(f"costly-{name}")
    assert (refused.status, refused.code) == (422, "COST_REFUSED")
    assert "of at most 100000" in refused.json["message"]
    assert "SELECT" not in refused.body.decode()


async def test_s28_a_level_of_a_subset_is_estimated_like_everything_else(fleet: Fleet) -> None:
    user = (await asyncio.to_thread(people, fleet, "subset"))[0]
    person = Api(fleet.daemons[0], user)
    run_sql(
        fleet.postgres,
        "CREATE TABLE big (id integer PRIMARY KEY, t_id integer REFERENCES t (id), v text);"
        "INSERT INTO big SELECT g, 1, repeat('y', 300) FROM generate_series(1, 120000) g; ANALYZE big;",
        "capped",
    )
    roots = "roots: [{table: public.t, where: 'id = 1'}], children: [big]"
    rest = f"exports:\n  x.sql: {{type: subset, data: {{dbms: tight, {roots}}}}}"
    text = TEMPLATE.format(name="levels", rest=rest)
    assert (await person.put_template(text)).status == 201
    refused = await person.package("levels")
    assert (refused.status, refused.code) == (422, "COST_REFUSED"), refused.body
    run_sql(fleet.postgres, "DROP TABLE big;", "capped")


async def test_quotas_count_at_both_daemons_and_name_themselves(fleet: Fleet) -> None:
    first, second = fleet.daemons
    person = await asyncio.to_thread(first.add_person, "quota@example.org", "developer")
    at_second = await asyncio.to_thread(second.login, person)
    whole = await Api(first, person).get(fleet.path("pg", "t"))
    assert whole.status == 200
    assert whole.headers["X-RateLimit-Limit"] == "100000"
    refused, given = whole, 0
    while refused.status == 200 and given < 20:
        refused = await Api(second, at_second).get(fleet.path("my", "t") + "?limit=300")
        given += 1
    assert given == 2
    assert (refused.status, refused.code) == (429, "RATE_LIMITED")
    assert refused.json["resource"] == "rows_per_day"
    assert 0 < int(refused.headers["Retry-After"]) <= 86401
    assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == ("3500", "0")
    assert (await Api(first, person).get("/db/dbmss")).status == 200  # looking around is no taking away
    metrics = (await Api(second).get("//metrics")).body.decode()
    assert 'hfitd_quota_refusals_total{quota="rows_per_day"}' in metrics


async def test_who_asks_for_one_table_after_the_other_is_stopped_and_an_alarm_is_raised(fleet: Fleet) -> None:
    first = fleet.daemons[0]
    person = await asyncio.to_thread(first.add_person, "tables@example.org", "developer")
    places = [fleet.path("pg", "t"), fleet.path("pg", "nap"), fleet.path("my", "t"), fleet.path("my", "nap")]
    answers = [await Api(first, person).get(f"{place}?limit=1") for place in [*places[:3], places[0], places[3]]]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].json["resource"] == "tables_per_hour"
    alarms = [r for r in first.audit_records() if r.get("action") == "alarm.tables_carried_off"]
    assert [alarm["email"] for alarm in alarms] == ["tables@example.org"]
