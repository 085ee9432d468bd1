"""Answers given once more within a moment: the same bytes, the same refusals, and every byte on record."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.live.daemon import Daemon, Person, role, running, sqlite_provider, volume
from tests.support.http import Api

CONTENT = Random(5).randbytes(600_000)
GRANTS = ("files.read:**", "rows:**", "template.run:*", "template.edit:*")
TEMPLATE = """hfitVersion: 1
templateName: t
packageName: t
exports:
  t.sql: {type: table-data, dbms: shop, table: t}
"""
A_MINUTE = 600
LIMITS = f"[limits]\nrequests_per_minute = {A_MINUTE}\n"


@dataclass(frozen=True)
class Shelf:
    daemon: Daemon
    files: Path

    def body(self, *grants: str) -> str:
        shop = sqlite_provider("shop", self.files.parent / "shop.db")
        return shop + volume("files", self.files) + role("dev", *grants or GRANTS) + LIMITS


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    tmp_path = tmp_path_factory.mktemp("again")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.bin").write_bytes(CONTENT)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE t (id integer PRIMARY KEY)")
    connection.close()
    daemon = Daemon(tmp_path, "")
    shelf = Shelf(daemon, tmp_path / "files")
    daemon.write_config(shelf.body())
    with running(daemon):
        yield shelf


@dataclass
class Line:
    """One connection, spoken to by hand, so that requests are no more than they have to be."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str

    async def get(self, path: str, more: str = "") -> tuple[int, Mapping[str, str], bytes]:
        self.writer.write(f"GET /api/v1{path} HTTP/1.1\r\n{self.head}{more}\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))


@asynccontextmanager
async def line(daemon: Daemon, person: Person) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    head = f"Host: 127.0.0.1:{daemon.port}\r\nAuthorization: Bearer {person.token}\r\n"
    try:
        yield Line(reader, writer, head)
    finally:
        writer.close()


def as_names(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(item) for item in value]


def records(daemon: Daemon, kind: str) -> list[dict[str, object]]:
    return [record for record in daemon.audit_records() if record["kind"] == kind]


async def all_ended(daemon: Daemon, person: Person) -> None:
    async with asyncio.timeout(20):
        while True:
            begun = {r["seq"] for r in records(daemon, "begin") if r.get("email") == person.email}
            if begun <= {r["begin"] for r in records(daemon, "end")}:
                return
            await asyncio.sleep(0.05)


async def test_r5_every_byte_of_many_ranges_is_right_and_on_record(shelf: Shelf) -> None:
    ann = shelf.daemon.add_person("ann@example.org", "dev")
    chance, got, names = Random(9), 0, set[str]()
    async with line(shelf.daemon, ann) as one, line(shelf.daemon, ann) as other:
        for number in range(200):
            start = chance.randrange(len(CONTENT))
            stop = chance.randrange(start, len(CONTENT))
            connection = other if number % 3 else one
            status, headers, body = await connection.get(
                "/files/files/download?path=a.bin", f"Range: bytes={start}-{stop}\r\n"
            )
            assert (status, body == CONTENT[start : stop + 1]) == (206, True)
            assert headers["content-range"] == f"bytes {start}-{stop}/{len(CONTENT)}"
            assert {"x-request-id", "etag", "date", "x-ratelimit-remaining", "x-content-type-options"} <= set(headers)
            got += len(body)
            names.add(headers["x-request-id"])
        status, headers, body = await one.get("/files/files/download?path=a.bin", "Range: bytes=600000-\r\n")
        assert (status, headers["content-range"]) == (416, "bytes */600000")
    await all_ended(shelf.daemon, ann)
    begins = [r for r in records(shelf.daemon, "begin") if r.get("email") == ann.email and r["action"] == "files.read"]
    ends = {r["begin"]: r for r in records(shelf.daemon, "end")}
    assert all(r["objects"] == ["files/a.bin"] for r in begins)
    assert sum(int(str(ends[r["seq"]]["bytes"])) for r in begins) == got
    assert [ends[r["seq"]]["outcome"] for r in begins].count("refused") == 1
    assert {ends[r["seq"]]["outcome"] for r in begins} == {"done", "refused"}
    shared = [r["seq"] for r in begins if "answers" in str(r.get("details"))]
    told = [name for seq in shared for name in as_names(ends[seq]["requests"])]
    assert len(begins) < 150, "ranges share records"
    assert len(told) == len(set(told)) == sum(int(str(ends[seq]["answers"])) for seq in shared)
    assert set(told) <= names
    assert len(told) + len(begins) - len(shared) == 201
    lines = [json.loads(text) for text in shelf.daemon.log.read_text().splitlines() if '"request_done"' in text]
    assert names <= {found["request_id"] for found in lines if found["status"] == 206}


async def test_what_would_be_refused_is_refused_at_once(shelf: Shelf) -> None:
    daemon, path = shelf.daemon, "/files/files/download?path=b.bin"
    ann = daemon.add_person("bob@example.org", "dev")
    (shelf.files / "b.bin").write_bytes(CONTENT)
    async with line(daemon, ann) as one:
        for _ in range(3):
            assert (await one.get(path))[0] == 200
        (shelf.files / "new").write_bytes(b"new")
        (shelf.files / "new").rename(shelf.files / "b.bin")
        assert (await one.get(path))[2] == b"new"
        assert (await one.get(path))[2] == b"new"
        was = (shelf.files / "b.bin").stat()
        (shelf.files / "b.bin").write_bytes(b"NEW")
        os.utime(shelf.files / "b.bin", ns=(was.st_atime_ns, was.st_mtime_ns))
        assert (await one.get(path))[2] == b"NEW"
        (shelf.files / "d").mkdir()
        (shelf.files / "d" / "x").write_bytes(b"x")
        for _ in range(2):
            assert (await one.get("/files/files/download?path=d/x"))[0] == 200
        (shelf.files / "d").rename(shelf.files / "e")
        assert (await one.get("/files/files/download?path=d/x"))[0] == 404
        assert (await one.get(path, f"Authorization: Bearer {ann.token}\r\n"))[0] == 401
        assert (await one.get(path))[0] == 200
        daemon.admin("session.revoke", email=ann.email)
        assert (await one.get(path))[0] == 401


async def test_a_package_that_is_taken_back_is_gone_at_once(shelf: Shelf) -> None:
    daemon = shelf.daemon
    ann, bob = (daemon.add_person(f"{name}@example.org", "dev") for name in ("hal", "ida"))
    api = Api(daemon, ann)
    assert (await api.put_template(TEMPLATE)).status == 201
    first = await api.package("t")
    number = first.headers["X-Hfit-Package"]
    async with line(daemon, ann) as one, line(daemon, bob) as other:
        for _ in range(5):
            status, headers, body = await one.get(f"/packages/{number}")
            assert (status, body, headers["x-hfit-package"]) == (200, first.body, number)
            assert (await other.get(f"/packages/{number}"))[0] == 404
        daemon.admin("package.revoke", id=number, **{"as": ann.email})
        assert (await one.get(f"/packages/{number}"))[0] == 404


async def test_a_reload_that_takes_a_grant_away_is_obeyed_at_once(shelf: Shelf) -> None:
    daemon, path = shelf.daemon, "/files/files/download?path=a.bin"
    ann = daemon.add_person("cyd@example.org", "dev")
    async with line(daemon, ann) as one:
        for grants, status in ((("files.read:files/other/**",), 404), ((), 200)):
            reloads = daemon.log.read_text().count("config_reloaded")
            daemon.write_config(shelf.body(*grants))
            daemon.signal(signal.SIGHUP)
            while daemon.log.read_text().count("config_reloaded") == reloads:
                assert (await one.get(path))[0] in (200, 404)
            assert (await one.get(path))[0] == status


async def test_every_answer_counts_against_the_limit(shelf: Shelf) -> None:
    daemon, path = shelf.daemon, "/files/files/download?path=a.bin"
    ann = daemon.add_person("dan@example.org", "dev")
    answers, began = 0, time.monotonic()
    async with line(daemon, ann) as one:
        while (await one.get(path, "Range: bytes=0-9\r\n"))[0] == 206:
            answers += 1
    assert answers <= A_MINUTE + (time.monotonic() - began) * A_MINUTE / 60 + 1


async def test_h08_an_answer_that_is_broken_off_ends_the_record(shelf: Shelf) -> None:
    daemon, path = shelf.daemon, "/files/files/download?path=big"
    (shelf.files / "big").write_bytes(bytes(4 << 20))
    ann = daemon.add_person("eve@example.org", "dev")
    async with line(daemon, ann) as one:
        assert (await one.get(path, "Range: bytes=0-9\r\n"))[0] == 206
        assert (await one.get(path, "Range: bytes=0-9\r\n"))[0] == 206
        one.writer.write(f"GET /api/v1{path} HTTP/1.1\r\n{one.head}\r\n".encode())
        await one.reader.readexactly(1000)
        one.writer.transport.abort()
    async with asyncio.timeout(20):
        while not (broken := [r for r in records(daemon, "end") if r["outcome"] == "aborted_by_client"]):
            await asyncio.sleep(0.05)
    assert 1000 <= int(str(broken[0]["bytes"])) <= (4 << 20) + 20
    assert (await Api(daemon, ann).get(path)).body == bytes(4 << 20)


async def test_r6_nothing_is_given_again_when_it_cannot_be_put_on_record(shelf: Shelf) -> None:
    daemon, path = shelf.daemon, "/files/files/download?path=a.bin"
    ann = daemon.add_person("fay@example.org", "dev")
    async with line(daemon, ann) as one:
        assert (await one.get(path))[0] == 200
        await all_ended(daemon, ann)  # else the first answer's connection ends with its record
        daemon.limit_files(0)
        assert (await one.get(path))[0] == 503
        daemon.limit_files(None)
        assert (await one.get(path))[0] == 200


async def test_d01_nothing_is_given_again_once_the_audit_file_is_gone(shelf: Shelf) -> None:
    daemon, path = shelf.daemon, "/files/files/download?path=a.bin"
    ann = daemon.add_person("gus@example.org", "dev")
    async with line(daemon, ann) as one:
        for _ in range(3):
            assert (await one.get(path))[0] == 200
        there = list((daemon.data / "audit").glob("*.jsonl"))
        for file in there:
            file.rename(file.with_suffix(".gone"))
        assert (await one.get(path))[0] == 503
        for file in there:
            file.with_suffix(".gone").rename(file)
        assert (await one.get(path))[0] == 200
