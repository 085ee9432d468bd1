from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfitd.audit.disk import Disk
from hfitd.audit.keys import load_public_key
from hfitd.audit.log import AuditLog, AuditNotice
from hfitd.audit.record import MAX_ITEMS, MAX_TEXT, AuditRecord
from hfitd.audit.sinks import FileSink
from hfitd.audit.verify import AuditReport, verify_audit
from hfitd.errors import AuditUnavailable

RECORD = AuditRecord("rows", email="bob@x", objects=("shop/public/customer",), columns=("email",))


async def opened(folder: Path, **more: Any) -> AuditLog:
    return await AuditLog.open(folder / "audit", instance="one", keys_dir=folder / "keys", **more)


def lines(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "audit").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def verified(folder: Path, **more: Any) -> AuditReport:
    return verify_audit(folder / "audit", load_public_key(folder / "keys" / "audit.pub"), **more)


async def test_an_operation_is_a_begin_and_an_end_in_a_chain_that_verifies(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    token = await log.begin(RECORD)
    await log.end(token, "done", rows=3, size=100, package_digest="ab", code="")
    await log.note(AuditRecord("login", email="eve@x", address="192.0.2.1"), "refused", code="AUTH_FAILED")
    await log.close()
    kinds = [record["kind"] for record in lines(tmp_path)]
    assert kinds == ["segment", "start", "begin", "end", "note", "stop", "checkpoint"]
    begin, end, note = lines(tmp_path)[2:5]
    assert (begin["email"], begin["objects"], begin["instance"]) == ("bob@x", ["shop/public/customer"], "one")
    assert "masks" not in begin
    assert (end["begin"], end["outcome"], end["rows"], end["bytes"], end["package_digest"]) == (3, "done", 3, 100, "ab")
    assert end["seconds"] >= 0
    assert (note["code"], note["address"]) == ("AUTH_FAILED", "192.0.2.1")
    assert verified(tmp_path) == AuditReport(("one",), 7, ())


async def test_r5_begin_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    synced: list[bytes] = []

    class Watching(Disk):
        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            synced.append(Path(f"/proc/self/fd/{descriptor}").read_bytes())

    log = await opened(tmp_path, disk=Watching())
    for number in range(5):
        await log.begin(AuditRecord("rows", request_id=f"request-{number}"))
        assert f"request-{number}".encode() in synced[-1]
    await log.close()


async def test_what_arrives_together_is_made_durable_together(tmp_path: Path) -> None:
    syncs = 0

    class Counting(Disk):
        def sync(self, descriptor: int) -> None:
            nonlocal syncs
            syncs += 1
            super().sync(descriptor)

    log = await opened(tmp_path, disk=Counting())
    tokens = await asyncio.gather(*(log.begin(RECORD) for _ in range(300)))
    await asyncio.gather(*(log.end(token, "done") for token in tokens))
    assert syncs < 300
    assert len({token.seq for token in tokens}) == 300
    await log.close()
    assert verified(tmp_path).ok


@pytest.mark.parametrize(
    "text",
    ['x\n{"event":"login_ok"}', "a\rb", "\x1b[2J", "\u2028", "\ud800lone", "\x00", "é", '"}', "\u202e", "\\u000a"],
)
async def test_d02_whatever_a_value_holds_it_is_one_line_and_comes_back(tmp_path: Path, text: str) -> None:
    log = await opened(tmp_path)
    await log.note(AuditRecord("files.read", email=text, objects=(text,), details={text: text}), "refused")
    await log.close()
    raw = next((tmp_path / "audit").glob("*.jsonl")).read_bytes()
    assert raw.isascii()
    assert all(byte >= 0x20 or byte == 0x0A for byte in raw)
    note = next(record for record in lines(tmp_path) if record["kind"] == "note")
    assert (note["email"], note["objects"], note["details"]) == (text, [text], {text: text})
    assert verified(tmp_path).ok


async def test_d02_what_is_too_long_keeps_its_length_and_the_digest_of_the_rest(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    many = tuple(f"c{number}" for number in range(MAX_ITEMS * 2))
    masks = {name: "hash" for name in many}
    await log.begin(AuditRecord("rows", statement="x" * 1_000_000, columns=many, masks=masks))
    await log.close()
    begin = next(record for record in lines(tmp_path) if record["kind"] == "begin")
    assert begin["statement"]["beginning"] == "x" * MAX_TEXT
    assert begin["statement"]["length"] == 1_000_000
    assert len(begin["statement"]["rest_sha256"]) == 64
    assert (len(begin["columns"]["beginning"]), begin["columns"]["length"]) == (MAX_ITEMS, 2 * MAX_ITEMS)
    assert begin["masks"]["length"] == 2 * MAX_ITEMS


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def read_only(path: Path) -> None:
    path.chmod(0o400)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"forged":1}\n')


def link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize("damage", [remove, replace, read_only, cut, lengthen, link])
async def test_d01_a_file_that_is_not_ours_any_more_gives_nothing_out(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    notices: list[AuditNotice] = []
    log = await opened(tmp_path, on_notice=notices.append)
    token = await log.begin(RECORD)
    assert log.ready
    damage(next((tmp_path / "audit").glob("*.jsonl")))
    for attempt in (log.begin(RECORD), log.note(RECORD, "refused"), log.end(token, "done"), log.check()):
        with pytest.raises(AuditUnavailable) as caught:
            await attempt
        assert str(tmp_path) not in caught.value.message
    assert not log.ready
    await log.close()
    assert [notice.kind for notice in notices] == ["not_ready"]


async def test_d01_readiness_is_seen_without_a_request(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await log.check()
    path = next((tmp_path / "audit").glob("*.jsonl"))
    path.rename(path.with_suffix(".away"))
    with pytest.raises(AuditUnavailable):
        await log.check()
    assert not log.ready
    path.with_suffix(".away").rename(path)
    await log.check()
    assert log.ready
    await log.close()
    assert "recovered" in [record["kind"] for record in lines(tmp_path)]
    assert verified(tmp_path).ok


class FailingDisk(Disk):
    """Fails the n-th append or sync: once, or from then on until healed."""

    def __init__(self, number: int, *, lasting: bool, code: int = errno.EIO, half: bool = False) -> None:
        self.left = number
        self.lasting = lasting
        self.code = code
        self.half = half

    def heal(self) -> None:
        self.left = 1_000_000_000

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0 or (self.lasting and self.left < 0):
            raise OSError(self.code, "injected")

    def append(self, descriptor: int, data: bytes) -> None:
        try:
            self._step()
        except OSError:
            if self.half:
                super().append(descriptor, data[: len(data) // 2])
            raise
        super().append(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def reserve(self, path: Path, size: int) -> None:
        if self.lasting and self.left <= 0:
            raise OSError(self.code, "injected")
        super().reserve(path, size)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("lasting", [False, True])
async def test_d01_o11_the_nth_failure_refuses_and_the_chain_stays_whole(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    """Every n until the script passes, once and lasting, as SQLite tests its own (R6, R7)."""
    number = 0
    failed = True
    while failed:
        number += 1
        failed = False
        folder = tmp_path / str(number)
        disk = FailingDisk(number, lasting=lasting, code=code, half=number % 2 == 0)
        try:
            log = await opened(folder, disk=disk)
        except AuditUnavailable:
            failed = True
            disk.heal()
            log = await opened(folder, disk=disk)
        granted = []
        for attempt in range(3):
            try:
                granted.append(await log.begin(AuditRecord("rows", request_id=f"{attempt}")))
                await log.end(granted[-1], "done")
            except AuditUnavailable:
                failed = True
                assert not log.ready
        disk.heal()
        granted.append(await log.begin(AuditRecord("rows", request_id="last")))
        assert log.ready
        await log.close()
        begun = {record["seq"] for record in lines(folder) if record["kind"] == "begin"}
        assert {token.seq for token in granted} == begun, "refused and granted operations are exactly told apart"
        assert verified(folder).ok
    assert number > 8


async def test_o11_a_full_disk_is_said_in_the_reserve_and_begun_work_may_end(tmp_path: Path) -> None:
    class Full(Disk):
        full = False

        def append(self, descriptor: int, data: bytes) -> None:
            if self.full and (tmp_path / "audit" / "one.reserve").exists():
                raise OSError(errno.ENOSPC, "injected")
            super().append(descriptor, data)

        def reserve(self, path: Path, size: int) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "injected")
            super().reserve(path, size)

    disk = Full()
    log = await opened(tmp_path, disk=disk)
    assert (tmp_path / "audit" / "one.reserve").stat().st_size > 0
    token = await log.begin(RECORD)
    disk.full = True
    for _ in range(2):
        with pytest.raises(AuditUnavailable, match="full"):
            await log.begin(RECORD)
    await log.end(token, "done")
    assert not (tmp_path / "audit" / "one.reserve").exists()
    disk.full = False
    await log.begin(RECORD)
    assert log.ready
    assert (tmp_path / "audit" / "one.reserve").exists()
    await log.close()
    kinds = [record.get("what", record["kind"]) for record in lines(tmp_path)]
    assert kinds == ["segment", "start", "begin", "disk full", "end", "begin", "stop", "checkpoint"]
    assert verified(tmp_path).ok


async def test_o11_a_reserve_that_cannot_be_given_back_keeps_nobody_waiting(tmp_path: Path) -> None:
    class Stuck(Disk):
        full = False

        def append(self, descriptor: int, data: bytes) -> None:
            self._refuse()
            super().append(descriptor, data)

        def reserve(self, path: Path, size: int) -> None:
            self._refuse()
            super().reserve(path, size)

        def release(self, path: Path) -> None:
            self._refuse()
            super().release(path)

        def _refuse(self) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "injected")

    disk = Stuck()
    log = await opened(tmp_path, disk=disk)
    token = await log.begin(RECORD)
    disk.full = True
    async with asyncio.timeout(20):
        for _ in range(3):
            with pytest.raises(AuditUnavailable, match="full"):
                await log.begin(RECORD)
            with pytest.raises(AuditUnavailable, match="full"):
                await log.end(token, "done")
        assert not log.ready
        disk.full = False
        await log.end(token, "done")
        await log.begin(RECORD)
    assert log.ready
    await log.close()
    assert verified(tmp_path).ok


def test_o11_a_copy_of_the_log_never_ends_in_half_a_line(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    sink = FileSink(str(copy))
    sink.send([b"first\n"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        with pytest.raises(OSError, match="too large"):
            sink.send([b"second line\n"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    sink.send([b"third\n"])
    assert copy.read_bytes() == b"first\nthird\n"


_WORKER = """
import asyncio, sys
from pathlib import Path
from hfitd.audit.log import AuditLog
from hfitd.audit.record import AuditRecord

async def main():
    folder = Path(sys.argv[1])
    log = await AuditLog.open(folder / "audit", instance="one", keys_dir=folder / "keys")
    ended = await log.begin(AuditRecord("rows", request_id="ended"))
    await log.end(ended, "done")
    await log.begin(AuditRecord("rows", request_id="open"))
    print("data", flush=True)
    while True:
        token = await log.begin(AuditRecord("rows"))
        await log.end(token, "done")

asyncio.run(main())
"""


async def test_d04_after_a_kill_the_begin_is_there_and_the_restart_ends_it_as_crashed(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"data\n"
    with pytest.raises(AuditUnavailable, match="Another process"):
        await opened(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for path in (tmp_path / "audit").glob("*.jsonl"):
        with path.open("ab") as file:
            file.write(b'{"kind":"begin","torn')
    log = await opened(tmp_path)
    await log.close()
    records = lines(tmp_path)
    begins = {record["seq"]: record.get("request_id") for record in records if record["kind"] == "begin"}
    ends = {record["begin"]: record["outcome"] for record in records if record["kind"] == "end"}
    assert set(ends) == set(begins), "no operation is left without an end"
    outcomes = {begins[seq]: outcome for seq, outcome in ends.items() if begins[seq]}
    assert outcomes == {"ended": "done", "open": "crashed"}
    restart = [record for record in records if record["kind"] == "start"][-1]
    assert restart["torn_size"] == 21
    assert verified(tmp_path).ok


async def test_d04_open_begins_are_carried_over_segments(tmp_path: Path) -> None:
    log = await opened(tmp_path, segment_bytes=1500)
    await log.begin(AuditRecord("rows", request_id="open"))
    for _ in range(10):
        await log.end(await log.begin(RECORD), "done")
    log._writer._segments.close()  # as a crash would
    again = await opened(tmp_path, segment_bytes=1500)
    await again.close()
    crashed = [record["begin"] for record in lines(tmp_path) if record.get("outcome") == "crashed"]
    opened_seq = next(record["seq"] for record in lines(tmp_path) if record.get("request_id") == "open")
    assert crashed == [opened_seq]
    assert len(list((tmp_path / "audit").glob("*.jsonl"))) > 2
    assert verified(tmp_path).ok


async def test_a_caller_cancelled_in_begin_leaves_an_end(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    tasks = [asyncio.create_task(log.begin(RECORD)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await log.check()
    await log.check()
    await log.close()
    records = lines(tmp_path)
    begins = {record["seq"] for record in records if record["kind"] == "begin"}
    ends = {record["begin"] for record in records if record.get("outcome") == "cancelled"}
    assert begins == ends


async def test_after_closing_nothing_is_taken(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await log.close()
    await log.close()
    assert not log.ready
    with pytest.raises(AuditUnavailable, match="closed"):
        await log.begin(RECORD)


async def test_a_value_is_only_its_keyed_digest(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    other = await AuditLog.open(tmp_path / "audit", instance="two", keys_dir=tmp_path / "keys2")
    digest = log.value_digest("4111 1111 1111 1111")
    assert digest == log.value_digest("4111 1111 1111 1111")
    assert digest != log.value_digest("4111 1111 1111 1112")
    assert digest != other.value_digest("4111 1111 1111 1111")
    assert "4111" not in digest
    await log.close()
    await other.close()


async def test_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await log.close()
    files = [*(tmp_path / "audit").iterdir(), *(tmp_path / "keys").iterdir()]
    assert len(files) >= 7
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


@pytest.mark.parametrize("name", ["audit.key", "audit.hmac"])
async def test_o13_a_key_file_open_to_others_or_damaged_refuses_the_start(tmp_path: Path, name: str) -> None:
    await (await opened(tmp_path)).close()
    (tmp_path / "keys" / name).chmod(0o644)
    with pytest.raises(AuditUnavailable, match="0600"):
        await opened(tmp_path)
    (tmp_path / "keys" / name).chmod(0o600)
    (tmp_path / "keys" / name).write_text("rubbish")
    with pytest.raises(AuditUnavailable, match="damaged"):
        await opened(tmp_path)


def datagrams(server: socket.socket, count: int) -> list[bytes]:
    return [server.recv(65536) for _ in range(count)]


async def test_sinks_get_every_line(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(10)
        tcp.settimeout(10)
        copy = tmp_path / "copy.jsonl"
        sinks = (
            "file:",
            f"file:{copy}",
            "stdout:",
            f"syslog:127.0.0.1:{udp.getsockname()[1]}",
            f"syslog+tcp:127.0.0.1:{tcp.getsockname()[1]}",
        )
        log = await opened(tmp_path, sinks=sinks)
        await log.end(await log.begin(RECORD), "done")
        await log.close()
        chain = next((tmp_path / "audit").glob("*.jsonl")).read_bytes()
        messages = datagrams(udp, 5)
        connection, _ = tcp.accept()
        with connection:
            stream = connection.recv(1_000_000)
    expected = chain.splitlines(keepends=True)[1:]  # the head of a segment is about files
    assert copy.read_bytes() == b"".join(expected)
    assert capfdbinary.readouterr().out == b"".join(expected)
    assert [message[message.index(b"{") :] + b"\n" for message in messages] == expected[:5]
    assert messages[0].startswith(b"<109>1 20")
    size, _, rest = stream.partition(b" ")
    assert rest[: int(size)].endswith(expected[0].rstrip(b"\n"))
    assert log.lag == 0


async def test_a_sink_that_fails_is_reported_and_stops_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    notices: list[AuditNotice] = []
    log = await opened(tmp_path, sinks=(f"syslog+tcp:127.0.0.1:{port}",), on_notice=notices.append)
    await log.begin(RECORD)
    assert log.ready
    await log.close()
    await asyncio.sleep(0)
    assert AuditNotice("sink_dropped", "syslog+tcp", 1) in notices


@pytest.mark.parametrize("name", ["", "syslog:", "syslog:h", "syslog:h:0", "file:relative", "stdout:x", "http://h"])
async def test_a_sink_that_is_none_refuses_the_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(AuditUnavailable, match="audit sink"):
        await opened(tmp_path, sinks=(name,))


async def test_the_signature_of_a_checkpoint_is_of_the_published_key(tmp_path: Path) -> None:
    log = await opened(tmp_path)
    await log.close()
    checkpoint = lines(tmp_path)[-1]
    assert len(base64.b64decode(checkpoint["signature"])) == 64
    assert json.loads((tmp_path / "audit" / "one.checkpoint").read_text())["signature"] == checkpoint["signature"]
