"""The short road of ``again``: what it answers, the same as the long one does, and what keeps an answer off it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from hfitd.access.credit import Credit
from hfitd.app import open_gateway
from hfitd.config.load import load_config
from hfitd.gateway.core import Gateway
from hfitd.observe.logs import LineFormatter
from hfitd.observe.observer import Observer
from hfitd.store.users import StoredKey
from hfitd.web import again
from hfitd.web.server import WebServer
from tests.live.daemon import Daemon, role, sqlite_provider

TEMPLATE = """hfitVersion: 1
templateName: t
packageName: t
exports:
  t.sql: {type: table-data, dbms: shop, table: t}
"""
NEW = re.compile(rb"(?m)^(Date|X-Request-Id|X-RateLimit-Remaining|X-RateLimit-Reset): .*$")
FINGERPRINT = "SHA256:k"
ROUTE = "/api/v1/packages/{id}"


@dataclass
class Place:
    """A gateway of this process with one package; ``short`` are the bytes that the short road has answered."""

    door: Gateway
    port: int
    token: str
    folder: Path
    credit: Credit = field(default_factory=lambda: Credit(lambda: 1000.0))
    email: str = ""
    package: str = ""
    lines: io.StringIO = field(default_factory=io.StringIO)
    short: list[bytes] = field(default_factory=list)

    def request(self, more: str = "", *, token: str = "", method: str = "GET") -> bytes:
        head = f"Host: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {token or self.token}\r\n{more}\r\n"
        return f"{method} /api/v1/packages/{self.package} HTTP/1.1\r\n{head}".encode()

    async def person(self, email: str) -> str:
        key = StoredKey("ssh-ed25519 AAAA", FINGERPRINT, "", "")
        user = await self.door.users.create(email, [key], ["dev"])
        self.email = email
        return self.door.tokens.issue(user, FINGERPRINT).text

    async def obtain(self) -> None:
        """Let the person of the token have the package."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", headers=bearer) as session:
            await session.post("/api/v1/packtmpl", data=TEMPLATE, headers={"Content-Type": "application/yaml"})
            given = await session.post("/api/v1/packdownload", json={"template_name": "t"})
            assert (given.status, bool(await given.read())) == (200, True)
            self.package = given.headers["X-Hfit-Package"]

    def records(self, kind: str) -> list[dict[str, object]]:
        text = "".join(path.read_text() for path in sorted(self.door.audit.folder.glob("*.jsonl")))
        return [record for record in map(json.loads, text.splitlines()) if record["kind"] == kind]


@dataclass
class Line:
    """One connection."""

    place: Place
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, data: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer to these bytes."""
        self.writer.write(data)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, length = int(head.split()[1]), re.search(rb"(?i)content-length: (\d+)", head)
        bodyless = data.startswith(b"HEAD") or status == 304
        return status, head, b"" if bodyless else await self.reader.readexactly(int(length[1]) if length else 0)

    async def ask_until_short(self) -> None:
        """The same request until the short road answers it, and could answer the next one."""
        async with asyncio.timeout(20):
            while not self.place.short or self.place.credit._purses[self.place.email].left < 2:
                assert (await self.ask(self.place.request()))[0] == 200
        self.place.short.clear()


def as_names(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(item) for item in value]


@asynccontextmanager
async def line(place: Place, address: str = "127.0.0.1") -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, local_addr=(address, 0))
    try:
        yield Line(place, reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest_asyncio.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE t (id integer PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(500)])
    connection.close()
    body = sqlite_provider("shop", tmp_path / "shop.db") + role("dev", "rows:**", "template.run:*", "template.edit:*")
    config = load_config(Daemon(tmp_path, f"{body}[limits]\nrequests_per_minute = 600\n").config, os.environ)
    at_once = again.Again.at_once
    async with open_gateway(config, Observer()) as (door, _):
        place = Place(door, 0, "", tmp_path)

        def watched(self: again.Again, peer: str, data: bytes, transport: asyncio.Transport) -> bool:
            answered = at_once(self, peer, data, transport)
            place.short.extend([data] * answered)
            return answered

        monkeypatch.setattr(again.Again, "at_once", watched)
        server = WebServer(door)
        await server.start()
        place.port, place.token = server.port, await place.person("ann@example.org")
        await place.obtain()
        yield place
        await server.stop()


@pytest.fixture
def lines(place: Place) -> Iterator[io.StringIO]:
    """What is logged."""
    handler, log = logging.StreamHandler(place.lines), logging.getLogger("hfitd")
    handler.setFormatter(LineFormatter("json"))
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    place.door.observer.tell()
    yield place.lines
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture
def long_moment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No offer and no request that is paid for ends by its age while a test runs, on however slow a machine."""
    monkeypatch.setattr(place.door.limits, "_credit", place.credit)
    monkeypatch.setattr(again, "FRESH_SECONDS", 600.0)
    monkeypatch.setattr(again, "RENEWED_SECONDS", 600.0)


async def test_the_short_road_and_the_long_one_give_the_same_head_record_metric_and_line(
    place: Place, lines: io.StringIO
) -> None:
    answers, began = [], time.monotonic()
    async with line(place) as one:
        for _ in range(12):
            answers.append(await one.ask(place.request()))
    short = len(place.short)
    assert 5 <= short <= 10, "one went the long road, one was the first to be given again, one may be to renew it"
    assert len({NEW.sub(rb"\1", head) for _, head, _ in answers}) == 1
    assert len({body for _, _, body in answers}) == 1
    left = [int(found[1]) for _, head, _ in answers if (found := re.search(rb"Remaining: (\d+)", head))]
    assert left[0] - left[-1] >= 9 - 10 * (time.monotonic() - began), "each was counted; ten a second come back"
    ids = [found[1].decode() for _, head, _ in answers if (found := re.search(rb"X-Request-Id: ([0-9a-f]{16})", head))]
    assert len(set(ids)) == 12
    metrics = place.door.observer.metrics_text().decode()
    assert f'hfitd_requests_total{{method="GET",route="{ROUTE}",status="200"}} 12.0' in metrics
    assert f'hfitd_request_seconds_count{{route="{ROUTE}"}} 12.0' in metrics
    told = [found for text in lines.getvalue().splitlines() if (found := json.loads(text))["event"] == "request_done"]
    assert sorted(one["request_id"] for one in told) == sorted(ids)
    words = {tuple(name for name in one if name != "job_id") for one in told}  # the long road knows a job
    assert len(words) == 1, "the same words in the same order"
    assert {tuple(one[name] for name in ("level", "method", "route", "status", "size")) for one in told} == {
        ("info", "GET", ROUTE, 200, len(answers[0][2]))
    }
    async with asyncio.timeout(20):
        while True:
            ends = [record for record in place.records("end") if record.get("answers")]
            if len(named := [name for record in ends for name in as_names(record["requests"])]) >= short:
                break
            await asyncio.sleep(0.05)
    assert len(set(named)) == len(named) <= 11
    assert set(named) <= set(ids)
    assert {(r["outcome"], r["bytes"]) for r in ends} == {
        ("done", int(str(r["answers"])) * len(answers[0][2])) for r in ends
    }


async def revoked(place: Place) -> None:
    await place.door.tokens.revoke(place.email)


async def logged_out(place: Place) -> None:
    await place.door.tokens.logout(await place.door.tokens.verify(place.token))


async def changed(place: Place, **changes: Any) -> None:
    user = await place.door.users.get(place.email)
    assert user is not None
    await place.door.users.save(replace(user, **changes))
    place.door.tokens.refresh(user.email)


async def disabled(place: Place) -> None:
    await changed(place, disabled=True)


async def without_role(place: Place) -> None:
    await changed(place, roles=())


async def taken_back(place: Place) -> None:
    await place.door.downloads.artifacts.revoke(place.package)


async def another_policy(place: Place) -> None:
    other = replace(place.door.sources())
    place.door.sources = lambda: other


async def expired(place: Place) -> None:
    place.door.tokens._clock = lambda: time.time() + 24 * 3600


async def no_expiry(place: Place) -> None:
    place.door.tokens._clock = time.time


async def audit_gone(place: Place) -> None:
    for file in place.door.audit.folder.glob("*.jsonl"):
        file.rename(file.with_suffix(".gone"))


async def audit_back(place: Place) -> None:
    for file in place.door.audit.folder.glob("*.gone"):
        file.rename(file.with_suffix(".jsonl"))


async def draining(place: Place) -> None:
    place.door.draining = True


async def not_draining(place: Place) -> None:
    place.door.draining = False


async def nothing(place: Place) -> None:
    """There is nothing to undo."""


@pytest.mark.usefixtures("long_moment")
async def test_a09_d01_what_ends_a_right_ends_the_short_road_with_the_next_request(place: Place) -> None:
    for act, undo, statuses in (
        (revoked, nothing, {401}),
        (logged_out, nothing, {401}),
        (disabled, nothing, {401}),
        (without_role, nothing, {401, 403, 404}),
        (taken_back, nothing, {404}),
        (another_policy, nothing, {200}),
        (expired, no_expiry, {401}),
        (audit_gone, audit_back, {503}),
        (draining, not_draining, {503}),
    ):
        place.token = await place.person(f"{act.__name__}@example.org")
        await place.obtain()
        async with line(place) as one:
            await one.ask_until_short()
            await act(place)
            status, _, _ = await one.ask(place.request())
            assert (act, status in statuses, place.short) == (act, True, [])
            await undo(place)


@pytest.mark.usefixtures("long_moment")
async def test_only_the_same_bytes_from_the_same_address_are_answered_at_once(place: Place) -> None:
    async with line(place) as one, line(place, "127.0.0.2") as elsewhere:
        await one.ask_until_short()
        bob = await place.person("bob@example.org")
        etag = re.search(rb"(?m)^ETag: (.*)\r$", (await one.ask(place.request()))[1])
        assert etag is not None
        place.short.clear()
        assert (await elsewhere.ask(place.request()))[0] == 200
        assert (await one.ask(place.request(token=bob)))[0] == 404
        for more, method, status in (
            ("Range: bytes=0-3\r\n", "GET", 206),
            (f"If-None-Match: {etag[1].decode()}\r\n", "GET", 304),
            ("X-Unknown: 1\r\n", "GET", 200),
            ("Accept: text/plain\r\n", "GET", 200),
            ("", "HEAD", 200),
        ):
            for _ in range(2 if more.startswith("Range") else 1):
                assert (await one.ask(place.request(more, method=method)))[0] == status
        assert place.short == []
        ways = {place.request(), place.request("Accept: text/plain\r\n")}
        async with asyncio.timeout(20):
            while set(place.short) != ways:  # the second way to ask for the same is known now, and the first still is
                for data in ways:
                    assert (await one.ask(data))[0] == 200


@pytest.mark.usefixtures("long_moment")
async def test_h02_what_comes_in_pieces_or_together_is_parsed_and_keeps_its_order(place: Place) -> None:
    async with line(place) as one:
        await one.ask_until_short()
        data = place.request()
        one.writer.write(data[:40])
        await asyncio.sleep(0.05)
        assert (await one.ask(data[40:]))[0] == 200
        one.writer.write(data + b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, _, _ = await one.ask(data)
        assert status == 200
        assert b"package_format" in (await one.reader.readuntil(b"package_format"))
        await one.reader.readuntil(b"}")
        await one.reader.readuntil(b"\r\n\r\n")


@pytest.mark.usefixtures("long_moment")
async def test_a18_the_short_road_ends_where_the_limit_of_requests_does(place: Place) -> None:
    answers, began = 0, time.monotonic()
    async with line(place) as one:
        while (await one.ask(place.request()))[0] == 200:
            answers += 1
    assert place.short
    assert answers <= 600 + (time.monotonic() - began) * 10 + 1
