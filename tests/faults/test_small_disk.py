"""O11: a disk that is full before the export is over. The daemon's folder is a small file system of its own."""

from __future__ import annotations

import asyncio
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from hfit.credentials.pins import Trust, read_pins
from hfit.package.verify import verify_archive
from tests.live.daemon import BIN, Daemon, Person, Ran, run, running
from tests.live.world import small_config
from tests.support.http import Api

SIZE = 3 * 1024**2
TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
"""
MEMBER = "  {number:02}.ndjson: {{type: table-data, data: {{dbms: music, table: Track}}}}\n"


class Cramped(Daemon):
    """A daemon whose ``data_dir`` is a file system of ``SIZE`` bytes, in a mount namespace of its own.

    Only the kernel's own rights are needed for that: root, or a user who may make namespaces.
    """

    def __init__(self, folder: Path, body: str) -> None:
        super().__init__(folder, body, {"admin_socket": f'"{folder}/admin.sock"'})
        place = folder / "data"
        place.mkdir(mode=0o700)
        mount = f"mount -t tmpfs -o size={SIZE},mode=700 tmpfs '{place}' && exec \"$@\""
        self.under = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")

    @property
    def data(self) -> Path:
        return Path(f"/proc/{self.pid}/root{self.folder}/data")

    @property
    def socket(self) -> Path:
        return self.folder / "admin.sock"

    def inside(self, *arguments: str | Path) -> Ran:
        """``hfitd ARGUMENTS`` where its files are."""
        enter = ["nsenter", "--target", str(self.pid), "--user", "--mount", "--preserve-credentials", "--"]
        return run([*enter, BIN / "hfitd", *arguments, "--config", self.config], self.folder, {})


@pytest.fixture(scope="module")
def cramped(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cramped, Person]]:
    folder = tmp_path_factory.mktemp("cramped")
    (folder / "files").mkdir()
    with running(Cramped(folder, small_config(folder, chinook_sqlite))) as daemon:
        assert isinstance(daemon, Cramped)
        person = daemon.add_person("dev@example.org", "developer")
        assert daemon.hfit(person, "login").code == 0
        for name, members in (("large", 12), ("small", 1)):
            text = TEMPLATE.format(name=name) + "".join(MEMBER.format(number=number) for number in range(members))
            assert asyncio.run(Api(daemon, person).put_template(text)).status == 201
        yield daemon, person


async def download(api: Api, name: str) -> str:
    """``whole`` for a package that verifies, ``broken`` for one that was cut, else the code of the refusal."""
    assert api.person is not None
    try:
        answer = await api.package(name, refresh=True, compression="none")
    except aiohttp.ClientError:
        return "broken"
    if answer.status != 200:
        return answer.code
    verify_archive(io.BytesIO(answer.body), Path(f"{name}.tar"), Trust(read_pins(api.person.folder / "hfit")))
    return "whole"


async def settled(daemon: Daemon) -> None:
    """No job has a folder, and no package is there that was not finished."""
    async with asyncio.timeout(20):
        kept = daemon.data / "artifacts"
        while not daemon.spool_is_empty() or any(path.suffix == ".part" for path in kept.iterdir()):
            await asyncio.sleep(0.05)


async def test_o11_a_disk_that_fills_during_an_export_costs_that_export_and_no_other(
    cramped: tuple[Cramped, Person],
) -> None:
    daemon, person = cramped
    api = Api(daemon, person)
    for _ in range(2):
        assert await download(api, "large") in {"broken", "INTERNAL", "STORE_UNAVAILABLE", "AUDIT_UNAVAILABLE"}
        await settled(daemon)
        assert await download(api, "small") == "whole"
    assert daemon.inside("audit", "verify").code == 0


async def test_o11_on_a_disk_without_a_byte_left_nothing_is_given_and_all_of_it_once_there_is_space(
    cramped: tuple[Cramped, Person],
) -> None:
    daemon, person = cramped
    api = Api(daemon, person)
    ballast = daemon.data / "ballast"
    done = subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=1k"], capture_output=True, check=False)
    assert b"No space left" in done.stderr
    assert await download(api, "small") != "whole"
    for _ in range(20):  # the last page of the audit log may have room for some records
        answer = await api.get("/db/music/main/Genre/rows")
        if answer.status == 503:
            break
    assert answer.code == "AUDIT_UNAVAILABLE"
    assert await asyncio.to_thread(daemon.status_of, "/ready") == 503
    ballast.unlink()
    async with asyncio.timeout(10):
        while await asyncio.to_thread(daemon.status_of, "/ready") != 200:
            await asyncio.sleep(0.1)
    assert await download(api, "small") == "whole"
    await settled(daemon)
    assert daemon.inside("audit", "verify").code == 0
