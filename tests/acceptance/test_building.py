"""While a package is made: how many rows are written, of how many, and how long it will take."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, Person, provider, role, running
from tests.live.databases import client_command
from tests.live.world import EVERYTHING, LIMITS, POLICY, Shop, World, package_template
from tests.support.http import Api

NAME, CHAIN = "told-on-the-way", "chain"
SUBSET = """hfitVersion: 1
templateName: chain
packageName: chain
exports:
  first.ndjson: {type: table-data, data: {dbms: slow_pg, table: public.head}}
  second.sql: {type: subset, data: {dbms: slow_pg, roots: [{table: public.head}], children: all}}
"""
LONG = 1200  # rows of slow_long, 50 ms each: a minute that no test waits for; quick has 3000


@pytest.fixture(scope="module")
async def api(world: World) -> Api:
    """A gateway with a template whose first member is there at once, and whose second takes a minute; and others."""
    api = Api(world.daemon, world.dev)
    templates = [package_template(NAME, "quick", "slow_long"), package_template("waits", "quick", "held")]
    for template in (*templates, package_template("fast", "head"), SUBSET):
        assert (await api.put_template(template)).status == 201
    return api


async def test_events_tell_how_many_rows_are_written_and_expected(api: Api) -> None:
    body = {"template_name": NAME, "parameters": [], "refresh": True}
    kind, told = "", {"rows": 0, "expected_rows": 0}
    async with api.opened("POST", "/packdownload", json=body) as response:
        place = f"/packages/{response.headers['X-Hfit-Package']}/events"
        async with api.opened("GET", place) as events:
            while not told["rows"]:
                name, _, value = (await events.content.readline()).decode().strip().partition(": ")
                kind = value if name == "event" else kind
                if name == "data" and kind == "progress":
                    told = json.loads(value)
    assert set(told) == {"rows", "expected_rows"}
    assert 0 < told["rows"] <= 3000 + LONG
    assert told["expected_rows"] >= 3000 + LONG


def test_a_terminal_shows_how_far_the_gateway_is_and_how_long_it_will_take(world: World, api: Api) -> None:
    wanted = rf"{NAME}: build.*[\d,]+ of about [\d,]+ rows [\d,]+ rows/s \d+:\d\d:\d\d left"
    shown = on_terminal(world, wanted, "pkg-download", NAME, "--refresh", "--force")
    assert re.search(wanted, shown), shown
    assert f"{NAME}: download" in shown


def test_a_terminal_shows_how_far_the_walk_of_a_plan_is(world: World, api: Api) -> None:
    """Before anything is built: a chain of thirty thousand rows is found link by link, a statement each."""
    wanted = rf"{NAME}: download"
    figures = (
        rf"{CHAIN}: plan.*1 of 2 exports, 1 of 3 tables, [\d,]+ rows found, [\d,]+ rows/s \d+:\d\d:\d\d left"
    )
    shown = on_terminal(world, figures, "pkg-download", CHAIN, "--refresh", "--force")
    assert re.search(figures, shown), shown
    assert wanted not in shown


def test_a_terminal_shows_how_far_a_plan_is(world: World, api: Api) -> None:
    """The statement of its second export waits for a lock."""
    wanted = r"waits: plan.*1 of 2 exports, 1 of 2 tables, [\d.]+ tables/s \d+:\d\d:\d\d left"
    with locked(world, "held"):
        shown = on_terminal(world, wanted, "pkg-plan", "waits")
    assert re.search(wanted, shown), shown


async def test_a_plan_is_followed_by_a_name_that_counts_for_its_person_alone(world: World, api: Api) -> None:
    """Two people use one name; each hears of the own plan, and of nothing else. None of it is on record as given."""
    name = "w." + "n" * 24
    peer = Api(world.daemon, world.peer)
    assert (await peer.put_template(package_template("of-peer", "quick"))).status == 201
    before = [record.get("action") for record in world.daemon.audit_records()].count("package.again")
    asked = [(api, NAME, 2), (peer, "of-peer", 1)]

    followed = [asyncio.create_task(who.get(f"/packages/{name}/events")) for who, _, _ in asked]
    for who, template, _ in asked:
        body = {"template_name": template, "parameters": []}
        assert (await who.post("/packplan", body, **{"X-Hfit-Watch": name})).status == 200
    for task, (_, _, exports) in zip(followed, asked, strict=True):
        events = read_events((await task).body)
        figures = dict(events)["planning"]
        whole = {"exports": exports, "expected_exports": exports, "tables": exports, "expected_tables": exports}
        assert figures == whole | {"rows": 0, "share": 1.0}
        assert events[-1] == ("done", {})
    again = [record.get("action") for record in world.daemon.audit_records()].count("package.again")
    assert again == before
    refused = await api.post("/packplan", {"template_name": NAME, "parameters": []}, **{"X-Hfit-Watch": "mine"})
    assert (refused.status, refused.code) == (400, "BAD_REQUEST")


def test_a_terminal_shows_the_build_whose_head_waits_for_its_end(shop: Shop, tmp_path: Path) -> None:
    """The residual scan may refuse until the last byte, so nothing of the answer is there while rows are written."""
    policy = POLICY.replace("[policy]", '[policy]\nresidual_scan = "refuse"')
    body = provider("slow_pg", shop.postgres, shop.slow) + policy + LIMITS + role("developer", *EVERYTHING)
    wanted = rf"{NAME}: build.*[\d,]+ of about [\d,]+ rows [\d,]+ rows/s \d+:\d\d:\d\d left"
    with running(Daemon(tmp_path, body)) as daemon:
        person = daemon.add_person("dev@example.org", "developer")
        template = package_template(NAME, "quick", "slow_long")
        assert asyncio.run(Api(daemon, person).put_template(template)).status == 201
        shown = at_terminal(daemon, person, wanted, "pkg-download", NAME)
    assert re.search(wanted, shown), shown


def test_hfit_refresh_at_a_terminal_shows_the_whole_and_each_package(world: World, api: Api, tmp_path: Path) -> None:
    (tmp_path / "hfit.toml").write_text(
        f'[packages.fast]\ntemplate = "fast"\ninto = "fast"\n[packages.slow]\ntemplate = "{NAME}"\ninto = "slow"\n'
    )
    whole = r"refresh .*1 of 2 packages, [\d.]+ packages/min, \d+:\d\d:\d\d left"
    wanted = rf"{whole}(?s:.*)slow: build.*[\d,]+ of about [\d,]+ rows [\d,]+ rows/s"
    environment = {"NO_COLOR": "1", "HFIT_CACHE_DIR": str(tmp_path / "cache")}
    raw: list[str] = []
    shown = at_terminal(
        world.daemon, world.dev, wanted, "refresh", "--jobs", "1", cwd=tmp_path, environment=environment, raw=raw
    )
    assert re.search(wanted, shown), shown
    assert "fast  new  " in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", "".join(raw))


@contextlib.contextmanager
def locked(world: World, table: str) -> Iterator[None]:
    """Nobody else can read the table while the block runs."""
    server = world.shop.postgres
    argv, environment = client_command(server, world.shop.slow)
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment, text=True
    ) as psql:
        assert psql.stdin
        assert psql.stdout
        psql.stdin.write(f"BEGIN; LOCK TABLE {table};\n\\echo locked\n")
        psql.stdin.flush()
        while "locked" not in psql.stdout.readline():
            pass
        yield
        psql.stdin.close()


def read_events(body: bytes) -> list[tuple[str, dict[str, object]]]:
    """Events of a body of server-sent events."""
    blocks = [block.split("\n") for block in body.decode().strip().split("\n\n") if block.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def on_terminal(world: World, until: str, *arguments: str) -> str:
    """``at_terminal`` for the world's developer."""
    return at_terminal(world.daemon, world.dev, until, *arguments)


def at_terminal(
    daemon: Daemon,
    person: Person,
    until: str,
    *arguments: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    raw: list[str] | None = None,
) -> str:
    """What ``hfit`` writes at a terminal, without control sequences, until it fits; then Ctrl-C is pressed."""
    assert daemon.hfit(person, "login").code == 0
    leader, follower = pty.openpty()
    settings = daemon.client_environment(person) | {"TERM": "xterm", "COLUMNS": "180"} | dict(environment or {})
    with subprocess.Popen(
        daemon.client_argv(*arguments), stdin=follower, stdout=follower, stderr=follower, env=settings,
        cwd=cwd or person.folder,
    ) as process:  # fmt: skip
        os.close(follower)
        shown = ""
        while not re.search(until, shown) and (piece := read_terminal(leader)):
            if raw is not None:
                raw.append(piece)
            shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown + piece)
        process.send_signal(signal.SIGINT)
        while read_terminal(leader):
            pass  # nobody can end who waits for a terminal that is not read
        process.wait()
    os.close(leader)
    return shown


def read_terminal(leader: int) -> str:
    """What was written at a terminal; nothing when its program has ended, which is an error of the device on Linux."""
    try:
        return os.read(leader, 65536).decode(errors="replace")
    except OSError:
        return ""
