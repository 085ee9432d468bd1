"""The audit log as people use it, and as somebody attacks it, on a running daemon."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.daemon import BIN, Daemon, clean_environment, provider, role, run, running, sqlite_provider
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support.http import Api, raw_connection

CASE = """hfitVersion: 1
templateName: genres
packageName: genres
parameters:
  wanted: {type: text, required: true}
exports:
  genre.sql: {type: table-data, data: {dbms: music, table: Genre, filter: "Name = ${wanted}"}}
  customer.csv: {type: table-data, data: {dbms: music, table: Customer}}
"""
OFFICER = ("audit.read:*",)
UNLIKELY = "471108152342"  # an id that no digest in the log holds by chance


@pytest.fixture
def watched(chinook_sqlite: Path, tmp_path: Path) -> Iterator[Daemon]:
    """A small daemon with developers, one who sees raw values, and an officer; its log goes to a second place, too."""
    body = sqlite_provider("music", chinook_sqlite) + POLICY + LIMITS
    body += f'[audit]\nsinks = ["file:", "file:{tmp_path}/elsewhere.jsonl"]\n'
    body += role("developer", *EVERYTHING) + role("doctor", *EVERYTHING, "raw:music/main/Customer.Email")
    body += role("officer", *OFFICER) + role("clerk", "audit.read:music/main/Genre")
    with running(Daemon(tmp_path, body)) as daemon:
        yield daemon


def entries(body: bytes) -> list[dict[str, object]]:
    """The entries of an answer, its end record checked."""
    lines = [json.loads(line) for line in body.splitlines()]
    assert lines[-1]["_end"]["rows"] == len(lines) - 1
    return lines[:-1]


async def test_who_got_rows_of_a_table_and_which_columns_raw(watched: Daemon) -> None:
    dev = await asyncio.to_thread(watched.add_person, "dev@example.org", "developer")
    doctor = await asyncio.to_thread(watched.add_person, "doctor@example.org", "doctor")
    officer = await asyncio.to_thread(watched.add_person, "officer@example.org", "officer")
    assert (await Api(watched, dev).put_template(CASE)).status == 201
    whole = await Api(watched, dev).package("genres", "Jazz-s3cret")
    assert whole.status == 200
    await Api(watched, dev).package("genres", "Jazz-s3cret")  # the finished one once more
    rows = f"/db/music/main/Customer/rows?limit=2&filter=CustomerId%3D{UNLIKELY}"
    assert (await Api(watched, doctor).get(rows)).status == 200
    asked = Api(watched, officer)
    found = entries((await asked.get("/audit?object=Customer&since=1d&action=package")).body)
    assert [entry["email"] for entry in found] == ["dev@example.org"] * 2
    assert len({entry["package_digest"] for entry in found}) == 1
    for entry in found:
        assert entry["bytes"] == len(whole.body)
        tables = {table["object"]: table for table in entry["tables"]}  # type: ignore[attr-defined]
        assert tables["music/main/Customer"]["rows"] == 59
        assert tables["music/main/Customer"]["bytes"] > 1000
        assert entry["masks"]["music/main/Customer.Email"] == "hash"  # type: ignore[index]
        assert entry["template_digest"] == found[0]["template_digest"] != ""
        assert str(entry["parameters"]["wanted"]).startswith("hmac:")  # type: ignore[index]
    (raw,) = entries((await asked.get("/audit?raw=1")).body)
    assert (raw["email"], raw["raw"]) == ("doctor@example.org", ["music/main/Customer.Email"])
    assert str(raw["statement"]).startswith("CustomerId = hmac:")
    kept = b"".join(path.read_bytes() for path in (watched.data / "audit").glob("*.jsonl"))
    for value in (b"s3cret", UNLIKELY.encode(), *dev.token.encode().split(b".")[:2]):
        assert value not in kept
    reads = entries((await asked.get("/audit?action=audit.read&email=officer@example.org")).body)
    assert [entry["rows"] for entry in reads[:2]] == [2, 1]  # reading is on record itself


async def test_the_log_is_there_for_who_may_read_it_and_for_nobody_else(watched: Daemon) -> None:
    dev = await asyncio.to_thread(watched.add_person, "dev@example.org", "developer")
    clerk = await asyncio.to_thread(watched.add_person, "clerk@example.org", "clerk")
    for table in ("Genre", "Album"):
        assert (await Api(watched, dev).get(f"/db/music/main/{table}/rows?limit=1")).status == 200
    refused, missing = await Api(watched, dev).get("/audit?limit=1"), await Api(watched, dev).get("/no-such-route")
    assert refused.status == missing.status == 404
    strip = {"timestamp", "request_id"}
    assert {k: v for k, v in refused.json.items() if k not in strip} == {
        k: v for k, v in missing.json.items() if k not in strip
    }
    seen = entries((await Api(watched, clerk).get("/audit")).body)
    assert {tuple(entry["objects"]) for entry in seen} == {("music/main/Genre",)}  # type: ignore[arg-type]
    for query in ("limit=x", "raw=yes", "since=soon", "nope=1", "after=x", "limit=1&limit=2"):
        assert (await Api(watched, clerk).get(f"/audit?{query}")).code == "BAD_REQUEST"


def test_the_commands_find_what_the_route_finds(watched: Daemon) -> None:
    dev = watched.add_person("dev@example.org", "developer")
    officer = watched.add_person("officer@example.org", "officer")
    for _ in range(3):
        assert asyncio.run(Api(watched, dev).get("/db/music/main/Genre/rows?limit=1")).status == 200
    assert watched.hfit(officer, "login").code == watched.hfit(dev, "login").code == 0
    table = watched.hfit(officer, "audit", "search", "--table", "Genre", "--since", "1h")
    assert table.code == 0, table.err
    assert table.out.count("dev@example.org") == 3
    lines = watched.hfit(officer, "audit", "search", "--table", "Genre", "--format", "json", "--limit", "2").out
    assert [json.loads(line)["action"] for line in lines.splitlines()] == ["rows", "rows"]
    assert watched.hfit(dev, "audit", "search").code == 4
    mine = watched.hfitd("audit", "search", "--table", "main.Genre", "--email", "dev@example.org", "--format", "json")
    assert len(mine.out.splitlines()) == 3, mine.err
    assert "dev@example.org\trows\tmusic/main/Genre" in watched.hfitd("audit", "search", "--action", "rows").out
    tail = watched.hfitd("audit", "tail", "--limit", "3")
    assert len(tail.out.splitlines()) == 3
    assert watched.hfitd("audit", "search", "--since", "soon").code == 1


def test_tail_follows_what_is_written(watched: Daemon) -> None:
    dev = watched.add_person("dev@example.org", "developer")
    argv = [BIN / "hfitd", "audit", "tail", "--limit", "1", "-f", "--config", watched.config]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=clean_environment(watched.folder)) as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        time.sleep(0.5)
        assert asyncio.run(Api(watched, dev).get("/db/music/main/Genre/rows?limit=1")).status == 200
        seen = ""
        while '"action": "rows"' not in seen:
            seen = follower.stdout.readline()
            assert seen
        follower.send_signal(signal.SIGTERM)


def test_d03_a_cut_end_is_found_by_what_the_second_sink_has_kept(watched: Daemon, tmp_path: Path) -> None:
    person = watched.add_person("dev@example.org", "developer")
    asyncio.run(Api(watched, person).get("/db/music/main/Genre/rows?limit=1"))
    watched.kill()
    (chain,) = (watched.data / "audit").glob("*.jsonl")
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(b"".join(lines[:-2]))
    assert watched.hfitd("audit", "verify").code == 0  # the folder alone cannot know
    found = watched.hfitd("audit", "verify", "--checkpoints", tmp_path / "elsewhere.jsonl")
    assert found.code == 1
    assert f"record {len(lines) - 1} is missing at the end" in found.err


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def kinds(path: Path, kind: str) -> list[int]:
    """Numbers of the records of this kind."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [record["seq"] for record in records if record["kind"] == kind]


def replace_file(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def heal(path: Path, kept: Path, content: bytes) -> None:
    """The same file as before, with what it held."""
    path.unlink(missing_ok=True)
    os.link(kept, path)
    path.chmod(0o600)
    path.write_bytes(content)


HARMS: dict[str, Callable[[Path], object]] = {
    "replaced": replace_file,
    "removed": lambda path: path.unlink(),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 10),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"{}\n"),
    "read-only": lambda path: path.chmod(0o400),
}


async def test_d01_a_segment_that_was_touched_gives_nothing_out_until_it_is_healed(watched: Daemon) -> None:
    dev = await asyncio.to_thread(watched.add_person, "dev@example.org", "developer")
    api = Api(watched, dev)
    (chain,) = (watched.data / "audit").glob("*.jsonl")
    kept = watched.folder / "kept"
    os.link(chain, kept)
    for harm, touch in HARMS.items():
        assert (await api.get("/db/music/main/Genre/rows")).status == 200
        await asyncio.to_thread(until, lambda: len(set(kinds(kept, "begin"))) == len(kinds(kept, "end")))
        content = kept.read_bytes()
        touch(chain)
        for path in ("/db/music/main/Genre/rows", "/db/dbmss"):
            answer = await api.get(path)
            assert (answer.status, answer.code) == (503, "AUDIT_UNAVAILABLE"), harm
        assert (await Api(watched).get("//ready")).json["audit"] == "unavailable"
        assert watched.status_of("/health") == 200
        heal(chain, kept, content)
        assert (await Api(watched).get("//ready")).json["audit"] == "ok"
    assert watched.hfitd("audit", "verify").code == 0


@pytest.fixture
def slow(postgres_server: Server, postgres_database: str, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon before a table that takes its time from the first row, and one that does from the second."""
    run_sql(
        postgres_server,
        "CREATE VIEW nap AS SELECT g AS id, pg_sleep(1)::text AS pause FROM generate_series(1, 60) g;"
        "CREATE TABLE quick (id integer PRIMARY KEY, filler text);"
        "INSERT INTO quick SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 2000) i;",
        postgres_database,
    )
    body = provider("slow", postgres_server, postgres_database) + POLICY + LIMITS + role("developer", *EVERYTHING)
    with running(Daemon(tmp_path, body)) as daemon:
        yield daemon


BOTH = """hfitVersion: 1
templateName: both
packageName: both
exports:
  0_quick.ndjson: {type: table-data, data: {dbms: slow, table: public.quick}}
  1_nap.ndjson: {type: table-data, data: {dbms: slow, table: public.nap}}
"""


@pytest.mark.parametrize("when", ["before the first byte", "in the middle"])
async def test_d04_r05_a_kill_between_begin_and_data_or_data_and_end_leaves_no_gap(
    slow: Daemon, postgres_database: str, when: str
) -> None:
    dev = await asyncio.to_thread(slow.add_person, "dev@example.org", "developer")
    assert (await Api(slow, dev).put_template(BOTH)).status == 201
    head = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {dev.bearer['Authorization']}\r\n"
    body = json.dumps({"template_name": "both", "compression": "none"})
    action = "rows" if when == "before the first byte" else "package"
    if action == "rows":
        request = f"GET /api/v1/db/slow/{postgres_database}/public.nap/rows {head}\r\n"
    else:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        request = f"POST /api/v1/packdownload {head}\r\n{body}"
    async with raw_connection(slow) as (reader, writer):
        writer.write(request.encode())
        await asyncio.to_thread(until, lambda: any(r.get("action") == action for r in slow.audit_records()))
        if action == "package":
            assert await reader.readexactly(200_000)
        await asyncio.to_thread(slow.kill)
    (begun,) = [record for record in slow.audit_records() if record.get("action") == action]
    assert begun["columns"], "what was going to be given stands on disk before a byte of it"
    assert not [record for record in slow.audit_records() if record.get("begin") == begun["seq"]]
    assert slow.hfitd("audit", "verify").code == 0
    await asyncio.to_thread(slow.start)
    ends = [record for record in slow.audit_records() if record.get("begin") == begun["seq"]]
    assert [end["outcome"] for end in ends] == ["crashed"]
    found = slow.hfitd("audit", "search", "--table", "nap", "--format", "json")
    assert {json.loads(line)["outcome"] for line in found.out.splitlines()} == {"crashed"}


def test_two_instances_share_a_folder_and_each_has_its_chain(chinook_sqlite: Path, tmp_path: Path) -> None:
    daemons, names = [], set()
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        body = sqlite_provider("music", chinook_sqlite) + POLICY + LIMITS + role("developer", *EVERYTHING)
        body += f'[audit]\nfolder = "{tmp_path}/audit"\n'
        daemons.append(Daemon(folder, body, {"keys_dir": f'"{tmp_path}/keys"'}))
    try:
        for number, daemon in enumerate(daemons):
            daemon.start()
            daemon.add_person(f"dev{number}@example.org", "developer")
            names.add(daemon.admin("status")["instance"])
        assert len(names) == 2
        found = daemons[0].hfitd("audit", "search", "--action", "login", "--format", "json")
        emails = {json.loads(line)["email"] for line in found.out.splitlines()}
        assert emails == {"dev0@example.org", "dev1@example.org"}
        daemons[1].stop()
        daemons[1].start()
        assert daemons[1].admin("status")["instance"] in names  # it keeps its name
    finally:
        for daemon in daemons:
            daemon.stop()
    done = run([BIN / "hfitd", "audit", "verify", tmp_path / "audit"], tmp_path, {})
    assert (done.code, "2 instances: ok" in done.out) == (0, True), done.err
