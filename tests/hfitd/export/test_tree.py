"""Archives of folders: the bytes, and what happens when files change while they are read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hfitd.access.policy import Policy
from hfitd.config.model import PolicyConfig, RoleConfig, VolumeConfig
from hfitd.errors import LimitExceeded, NotFound, PathRefused, SourceChanged, TooLarge
from hfitd.export.package.codec import CODECS
from hfitd.export.sources import Sources
from hfitd.export.tree import Tree, select_tree
from hfitd.export.tree_stream import BLOCK_BYTES, TreeStream
from hfitd.model import Actor
from hfitd.volumes.folder import FolderVolume, open_volume
from hfitd.volumes.interface import ListingQuery, OpenFile

ANN = Actor("ann@example.org", ("dev",))
LARGE = random.Random(3).randbytes(3 * BLOCK_BYTES + 77)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "vol"
    for name, content in {"top/a": b"aa", "top/a.b": b"", "top/big": LARGE, "top/z/é": b"last"}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


async def refuse(path: str) -> OpenFile:
    raise AssertionError(f"{path} is not masked")


def opened(folder: Path, **settings: object) -> FolderVolume:
    return open_volume(VolumeConfig("vol", folder, **settings))  # type: ignore[arg-type]


def sources(volume: FolderVolume, *grants: str) -> Sources:
    roles = {"dev": RoleConfig("dev", grants or ("files.read:**",))}
    return Sources({}, {}, {"vol": volume}, Policy(PolicyConfig(), roles, b""))


async def select(volume: FolderVolume, *grants: str, top: str = "top", limit: int = 1 << 30) -> Tree:
    return await select_tree(sources(volume, *grants), ANN, "vol", ListingQuery(folder=top), limit)


async def collect(pieces: AsyncIterator[bytes], between: Callable[[], object] = lambda: None) -> bytes:
    parts = []
    async for piece in pieces:
        parts.append(piece)
        between()
    return b"".join(parts)


@pytest.mark.parametrize("name", sorted(CODECS))
async def test_the_same_files_give_the_same_bytes_and_any_tar_reads_them(folder: Path, name: str) -> None:
    volume = opened(folder)
    tree = await select(volume)
    streams = [TreeStream(volume, tree, CODECS[name], refuse) for _ in range(2)]
    one, other = [await collect(stream.read()) for stream in streams]
    assert one == other
    assert streams[0].digest.hexdigest() == hashlib.sha256(one).hexdigest()
    if name != "zstd":
        with tarfile.open(fileobj=io.BytesIO(one)) as tar:
            found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert found == {"top/a": b"aa", "top/a.b": b"", "top/big": LARGE, "top/z/é": b"last"}
        assert list(found) == sorted(found, key=str.encode)
    volume.close()


async def test_f13_what_is_appended_later_is_not_read(folder: Path) -> None:
    volume = opened(folder)

    def grow() -> None:
        with (folder / "top/big").open("ab") as file:
            file.write(b"more")

    data = await collect(TreeStream(volume, await select(volume), CODECS["none"], refuse).read(), grow)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.extractfile("top/big").read() in (LARGE, LARGE + b"more")  # type: ignore[union-attr]
        assert tar.getnames() == ["top/a", "top/a.b", "top/big", "top/z/é"]
    volume.close()


@pytest.mark.parametrize("how", ["goes", "becomes a link", "becomes a pipe", "gets a second name"])
async def test_f04_f05_a_file_that_is_exchanged_breaks_the_stream(folder: Path, how: str) -> None:
    volume = opened(folder)
    path = folder / "top" / "z/é"
    for name in ("b1", "b2", "b3", "b4", "b5"):  # so much before it that it has not been read ahead
        (folder / "top" / name).write_bytes(LARGE)
    tree = await select(volume)

    def change() -> None:
        if how == "gets a second name":
            with contextlib.suppress(FileExistsError):
                os.link(path, folder / "second")
            return
        path.unlink(missing_ok=True)
        if how == "becomes a link":
            path.symlink_to("/etc/passwd")
        elif how == "becomes a pipe":
            os.mkfifo(path)

    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(SourceChanged):
        await collect(TreeStream(volume, tree, CODECS["none"], refuse).read(), change)
    assert set(os.listdir("/proc/self/fd")) == before
    volume.close()


@pytest.mark.parametrize("how", ["shrinks", "is overwritten"])
async def test_f13_a_file_that_changes_under_the_reader_breaks_the_stream(folder: Path, how: str) -> None:
    volume = opened(folder)
    with (folder / "top/big").open("r+b") as file:
        file.truncate(16 * BLOCK_BYTES)  # a long way to read

    def change() -> None:
        if how == "shrinks":
            os.truncate(folder / "top/big", 10)
        else:
            os.utime(folder / "top/big", (1, 1))

    with pytest.raises(SourceChanged):
        await collect(TreeStream(volume, await select(volume), CODECS["none"], refuse).read(), change)
    volume.close()


async def test_a_reader_who_leaves_leaves_no_file_open(folder: Path) -> None:
    volume = opened(folder)
    tree = await select(volume)
    before = set(os.listdir("/proc/self/fd"))
    pieces = TreeStream(volume, tree, CODECS["gzip"], refuse).read()
    await anext(pieces)
    await pieces.aclose()
    assert set(os.listdir("/proc/self/fd")) == before
    volume.close()


async def test_f03_f11_links_pipes_and_hidden_files_are_not_in_it(folder: Path) -> None:
    (folder / "top/link").symlink_to("/etc/passwd")
    (folder / "top/dir").symlink_to("/etc")
    (folder / "top/.env").write_bytes(b"secret")
    os.mkfifo(folder / "top/pipe")
    os.link(folder / "top/a", folder / "top/hard")
    volume = opened(folder)
    assert (await select(volume)).paths == ("top/a.b", "top/big", "top/z/é")
    volume.close()


async def test_a_denied_subtree_is_not_in_it_and_nothing_else_is_missing(folder: Path) -> None:
    volume = opened(folder)
    tree = await select(volume, "files.read:vol/**", "!files.read:vol/top/z/**")
    assert tree.paths == ("top/a", "top/a.b", "top/big")
    with pytest.raises(NotFound):
        await select(volume, "files.read:vol/top/a", "!files.read:vol/top/z/**", top="top/z")
    with pytest.raises(NotFound):
        await select(volume, top="nowhere")
    volume.close()


async def test_f09_f14_what_cannot_be_given_refuses_the_whole(folder: Path) -> None:
    (folder / "raw").mkdir()
    Path(os.fsdecode(os.fsencode(folder / "raw") + b"/\xff")).write_bytes(b"x")
    volume = opened(folder, max_file_size=100)
    with pytest.raises(PathRefused):
        await select(volume, top="raw")
    with pytest.raises(TooLarge):
        await select(volume)
    volume.close()
    volume = opened(folder)
    with pytest.raises(LimitExceeded):
        await select(volume, limit=1000)
    volume.close()
