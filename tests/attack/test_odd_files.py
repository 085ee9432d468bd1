"""Volumes over HTTP: every F-case that a caller can send, against a running daemon and a folder full of traps."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, Person, role, running, volume
from tests.support.http import Answer, Api, raw_connection

LATIN = b"caf\xff.txt"
ALL = """hfitVersion: 1
templateName: {0}
packageName: {0}
exports:
  x: {{type: files, volume: files, filters: [{1}]}}
"""
GRANTS = ("files.list:**", "files.read:**", "template.run:*", "template.edit:*")


@dataclass(frozen=True)
class Traps:
    """A daemon over the folder, and somebody who may read all of it."""

    daemon: Daemon
    files: Path
    ann: Person


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traps]:
    folder = tmp_path_factory.mktemp("traps")
    files, secret = folder / "files", folder / "files-secret"
    for path in (files / "d", secret):
        path.mkdir(parents=True)
    (secret / "s.txt").write_text("CANARY")
    (files / "ok.txt").write_text("ok")
    (files / "d" / "in.txt").write_text("in")
    for name, target in {
        "abs": secret / "s.txt", "rel": "../files-secret/s.txt", "dir": "../files-secret", "magic": "/proc/self/root",
        "inside": "ok.txt",
    }.items():  # fmt: skip
        (files / name).symlink_to(target)
    os.link(secret / "s.txt", files / "hard")
    os.mkfifo(files / "fifo")
    for name in (".env", "b~"):
        (files / name).write_text("CANARY")
    for raw in (LATIN, b"new\nline\x1b[0m.txt", b"n" * 255):
        Path(os.fsdecode(os.fsencode(files) + b"/" + raw)).write_text("odd")
    with (files / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 40)
    body = volume("files", files) + 'max_file_size = "1GB"\n'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(files / "sock"))
        daemon = Daemon(folder, body + role("dev", *GRANTS))
        with running(daemon):
            yield Traps(daemon, files, daemon.add_person("ann@example.org", "dev"))


async def ask(traps: Traps, query: str) -> Answer:
    answer = await asyncio.wait_for(Api(traps.daemon, traps.ann).get(f"/files/files/download?{query}"), 10)
    assert b"CANARY" not in answer.body
    assert os.fsencode(traps.files.parent) not in answer.body
    return answer


@pytest.mark.parametrize(
    "path",
    [
        "../files-secret/s.txt", "%2e%2e%2ffiles-secret%2fs.txt", "%252e%252e%252ffiles-secret%252fs.txt", "..%5cs.txt",
        "//ok.txt", "%2f%2fetc/passwd", "d/./in.txt", "d/../ok.txt", "./ok.txt", "ok.txt%2f..", "~", "d/", "d/in.txt/",
        "",
        "%e2%80%a4%e2%80%a4/s.txt", "%ef%bc%8e%ef%bc%8e/s.txt", "ok.txt%00", "ok.txt%00.key", "n" * 256,
        "/".join(["d" * 200] * 21),
    ],
)  # fmt: skip
async def test_f01_f02_f09_impossible_paths_are_refused_as_such(traps: Traps, path: str) -> None:
    answer = await ask(traps, f"path={path}")
    assert (answer.status, answer.code) == (400, "PATH_REFUSED")


@pytest.mark.parametrize(
    "query",
    [
        "path=abs", "path=rel", "path=dir/s.txt", "path=magic/etc/passwd", "path=inside", "path=hard", "path=fifo",
        "path=sock", "path=d", "path=.env", "path=b~", "path=/etc/passwd", "path=%c0%ae%c0%ae/s.txt", "path=ok.txt%0a",
        "path=OK.TXT", "path=ok.txt%20", "path=ok.txt%3fx", "path=caf%ff.txt", "path=caf%ef%bf%bd.txt", "folder=dir",
        "folder=magic", "name=.env", "name=b~", "name=[", "name={a,b}", "name=hard", "name=fifo",
    ],
)  # fmt: skip
async def test_f03_f06_f07_f10_f11_what_is_no_plain_file_is_not_there(traps: Traps, query: str) -> None:
    answer = await ask(traps, query)
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("query", ["name=**/**/**/*", "name=../x", "mtime=x", "sort=x", "xx=1", "name=%00"])
async def test_f12_filters_that_are_none_are_refused(traps: Traps, query: str) -> None:
    assert (await ask(traps, query)).status == 400


async def test_f09_a_name_of_any_bytes_is_listed_and_downloaded(traps: Traps) -> None:
    code = base64.b64encode(LATIN).decode()
    listing = await Api(traps.daemon, traps.ann).get("/files/files")
    assert f'"raw_path": "{code}"'.encode() in listing.body
    for query in (f"raw_path={code}", "name=caf*", "path=new%0aline%1b%5b0m.txt", "path=" + "n" * 255):
        answer = await ask(traps, query)
        assert (answer.status, answer.body) == (200, b"odd"), query
        assert "\x1b" not in str(answer.headers)


@pytest.mark.parametrize("raw", [b"../files-secret/s.txt", b"/etc/passwd", b"", b"a\0", b"d/../ok.txt"])
async def test_f09_the_base64_form_opens_no_other_door(traps: Traps, raw: bytes) -> None:
    assert (await ask(traps, f"raw_path={base64.b64encode(raw).decode()}")).code == "PATH_REFUSED"
    assert (await ask(traps, "raw_path=!!")).code == "PATH_REFUSED"
    assert (await ask(traps, f"raw_path={base64.b64encode(b'.env').decode()}")).status == 404
    assert (await ask(traps, "raw_path=b2sudHh0&path=ok.txt")).status == 400


async def test_f13_a_sparse_file_counts_by_its_apparent_size(traps: Traps) -> None:
    assert (await ask(traps, "path=sparse")).status == 413
    api = Api(traps.daemon, traps.ann)
    assert (await api.put_template(ALL.format("sparse", '"name:sparse"'))).status == 201
    answer = await api.package("sparse", compression="none")
    assert answer.status == 413


async def test_f09_an_export_that_cannot_name_a_file_is_refused(traps: Traps) -> None:
    api = Api(traps.daemon, traps.ann)
    assert (await api.put_template(ALL.format("latin", '"name:caf*"'))).status == 201
    assert (await api.package("latin", compression="none")).code == "PATH_REFUSED"


SIZE = 30_000_000  # more than sockets hold


async def ended(traps: Traps, name: str) -> tuple[str, str]:
    """The outcome and the code of the last operation on an object."""
    for _ in range(200):
        records = traps.daemon.audit_records()
        begun = {r["seq"] for r in records if r["kind"] == "begin" and name in str(r)}
        ends = [r for r in records if r["kind"] == "end" and r["begin"] in begun]
        if begun and len(ends) == len(begun):
            return ends[-1]["outcome"], ends[-1].get("code", "")
        await asyncio.sleep(0.05)
    raise AssertionError("it has no end")


def get(traps: Traps, target: str) -> bytes:
    """A request as it lies on the wire."""
    host, bearer = f"127.0.0.1:{traps.daemon.port}", traps.ann.bearer["Authorization"]
    return f"GET /api/v1{target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\n\r\n".encode()


@pytest.mark.parametrize("kind", ["a file of a volume", "a kept package"])
async def test_f13_what_is_cut_short_under_a_slow_reader_breaks_off_and_is_recorded_as_failed(
    traps: Traps, kind: str
) -> None:
    path = traps.files / "shrinks.bin"
    path.write_bytes(os.urandom(SIZE))
    target, known = "/files/files/download?path=shrinks.bin", path.name
    if kind == "a kept package":
        api = Api(traps.daemon, traps.ann)
        assert (await api.put_template(ALL.format("shrinks", '"name:shrinks.bin"'))).status == 201
        known = (await api.package("shrinks", compression="none")).headers["X-Hfit-Package"]
        async with asyncio.timeout(10):
            while not (kept := list((traps.daemon.data / "artifacts").glob("*.tar"))):
                await asyncio.sleep(0.05)
        target, path = f"/packages/{known}", kept[0]
    received = 0
    async with raw_connection(traps.daemon) as (reader, writer):
        writer.write(get(traps, target))
        received += len(await reader.read(1000))
        os.truncate(path, 1_000_000)
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.wait_for(reader.read(1 << 20), 10):
                received += len(data)
    assert received < SIZE
    assert await ended(traps, known) == ("failed", "SOURCE_CHANGED")
    lines = [line for line in traps.daemon.log.read_text().splitlines() if "request_done" in line]
    (broken,) = [line for line in lines[-3:] if "SOURCE_CHANGED" in line]  # and not as left by its reader
    assert re.search(r"status\W+500\b", broken), broken
    (traps.files / "shrinks.bin").unlink()


async def test_f06_what_was_refused_is_on_record(traps: Traps) -> None:
    await ask(traps, "path=hard")
    records = [record for record in traps.daemon.audit_records() if "download" in str(record) or "files" in str(record)]
    assert any(record.get("outcome") == "refused" for record in records), records[-3:]


@pytest.mark.parametrize("taken", [0, 1, 2_000_000])
async def test_h08_a_client_that_leaves_a_download_is_on_record(traps: Traps, taken: int) -> None:
    path = traps.files / f"left{taken}.bin"
    path.write_bytes(b"x" * SIZE)
    async with raw_connection(traps.daemon) as (reader, writer):
        writer.write(get(traps, f"/files/files/download?path={path.name}"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        while taken > 0:
            taken -= len(await reader.read(taken))
    assert await ended(traps, path.name) == ("aborted_by_client", "")
    path.unlink()
