"""Folders of volumes as one archive, as a user meets them: what is in it, what is refused, what is on record."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.daemon import MASK_KEY, Daemon, Person, role, running
from tests.support.http import Api, raw_connection

RULES = """
[volumes.files]
path = "files"
[[volumes.files.mask]]
files = "*.csv"
format = "csv"
columns = { email = "email" }
[policy]
mask_key = "{key}"
[limits]
package_bytes = "64MB"
concurrent_packages = 1
requests_per_minute = 100000
bytes_per_day = "10GB"
"""
CSV = b"id,email\n1,CANARYann@x.org\n"
CONTENT = {
    "app/a.log": b"one\n", "app/b/c.log": b"x" * 3_000_000, "app/b/who.csv": CSV, "app/secret/s.txt": b"CANARYsecret",
    "bad/x.csv": b"id,mail\n1,CANARY\n", "bad/y.txt": b"y", "huge/h": b"",
}  # fmt: skip


@dataclass(frozen=True)
class Office:
    daemon: Daemon
    files: Path
    ann: Person
    raw: Person
    guest: Person


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    for name, content in CONTENT.items():
        (folder / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / name).write_bytes(content)
    os.truncate(folder / "files/huge/h", 65 << 20)
    (folder / "files/app/link").symlink_to("/etc/passwd")
    grants = ("files.list:**", "files.read:**", "!files.read:files/app/secret/**")
    roles = role("dev", *grants) + role("raw", *grants, "raw:files/**") + role("guest", "files.read:files/app/a.log")
    with running(Daemon(folder, RULES.replace("{key}", MASK_KEY) + roles)) as daemon:
        people = [daemon.add_person(f"{name}@example.org", name) for name in ("dev", "raw", "guest")]
        assert daemon.hfit(people[0], "login").code == 0
        yield Office(daemon, folder / "files", *people)


def url(path: str, more: str = "") -> str:
    return f"/files/files/download?recursive=1&path={path}{more}"


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


async def test_a_folder_comes_whole_without_what_is_denied_and_with_its_masks(office: Office) -> None:
    answer = await Api(office.daemon, office.ann).get(url("app/"))
    assert (answer.status, answer.headers["X-Hfit-Files"], answer.headers["X-Hfit-Masked-Files"]) == (200, "3", "1")
    found = members(answer.body)
    assert {n: c for n, c in found.items() if n != "app/b/who.csv"} == {
        "app/a.log": b"one\n", "app/b/c.log": b"x" * 3_000_000
    }  # fmt: skip
    assert b"@" in found["app/b/who.csv"]
    assert b"CANARY" not in gzip.decompress(answer.body)
    lifted = await Api(office.daemon, office.raw).get(url("app/"))
    assert members(lifted.body)["app/b/who.csv"] == CSV
    guest = await Api(office.daemon, office.guest).get(url("app", "&compression=none"))
    assert members(guest.body) == {"app/a.log": b"one\n"}


async def test_f11_a_denied_folder_answers_like_none(office: Office) -> None:
    answers = [await Api(office.daemon, office.ann).get(url(path)) for path in ("app/secret", "nowhere", "app/a.log")]
    assert [(a.status, a.json["message"], a.json["resource"]) for a in answers] == [
        (404, "There is no such folder in this volume, or no file in it fits.", "files")
    ] * 3


async def test_what_refuses_a_file_or_the_size_refuses_the_folder_before_its_first_byte(office: Office) -> None:
    api = Api(office.daemon, office.ann)
    answer = await api.get(url("bad"))
    assert (answer.status, answer.code, b"CANARY" in answer.body) == (422, "FILE_NOT_MASKABLE", False)
    assert members((await api.get(url("bad", "&name=*.txt"))).body) == {"bad/y.txt": b"y"}
    assert (await api.get(url("huge"))).code == "LIMIT_EXCEEDED"
    for query in ("&sort=name", "&raw_path=YQ==", "&path=b", "&compression=lzma", "&recursive=1"):
        assert (await api.get(url("app", query))).status == 400, query
    assert (await api.get("/files/files/download?recursive=0&path=app")).status == 400
    assert (await api.get(url("../files"))).code == "PATH_REFUSED"
    head = await api.request("HEAD", url("app"))
    assert (head.status, head.body, head.headers["X-Hfit-Files"]) == (200, b"", "3")


async def test_r5_a_folder_is_on_record_with_its_files_masks_and_digest(office: Office) -> None:
    for person in (office.ann, office.raw):
        assert (await Api(office.daemon, person).get(url("app/b"))).status == 200
    records = office.daemon.audit_records()
    begins = [r for r in records if r["kind"] == "begin" and r.get("objects", [])[:1] == ["files/app/b/c.log"]]
    ann, raw = begins[-2:]
    assert ann["objects"] == ["files/app/b/c.log", "files/app/b/who.csv"]
    assert (ann["masks"], ann["action"]) == ({"files/app/b/who.csv:email": "email"}, "files.read")
    assert raw["raw"] == ["files/app/b/who.csv"]
    ends = {r["begin"]: r for r in records if r["kind"] == "end"}
    assert ends[ann["seq"]]["outcome"] == "done"
    assert len(ends[ann["seq"]]["package_digest"]) == 64
    assert ends[ann["seq"]]["tables"][0]["rows"] == 2


async def test_h08_a_client_who_leaves_frees_its_place_and_is_on_record(office: Office) -> None:
    (office.files / "long").mkdir(exist_ok=True)
    (office.files / "long" / "l.bin").write_bytes(os.urandom(40 << 20))
    async with raw_connection(office.daemon) as (reader, writer):
        host, token = office.daemon.origin.removeprefix("http://"), office.ann.token
        writer.write(
            f"GET /api/v1{url('long')} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        assert await reader.readexactly(1000)
        busy = await Api(office.daemon, office.ann).get(url("app"))
        assert (busy.status, busy.json["resource"]) == (429, "concurrent_packages")
    async with asyncio.timeout(30):
        while (await Api(office.daemon, office.ann).get(url("app"))).status != 200:
            await asyncio.sleep(0.05)
    begin = next(r["seq"] for r in office.daemon.audit_records() if r.get("objects") == ["files/long/l.bin"])
    end = next(r for r in office.daemon.audit_records() if r.get("begin") == begin)
    assert end["outcome"] == "aborted_by_client"


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_hfit_download_r_gives_a_folder_or_its_archive(office: Office, tmp_path: Path, compression: str) -> None:
    hfit = office.daemon.hfit
    ran = hfit(office.ann, "download", "-r", "files:/app/", "--compression", compression, cwd=tmp_path)
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'app'}\n"), ran.err
    assert "Parts of 1 of them are masked." in ran.err
    assert (tmp_path / "app/b/c.log").read_bytes() == CONTENT["app/b/c.log"]
    assert sorted(p.name for p in (tmp_path / "app").rglob("*") if p.is_file()) == ["a.log", "c.log", "who.csv"]
    again = hfit(office.ann, "download", "-r", "files:/app/", cwd=tmp_path)
    assert (again.code, "not replaced" in again.err) == (6, True)
    (tmp_path / "app/b/c.log").unlink()
    assert hfit(office.ann, "download", "-r", "files:/app/", "--force", cwd=tmp_path).code == 0
    assert (tmp_path / "app/b/c.log").exists()
    archive = tmp_path / "kept"
    ran = hfit(
        office.ann, "--json", "download", "-r", "files:/app/", "name:*.log", "--archive", "--compression", compression,
        "-o", archive,
    )  # fmt: skip
    assert ran.out.startswith('{"path": '), ran.err
    assert f'"files": 2, "size": {archive.stat().st_size}, "masked_files": 0' in ran.out
    with contextlib.suppress(tarfile.ReadError):  # zstd
        assert members(archive.read_bytes()).keys() == {"app/a.log", "app/b/c.log"}
    assert not list(tmp_path.glob(".hfit*"))


def test_a_folder_that_was_cut_leaves_nothing(office: Office, tmp_path: Path) -> None:
    ran = office.daemon.hfit(office.ann, "download", "-r", "files:/bad/", cwd=tmp_path)
    assert (ran.code, "parts to be masked" in ran.err) == (2, True)
    for words in (("--archive",), ("--force",), ("--compression", "none")):
        assert office.daemon.hfit(office.ann, "download", "files:/app/a.log", *words, cwd=tmp_path).code == 2
    assert office.daemon.hfit(office.ann, "download", "-r", "files:/app/", "sort:name", cwd=tmp_path).code == 2
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]
