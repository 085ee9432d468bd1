"""Scanning live databases: every engine is sampled, and a table that does not answer is judged by its names."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import asyncpg
import pytest

from hfitd.access.policy import Policy
from hfitd.config.model import PolicyConfig, ProviderConfig
from hfitd.engines.table import open_engine
from hfitd.export.survey import samples
from hfitd.export.survey.findings import PROPOSED, Finding, Survey, survey_provider, write_fragment
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider
from tests.support.mysql_world import mysql_provider

POLICY = Policy(PolicyConfig(), {}, b"k" * 32)


async def scan(provider: ProviderConfig, policy: Policy = POLICY) -> Survey:
    engine = open_engine(provider)
    try:
        return await survey_provider(policy, engine, provider.database or "main")
    finally:
        await engine.close()


def proposed(survey: Survey) -> dict[str, tuple[str, str]]:
    return {
        item.object.split("/", 2)[2]: (item.mask, item.confidence)
        for item in survey.findings
        if item.status == PROPOSED
    }


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
async def test_sakila_is_scanned_on_servers(request: pytest.FixtureRequest, engine: str) -> None:
    kind, make = {"postgresql": ("postgres", postgres_provider), "mysql": ("mariadb", mysql_provider)}[engine]
    database = request.getfixturevalue(f"sakila_{kind}")
    survey = await scan(make(request.getfixturevalue(f"{kind}_server"), database))
    found = proposed(survey)
    assert found["customer.email"] == ("email", "high")
    assert found["customer.first_name"] == ("person_name", "high")
    assert found["address.address"][1] == "high"
    assert found["staff.password"][0] in {"null", "const"}
    assert not {"film.title", "film.description", "city.city", "category.name", "payment.amount"} & found.keys()
    assert survey.unread == ()


async def test_chinook_is_scanned_in_a_file(chinook_sqlite: Path) -> None:
    survey = await scan(ProviderConfig("shop", "sqlite", path=chinook_sqlite))
    found = proposed(survey)
    assert found["Customer.Email"] == ("email", "high")
    assert found["Employee.Phone"][0] == "phone"
    assert not {"Track.Name", "Album.Title", "Artist.Name", "Genre.Name"} & found.keys()
    fragment = survey.document(only_new=True)["fragment"]
    assert isinstance(fragment, str)
    rules = tomllib.loads(fragment)["policy"]["mask"]
    assert {rule["columns"].split("/", 2)[2] for rule in rules} == found.keys()
    assert "@" not in fragment, "no sampled value"


async def test_a_table_that_does_not_answer_is_named_and_the_next_are_read(
    postgres_server: Server, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SECONDS", 0.3)
    run_sql(
        postgres_server,
        "CREATE TABLE a (mail text, x text); CREATE TABLE b (mail text, x text);"
        "INSERT INTO a SELECT NULL, 'p' || i || '@x.de' FROM generate_series(1, 9) i; INSERT INTO b SELECT * FROM a;",
        postgres_database,
    )
    provider = postgres_provider(postgres_server, postgres_database)
    locker = await asyncpg.connect(
        host=postgres_server.host, port=postgres_server.port, user=postgres_server.user,
        password=postgres_server.password, database=postgres_database,
    )  # fmt: skip
    try:
        await locker.execute("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE")
        survey = await asyncio.wait_for(scan(provider), 20)
    finally:
        await locker.close()
    assert survey.unread == ("shop/public/a",)
    found = proposed(survey)
    assert found["a.mail"] == ("email", "medium")
    assert "a.x" not in found
    assert found["b.x"] == ("email", "high")


@pytest.mark.parametrize("status", ["masked", "cleared", "proposed", "look", "harmless"])
def test_the_name_of_a_table_cannot_leave_its_remark_and_become_policy(status: str) -> None:
    """Neither as an entry of its own nor as a sequence that a terminal obeys."""
    hostile = 'shop/public/t\n[[policy.clear]]\ncolumns = ["**"]\r[x]\x1b[2J\x9b2J\u202e'
    fragment = write_fragment("shop", [Finding(f"{hostile}.mail", "text", status, "null")], (hostile,))
    assert tomllib.loads(fragment) == {}
    assert all(line.isprintable() for line in fragment.split("\n"))


async def test_long_cells_and_strange_names_are_sampled(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(
        mariadb_server,
        "CREATE TABLE `we``ird na.me` (`a/b.c` longtext, `k` longblob, `j` json);"
        "INSERT INTO `we``ird na.me` SELECT REPEAT('ann@corp.de and more ', 50000), REPEAT('x', 100000),"
        " '{\"user\": {\"email\": \"a@corp.de\"}}' FROM seq_1_to_6;",
        mariadb_database,
    )
    survey = await scan(mysql_provider(mariadb_server, mariadb_database))
    by_name = {item.object.rpartition("/")[2]: item for item in survey.findings}
    assert by_name["we`ird na%2Eme.a%2Fb%2Ec"].kind == "free text"
    assert by_name["we`ird na%2Eme.j"].kind == "e-mail address"
