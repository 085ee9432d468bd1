"""While a package is made: how many rows are written, of how many, and how long it will take."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from tests.live.world import World, package_template
from tests.support.http import Api

NAME = "told-on-the-way"
LONG = 1200  # rows of slow_long, 50 ms each: a minute that no test waits for; quick has 3000


@pytest.fixture(scope="module")
async def api(world: World) -> Api:
    """A gateway with a template whose first member is there at once, and whose second takes a minute."""
    api = Api(world.daemon, world.dev)
    assert (await api.put_template(package_template(NAME, "quick", "slow_long"))).status == 201
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


def on_terminal(world: World, until: str, *arguments: str) -> str:
    """What ``hfit`` writes at a terminal, without control sequences, until it fits; then Ctrl-C is pressed."""
    assert world.daemon.hfit(world.dev, "login").code == 0
    leader, follower = pty.openpty()
    environment = world.daemon.client_environment(world.dev) | {"TERM": "xterm", "COLUMNS": "160"}
    with subprocess.Popen(
        world.daemon.client_argv(*arguments), stdin=follower, stdout=follower, stderr=follower, env=environment,
        cwd=world.dev.folder,
    ) as process:  # fmt: skip
        os.close(follower)
        shown = ""
        while not re.search(until, shown):
            try:
                piece = os.read(leader, 65536).decode(errors="replace")
            except OSError:  # it has ended, and Linux ends a terminal so
                break
            shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown + piece)
        process.send_signal(signal.SIGINT)
        process.wait()
    os.close(leader)
    return shown
