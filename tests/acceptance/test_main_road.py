"""Issue 2's acceptance, as a user goes it: ``hfitd`` and ``hfit`` are processes, the databases are real."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import shutil
import sqlite3
import subprocess
import tarfile
from pathlib import Path

import pytest

from hfit.credentials.pins import Trust, read_pins
from hfit.errors import IntegrityFailed
from hfit.package.verify import verify_package
from tests.live.databases import fresh_database, run_sql
from tests.live.world import CASE, World
from tests.support.http import Api


@pytest.fixture(scope="session")
def case(world: World) -> Path:
    """The package of customer 42, downloaded into a fresh work folder by ``hfit``."""
    work = world.dev.folder / "work"
    work.mkdir()
    (work / "case.yaml").write_text(CASE)
    login = world.daemon.hfit(world.dev, "login", cwd=work)
    assert login.code == 0, login.err
    created = world.daemon.hfit(world.dev, "pkg-tmpl", "create", "case.yaml", cwd=work)
    assert created.code == 0, created.err
    done = world.daemon.hfit(world.dev, "pkg-download", "customer-case", "customer_id=42", cwd=work)
    assert done.code == 0, done.err
    return work / "case-42"


@pytest.fixture(scope="session")
def archive(case: Path, world: World) -> Path:
    """The same package as an archive."""
    done = world.daemon.hfit(world.dev, "pkg-download", "customer-case", "42", "--archive", cwd=case.parent)
    assert done.code == 0, done.err
    return case.parent / "case-42.tar.gz"


def test_the_sql_of_postgresql_loads_and_every_row_is_there(case: Path, world: World) -> None:
    server = world.shop.postgres
    with fresh_database(server) as name:
        for member in ("pg_schema.sql", "pg_customer.sql", "pg_rental.sql"):
            run_sql(server, (case / member).read_bytes(), name)  # psql -v ON_ERROR_STOP=1
        for table in ("customer", "rental"):
            question = f"SELECT count(*) FROM {table} WHERE customer_id = 42"
            assert run_sql(server, f"SELECT count(*) FROM {table}", name) == run_sql(server, question, "sakila")


def test_the_sql_of_mariadb_loads_and_every_row_is_there(case: Path, world: World) -> None:
    server = world.shop.mariadb
    with fresh_database(server) as name:
        for member in ("my_schema.sql", "my_customer.sql", "my_payment.sql"):
            run_sql(server, (case / member).read_bytes(), name)
        for table in ("customer", "payment"):
            question = f"SELECT count(*) FROM {table} WHERE customer_id = 42"
            assert run_sql(server, f"SELECT count(*) FROM {table}", name) == run_sql(server, question, "sakila")


def test_files_of_both_volumes_are_in_the_package(case: Path, world: World) -> None:
    volumes = world.daemon.folder
    assert (case / "logs/case_42_0001.txt").read_bytes() == (volumes / "logs/case_42_0001.txt").read_bytes()
    assert (case / "docs/a_42_b.pdf").read_bytes() == (volumes / "docs/a_42_b.pdf").read_bytes()
    assert not list(case.rglob("*case_7*"))


def test_no_raw_value_of_a_masked_column_is_anywhere_in_the_archive(archive: Path, world: World) -> None:
    emails = run_sql(world.shop.postgres, "SELECT email FROM customer", "sakila").split()
    emails += run_sql(world.shop.mariadb, "SELECT email FROM customer", "sakila").split()
    with sqlite3.connect(world.shop.music) as music:
        emails += [row[0] for row in music.execute('SELECT "Email" FROM "Customer"')]
    music.close()
    content = gzip.decompress(archive.read_bytes()).lower()
    assert len(set(emails)) > 600
    assert [email for email in emails if email.lower().encode() in content] == []
    with tarfile.open(archive) as tar:
        member = tar.extractfile("case-42/pg_everybody.ndjson")
        assert member is not None
        everybody = [json.loads(line) for line in member]
    assert len(everybody) == 599
    assert {row["last_name"] for row in everybody} == {"X"}
    assert len({row["email"] for row in everybody}) == 599  # a keyed hash keeps them apart


def test_what_the_manifest_counts_is_what_the_databases_hold(case: Path, world: World) -> None:
    manifest = json.loads((case / "METADATA/manifest.json").read_bytes())
    members = {member["path"]: member for member in manifest["members"]}
    rentals = run_sql(world.shop.postgres, "SELECT count(*) FROM rental WHERE customer_id = 42", "sakila")
    payments = run_sql(world.shop.mariadb, "SELECT count(*) FROM payment WHERE customer_id = 42", "sakila")
    assert members["pg_rental.sql"]["rows"] == int(rentals)
    assert members["my_payment.sql"]["rows"] == int(payments)
    assert members["music.csv"]["rows"] == 59
    assert case.joinpath("totals.csv").read_text().splitlines()[1].endswith(f",X,{rentals.strip()}")


def test_ssh_keygen_accepts_the_signature_of_the_manifest(case: Path, world: World, tmp_path: Path) -> None:
    shown = world.daemon.hfitd("key", "show")
    key_line, fingerprint = shown.out.splitlines()
    allowed = tmp_path / "allowed"
    allowed.write_text(f'{world.daemon.origin} namespaces="hfit-package@hfitd.v1" {key_line}\n')
    argv = [
        "ssh-keygen", "-Y", "verify", "-f", allowed, "-I", world.daemon.origin, "-n", "hfit-package@hfitd.v1",
        "-s", case / "METADATA/manifest.sig",
    ]  # fmt: skip
    manifest = (case / "METADATA/manifest.json").read_bytes()
    done = subprocess.run(argv, input=manifest, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert fingerprint.encode() in done.stdout
    changed = subprocess.run(argv, input=manifest.replace(b"case", b"cask", 1), capture_output=True, check=False)
    assert changed.returncode != 0


def test_any_flipped_byte_of_the_archive_is_noticed(archive: Path, world: World, tmp_path: Path) -> None:
    trust = Trust(read_pins(world.dev.folder / "hfit"))
    whole = archive.read_bytes()
    altered = tmp_path / "altered.tar.gz"
    dice = random.Random(2)
    positions = {0, 1, 8, 9, len(whole) - 1, len(whole) - 60, *(dice.randrange(len(whole)) for _ in range(400))}
    for position in sorted(positions):
        data = bytearray(whole)
        data[position] ^= 1 << dice.randrange(8)
        altered.write_bytes(data)
        with pytest.raises(IntegrityFailed):
            verify_package(altered, trust)
    assert world.daemon.hfit(world.dev, "verify", altered).code == 5
    assert world.daemon.hfit(world.dev, "verify", archive).code == 0


def test_any_flipped_byte_of_the_folder_is_noticed(case: Path, world: World, tmp_path: Path) -> None:
    trust = Trust(read_pins(world.dev.folder / "hfit"))
    copy = tmp_path / "copy"
    shutil.copytree(case, copy)
    dice = random.Random(3)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    assert len(files) > 12
    for path in files:
        whole = path.read_bytes()
        data = bytearray(whole)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        with pytest.raises(IntegrityFailed):
            verify_package(copy, trust)
        path.write_bytes(whole)
    assert verify_package(copy, trust).manifest.package_name == "case-42"
    (copy / "pg_rental.sql").write_bytes((copy / "pg_rental.sql").read_bytes() + b" ")
    assert world.daemon.hfit(world.dev, "verify", copy).code == 5


async def test_the_same_download_twice_comes_from_the_cache_with_the_same_digest(case: Path, world: World) -> None:
    api = Api(world.daemon, world.dev)
    before = world.daemon.admin("status")["extractions"]
    first = await api.package("customer-case", 7)
    second = await api.package("customer-case", 7)
    assert (first.headers["X-Hfit-Cache"], second.headers["X-Hfit-Cache"]) == ("miss", "hit")
    assert second.body == first.body
    assert second.headers["Content-Length"] == str(len(second.body))
    assert "Content-Length" not in first.headers
    assert world.daemon.admin("status")["extractions"] == before + 1


async def test_a_known_digest_is_answered_without_a_body(case: Path, world: World) -> None:
    digest = json.loads((case / "METADATA/manifest.json").read_bytes())["package_digest"]
    body = {"template_name": "customer-case", "parameters": {"customer_id": 42}}
    answer = await Api(world.daemon, world.dev).request(
        "POST", "/packdownload", json=body, headers={"X-Hfit-Known-Digest": digest}
    )
    assert (answer.status, answer.body) == (304, b"")


async def test_refresh_gives_equal_bytes_outside_metadata(case: Path, world: World) -> None:
    api = Api(world.daemon, world.dev)
    first = await api.package("customer-case", 9, compression="none")
    anew = await api.package("customer-case", 9, compression="none", refresh=True)
    assert anew.headers["X-Hfit-Cache"] == "miss"
    assert anew.headers["X-Hfit-Package"] != first.headers["X-Hfit-Package"]
    border = first.body.index(b"case-9/METADATA/")
    assert border > 50_000
    assert anew.body[:border] == first.body[:border]
    one, other = (json.loads(manifest_of(answer.body)) for answer in (first, anew))
    assert one["package_digest"] == other["package_digest"]


def manifest_of(archive: bytes) -> bytes:
    """The manifest in an uncompressed archive."""
    start = archive.index(b'{"', archive.index(b"METADATA/manifest.json\0"))
    return archive[start : archive.index(b"\0", start)]


async def test_a_hundred_equal_requests_are_one_extraction(case: Path, world: World) -> None:
    api = Api(world.daemon, world.dev)
    before = world.daemon.admin("status")["extractions"]
    answers = await asyncio.gather(*(api.package("customer-case", 11) for _ in range(100)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert world.daemon.admin("status")["extractions"] == before + 1


async def test_a_package_can_be_taken_up_where_it_broke_off(case: Path, world: World) -> None:
    api = Api(world.daemon, world.dev)
    whole = await api.package("customer-case", 42)
    place, etag = f"/packages/{whole.headers['X-Hfit-Package']}", whole.headers["ETag"]
    rest = await api.get(place, Range="bytes=1000-", **{"If-Range": etag})
    assert (rest.status, rest.body) == (206, whole.body[1000:])
    assert rest.headers["Content-Range"] == f"bytes 1000-{len(whole.body) - 1}/{len(whole.body)}"
    stale = await api.get(place, Range="bytes=1000-", **{"If-Range": '"another"'})
    assert (stale.status, stale.body) == (200, whole.body)
    beyond = await api.get(place, Range=f"bytes={len(whole.body)}-")
    assert (beyond.status, beyond.code) == (416, "RANGE_INVALID")


async def test_progress_is_told_as_events(case: Path, world: World) -> None:
    api = Api(world.daemon, world.dev)
    whole = await api.package("customer-case", 42)
    events = await api.get(f"/packages/{whole.headers['X-Hfit-Package']}/events")
    assert events.headers["Content-Type"] == "text/event-stream"
    name, data = events.body.decode().strip().splitlines()[-2:]
    assert name == "event: done"
    assert json.loads(data.removeprefix("data: "))["size"] == len(whole.body)
