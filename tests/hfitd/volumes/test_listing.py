"""Listings: filters, order, caps, and what cannot be examined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hfitd.errors import BadRequest, NotFound, PathRefused, TooLarge
from hfitd.volumes.folder import FolderVolume
from hfitd.volumes.interface import FileEntry, ListingQuery
from hfitd.volumes.listing import parse_listing, parse_listing_query, parse_sort
from hfitd.volumes.scan import BATCH, FIRST_BATCH, Caps
from tests.hfitd.volumes.conftest import World

NOW = 1_700_000_000.0
DAY = 86400


async def entries(volume: FolderVolume, *filters: str) -> list[FileEntry]:
    return [entry async for batch in volume.list(parse_listing(filters, NOW)) for entry in batch]


async def paths(volume: FolderVolume, *filters: str) -> list[str]:
    return [entry.path for entry in await entries(volume, *filters)]


@pytest.fixture
def tree(world: World) -> World:
    """Files of known sizes and ages (days)."""
    for name, size, days in (
        ("a.log", 10, 1), ("b.log", 2048, 5), ("c.txt", 2048, 9), ("sub/d.log", 5, 3), ("sub/deep/e.txt", 0, 20)
    ):  # fmt: skip
        path = world.write(name, b"x" * size)
        os.utime(path, (NOW - days * DAY, NOW - days * DAY))
    for folder in ("sub", "sub/deep"):
        os.utime(world.path / folder, (NOW - 2 * DAY, NOW - 2 * DAY))
    return world


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), ["a.log", "b.log", "c.txt", "sub", "sub/d.log", "sub/deep", "sub/deep/e.txt"]),
        (("name:*.log",), ["a.log", "b.log", "sub/d.log"]),
        (("name:a*", "name:*.txt"), ["a.log", "c.txt", "sub/deep/e.txt"]),
        (("name:*.log", "size:>7"), ["a.log", "b.log"]),
        (("size:>2KB",), []),
        (("size:2KB",), ["b.log", "c.txt"]),
        (("size:<10",), ["sub/d.log", "sub/deep/e.txt"]),
        (("size:>4", "size:<11"), ["a.log", "sub/d.log"]),
        (("size:0",), ["sub/deep/e.txt"]),
        (("mtime:4",), ["a.log", "sub", "sub/d.log", "sub/deep"]),
        (("mtime:-4",), ["b.log", "c.txt", "sub/deep/e.txt"]),
        (("mtime:10", "mtime:-4"), ["b.log", "c.txt"]),
        (("folder:sub",), ["sub/d.log", "sub/deep", "sub/deep/e.txt"]),
        (("folder:sub/deep/", "name:*"), ["sub/deep/e.txt"]),
        (("name:[ab].log",), ["a.log", "b.log"]),
        (("name:A.LOG",), []),
    ],
)
async def test_all_conditions_hold_and_names_are_alternatives(
    tree: World, filters: Sequence[str], expected: list[str]
) -> None:
    assert sorted(await paths(tree.open(), *filters)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("mtime:desc", ["a.log", "sub/d.log", "b.log", "c.txt", "sub/deep/e.txt"]),
        ("mtime:asc", ["sub/deep/e.txt", "c.txt", "b.log", "sub/d.log", "a.log"]),
        ("size:desc", ["b.log", "c.txt", "a.log", "sub/d.log", "sub/deep/e.txt"]),
        ("size:asc", ["sub/deep/e.txt", "sub/d.log", "a.log", "b.log", "c.txt"]),
        ("name:desc", ["sub/deep/e.txt", "sub/d.log", "c.txt", "b.log", "a.log"]),
        ("path:asc", ["a.log", "b.log", "c.txt", "sub/d.log", "sub/deep/e.txt"]),
    ],
)
async def test_a_sort_orders_and_best_is_its_first(tree: World, sort: str, expected: list[str]) -> None:
    volume = tree.open()
    filters = (f"sort:{sort}", "name:*.*")
    assert await paths(volume, *filters) == expected
    best = await volume.best(parse_listing(filters, NOW))
    assert best is not None
    assert best.path == expected[0]


async def test_best_is_a_file_and_none_when_nothing_fits(tree: World) -> None:
    volume = tree.open()
    first = await volume.best(ListingQuery())
    assert first is not None
    assert first.path == "a.log"
    assert await volume.best(parse_listing(["name:sub"], NOW)) is None
    assert await volume.best(parse_listing(["name:nothing"], NOW)) is None


async def test_an_entry_says_what_the_file_is(tree: World) -> None:
    found = {entry.path: entry for entry in await entries(tree.open())}
    assert found["sub/d.log"] == FileEntry("d.log", "sub/d.log", 5, NOW - 3 * DAY, False)
    assert found["sub/deep"] == FileEntry("deep", "sub/deep", 0, NOW - 2 * DAY, True)


async def test_a_listing_comes_in_batches(world: World) -> None:
    for number in range(BATCH + 2 * FIRST_BATCH):
        (world.path / f"f{number}").touch()
    sizes = [len(batch) async for batch in world.open().list(ListingQuery())]
    assert sizes == [FIRST_BATCH, BATCH, FIRST_BATCH]


async def test_leaving_a_listing_early_gives_every_descriptor_back(world: World) -> None:
    for number in range(BATCH + 2 * FIRST_BATCH):
        world.write(f"a/b/f{number}")
    volume = world.open()
    listing = volume.list(ListingQuery())
    assert len(await anext(listing)) == FIRST_BATCH
    assert len(await anext(listing)) == BATCH
    assert world.descriptors() > 0
    await listing.aclose()  # type: ignore[attr-defined]
    assert world.descriptors() == 0


async def test_a_folder_that_is_not_there_is_not_found(world: World) -> None:
    world.write("file")
    (world.path / "out").symlink_to("../vol-secret")
    for folder in ("none", "file", "out", ".git"):
        with pytest.raises(NotFound):
            await paths(world.open(), f"folder:{folder}")
    with pytest.raises(PathRefused):
        await paths(world.open(), "folder:../vol-secret")


async def test_f03_links_are_listed_only_where_they_can_be_opened(world: World) -> None:
    world.write("in/a.txt")
    (world.path / "inside.txt").symlink_to("in/a.txt")
    (world.path / "outside.txt").symlink_to("../vol-secret/s.txt")
    (world.path / "folder").symlink_to("in")
    assert sorted(await paths(world.open())) == ["in", "in/a.txt"]
    assert sorted(await paths(world.open(follow_symlinks=True))) == ["in", "in/a.txt", "inside.txt"]


@pytest.mark.parametrize("glob", ["**", "[", "{a,b}", "*" * 200 + "b", "[!", "a[", "\\"])
async def test_f12_odd_globs_are_just_globs(world: World, glob: str) -> None:
    world.write("a" * 200)
    await paths(world.open(), f"name:{glob}")


async def test_f12_every_cap_ends_the_listing_with_an_error(world: World) -> None:
    for number in range(20):
        world.write(f"a/b/c/{number}")
    for caps in (Caps(names=10), Caps(depth=2), Caps(seconds=0)):
        with pytest.raises(TooLarge) as caught:
            await paths(world.open(caps))
        assert str(world.path) not in caught.value.message
    with pytest.raises(TooLarge):
        await paths(world.open(Caps(sorted=5)), "sort:name:asc")
    assert await world.open(Caps(sorted=5)).best(parse_listing(["sort:name:asc"], NOW)) is not None


PROGRAM = """
import asyncio, json, os, sys
from pathlib import Path
from hfitd.config.model import VolumeConfig
from hfitd.errors import NotFound
from hfitd.volumes.folder import open_volume
from hfitd.volumes.interface import ListingQuery
from hfitd.volumes.opener import KernelOpener, WalkingOpener
async def main():
    opener = {"KernelOpener": KernelOpener, "WalkingOpener": WalkingOpener}[sys.argv[2]]()
    volume = open_volume(VolumeConfig("vol", Path(sys.argv[1])), opener=opener)
    async def listing():
        return sorted([[e.path, e.isdir, e.error] async for batch in volume.list(ListingQuery()) for e in batch])
    await listing()  # imports what it needs while it still may
    async with volume.open("open"): pass
    if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)
    found = await listing()
    try:
        async with volume.open("unreadable"): refused = ""
    except NotFound as error:
        refused = error.code
    print(json.dumps([found, refused]))
asyncio.run(main())
"""


async def test_f14_what_cannot_be_examined_is_an_entry_with_an_error(world: World, tmp_path: Path) -> None:
    """As another user than root, whom permissions do not stop."""
    world.write("closed/x")
    world.write("names-only/y")
    world.write("unreadable").chmod(0)
    world.write("open")
    (world.path / "closed").chmod(0)
    (world.path / "names-only").chmod(0o444)
    for folder in (world.path, *world.path.parents):
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    arguments = [sys.executable, "-c", PROGRAM, str(world.path), type(world.opener(False)).__name__]
    done = subprocess.run(arguments, capture_output=True, check=True, text=True)
    found, refused = json.loads(done.stdout)
    assert found == [
        ["closed", True, "EACCES"],
        ["names-only", True, ""],
        ["names-only/y", False, "EACCES"],
        ["open", False, ""],
        ["unreadable", False, ""],
    ]
    assert refused == "NOT_FOUND"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("naem:x", "naem:x"), ("name", "name"), ("name:", "name:"), ("name:a/b", "name:a/b"), ("mtime:x", "mtime:x"),
        ("mtime:", "mtime:"), ("mtime:1e3", "1e3"), ("mtime:٣", "mtime"), ("size:=5", "size"), ("size:>>5", "size"),
        ("size:-1", "size"), ("size:5QB", "size"), ("sort:age:asc", "sort"), ("sort:name:up", "sort"),
        ("sort:name:", "sort"), ("name:" + "x" * 2000, "name:"), ("\x1b[0m:1", "?"),
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_named(text: str, part: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_listing([text], NOW)
    assert part in caught.value.message
    assert "\x1b" not in caught.value.message


def test_what_can_be_given_once_is_refused_twice() -> None:
    twice = (["sort:name:asc", "sort:name:asc"], ["folder:a", "folder:b"], ["size:1", "size:2"], ["mtime:1"] * 33)
    for filters in twice:
        with pytest.raises(BadRequest):
            parse_listing(filters, NOW)


def test_several_bounds_are_the_narrowest() -> None:
    sizes, times = ["size:>5", "size:>9", "size:<100", "size:<50"], ["mtime:7", "mtime:3", "mtime:-1", "mtime:-2"]
    query = parse_listing([*sizes, *times], NOW)
    assert (query.min_size, query.max_size) == (9, 50)
    assert (query.newer_than, query.older_than) == (NOW - 3 * DAY, NOW - 2 * DAY)


def test_a_url_says_the_same_and_may_leave_values_empty() -> None:
    pairs = [("name", "*.log"), ("name", "*.txt"), ("mtime", ""), ("size", ">10MB"), ("sort", "mtime:desc")]
    pairs.append(("folder", "a/"))
    expected = parse_listing(["name:*.log", "name:*.txt", "size:>10MB", "sort:mtime:desc", "folder:a"], NOW)
    assert parse_listing_query(pairs, NOW) == expected
    assert expected.min_size == 10 * 1024**2
    with pytest.raises(BadRequest, match="limit"):
        parse_listing_query([("limit", "5")], NOW)


def test_a_sort_has_a_default_direction_and_another_separator() -> None:
    assert parse_sort("mtime") == ("mtime", "asc")
    assert parse_sort("mtime|desc", "|") == ("mtime", "desc")
