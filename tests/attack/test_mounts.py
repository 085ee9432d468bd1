"""F08, F12: what somebody mounts inside a volume is not part of it, be it another folder or the volume itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, Person, running
from tests.live.world import small_config
from tests.support.http import Api


class Mounted(Daemon):
    """A daemon in whose view of the machine a folder and the volume itself are bound into the volume."""

    def __init__(self, folder: Path, body: str) -> None:
        super().__init__(folder, body, {"admin_socket": f'"{folder}/admin.sock"'})
        files = folder / "files"
        binds = f"mount --bind '{folder}/outside' '{files}/bound' && mount --bind '{files}' '{files}/deep/loop'"
        self.under = ("unshare", "--map-root-user", "--mount", "sh", "-c", f'{binds} && exec "$@"', "sh")

    @property
    def socket(self) -> Path:
        return self.folder / "admin.sock"


@pytest.fixture(scope="module")
def mounted(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mounted, Person]]:
    folder = tmp_path_factory.mktemp("mounted")
    for name in ("outside", "files/bound", "files/deep/loop"):
        (folder / name).mkdir(parents=True)
    (folder / "outside" / "secret.txt").write_text("TOKENoutside")
    (folder / "files" / "deep" / "own.txt").write_text("own")
    with running(Mounted(folder, small_config(folder, chinook_sqlite))) as daemon:
        assert isinstance(daemon, Mounted)
        assert Path(f"/proc/{daemon.pid}/root{folder}/files/bound/secret.txt").exists(), "it is mounted"
        yield daemon, daemon.add_person("dev@example.org", "developer")


@pytest.mark.parametrize("path", ["bound/secret.txt", "deep/loop/deep/own.txt", "deep/loop/bound/secret.txt"])
async def test_f08_no_file_behind_a_mount_is_given(mounted: tuple[Mounted, Person], path: str) -> None:
    answer = await Api(*mounted).get(f"/files/files/download?path={path}")
    assert 400 <= answer.status < 500
    assert b"TOKEN" not in answer.body


async def test_f08_f12_a_listing_ends_and_has_nothing_from_behind_a_mount(mounted: tuple[Mounted, Person]) -> None:
    answer = await Api(*mounted).get("/files/files")
    assert answer.status == 200
    paths = [str(json.loads(line).get("path", "")) for line in answer.body.splitlines()]
    assert "deep/own.txt" in paths
    assert not [path for path in paths if "secret" in path or "loop/" in path]


async def test_f12_a_tree_that_holds_itself_is_streamed_once(mounted: tuple[Mounted, Person]) -> None:
    answer = await Api(*mounted).get("/files/files/download?path=deep/&recursive=1&compression=none")
    assert answer.status == 200
    assert answer.body.count(b"own.txt") == 1
    assert b"TOKEN" not in answer.body
