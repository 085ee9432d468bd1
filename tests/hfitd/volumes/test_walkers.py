"""Large volumes are listed by a process: the same lines, the same refusals, and nothing of it left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.config.model import VolumeConfig
from hfitd.errors import Internal, NotFound, TooLarge
from hfitd.volumes import folder as room
from hfitd.volumes import walkers as processes
from hfitd.volumes.folder import FolderVolume, open_volume
from hfitd.volumes.interface import FileEntry, ListingQuery
from hfitd.volumes.listing import parse_listing
from hfitd.volumes.scan import Caps
from hfitd.volumes.walkers import Walkers
from tests.hfitd.volumes.conftest import open_targets
from tests.support.processes import walkers_of

NOW = 1_700_000_000.0
ROWS = 10_000  # lines of a listing that does not fit into the buffers between a walker and its reader


@pytest_asyncio.fixture
async def walkers() -> AsyncIterator[tuple[Walkers, list[str]]]:
    """Walkers, and what was told of them."""
    told: list[str] = []
    found = Walkers(told.append)
    yield found, told
    await found.close()
    assert children() == set()


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """Names and kinds of every sort, beside ordinary ones."""
    top = tmp_path / "vol"
    for name in ("a.csv", "b.csv", "sub/deep/c.log", "sub/ü.csv", 'sub/q"uo\\te\n.csv', ".hidden/x.csv", "sub/.dot"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x" * len(name))
    for raw in (b"sub/\xff\xfe.csv", b"\xe9t\xe9/plain.csv"):
        path = os.fsencode(top) + b"/" + raw
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(b"raw")
    (top / "link.csv").symlink_to("a.csv")
    (top / "out.csv").symlink_to("/etc/passwd")
    (top / "outside").symlink_to("/etc")
    os.link(top / "b.csv", top / "twice.csv")
    os.mkfifo(top / "pipe")
    os.utime(top / "a.csv", (-5.5, -5.5))
    return top


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """More files than the buffers on the way hold lines of."""
    top = tmp_path / "wide"
    top.mkdir()
    for number in range(ROWS):
        os.close(os.open(top / f"{number:0200}", os.O_CREAT | os.O_WRONLY))
    return top


def children() -> set[int]:
    """Walkers that this process has."""
    return walkers_of(os.getpid())


def opened(top: Path, walkers: Walkers | None = None, caps: Caps | None = None, **settings: object) -> FolderVolume:
    return open_volume(VolumeConfig("vol", top, **settings), caps=caps, walkers=walkers)  # type: ignore[arg-type]


async def lines(volume: FolderVolume, *filters: str) -> list[str]:
    data = b"".join([piece async for piece in volume.list_lines(parse_listing(filters, NOW))])
    return data.decode().splitlines(keepends=True)


async def idle(walkers: Walkers) -> None:
    """Wait until there is a process that has nothing to do."""
    async with asyncio.timeout(30):
        while not walkers._idle:
            await asyncio.sleep(0.01)


async def warm(volume: FolderVolume, walkers: Walkers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process be there for the volume."""
    monkeypatch.setattr(room, "LARGE", 1)
    await lines(volume)
    await idle(walkers)


FILTERS = ((), ("name:*.csv",), ("size:>4", "mtime:-1"), ("folder:sub",), ("sort:size:desc",))


@pytest.mark.parametrize(
    "settings", [{}, {"hidden_files": True}, {"follow_symlinks": True}, {"allowed_extensions": (".csv",)}]
)
async def test_a_process_gives_the_lines_a_thread_gives(
    nasty: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    plain, by_process = opened(nasty, **settings), opened(nasty, walkers[0], **settings)
    await warm(by_process, walkers[0], monkeypatch)
    process = children()
    assert len(process) == 1
    for filters in FILTERS:
        query = parse_listing(filters, NOW)
        entries = [entry async for batch in plain.list(query) for entry in batch]
        expected = [json.dumps(document(entry), ensure_ascii=False) + "\n" for entry in entries]
        assert await lines(plain, *filters) == expected
        assert await lines(by_process, *filters) == expected
    assert children() == process
    assert walkers[1] == []


async def test_small_volumes_and_unknown_ones_start_no_process(nasty: Path, walkers: tuple[Walkers, list[str]]) -> None:
    volume = opened(nasty, walkers[0])
    assert await lines(volume) == await lines(volume) != []
    await asyncio.sleep(0.1)
    assert children() == set()


async def test_f12_a_process_refuses_what_a_thread_refuses(
    nasty: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    await warm(opened(nasty, walkers[0]), walkers[0], monkeypatch)
    for caps, filters, refusal in (
        (None, ("folder:none",), NotFound),
        (None, ("folder:.hidden",), NotFound),
        (None, ("folder:outside",), NotFound),
        (Caps(names=3), (), TooLarge),
        (Caps(depth=1), (), TooLarge),
        (Caps(seconds=0), (), TooLarge),
    ):
        told = []
        for volume in (opened(nasty, caps=caps), opened(nasty, walkers[0], caps)):
            volume._large = True
            with pytest.raises(refusal) as caught:
                await lines(volume, *filters)
            told.append((caught.value.code, caught.value.message, caught.value.resource))
        assert told[0] == told[1]
    closed = opened(nasty, walkers[0])
    closed._large = True
    closed.close()
    with pytest.raises(NotFound):
        await lines(closed)
    assert len(children()) == 1, "a refusal costs no process"
    assert walkers[1] == []


async def test_two_at_once_walk_and_the_third_takes_a_thread(
    wide: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = opened(wide, walkers[0])
    await warm(volume, walkers[0], monkeypatch)
    expected = sorted(await lines(opened(wide)))
    first = volume.list_lines(ListingQuery())
    begun = await anext(first)  # it holds the only process, so the next listing asks for another
    assert sorted(await lines(volume)) == expected
    await idle(walkers[0])
    assert len(children()) == processes.WALKERS
    second = volume.list_lines(ListingQuery())
    begun_second = await anext(second)
    assert sorted(await lines(volume)) == expected
    assert len(children()) == processes.WALKERS
    for start, rest in ((begun, first), (begun_second, second)):
        data = start + b"".join([piece async for piece in rest])
        assert sorted(data.decode().splitlines(keepends=True)) == expected


async def test_who_does_not_read_holds_the_process_back_and_who_leaves_ends_it(
    wide: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = opened(wide, walkers[0])
    await warm(volume, walkers[0], monkeypatch)
    (pid,) = children()
    async with aclosing(volume.list_lines(ListingQuery())) as pieces:
        await anext(pieces)
        async with asyncio.timeout(30):
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
                await asyncio.sleep(0.01)
        held = walkers[0]._alive.copy().pop().reader._buffer  # type: ignore[attr-defined]
        assert len(held) <= 4 * processes.AHEAD_BYTES
    async with asyncio.timeout(30):
        while children():
            await asyncio.sleep(0.01)
    assert walkers[1] == []
    assert len(await lines(volume)) == ROWS  # by a thread, and another process comes
    await idle(walkers[0])


async def test_f12_a_killed_process_breaks_the_listing_off_with_an_error(
    wide: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = opened(wide, walkers[0])
    await warm(volume, walkers[0], monkeypatch)
    (pid,) = children()
    pieces = volume.list_lines(ListingQuery())
    await anext(pieces)
    os.kill(pid, signal.SIGTERM)  # which belongs to the daemon
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Internal) as caught:
        async for _ in pieces:
            pass
    assert str(wide) not in caught.value.message
    assert walkers[1] == ["ended before its listing was whole"]
    assert len(await lines(volume)) == ROWS


async def test_a_listing_whose_process_died_before_it_began_is_made_by_a_thread(
    wide: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = opened(wide, walkers[0])
    await warm(volume, walkers[0], monkeypatch)
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        while children():
            await asyncio.sleep(0.01)
    assert len(await lines(volume)) == ROWS
    assert walkers[1] == ["ended before its listing was whole"]


async def test_nobody_needs_it_so_it_ends(
    nasty: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "IDLE_SECONDS", 0.2)
    await warm(opened(nasty, walkers[0]), walkers[0], monkeypatch)
    async with asyncio.timeout(30):
        while children():
            await asyncio.sleep(0.01)
    assert walkers[1] == []


async def test_a_process_that_cannot_be_started_is_told_and_threads_go_on(
    nasty: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LARGE", 1)
    volume = opened(nasty, walkers[0])
    for program in (("/nowhere/python",), (sys.executable, "-c", "pass"), (sys.executable, "-c", ANSWERS_NONSENSE)):
        monkeypatch.setattr(processes, "PROGRAM", program)
        walkers[1].clear()
        assert await lines(volume) == await lines(opened(nasty))
        async with asyncio.timeout(30):
            while not walkers[1]:
                await asyncio.sleep(0.01)
        assert walkers[1] == ["could not be started; large volumes are listed in threads"]


async def test_closing_waits_for_none_that_is_still_starting(nasty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LARGE", 1)
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c", SAYS_NOTHING, "hfitd.volumes.walker"))
    told: list[str] = []
    found = Walkers(told.append)
    await lines(opened(nasty, found))
    async with asyncio.timeout(30):
        while not children():
            await asyncio.sleep(0.01)
    async with asyncio.timeout(processes.START_SECONDS / 2):
        await found.close()
    assert children() == set()
    assert told == []


SAYS_NOTHING = "import time; time.sleep(60)"
ANSWERS_NONSENSE = "import socket; socket.socket(fileno=0).sendall(b'X' + bytes(4))"


async def test_the_process_is_given_nothing_but_the_root(
    nasty: Path, walkers: tuple[Walkers, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFITD_SECRET", "canary")
    await warm(opened(nasty, walkers[0]), walkers[0], monkeypatch)
    (pid,) = children()
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""
    held = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    assert {name.partition(":")[0] for name in held} == {"socket", "/dev/null"}
    assert not [target for target in open_targets() if target.startswith(f"{nasty}/")]


def test_the_process_loads_no_configuration_no_mask_and_no_library() -> None:
    program = "import sys, hfitd.volumes.walker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    assert not [name for name in loaded if name.startswith(("hfitd.config", "hfitd.masks", "hfitd.volumes.masked"))]
    assert not {"asyncio", "aiohttp", "aiofiles", "cryptography"} & set(loaded)


def document(entry: FileEntry) -> dict[str, object]:
    """What a line says (contract section 2)."""
    told = {"name": entry.name, "path": entry.path, "size": entry.size, "modtime": int(entry.modtime)}
    rest = {"raw_path": entry.raw_path, "error": entry.error}
    return {**told, "isdir": entry.isdir, **{key: value for key, value in rest.items() if value}}
