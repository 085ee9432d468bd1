"""Which files a rule covers, packed files, and everything that can be wrong with a rule."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from hfitd.config.model import VolumeConfig, VolumeMask
from hfitd.errors import FileNotMaskable, Forbidden, SourceChanged
from hfitd.model import MaskRule
from hfitd.volumes.interface import OpenFile
from hfitd.volumes.masked.rules import Masking, covers, find_masking, find_rule_mistakes, rules_digest
from hfitd.volumes.masked.stream import READ_SIZE, write_masked
from tests.hfitd.volumes.conftest import World
from tests.support.masked import KEY, feed, machine

EMAIL = VolumeMask(("*.csv",), "csv", {"email": MaskRule("hash")})
TEXT = b"id,email\n1,a@x.org\n2,b@x.org\n"


class Taken:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


@pytest.mark.parametrize(
    ("glob", "path", "covered"),
    [
        ("*.csv", b"a/b/x.csv", True), ("*.csv", b"X.CSV", True), ("*.CSV", b"x.csv", True),
        ("*.csv", b"x.csv~", False),
        ("logs/*.csv", b"logs/x.csv", True), ("logs/*.csv", b"x.csv", False), ("logs/*.csv", b"LOGS/a/x.csv", True),
        ("*.csv", b"x.csv.gz", True), ("*.csv", b"x.csv.GZ.bz2", True), ("*.csv", b"x.gz", False),
        ("logs/*.csv", b"logs/x.csv.zst", True), ("*", b"\xff\xfe", True), ("x.csv", b".gz", False),
        ("caf\u00e9*.csv", b"CAFE\xcc\x81-1.csv", True), ("cafe\u0301*.csv", b"caf\xc3\xa9-1.csv", True),
        ("*.csv", b"x.csv.7z", True), ("*.csv", b"x.csv.tar.gz", True), ("*.csv", b"x.csv.zstd", True),
    ],
)  # fmt: skip
def test_a_glob_errs_on_the_side_of_hiding(glob: str, path: bytes, covered: bool) -> None:
    assert covers(VolumeMask((glob,), "csv"), path.split(b"/")) == covered


def test_all_rules_of_a_file_apply_together() -> None:
    other = VolumeMask(("x*",), "csv", {"id": MaskRule("null"), "email": MaskRule("null")})
    masking = find_masking((EMAIL, other), KEY, [(b"x.csv",)])
    assert masking is not None
    assert masking.masks == {"email": "hash", "id": "null"}
    first, second = feed(masking.start(), TEXT).splitlines()[1:]
    assert first.startswith(b",")
    assert len(first) == len(second) == 33
    assert find_masking((EMAIL,), KEY, [(b"x.txt",)]) is None


@pytest.mark.parametrize("other", [VolumeMask(("*",), "json", {"a": MaskRule("null")}), replace(EMAIL, delimiter=";")])
def test_rules_that_contradict_one_another_refuse_the_file(other: VolumeMask) -> None:
    with pytest.raises(FileNotMaskable, match="two rules"):
        machine(EMAIL, other)


def test_what_is_made_is_named_by_rules_and_key() -> None:
    plain = Masking((EMAIL,), KEY)
    spaced = replace(EMAIL, delimiter=";")
    others = [Masking((EMAIL,), KEY + b"x"), Masking((spaced,), KEY), Masking((EMAIL,), KEY, True)]
    assert plain.digest == Masking((EMAIL,), KEY).digest
    assert len({plain.digest, *(other.digest for other in others)}) == 4
    volume = VolumeConfig("v", Path("x"), masks=(EMAIL,))
    assert rules_digest({"v": volume}) != rules_digest({"w": volume})
    assert rules_digest({"v": VolumeConfig("v", Path("x"))}) == ""


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_gzip_files_are_unpacked_masked_and_packed_the_same_way_each_time(piece: int) -> None:
    packed = gzip.compress(TEXT[:15]) + gzip.compress(TEXT[15:], mtime=5)
    made = feed(machine(EMAIL, gzip=True), packed, piece)
    assert gzip.decompress(made) == feed(machine(EMAIL), TEXT)
    assert made == feed(machine(EMAIL, gzip=True), packed, 3)
    assert feed(machine(EMAIL, gzip=True), b"") == b""


# The time stands in the header of such a file: without `mtime` two processes would collect different tests.
PACKED = gzip.compress(TEXT, mtime=0)
NOT_GZIP = {
    "a byte short": PACKED[:-1],
    "only a header": PACKED[:12],
    "a byte too long": PACKED + b"\0",
    "plain text behind it": PACKED + TEXT,
    "plain text": TEXT,
    "a wrong checksum": PACKED[:-8] + b"\0" * 8,
    "without the column": gzip.compress(b"id,mail\n1,a@x.org\n", mtime=0),
    "packed twice": gzip.compress(PACKED, mtime=0),
}


@pytest.mark.parametrize("data", NOT_GZIP.values(), ids=NOT_GZIP)
def test_what_is_not_gzip_of_such_a_file_is_refused(data: bytes) -> None:
    with pytest.raises(FileNotMaskable):
        feed(machine(EMAIL, gzip=True), data, 5)


@pytest.mark.parametrize("name", ["x.log.bz2", "X.LOG.XZ", "x.log.zst", "x.log.gz.gz", "x.log.zip.gz", "x.log.tar"])
def test_f13_a_packed_log_is_never_kept_as_lines(name: str) -> None:
    keeping = VolumeMask(("*.log*",), "log", {"hash": MaskRule("hash")}, {}, "user=(?P<hash>.+)", unmatched="keep")
    masking = find_masking((keeping,), KEY, [(name.encode(),)])
    assert masking is not None
    with pytest.raises(FileNotMaskable, match="packed in a way"):
        masking.start()


def test_o10_a_gzip_bomb_is_refused_in_bounded_memory() -> None:
    with pytest.raises(FileNotMaskable, match="does not end"):
        feed(machine(EMAIL, gzip=True), gzip.compress(b'email\n"' + b"x" * 40_000_000), 1 << 16)


async def test_f13_a_covered_file_is_masked_or_not_opened_at_all(world: World) -> None:
    world.write("x.csv", TEXT)
    volume = world.open(masks=(EMAIL,), mask_key=KEY)
    with pytest.raises(Forbidden):
        async with volume.open("x.csv"):
            pass
    taken = Taken()
    async with volume.open("x.csv", original=True) as file:
        assert file.masking is not None
        original = await write_masked(file, file.masking, taken)
    assert (original.size, original.dropped) == (len(TEXT), 0)
    assert taken.data == feed(machine(EMAIL), TEXT)


@pytest.mark.parametrize("size", [10, READ_SIZE + 10, 3 * READ_SIZE])
async def test_f13_a_file_that_shrinks_while_it_is_masked_is_refused(world: World, size: int) -> None:
    path = world.write("x.csv", TEXT + b"3,c@x.org\n" * READ_SIZE)
    volume = world.open(masks=(EMAIL,), mask_key=KEY)

    class Cutting(Taken):
        async def write(self, data: bytes) -> None:
            with path.open("r+b") as file:
                file.truncate(size)

    async with volume.open("x.csv", original=True) as file:
        opened: OpenFile = file
        assert opened.masking is not None
        with pytest.raises(SourceChanged):
            await write_masked(opened, opened.masking, Cutting())


def test_every_mistake_of_a_rule_is_said_at_once() -> None:
    rules = (
        VolumeMask(("/a", "a//b"), "csv", {"email": MaskRule("emial"), "x": MaskRule("email", {"q": 1})}),
        VolumeMask(("../c", "ok\n"), "csv", {"email": MaskRule("email")}),
        VolumeMask(("*.x",), "csv", {}, delimiter="::"),
        VolumeMask(("*.X",), "json", {}, {"a.b": MaskRule("hash"), "$.a[": MaskRule("hash"), "$": MaskRule("drop")}),
        VolumeMask(("*.l",), "log"),
        VolumeMask(("*.l",), "log", {"y": MaskRule("hash")}, {}, "(?P<x>a)"),
        VolumeMask(("*.l",), "log", {}, {}, "(?=a)"),
        VolumeMask(("*.l",), "log", {"a": MaskRule("const", {"value": "1\n2"})}, {}, "(?P<a>b)"),
        VolumeMask(("*.l",), "log", {"a": MaskRule("date_shift", {"subject": "b"})}, {}, "(?P<a>b)"),
        VolumeMask(("*.n",), "ndjson"),
    )
    found = [str(mistake) for mistake in find_rule_mistakes({"v": VolumeConfig("v", Path("x"), masks=rules)}, ("v",))]
    for part in (
        "volumes.v: has mask rules and the name of a provider", "mask[0].files: /a:", "mask[0].files: a//b:",
        "mask[1].files: ../c:", "control character", "mask[0].columns.email: there is no mask 'emial'",
        "mask[0].columns.x: the mask email has no option 'q'", "mask[2]: columns is missing",
        "mask[3].files: *.X: has another format", "'a.b'", "'$.a['", "drop would leave no document",
        "mask[4]: pattern is missing", "mask[5]: columns: y is no group", "mask[5]: pattern: the group x has no mask",
        "mask[6]: pattern: of the (? forms", "mask[7]: columns: the value of a would end the line",
        "mask[8].columns.a: takes another column", "mask[9]: paths is missing",
    ):  # fmt: skip
        assert any(part in mistake for mistake in found), (part, found)
