"""Masks inside files, as a user meets them: everywhere a file leaves, the same pseudonyms and nothing raw."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import signal
import sqlite3
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.daemon import MASK_KEY, Daemon, Person, role, running, sqlite_provider
from tests.support.http import Answer, Api

CSV = b"id,Email,note\r\n1,CANARYann@x.org,hello\r\n2,,\r\n"
NDJSON = b'{"email":"CANARYann@x.org","n":1.0}\n{"n":2}\n'
JSON = b'{"users": [{"email": "CANARYann@x.org", "id": 12345678901234567890}]}'
LOG = b"a user=CANARYann@x.org done\nCANARYunmatched\n"
BROKEN = b"id,mail\n1,CANARYann@x.org\n"
RULES = """
[volumes.files]
path = "files"
[[volumes.files.mask]]
files = ["*.csv"]
format = "csv"
columns = { email = "email" }
[[volumes.files.mask]]
files = "*.ndjson"
format = "ndjson"
columns = { email = "email" }
[[volumes.files.mask]]
files = "docs/*.json"
format = "json"
paths = { "$.users[*].email" = "email" }
[[volumes.files.mask]]
files = "*.log"
format = "log"
pattern = "user=(?P<email>[^ ]+)"
"""
TEMPLATE = """hfitVersion: 1
templateName: all
packageName: all
exports:
  all: {type: files, volume: files, filters: ["folder:good"]}
  one.csv: {type: file, data: {volume: files, path: good/a.csv}}
  who.ndjson: {type: table-data, data: {dbms: shop, table: person}}
  case.sql:
    type: subset
    data: {dbms: shop, roots: [{table: person}], files_from: {column: person.file, volume: files}}
"""
ONE = (
    "hfitVersion: 1\ntemplateName: {0}\npackageName: {0}\nexports:\n"
    "  x: {{type: file, data: {{volume: files, path: {1}}}}}\n"
)


@dataclass(frozen=True)
class Office:
    """A gateway over a folder of personal files and a database of the same people."""

    daemon: Daemon
    files: Path
    ann: Person
    root: Person

    def body(self, rules: str = RULES) -> str:
        return rules + self.rest()

    def rest(self) -> str:
        policy = f'\n[policy]\nmask_key = "{MASK_KEY}"\n[[policy.mask]]\ncolumns = "*/*/person.email"\nmask = "email"\n'
        policy += '[[policy.clear]]\ncolumns = "*/*/person.file"\n[limits]\nrequests_per_minute = 100000\n'
        grants = ("rows:**", "files.list:**", "files.read:**", "template.run:*", "template.edit:*")
        roles = role("dev", *grants) + role("raw", *grants, "raw:files/good/**", "!raw:files/good/*.LOG")
        return policy + sqlite_provider("shop", self.files.parent / "shop.db") + roles


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE person (id integer PRIMARY KEY, email text, file text)")
        connection.execute("INSERT INTO person VALUES (1, 'CANARYann@x.org', 'good/a.csv'), (2, NULL, 'good/none.csv')")
    connection.close()
    for name, content in {
        "good/a.csv": CSV, "good/b.CSV": CSV, "good/c.ndjson": NDJSON, "good/e.log": LOG, "docs/d.json": JSON,
        "good/g.csv.gz": gzip.compress(CSV), "good/plain.txt": b"nothing\n", "broken.csv": BROKEN,
    }.items():  # fmt: skip
        (folder / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / name).write_bytes(content)
    daemon = Daemon(folder, "")
    nobody = Person("", folder, folder)
    office = Office(daemon, folder / "files", nobody, nobody)
    daemon.write_config(office.body())
    with running(daemon):
        people = [daemon.add_person(f"{name}@example.org", name) for name in ("dev", "raw")]
        assert daemon.hfit(people[0], "login").code == 0
        yield Office(daemon, folder / "files", *people)


async def fetch(office: Office, path: str, person: Person | None = None, **headers: str) -> Answer:
    return await Api(office.daemon, person or office.ann).get(f"/files/files/download?path={path}", **headers)


async def pseudonym(office: Office) -> bytes:
    """What stands for Ann in the database."""
    answer = await Api(office.daemon, office.ann).get("/db/shop/main/person/rows?limit=1")
    return str(json.loads(answer.body.splitlines()[0])["email"]).encode()


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name.partition("/")[2]: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


async def package(office: Office, person: Person, name: str, text: str, **more: Any) -> dict[str, bytes]:
    api = Api(office.daemon, person)
    assert (await api.put_template(text)).status in (201, 409)
    answer = await api.package(name, compression="none", **more)
    assert answer.status == 200, answer.body
    return members(answer.body)


async def test_one_person_has_one_pseudonym_in_the_database_and_in_every_file(office: Office) -> None:
    ann = await pseudonym(office)
    for path, original in {
        "good/a.csv": CSV, "good/b.CSV": CSV, "good/c.ndjson": NDJSON, "docs/d.json": JSON,
        "good/e.log": LOG.replace(b"CANARYunmatched\n", b""),
    }.items():  # fmt: skip
        answer = await fetch(office, path)
        assert (answer.status, answer.body) == (200, original.replace(b"CANARYann@x.org", ann)), path
        assert int(answer.headers["Content-Length"]) == len(answer.body)
    packed = await fetch(office, "good/g.csv.gz")
    assert gzip.decompress(packed.body) == CSV.replace(b"CANARYann@x.org", ann)
    assert (await fetch(office, "good/plain.txt")).body == b"nothing\n"


async def test_a_package_holds_masked_files_and_names_the_originals(office: Office) -> None:
    ann = await pseudonym(office)
    found = await package(office, office.ann, "all", TEMPLATE)
    text = CSV.replace(b"CANARYann@x.org", ann)
    assert [found[name] for name in ("all/good/a.csv", "one.csv", "case.files/files/good/a.csv")] == [text] * 3
    assert b"CANARY" not in b"".join(found.values())
    listed = {entry["path"]: entry for entry in json.loads(found["METADATA/manifest.json"])["members"]}
    entry = listed["one.csv"]
    assert entry["original"] == {"path": "good/a.csv", "size": len(CSV), "sha256": hashlib.sha256(CSV).hexdigest()}
    assert (entry["masks"], entry["size"]) == ({"email": "email"}, len(text))
    assert listed["all/good/e.log"]["dropped_lines"] == 1
    assert "original" not in listed["all/good/plain.txt"]


async def test_f05_the_manifest_says_which_very_file_was_read_and_the_digest_only_what_it_held(office: Office) -> None:
    seen: list[tuple[str, str]] = []
    plain = office.files / "good" / "plain.txt"
    for exchanged in (False, False, True):
        if exchanged:
            new = plain.with_name("plain.new")
            new.write_bytes(plain.read_bytes())
            new.replace(plain)
        found = await package(office, office.ann, "very", ONE.format("very", "good/plain.txt"), refresh=True)
        manifest = json.loads(found["METADATA/manifest.json"])
        (entry,) = [entry for entry in manifest["members"] if entry["kind"] == "file"]
        seen.append((entry["identity"], manifest["package_digest"]))
    assert seen[0] == seen[1]
    assert seen[1][0] != seen[2][0]
    assert len({digest for _, digest in seen}) == 1


async def test_f13_a_file_that_its_rule_does_not_fit_is_refused_and_so_is_its_package(office: Office) -> None:
    for _ in range(2):
        answer = await fetch(office, "broken.csv")
        assert (answer.status, answer.code) == (422, "FILE_NOT_MASKABLE")
        assert b"CANARY" not in answer.body
    api = Api(office.daemon, office.ann)
    assert (await api.put_template(ONE.format("broken", "broken.csv"))).status == 201
    answer = await api.package("broken", compression="none")
    assert (answer.status, answer.code, b"CANARY" in answer.body) == (422, "FILE_NOT_MASKABLE", False)
    ran = office.daemon.hfit(office.ann, "pkg-download", "broken")
    assert (ran.code, "CANARY" in ran.out + ran.err) == (2, False)
    assert "parts to be masked" in ran.err
    assert not list(office.ann.folder.rglob("broken*"))


async def test_a_masked_file_is_a_file_like_any_other_length_ranges_etag_and_digest(office: Office) -> None:
    whole = await fetch(office, "good/a.csv", **{"Want-Repr-Digest": "sha-256=9"})
    digest = base64.b64encode(hashlib.sha256(whole.body).digest()).decode()
    assert whole.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert json.loads(whole.headers["X-Hfit-Masked"]) == {"masks": {"email": "email"}, "dropped_lines": 0}
    head = await Api(office.daemon, office.ann).request("HEAD", "/files/files/download?path=good/a.csv")
    assert (head.headers["Content-Length"], head.headers["ETag"], head.body) == (
        str(len(whole.body)), whole.headers["ETag"], b""
    )  # fmt: skip
    part = await fetch(office, "good/a.csv", Range="bytes=5-", **{"If-Range": whole.headers["ETag"]})
    assert (part.status, part.body) == (206, whole.body[5:])
    beyond = await fetch(office, "good/a.csv", Range=f"bytes={len(whole.body)}-")
    assert beyond.status == 416
    same = await fetch(office, "good/a.csv", **{"If-None-Match": whole.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")


async def test_hfit_download_resumes_and_verifies_a_masked_file(office: Office, tmp_path: Path) -> None:
    whole = (await fetch(office, "good/a.csv")).body
    target = tmp_path / "a.csv"
    ran = office.daemon.hfit(office.ann, "download", "files:/good/a.csv", "-o", target)
    assert ran.code == 0, ran.err
    assert target.read_bytes() == whole
    to_stdout = office.daemon.hfit(office.ann, "download", "files", "name:a.csv", "-o", "-")
    assert to_stdout.out.encode() == whole
    assert "Masked in this file: email." in to_stdout.err
    log = office.daemon.hfit(office.ann, "--json", "download", "files:/good/e.log", "-o", tmp_path / "e.log")
    assert json.loads(log.out)["masks"] == {"email": "email"}
    assert json.loads(log.out)["dropped_lines"] == 1


async def test_raw_lifts_the_masks_of_the_files_it_names_and_is_on_record(office: Office) -> None:
    assert (await fetch(office, "good/a.csv", office.root)).body == CSV
    assert b"CANARY" not in (await fetch(office, "docs/d.json", office.root)).body
    assert b"CANARY" not in (await fetch(office, "good/e.log", office.root)).body  # denied, in whatever case
    name = ONE.format("mine", "good/a.csv")
    found = await package(office, office.root, "mine", name)
    assert found["x"] == CSV
    entry = next(e for e in json.loads(found["METADATA/manifest.json"])["members"] if e["path"] == "x")
    assert (entry["raw"], entry["masks"]) == (True, {})
    assert (await package(office, office.ann, "mine", name))["x"] != CSV
    records = [r for r in office.daemon.audit_records() if "files/good/a.csv" in r.get("raw", ())]
    assert {record["action"] for record in records} >= {"files.read", "package"}
    masked = [r for r in office.daemon.audit_records() if r.get("masks", {}).get("files/good/a.csv:email") == "email"]
    assert {"files.mask", "files.read", "package"} <= {record["action"] for record in masked}


async def test_readers_at_the_same_time_share_one_masking_and_leaving_ones_do_not_stop_it(office: Office) -> None:
    big = office.files / "good2" / "big.csv"
    big.parent.mkdir(exist_ok=True)
    big.write_bytes(CSV[:15] + b"1,CANARYann@x.org,x\r\n" * 60_000)
    leaving = asyncio.create_task(fetch(office, "good2/big.csv"))
    await asyncio.sleep(0.2)
    leaving.cancel()
    one, two = await asyncio.gather(fetch(office, "good2/big.csv"), fetch(office, "good2/big.csv"))
    assert one.status == two.status == 200
    assert one.body == two.body
    assert b"CANARY" not in one.body
    made = [r for r in office.daemon.audit_records() if r.get("action") == "files.mask"]
    assert sum(record["objects"] == ["files/good2/big.csv"] for record in made) == 1
    big.unlink()


async def test_f13_a_file_that_is_replaced_is_masked_anew_under_another_etag(office: Office) -> None:
    path = office.files / "good2" / "turn.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"email\nCANARYone@x.org\n")
    first = await fetch(office, "good2/turn.csv")
    path.write_bytes(b"email\nCANARYtwo@x.org\n")
    second = await fetch(office, "good2/turn.csv", Range="bytes=0-", **{"If-Range": first.headers["ETag"]})
    assert second.status == 200
    assert first.headers["ETag"] != second.headers["ETag"]
    assert first.body != second.body
    path.unlink()


async def test_a_reload_applies_other_rules_at_once_also_to_packages(office: Office) -> None:
    text = ONE.format("again", "good/a.csv")
    before = await package(office, office.ann, "again", text)
    version = json.loads(before["METADATA/manifest.json"])["policy"]["version"]
    old = await fetch(office, "good/a.csv")
    try:
        other = RULES.replace('{ email = "email" }', '{ email = { mask = "redact" } }', 1)
        office.daemon.write_config(office.body(other))
        office.daemon.signal(signal.SIGHUP)
        for _ in range(100):
            new = await fetch(office, "good/a.csv")
            if new.body != old.body:
                break
            await asyncio.sleep(0.05)
        assert new.body == CSV.replace(b"CANARYann@x.org", b"*" * 15)
        assert new.headers["ETag"] != old.headers["ETag"]
        after = await package(office, office.ann, "again", text)
        assert after["x"] == new.body
        assert json.loads(after["METADATA/manifest.json"])["policy"]["version"] != version
    finally:
        office.daemon.write_config(office.body())
        office.daemon.signal(signal.SIGHUP)
    for _ in range(100):
        if (again := await fetch(office, "good/a.csv")).body == old.body:
            break
        await asyncio.sleep(0.05)
    assert again.headers["ETag"] == old.headers["ETag"]


def test_check_says_every_mistake_of_the_rules(office: Office, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, office.body(RULES.replace('"email"', '"emial"').replace("(?P<", "(?<")))
    (tmp_path / "files").mkdir()
    ran = daemon.hfitd("check", "--config", daemon.config, "--volumes")
    assert ran.code == 2
    for number, place in enumerate(("columns.email", "columns.email", "paths.$.users[*].email")):
        assert f"volumes.files.mask[{number}].{place}: there is no mask 'emial'" in ran.err
    assert "volumes.files.mask[3]: pattern:" in ran.err


async def test_no_canary_is_in_the_log_the_audit_the_spool_or_the_store(office: Office) -> None:
    for path in ("good/a.csv", "broken.csv"):
        await fetch(office, path)
    data = office.daemon.data
    kept = [path for path in data.rglob("*") if path.is_file() and "artifacts" not in path.parts]
    assert any(path.parent.name == "spool" for path in kept)
    for path in (*kept, office.daemon.log):
        assert b"CANARY" not in path.read_bytes(), path
