"""Attack cases F01 to F14 on opening and reading, over both openers."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hfitd.config.model import VolumeConfig, VolumeMask
from hfitd.errors import Forbidden, NotFound, PathRefused, SourceChanged, TooLarge, Unavailable
from hfitd.model import MaskRule
from hfitd.volumes.folder import FolderVolume, open_volume
from hfitd.volumes.interface import ListingQuery
from hfitd.volumes.opener import KernelOpener, Parts, WalkingOpener, choose_opener
from tests.hfitd.volumes.conftest import World


async def read(volume: FolderVolume, path: str, *, raw: bool = False) -> bytes:
    async with volume.open(path, raw=raw) as file:
        return await file.read(0, 1 << 20)


async def refusal(volume: FolderVolume, path: str, *, raw: bool = False) -> type[Exception]:
    with pytest.raises((NotFound, PathRefused, TooLarge, Forbidden)) as caught:
        await read(volume, path, raw=raw)
    assert str(volume._config.path) not in caught.value.message
    return caught.type


async def test_a_file_is_read_by_ranges_with_a_strong_etag(world: World) -> None:
    path = world.write("a/b.txt", b"0123456789")
    volume = world.open()
    async with volume.open("a/b.txt") as file:
        assert (file.entry.name, file.entry.path, file.entry.size, file.entry.isdir) == ("b.txt", "a/b.txt", 10, False)
        assert file.entry.modtime == path.stat().st_mtime
        assert await file.read(3, 4) == b"3456"
        assert await file.read(8, 100) == b"89"
        assert await file.read(10, 1) == await file.read(99, 5) == b""
        assert os.fstat(file.fileno()).st_ino == path.stat().st_ino
        etag = file.etag
    async with volume.open("a/b.txt") as file:
        assert file.etag == etag
    os.utime(path, ns=(1, 1))
    async with volume.open("a/b.txt") as file:
        assert file.etag != etag


async def test_no_descriptor_is_left(world: World) -> None:
    world.write("a/b.txt")
    (world.path / "link").symlink_to("a")
    volume = world.open(follow_symlinks=True)
    for path in ("a/b.txt", "link/b.txt", "a", "none", "a/b.txt/c"):
        try:
            await read(volume, path)
        except NotFound:
            continue
    async with volume.open("a/b.txt"):
        assert world.descriptors() == 1
    assert world.descriptors() == 0


@pytest.mark.parametrize("path", ["../vol-secret/s.txt", "a/../../vol-secret/s.txt", ".."])
async def test_f01_a_sibling_with_the_same_prefix_is_out_of_reach(world: World, path: str) -> None:
    assert await refusal(world.open(), path) is PathRefused


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e%2fvol-secret%2fs.txt", "..%2fs.txt", "%252e%252e%252fs.txt", "..\\s.txt", "a\\..\\s", "//etc/passwd",
        "/etc/passwd", "a/./../..", "a/.", "./a", "~", "~/x", "\u2024\u2024/s", "\uff0e\uff0e/s", "\uff0e\uff0e\uff0fs",
        "a//b", "a/", "", "%2e", "\u2025/x",
    ],
)  # fmt: skip
async def test_f02_every_spelling_of_climbing_is_refused(world: World, path: str) -> None:
    assert await refusal(world.open(), path) is PathRefused


async def test_f02_names_that_only_look_odd_are_read(world: World) -> None:
    volume = world.open()
    for name in ("100%25.txt", "a..b", "x~y", "two  spaces", "новости.txt", "a\\b", "-rf", "$(id)"):
        world.write(name, name.encode())
        assert await read(volume, name) == name.encode()


def make_links(world: World) -> None:
    world.write("in/file.txt", b"inside")
    (world.path / "abs").symlink_to(world.secret / "s.txt")
    (world.path / "rel").symlink_to("../vol-secret/s.txt")
    (world.path / "dir").symlink_to("../vol-secret")
    (world.path / "magic").symlink_to("/proc/self/root")
    (world.path / "fd").symlink_to("/proc/self/fd")
    (world.path / "loop").symlink_to("loop")
    (world.path / "inside").symlink_to("in/file.txt")
    (world.path / "indir").symlink_to("in")
    (world.path / "in" / "up").symlink_to("../in/file.txt")


OUTSIDE = ["abs", "rel", "dir/s.txt", "magic/etc/passwd", "fd/0", "loop", "magic"]


@pytest.mark.parametrize("path", [*OUTSIDE, "inside", "indir/file.txt", "in/up"])
async def test_f03_links_are_not_followed(world: World, path: str) -> None:
    make_links(world)
    assert await refusal(world.open(), path) is NotFound


@pytest.mark.parametrize("path", OUTSIDE)
async def test_f03_links_that_leave_are_never_followed(world: World, path: str) -> None:
    make_links(world)
    assert await refusal(world.open(follow_symlinks=True), path) is NotFound


@pytest.mark.parametrize("path", ["inside", "indir/file.txt", "in/up"])
async def test_f03_links_inside_are_followed_when_asked_for(world: World, path: str) -> None:
    make_links(world)
    assert await read(world.open(follow_symlinks=True), path) == b"inside"


async def test_f04_a_folder_swapped_with_a_link_gives_no_foreign_byte(world: World) -> None:
    """A bounded form of the race: two seconds, tens of thousands of swaps."""
    (world.path / "d").mkdir()
    (world.path / "d" / "s.txt").write_bytes(b"own")
    (world.path / "evil").symlink_to("../vol-secret")
    program = (
        "import os, sys\nos.chdir(sys.argv[1])\n"
        "while True:\n os.rename('d', 'x'); os.rename('evil', 'd'); os.rename('d', 'evil'); os.rename('x', 'd')\n"
    )
    swapper = subprocess.Popen([sys.executable, "-c", program, str(world.path)])
    outcomes = {"own": 0, "none": 0}
    try:
        volumes = [world.open(), world.open(follow_symlinks=True)]
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            for volume in volumes:
                try:
                    held = volume._open((b"d", b"s.txt"))
                except NotFound:
                    outcomes["none"] += 1
                    continue
                data = os.pread(held.fileno(), 100, 0)
                held.close()
                assert data == b"own"
                outcomes["own"] += 1
    finally:
        swapper.kill()
        swapper.wait()
    assert outcomes["own"] > 100, outcomes


async def test_f05_a_file_replaced_after_opening_is_still_the_one_opened(world: World) -> None:
    path = world.write("a.txt", b"first")
    async with world.open().open("a.txt") as file:
        other = world.write("b.txt", b"other")
        other.rename(path)
        assert await file.read(0, 10) == b"first"
        assert os.fstat(file.fileno()).st_size == file.entry.size


async def test_f06_a_hard_link_is_refused_and_not_listed(world: World) -> None:
    os.link(world.secret / "s.txt", world.path / "h.txt")
    volume = world.open()
    assert await refusal(volume, "h.txt") is NotFound
    assert [entry async for batch in volume.list(ListingQuery()) for entry in batch] == []


async def test_f07_what_is_no_regular_file_is_not_found_at_once(world: World) -> None:
    os.mkfifo(world.path / "fifo")
    if os.geteuid() == 0:  # others cannot make devices
        os.mknod(world.path / "dev", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (world.path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(world.path / "sock"))
        volume = world.open()
        for name in ("fifo", "dev", "folder", "sock"):
            assert await asyncio.wait_for(refusal(volume, name), 5) is NotFound
        listed = [entry.name async for batch in volume.list(ListingQuery()) for entry in batch]
    assert listed == ["folder"]


async def test_f08_a_mount_inside_the_volume_is_not_entered(world: World) -> None:
    """From the machine's root, /proc is a mount like any other."""
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for opener in (world.opener(False), world.opener(True)):
            with pytest.raises(OSError, match=r"cross|Invalid"):
                opener.open(root, (b"proc", b"version"))
    finally:
        os.close(root)


@pytest.mark.parametrize("path", ["a\0.txt", "a\0", "x" * 256, "/".join(["d" * 200] * 21), "\ud800"])
async def test_f09_impossible_paths_are_refused_before_any_system_call(world: World, path: str) -> None:
    assert await refusal(world.open(), path) is PathRefused


async def test_f09_names_of_any_bytes_are_listed_and_read(world: World) -> None:
    volume = world.open()
    raw = b"caf\xff.txt"
    (Path(os.fsdecode(os.fsencode(world.path) + b"/" + raw))).write_bytes(b"latin")
    for name in ("line\nbreak", "esc\x1b[0m", "n" * 255):
        world.write(name, b"odd")
        assert await read(volume, name) == b"odd"
    entries = {entry.path: entry async for batch in volume.list(ListingQuery()) for entry in batch}
    odd = entries["caf\ufffd.txt"]
    assert base64.b64decode(odd.raw_path) == raw
    assert await read(volume, odd.raw_path, raw=True) == b"latin"
    assert all(not entry.raw_path for path, entry in entries.items() if path != odd.path)


@pytest.mark.parametrize("raw", [b"../vol-secret/s.txt", b"a/../x", b"", b"/etc/passwd", b"a\0b", b"~"])
async def test_f09_the_base64_form_opens_no_other_door(world: World, raw: bytes) -> None:
    assert await refusal(world.open(), base64.b64encode(raw).decode(), raw=True) is PathRefused
    assert await refusal(world.open(), "no base64!", raw=True) is PathRefused


async def test_f10_extensions_are_of_the_last_part_without_regard_to_case(world: World) -> None:
    for name in ("x.csv.exe", "x.CSV", ".csv", "x", "csv", "y.csv/in.txt", "y.csv/in.csv"):
        world.write(name)
    (world.path / "a.csv").symlink_to("x")
    (world.path / "b.txt").symlink_to("x.CSV")
    volume = world.open(allowed_extensions=(".csv",), hidden_files=True, follow_symlinks=True)
    for name in ("x.csv.exe", ".csv", "x", "csv", "y.csv/in.txt", "a.csv"):
        assert await refusal(volume, name) is NotFound
    assert await refusal(volume, "x.csv/") is PathRefused
    assert await refusal(volume, "x.csv\0.key") is PathRefused
    for name in ("x.CSV", "y.csv/in.csv", "b.txt"):
        assert await read(volume, name) == b"x"
    listed = {entry.path async for batch in volume.list(ListingQuery()) for entry in batch if not entry.isdir}
    assert listed == {"x.CSV", "y.csv/in.csv", "b.txt"}


HIDDEN = [".env", ".git/config", "a/.x/y", "b~", "lost+found/z", ".hidden.log"]


async def test_f11_hidden_names_do_not_exist_by_default(world: World) -> None:
    for name in HIDDEN:
        world.write(name)
    (world.path / "link").symlink_to(".env")
    volume = world.open()
    for name in HIDDEN:
        assert await refusal(volume, name) is NotFound
    assert await refusal(world.open(follow_symlinks=True), "link") is NotFound
    query = ListingQuery(name_globs=(".*", "*"))
    assert [entry.path async for batch in volume.list(query) for entry in batch] == ["a"]
    with pytest.raises(NotFound):
        await volume.best(ListingQuery(folder=".git"))
    for name in HIDDEN:
        assert await read(world.open(hidden_files=True), name) == b"x"


async def test_f13_a_file_that_grows_ends_where_it_ended_when_opened(world: World) -> None:
    path = world.write("log", b"12345")
    async with world.open().open("log") as file:
        with path.open("ab") as more:
            more.write(b"678")
        assert await file.read(0, 100) == b"12345"


async def test_f13_a_file_that_shrinks_or_is_overwritten_fails(world: World) -> None:
    path = world.write("log", b"12345")
    volume = world.open()
    async with volume.open("log") as file:
        os.truncate(path, 3)
        with pytest.raises(SourceChanged):
            await file.read(0, 5)
    path.write_bytes(b"12345")
    async with volume.open("log") as file:
        assert await file.read(0, 2) == b"12"
        path.write_bytes(b"abcde")
        os.utime(path, ns=(5, 5))
        with pytest.raises(SourceChanged):
            await file.read(2, 3)


async def test_f13_a_sparse_file_counts_by_its_apparent_size(world: World) -> None:
    path = world.write("sparse", b"")
    os.truncate(path, 1 << 40)
    assert await refusal(world.open(max_file_size=1 << 20), "sparse") is TooLarge


async def test_the_size_cap_is_inclusive(world: World) -> None:
    world.write("a", b"12345")
    assert await read(world.open(max_file_size=5), "a") == b"12345"
    assert await refusal(world.open(max_file_size=4), "a") is TooLarge


async def test_a_file_that_a_mask_covers_is_never_served_raw(world: World) -> None:
    for name in ("c.csv", "C2.CSV", "logs/app.csv", "other/app.log", "logs/app.log"):
        world.write(name)
    (world.path / "alias").symlink_to("c.csv")
    masks = (VolumeMask(("*.csv",), "csv", {"email": MaskRule("email")}), VolumeMask(("logs/*.log",), "log"))
    volume = world.open(masks=masks, follow_symlinks=True)
    for name in ("c.csv", "C2.CSV", "logs/app.csv", "logs/app.log", "alias"):
        assert await refusal(volume, name) is Forbidden
    assert await read(volume, "other/app.log") == b"x"


async def test_a_volume_that_is_not_there_says_so_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="volume vol") as caught:
        open_volume(VolumeConfig("vol", tmp_path / "none"))
    assert str(tmp_path) not in caught.value.message


async def test_a_closed_volume_has_no_files(world: World) -> None:
    world.write("a")
    volume = world.open()
    volume.close()
    volume.close()
    assert await refusal(volume, "a") is NotFound


async def test_the_kernel_opens_where_it_can(world: World) -> None:
    root = os.open(world.path, os.O_RDONLY)
    try:
        assert isinstance(choose_opener(root, follow_symlinks=False), KernelOpener)
        assert isinstance(choose_opener(root, follow_symlinks=True), WalkingOpener)
    finally:
        os.close(root)


async def test_an_opening_that_is_cancelled_leaves_no_descriptor(world: World) -> None:
    world.write("a")
    volume = world.open()
    opener, started, go_on, opened = volume._opener, threading.Event(), threading.Event(), threading.Event()

    class Slow:
        def open(self, root: int, parts: Parts, *, directory: bool = False) -> tuple[int, Parts]:
            started.set()
            go_on.wait(10)
            try:
                return opener.open(root, parts, directory=directory)
            finally:
                opened.set()

    volume._opener = Slow()
    task = asyncio.ensure_future(read(volume, "a"))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    for _ in range(200):
        if opened.is_set() and not world.descriptors():
            break
        await asyncio.sleep(0.02)
    assert opened.is_set()
    assert world.descriptors() == 0
