"""What dies, fills up or is pulled away while packages are on their way: nothing looks whole that is not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.live.daemon import Daemon, Person, provider, role, running, sqlite_provider, volume
from tests.live.databases import run_sql
from tests.live.world import EVERYTHING, LIMITS, POLICY, Shop, World, package_template, small_config
from tests.support.http import Api, raw_connection


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that has to happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def slow(shop: Shop, tmp_path: Path) -> Iterator[tuple[Daemon, Person]]:
    """A daemon of its own before the slow tables, and somebody with templates for them."""
    (tmp_path / "files").mkdir()
    body = provider("slow_pg", shop.postgres, shop.slow) + sqlite_provider("music", shop.music)
    body += volume("files", tmp_path / "files") + POLICY + LIMITS + role("developer", *EVERYTHING)
    with running(Daemon(tmp_path, body)) as daemon:
        person = daemon.add_person("dev@example.org", "developer")
        api = Api(daemon, person)
        for name, tables in {
            "quick": ["quick"], "short": ["quick", "slow_short"], "long": ["quick", "slow_long"],
        }.items():  # fmt: skip
            assert asyncio.run(api.put_template(package_template(name, *tables))).status == 201
        yield daemon, person


def sessions(shop: Shop) -> int:
    """Transactions that are open on the slow database, whoever's."""
    question = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{shop.slow}' AND xact_start IS NOT NULL"
    return int(run_sql(shop.postgres, question))


def start_client(daemon: Daemon, person: Person, template: str) -> subprocess.Popen[bytes]:
    """``hfit pkg-download`` in the background; returns when bytes have arrived."""
    work = person.folder / f"work-{template}"
    work.mkdir(exist_ok=True)
    client = subprocess.Popen(
        daemon.client_argv("pkg-download", template), cwd=work, env=daemon.client_environment(person),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until(lambda: client.poll() is not None or any(path.stat().st_size for path in work.glob(".hfit-*.part")))
    return client


def get(path: str, person: Person) -> bytes:
    """A request as it lies on the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {person.bearer['Authorization']}\r\n\r\n".encode()


def visible(person: Person, template: str) -> list[str]:
    """What a user sees in the work folder."""
    return sorted(p.name for p in (person.folder / f"work-{template}").iterdir() if not p.name.startswith("."))


def test_r01_a_killed_daemon_leaves_no_package_and_the_next_run_succeeds(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    assert daemon.hfit(person, "login").code == 0
    client = start_client(daemon, person, "short")
    daemon.kill()
    _, words = client.communicate(timeout=30)
    assert client.returncode != 0, words
    assert visible(person, "short") == []
    daemon.start()
    assert daemon.spool_is_empty()
    again = daemon.hfit(person, "pkg-download", "short", cwd=person.folder / "work-short")
    assert again.code == 0, again.err
    assert visible(person, "short") == ["short"]
    assert daemon.hfit(person, "verify", "short", cwd=person.folder / "work-short").code == 0
    ends = [record for record in daemon.audit_records() if record.get("outcome") == "crashed"]
    assert ends  # D04: what the killed process had begun was ended by the next


def test_o07_a_terminated_database_session_fails_the_client_and_nothing_else(
    slow: tuple[Daemon, Person], shop: Shop
) -> None:
    daemon, person = slow
    assert daemon.hfit(person, "login").code == 0
    client = start_client(daemon, person, "long")
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{shop.slow}'"
    run_sql(shop.postgres, kill)
    _, words = client.communicate(timeout=30)
    assert client.returncode == 3, words
    assert b"DB_UNAVAILABLE" in words
    assert visible(person, "long") == []
    until(daemon.spool_is_empty)
    assert daemon.hfit(person, "rows", "music", "main", "Genre", "--limit", "1").code == 0
    done = daemon.hfit(person, "pkg-download", "quick")
    assert done.code == 0, done.err


def test_o12_sigterm_lets_downloads_finish_and_refuses_new_work(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    assert daemon.hfit(person, "login").code == 0
    client = start_client(daemon, person, "short")
    daemon.signal(signal.SIGTERM)
    until(lambda: daemon.status_of("/ready") == 503)
    assert asyncio.run(Api(daemon, person).get("/db/dbmss")).code == "SHUTTING_DOWN"
    _, words = client.communicate(timeout=30)
    assert client.returncode == 0, words
    assert visible(person, "short") == ["short"]
    assert daemon.wait() == 0
    assert not daemon.socket.exists()


async def test_o12_sigterm_waits_for_a_client_that_reads_slowly(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    size = 30_000_000  # more than sockets hold
    (daemon.folder / "files" / "zeros.bin").write_bytes(bytes(size))
    async with aiohttp.ClientSession(read_bufsize=4096) as session:
        url = Api(daemon).url("/files/files/download?path=zeros.bin")
        async with session.get(url, headers=person.bearer) as response:
            await response.content.readexactly(1000)
            daemon.signal(signal.SIGTERM)
            await asyncio.sleep(3.0)
            rest = await response.content.read()
    assert len(rest) == size - 1000
    assert await asyncio.to_thread(daemon.wait) == 0


def test_o12_a_second_sigterm_ends_it_at_once(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    assert daemon.hfit(person, "login").code == 0
    client = start_client(daemon, person, "long")
    daemon.signal(signal.SIGTERM)
    until(lambda: daemon.status_of("/ready") == 503)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(8) == 0
    client.communicate(timeout=30)
    assert client.returncode != 0
    assert visible(person, "long") == []


def test_o12_a_bad_configuration_is_refused_at_sighup_and_the_old_one_stays(small: Daemon, shop: Shop) -> None:
    person = small.add_person("dev@example.org", "developer")
    api = Api(small, person)
    good = small_config(small.folder, shop.music)
    version = small.admin("status")["policy_version"]
    small.write_config(good.replace("[roles.developer]", "[roles.developer]\nunknown_key = 1"))
    small.signal(signal.SIGHUP)
    until(lambda: "unknown_key" in small.log.read_text())
    assert small.admin("status")["policy_version"] == version
    assert asyncio.run(api.get("/db/dbmss")).json == ["music"]
    small.write_config(good + sqlite_provider("more", shop.music))
    small.signal(signal.SIGHUP)
    until(lambda: asyncio.run(api.get("/db/dbmss")).json == ["more", "music"])
    small.write_config(good.replace('"rows:**", ', ""))
    small.signal(signal.SIGHUP)
    until(lambda: asyncio.run(api.get("/db/music/main/Genre/rows")).status == 404)


def test_o11_a_full_disk_fails_the_package_and_the_daemon_stays_up(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    api = Api(daemon, person)
    daemon.limit_files(512 * 1024)
    with contextlib.suppress(aiohttp.ClientError):  # the head may have left before the disk was full
        answer = asyncio.run(api.package("quick", compression="none"))
        assert answer.status == 503 or answer.status == 500
        assert b"/" + str(daemon.folder).encode() not in answer.body
    until(daemon.spool_is_empty)
    assert not list((daemon.data / "artifacts").iterdir())
    assert daemon.status_of("/health") == 200
    daemon.limit_files(None)
    assert asyncio.run(api.package("quick", compression="none")).status == 200


@pytest.mark.parametrize("taken", [0, 1000])
async def test_h08_a_client_that_leaves_takes_its_query_with_it(
    slow: tuple[Daemon, Person], shop: Shop, taken: int
) -> None:
    daemon, person = slow
    body = json.dumps({"template_name": "long", "parameters": []}).encode()
    head = get("/api/v1/packdownload", person).replace(b"GET", b"POST", 1).removesuffix(b"\r\n")
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with raw_connection(daemon) as (reader, writer):
        writer.write(head + body)
        if taken:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(taken)
        await asyncio.to_thread(until, lambda: sessions(shop) >= 1)
    left = time.monotonic()
    while await asyncio.to_thread(sessions, shop):
        assert time.monotonic() - left < 4.0  # orphan_grace 0.5 s, 2 s to end the query, slow machines
        await asyncio.sleep(0.05)
    await asyncio.to_thread(until, daemon.spool_is_empty)
    ends = {record["begin"]: record for record in daemon.audit_records() if record["kind"] == "end"}
    begun = [r for r in daemon.audit_records() if r["kind"] == "begin" and r["action"] == "package"]
    ended = [ends[record["seq"]]["outcome"] for record in begun]
    assert ended == ["aborted_by_client"] or (not taken and not ended)  # planning gives nothing out


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3])  # of 12 MB; sockets hold 4
async def test_h08_a_client_that_leaves_a_row_stream_is_on_record(
    slow: tuple[Daemon, Person], shop: Shop, share: float
) -> None:
    daemon, person = slow
    table = "wide" if share else "slow_long"
    path = f"/db/slow_pg/{shop.slow}/public.{table}/rows"
    async with raw_connection(daemon) as (reader, writer):
        writer.write(get(f"/api/v1{path}", person))
        if share:
            await reader.readexactly(int(12_000_000 * share))
        else:
            await asyncio.sleep(0.7)

    def ended() -> list[str]:
        records = daemon.audit_records()
        begun = {r["seq"] for r in records if r["kind"] == "begin" and r["action"] == "rows"}
        return [r["outcome"] for r in records if r["kind"] == "end" and r["begin"] in begun]

    await asyncio.to_thread(until, ended)
    assert ended() == ["aborted_by_client"]
    await asyncio.to_thread(until, daemon.spool_is_empty)
    await asyncio.to_thread(until, lambda: sessions(shop) == 0)


async def test_h01_a_slow_reader_holds_no_database_session(slow: tuple[Daemon, Person], shop: Shop) -> None:
    daemon, person = slow
    path = f"/api/v1/db/slow_pg/{shop.slow}/public.quick/rows"
    async with raw_connection(daemon) as (reader, writer):
        writer.write(get(path, person))
        assert (await reader.read(1024)).startswith(b"HTTP/1.1 200 OK")
        for _ in range(8):
            await reader.read(1024)
            await asyncio.sleep(0.1)
        assert await asyncio.to_thread(sessions, shop) == 0  # 3 MB were read from the database, 9 KB by us


def test_o05_a_package_that_was_altered_on_disk_is_never_served(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    api = Api(daemon, person)
    first = asyncio.run(api.package("quick"))
    until(lambda: daemon.admin("status")["jobs"] == 0)  # until then it is the job's, not yet the folder's
    (kept,) = (daemon.data / "artifacts").iterdir()
    altered = bytearray(kept.read_bytes())
    altered[len(altered) // 2] ^= 1
    kept.write_bytes(altered)
    assert asyncio.run(api.get(f"/packages/{first.headers['X-Hfit-Package']}")).status == 404
    second = asyncio.run(api.package("quick"))
    assert second.headers["X-Hfit-Cache"] == "miss"
    assert bytes(altered) != second.body


async def test_d01_without_an_audit_record_nothing_is_given_out(world: World) -> None:
    daemon, api = world.daemon, Api(world.daemon, world.dev)
    assert (await api.put_template(package_template("small-quick", "quick"))).status == 201
    whole = await api.package("small-quick")
    daemon.limit_files(0)
    try:
        for asked in (
            api.package("small-quick"),
            api.get(f"/packages/{whole.headers['X-Hfit-Package']}"),
            api.get("/db/music/main/Genre/rows"),
            api.get("/files/docs"),
            api.get("/files/docs/download?path=a_42_b.pdf"),
        ):
            answer = await asked
            assert (answer.status, answer.code) == (503, "AUDIT_UNAVAILABLE")
        assert daemon.status_of("/ready") == 503
        assert daemon.status_of("/health") == 200
    finally:
        daemon.limit_files(None)
    assert daemon.status_of("/ready") == 200
    assert (await api.package("small-quick")).body == whole.body


def test_r05_every_begin_has_an_end_and_the_chain_holds(slow: tuple[Daemon, Person]) -> None:
    daemon, person = slow
    assert asyncio.run(Api(daemon, person).package("quick")).status == 200
    assert asyncio.run(Api(daemon, person).package("no-such")).status == 404
    client = start_client(daemon, person, "long")
    client.kill()
    client.communicate()
    daemon.stop()
    records = daemon.audit_records()
    begun = [record["seq"] for record in records if record["kind"] == "begin"]
    assert sorted(record["begin"] for record in records if record["kind"] == "end") == begun
    assert json.dumps(records).count("eyJ") == 0  # no token
    verified = daemon.hfitd("audit", "verify")
    assert verified.code == 0, verified.err
