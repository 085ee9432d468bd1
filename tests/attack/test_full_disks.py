"""O11: files that cannot grow, at one size after the other, and folders in which none can be made."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.live.daemon import Daemon, bound_by_permissions, running
from tests.live.world import small_config
from tests.support.http import Answer, Api

TEMPLATE = """hfitVersion: 1
templateName: tracks
packageName: tracks
exports:
  0.ndjson: {type: table-data, data: {dbms: music, table: Track}}
  1.sql: {type: table-data, data: {dbms: music, table: Track}}
"""
ROWS = "/db/music/main/Track/rows"
UNAVAILABLE = {"AUDIT_UNAVAILABLE", "STORE_UNAVAILABLE", "INTERNAL"}


@pytest.fixture
def crammed(chinook_sqlite: Path, tmp_path: Path) -> Iterator[tuple[Daemon, Api]]:
    """A daemon that the modes of folders stop, and somebody with a template."""
    (tmp_path / "files").mkdir()
    daemon = Daemon(tmp_path, small_config(tmp_path, chinook_sqlite))
    daemon.under = bound_by_permissions()
    with running(daemon):
        api = Api(daemon, daemon.add_person("dev@example.org", "developer"))
        assert asyncio.run(api.put_template(TEMPLATE)).status == 201
        yield daemon, api


async def ask(api: Api, path: str) -> Answer | None:
    """An answer that is whole, or None for one that was cut; either comes."""
    try:
        async with asyncio.timeout(30):
            return await (api.get(path) if path else api.package("tracks", compression="none", refresh=True))
    except aiohttp.ClientPayloadError:
        return None


async def settled(daemon: Daemon) -> None:
    """The spool is empty again, and the daemon alive."""
    async with asyncio.timeout(20):
        while not daemon.spool_is_empty():
            await asyncio.sleep(0.05)
    assert daemon.status_of("/health") == 200


def kept(daemon: Daemon) -> list[Path]:
    """Packages that were put by."""
    return list((daemon.data / "artifacts").iterdir())


def is_whole(archive: Path) -> bool:
    """Whether every file is in it as its manifest says, to the last byte; one may be put by before its answer fails."""
    with tarfile.open(archive, "r:") as tar:
        found = {name.partition("/")[2]: read(tar, name) for name in tar.getnames()}
    listed = json.loads(found["METADATA/manifest.json"])["members"]
    ends = archive.read_bytes().endswith(bytes(1024))
    return ends and all(hashlib.sha256(found[one["path"]]).hexdigest() == one["sha256"] for one in listed)


def read(tar: tarfile.TarFile, name: str) -> bytes:
    """The content of a member."""
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


@pytest.mark.parametrize("path", ["", ROWS])
async def test_o11_whichever_write_is_the_first_that_does_not_fit_nothing_half_is_given_or_kept(
    crammed: tuple[Daemon, Api], path: str
) -> None:
    daemon, api = crammed
    size, outcomes = 0, []
    while True:
        daemon.limit_files(size)
        answer = await ask(api, path)
        outcomes.append("cut" if answer is None else answer.code if answer.status >= 400 else "whole")
        if outcomes[-1] == "AUDIT_UNAVAILABLE":
            assert daemon.status_of("/ready") == 503
        daemon.limit_files(None)
        await settled(daemon)
        if outcomes[-1] == "whole":
            break
        size = size * 3 or 4096
    assert outcomes[0] == "AUDIT_UNAVAILABLE"
    assert set(outcomes[:-1]) <= UNAVAILABLE | {"cut"}
    assert len(outcomes) > 3
    assert all(is_whole(archive) for archive in kept(daemon))
    assert daemon.status_of("/ready") == 200
    assert daemon.hfitd("audit", "verify").code == 0


@pytest.mark.parametrize("folder", ["spool", "artifacts"])
async def test_o11_where_no_file_can_be_made_the_work_fails_clean(
    crammed: tuple[Daemon, Api], folder: str
) -> None:
    daemon, api = crammed
    place = daemon.data / folder
    place.chmod(0o500)
    answers = [await ask(api, path) for path in ("", ROWS)]
    place.chmod(0o700)
    await settled(daemon)
    failed = answers if folder == "spool" else answers[:1]
    for answer in failed:
        assert answer is None or (answer.status >= 500 and str(daemon.folder).encode() not in answer.body)
    assert kept(daemon) == []
    for path in ("", ROWS):
        answer = await ask(api, path)
        assert answer is not None
        assert answer.status == 200
