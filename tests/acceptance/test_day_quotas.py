"""What a person may take away in a day holds however it is asked for: beside each other, in pieces, by heads alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.live.daemon import Daemon, running
from tests.live.world import small_config
from tests.support.http import Answer, Api

MEGABYTE = 1 << 20
BYTES, ROWS = 10 * MEGABYTE + 4321, 2000
REST = BYTES - 9 * MEGABYTE  # when the file of three megabytes was given three times
DELIVERIES = {"rows", "package", "package.again", "files.read"}
TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  tracks.{form}: {{type: table-data, data: {{dbms: music, table: Track}}}}
"""


@pytest.fixture(scope="module")
def metered(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with small quotas; a file of three, one of eleven megabytes. ``Track`` has 3503 rows."""
    folder = tmp_path_factory.mktemp("metered")
    (folder / "files").mkdir()
    (folder / "files" / "three.bin").write_bytes(b"x" * 3 * MEGABYTE)
    (folder / "files" / "eleven.bin").write_bytes(b"y" * 11 * MEGABYTE)
    body = small_config(folder, chinook_sqlite)
    limits = f"[limits]\nbytes_per_day = {BYTES}\nrows_per_day = {ROWS}\n"
    with running(Daemon(folder, body.replace("[limits]\n", limits))) as daemon:
        yield daemon


async def joined(metered: Daemon, name: str) -> Api:
    """Somebody whose day begins."""
    return Api(metered, await asyncio.to_thread(metered.add_person, f"{name}@example.org", "developer"))


def three() -> str:
    """The path of the file of three megabytes."""
    return "/files/files/download?path=three.bin"


async def given(api: Api, path: str) -> int:
    """How many bytes of an answer came, also of one that was cut; -1 for a refusal by quota."""
    size = 0
    async with aiohttp.ClientSession() as session, session.get(api.url(path), headers=api.headers) as response:
        if response.status == 429:
            return -1
        assert response.status == 200
        try:
            async for piece in response.content.iter_any():
                size += len(piece)
        except aiohttp.ClientPayloadError:
            return size
    return size


async def test_files_downloaded_beside_each_other_never_pass_the_day_together(metered: Daemon) -> None:
    api = await joined(metered, "files")
    answers: list[Answer] = await asyncio.gather(*(api.get(three()) for _ in range(12)))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 9
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.json["resource"] == "bytes_per_day"
    ends = await ends_of(metered, api, 12)
    assert sum(r["bytes"] for r in ends) == 9 * MEGABYTE
    assert {r["outcome"] for r in ends} == {"done", "refused"}
    piece = await api.get(three(), Range=f"bytes=0-{REST - 1}")  # what is left of the day can still be had
    assert piece.status == 206
    assert (await api.get(three(), Range="bytes=0-0")).status == 429


async def test_a_file_larger_than_the_day_is_refused_before_its_first_byte(metered: Daemon) -> None:
    api = await joined(metered, "large")
    refused = await api.get("/files/files/download?path=eleven.bin")
    assert (refused.status, refused.code) == (429, "RATE_LIMITED")
    assert (await api.get(three())).status == 200


async def test_who_breaks_off_pays_for_what_has_left_only(metered: Daemon) -> None:
    api = await joined(metered, "leaver")
    for _ in range(5):
        async with aiohttp.ClientSession() as session:
            response = await session.get(api.url(three()), headers=api.headers)
            await response.content.readexactly(1000)
            response.close()
    ends = await ends_of(metered, api, 5)
    left = BYTES - sum(end["bytes"] for end in ends)
    assert left > 0
    answers = [await api.get("/files/files/download?path=eleven.bin", Range=f"bytes=0-{left - n}") for n in (0, 1, 1)]
    assert [answer.status for answer in answers] == [429, 206, 429]


async def test_a_digest_told_by_a_head_is_on_record_like_the_data_and_ends_with_the_day(metered: Daemon) -> None:
    api = await joined(metered, "heads")
    plain = await api.request("HEAD", three())
    told = await api.request("HEAD", three(), headers={"Want-Repr-Digest": "sha-256=1"})
    assert (plain.status, "Repr-Digest" in plain.headers) == (200, False)
    assert (told.status, told.body, "Repr-Digest" in told.headers) == (200, b"", True)
    mine = [r for r in metered.audit_records() if r.get("email") == "heads@example.org" and "objects" in r]
    assert [(r["action"], r["objects"]) for r in mine] == [
        ("files.head", ["files/three.bin"]), ("files.read", ["files/three.bin"]),
    ]  # fmt: skip
    assert [(await api.get(three())).status for _ in range(3)] == [200] * 3
    assert (await api.get(three(), Range=f"bytes=0-{REST - 1}")).status == 206
    for headers in ({}, {"Want-Repr-Digest": "sha-256=1"}):
        assert (await api.request("HEAD", three(), headers=headers)).status == 429


async def test_a_folder_that_does_not_fit_is_cut_where_the_day_ends(metered: Daemon) -> None:
    api = await joined(metered, "folders")
    size = await given(api, "/files/files/download?recursive=1&compression=none")
    assert 0 < size <= BYTES
    (end,) = await ends_of(metered, api, 1)
    assert end["outcome"] == "refused"
    assert size <= end["bytes"] <= BYTES
    left = BYTES - end["bytes"]
    answers = [await api.get("/files/files/download?path=eleven.bin", Range=f"bytes=0-{left - n}") for n in (0, 1, 1)]
    assert [answer.status for answer in answers] == [429, 206, 429]
    assert (await api.request("HEAD", "/files/files/download?recursive=1")).status == 429


@pytest.mark.parametrize("form", ["application/x-ndjson", "text/csv"])
async def test_rows_streamed_beside_each_other_never_pass_the_day_together(metered: Daemon, form: str) -> None:
    api = await joined(metered, f"rows-{form[-3:]}")
    path = "/db/music/main/Track/rows?limit=600"
    answers = await asyncio.gather(*(api.get(path, Accept=form) for _ in range(9)), return_exceptions=True)
    whole = [answer for answer in answers if isinstance(answer, Answer) and answer.status == 200]
    assert 1 <= len(whole) <= 3
    for answer in whole:
        assert answer.body.count(b"\n") == 601
    ends = await ends_of(metered, api, 9)
    left = ROWS - sum(end["rows"] for end in ends)
    assert (await api.get(f"/db/music/main/Track/rows?limit={left}")).status == 200
    assert (await api.get("/db/music/main/Track/rows?limit=1")).status == 429
    assert sum(end["rows"] for end in await ends_of(metered, api, 10)) == ROWS


async def test_rows_that_do_not_fit_are_refused_or_cut_and_what_left_counts(metered: Daemon) -> None:
    api = await joined(metered, "cut")
    size = await given(api, "/db/music/main/Track/rows")
    (end,) = await ends_of(metered, api, 1)
    assert (end["outcome"], end["code"]) == ("refused", "RATE_LIMITED")
    assert end["rows"] <= ROWS
    assert end["bytes"] >= size


async def test_packages_downloaded_beside_each_other_never_pass_the_day_together(metered: Daemon) -> None:
    api = await joined(metered, "packages")
    for name, form in (("as-csv", "csv"), ("as-ndjson", "ndjson"), ("as-sql", "sql")):
        assert (await api.put_template(TEMPLATE.format(name=name, form=form))).status == 201
    answers = await asyncio.gather(
        *(api.package(name) for name in ("as-csv", "as-ndjson", "as-sql")), return_exceptions=True
    )
    assert not [answer for answer in answers if isinstance(answer, Answer) and answer.status == 200]
    assert sum(end["rows"] for end in await ends_of(metered, api, 3)) == 0
    again = await api.package("as-csv")  # it is finished now, and its size is known
    assert (again.status, again.json["resource"]) == (429, "rows_per_day")


async def ends_of(metered: Daemon, api: Api, count: int) -> list[dict[str, Any]]:
    """The ends of so many deliveries to a person, in order; they are written after the last byte."""
    assert api.person is not None
    async with asyncio.timeout(10):
        while True:
            records = metered.audit_records()
            mine = [r for r in records if r.get("email") == api.person.email and r.get("action") in DELIVERIES]
            begun = {r["seq"] for r in mine if r["kind"] == "begin"}
            ends = [r for r in records if r.get("begin") in begun]
            if len(ends) == count:
                return ends
            await asyncio.sleep(0.05)
