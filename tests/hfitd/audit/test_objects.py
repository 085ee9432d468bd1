"""The copy of the audit log in a bucket, against a server on loopback."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfitd.audit.keys import load_public_key
from hfitd.audit.log import AuditLog, AuditNotice
from hfitd.audit.record import AuditRecord
from hfitd.audit.verify import verify_audit
from hfitd.errors import AuditUnavailable
from tests.live.s3 import S3Server, s3_server

RECORD = AuditRecord("rows", email="bob@x", objects=("shop/public/customer",))
SINK = "s3://trail/logs/hfitd"
FOLDER = "trail/logs/hfitd/one/"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


async def opened(folder: Path, **more: Any) -> AuditLog:
    return await AuditLog.open(folder / "audit", instance="one", keys_dir=folder / "keys", sinks=(SINK,), **more)


def chain(folder: Path) -> bytes:
    whole = b"".join(path.read_bytes() for path in sorted((folder / "audit").glob("*.jsonl")))
    return b"".join(line for line in whole.splitlines(keepends=True) if b'"kind":"segment"' not in line)


async def until(true: Callable[[], object]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it does not become true")


async def test_closing_puts_everything_whole_and_in_order(tmp_path: Path, bucket: S3Server) -> None:
    log = await opened(tmp_path)
    await log.end(await log.begin(RECORD), "done")
    assert not bucket.objects
    assert log.lag == 3
    await log.close()
    (name,) = bucket.objects
    assert re.fullmatch(FOLDER + r"\d{4}-\d\d-\d\d/000000000002-[0-9a-f]{16}\.jsonl", name)
    assert bucket.objects[name] == chain(tmp_path)
    assert json.loads(bucket.objects[name].splitlines()[-1])["kind"] == "checkpoint"
    assert log.lag == 0


async def test_much_becomes_objects_of_256_kib_whose_names_sort_as_the_chain(tmp_path: Path, bucket: S3Server) -> None:
    log = await opened(tmp_path)
    notes = [log.note(AuditRecord("rows", statement="x" * 2000), "refused") for _ in range(400)]
    await asyncio.gather(*notes)
    await until(lambda: len(bucket.objects) >= 2)  # before any time is over
    await log.close()
    assert len(bucket.objects) >= 3
    assert all(256 * 1024 <= len(body) < 264 * 1024 for body in list(bucket.objects.values())[:2])
    assert bucket.download(FOLDER) == chain(tmp_path)


async def test_a_restart_continues_and_overwrites_nothing(tmp_path: Path, bucket: S3Server) -> None:
    for _ in range(3):
        log = await opened(tmp_path)
        await log.note(RECORD, "refused")
        before = dict(bucket.objects)
        await log.close()
        assert before.items() <= bucket.objects.items()
    assert len(bucket.objects) == len(set(bucket.puts)) == 3
    assert bucket.download(FOLDER) == chain(tmp_path)


async def test_nothing_is_lost_while_the_server_is_away(tmp_path: Path, bucket: S3Server) -> None:
    notices: list[AuditNotice] = []
    log = await opened(tmp_path, on_notice=notices.append)
    bucket.stop()
    for _ in range(400):
        await log.note(AuditRecord("rows", statement="y" * 1500), "refused")
    await asyncio.sleep(0.6)  # some attempts fail
    assert log.ready
    assert log.lag == 401
    bucket.start()
    await until(lambda: log.lag < 401)
    await log.close()
    assert not [notice for notice in notices if notice.kind == "sink_dropped"]
    assert bucket.download(FOLDER) == chain(tmp_path)


async def test_what_an_absent_server_cannot_take_before_the_end_is_reported(tmp_path: Path, bucket: S3Server) -> None:
    notices: list[AuditNotice] = []
    log = await opened(tmp_path, on_notice=notices.append)
    bucket.stop()
    await log.note(RECORD, "refused")
    await log.close()
    await asyncio.sleep(0)
    assert notices == [AuditNotice("sink_dropped", "s3", 4)]  # start, note, stop, checkpoint


async def test_a_put_whose_answer_was_lost_is_not_put_twice(tmp_path: Path, bucket: S3Server) -> None:
    bucket.lose_answers = 1
    log = await opened(tmp_path)
    await asyncio.gather(*(log.note(AuditRecord("rows", statement="z" * 2000), "refused") for _ in range(150)))
    await until(lambda: len(bucket.puts) == 2)
    await log.close()
    assert bucket.puts[0] == bucket.puts[1]
    assert bucket.download(FOLDER) == chain(tmp_path)


async def test_a_name_that_somebody_else_has_taken_hides_nothing(tmp_path: Path, bucket: S3Server) -> None:
    class Squatted(dict[str, bytes]):
        def __contains__(self, name: object) -> bool:
            return str(name).count("-") == 3 or super().__contains__(name)  # the date has two

    bucket.objects = Squatted()
    bucket.refuse = 1  # the first attempt beside the taken name fails, too
    log = await opened(tmp_path)
    await asyncio.gather(*(log.note(AuditRecord("rows", statement="s" * 2000), "refused") for _ in range(150)))
    await until(lambda: bucket.objects)
    await log.close()
    assert bucket.refuse == 0
    assert all(re.search(r"/[0-9]{12}-[0-9a-f]{16}-[0-9a-f]{16}\.jsonl$", name) for name in bucket.objects)
    assert bucket.download(FOLDER) == chain(tmp_path)


async def test_d03_a_cut_end_is_found_with_what_one_downloads(tmp_path: Path, bucket: S3Server) -> None:
    log = await opened(tmp_path)
    for _ in range(5):
        await log.note(RECORD, "refused")
    await log.close()
    witnesses = bucket.download(FOLDER).decode().splitlines()
    key = load_public_key(tmp_path / "keys" / "audit.pub")
    assert verify_audit(tmp_path / "audit", key, witnesses=witnesses).ok
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    (tmp_path / "audit" / "one.checkpoint").unlink()
    assert verify_audit(tmp_path / "audit", key).ok  # alone, the cut chain looks whole
    (problem,) = verify_audit(tmp_path / "audit", key, witnesses=witnesses).problems
    assert (problem.seq, problem.reason) == (5, "is missing at the end: a witness has seen record 9")


async def test_an_endpoint_without_encryption_elsewhere_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio.example.org:9000")
    with pytest.raises(AuditUnavailable, match="not encrypted"):
        await opened(tmp_path)
    await (await opened(tmp_path / "allowed", plaintext=True)).close()


async def test_without_its_library_the_start_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hfitd.audit.objects", None)
    with pytest.raises(AuditUnavailable, match=r"server,s3"):
        await opened(tmp_path)
