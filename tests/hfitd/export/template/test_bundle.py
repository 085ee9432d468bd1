"""Bundles of templates: attack case H07."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.errors import HfitError, TemplateInvalid, TooLarge
from hfitd.export.template.bundle import MAX_ARCHIVE_BYTES, MAX_FILES, read_bundle

Entry = tuple[str, bytes] | tarfile.TarInfo


def tar(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            member = tarfile.TarInfo(entry[0])
            member.size = len(entry[1])
            archive.addfile(member, io.BytesIO(entry[1]))
    return buffer.getvalue()


def special(kind: bytes, name: str = "a.yaml", target: str = "b.yaml") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def refusal(archive: bytes, kind: type[HfitError] = TemplateInvalid) -> str:
    with pytest.raises(kind) as caught:
        read_bundle(archive)
    assert caught.type is kind
    return caught.value.message


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_bundle_gives_names_and_texts_in_order(form: int) -> None:
    files = [("b.yaml", b"b: 1"), ("./a.yml", "é: 1".encode()), ("sub/c.yaml", b"")]
    archive = gzip.compress(tar(special(tarfile.DIRTYPE, "sub", ""), *files, form=form))
    assert read_bundle(archive) == [("b.yaml", "b: 1"), ("a.yml", "é: 1"), ("sub/c.yaml", "")]


def test_a_folder_packed_by_the_systems_own_tar_is_read(tmp_path: Path) -> None:
    for name in ("x.yaml", "y.yaml"):
        (tmp_path / name).write_text(name)
    done = subprocess.run(["tar", "-czf", "-", "-C", str(tmp_path), "."], capture_output=True, check=True)
    assert sorted(read_bundle(done.stdout)) == [("x.yaml", "x.yaml"), ("y.yaml", "y.yaml")]


def test_extended_headers_that_change_nothing_are_left_out() -> None:
    member = tarfile.TarInfo("a.yaml")
    member.mtime = 1.5
    assert read_bundle(gzip.compress(tar(member))) == [("a.yaml", "")]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_h07_links_devices_and_sparse_files_are_refused(kind: bytes) -> None:
    assert "neither a file nor a folder" in refusal(gzip.compress(tar(("z.yaml", b""), special(kind))))


@pytest.mark.parametrize(
    "name",
    ["../x.yaml", "/x.yaml", "a/../x.yaml", "C:x.yaml", ".hidden.yaml", "a\\x.yaml", "con.yaml", "a\nb.yaml",
    "x.yaml."],
)
def test_h07_names_that_leave_or_fool_are_refused(name: str) -> None:
    refusal(gzip.compress(tar((name, b""), form=tarfile.GNU_FORMAT)))


@pytest.mark.parametrize("name", ["README.md", "inner.tar.gz", "a.yaml.exe", "yaml"])
def test_h07_other_files_are_refused(name: str) -> None:
    assert "does not end in .yaml" in refusal(gzip.compress(tar((name, b""))))


@pytest.mark.parametrize("twins", [("a.yaml", "a.yaml"), ("a.yaml", "A.yaml"), ("a.yaml", "./a.yaml")])
def test_h07_a_name_stands_once(twins: tuple[str, str]) -> None:
    assert "two files of one name" in refusal(gzip.compress(tar(*((name, b"") for name in twins))))


def test_h07_names_and_sizes_in_extended_headers_are_refused() -> None:
    assert "extended headers" in refusal(gzip.compress(tar(("d/" * 60 + "x" * 120 + ".yaml", b""))))
    for records in ({"size": "9999999999"}, {"GNU.sparse.size": "1"}, {"GNU.sparse.map": "0,1"}, {"linkpath": "/etc"}):
        member = tarfile.TarInfo("a.yaml")
        member.pax_headers = records
        assert "extended headers" in refusal(gzip.compress(tar(member)))


def test_h07_negative_and_binary_sizes_are_refused() -> None:
    plain = bytearray(tar(("a.yaml", b"x"), form=tarfile.USTAR_FORMAT))
    for size in (b"-0000000001\0", b"\x80" + b"\0" * 10 + b"\x01", b"\xff" * 12, b"           \0"):
        block = bytearray(plain)
        block[124:136] = size
        checksum = sum(block[:148]) + 8 * 32 + sum(block[156:512])
        block[148:156] = b"%06o\0 " % checksum
        assert "damaged" in refusal(gzip.compress(bytes(block)))


def test_h07_too_much_is_too_large() -> None:
    refusal(gzip.compress(tar(("a.yaml", b"x" * 65537))), TooLarge)
    refusal(gzip.compress(tar(*((f"{n}.yaml", b"") for n in range(MAX_FILES + 1)))), TooLarge)
    refusal(b"\x1f\x8b" + b"x" * MAX_ARCHIVE_BYTES, TooLarge)


BOMB = """
import resource, sys, zlib
from hfitd.errors import TooLarge
from hfitd.export.template.bundle import MAX_ARCHIVE_BYTES, read_bundle
pack = zlib.compressobj(9, wbits=31)
head = pack.compress(bytes(1 << 20)) + pack.flush(zlib.Z_FULL_FLUSH)
part = pack.compress(bytes(1 << 20)) + pack.flush(zlib.Z_FULL_FLUSH)  # stands alone, so it can be repeated
bomb = head + part * 3500
assert len(bomb) < MAX_ARCHIVE_BYTES
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_bundle(bomb)
except TooLarge:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_h07_a_bomb_of_gigabytes_costs_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, check=True, text=True)
    assert int(done.stdout) < 64 * 1024  # KiB


def test_h07_a_million_entries_are_too_large() -> None:
    block = tar(("a.yaml", b""), form=tarfile.USTAR_FORMAT)[:512]
    refusal(gzip.compress(block * 100_000, 1), TooLarge)


def test_h07_a_cut_or_continued_bundle_is_refused() -> None:
    plain = tar(("a.yaml", b"a: 1"), form=tarfile.USTAR_FORMAT)
    archive = gzip.compress(plain)
    for cut in range(len(archive)):
        refusal(archive[:cut])
    for cut in (0, 100, 512, 600, 1024, 1024 + 512):
        refusal(gzip.compress(plain[:cut]))
    for more in (b"x", archive, gzip.compress(b"") * 50):
        assert "something follows" in refusal(archive + more)
    refusal(gzip.compress(plain + b"x" * 512))
    assert "holds no template" in refusal(gzip.compress(bytes(1024)))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 1023), st.integers(1, 255))
def test_h07_a_flipped_header_is_refused_or_says_the_same(position: int, flip: int) -> None:
    plain = bytearray(tar(("a.yaml", b"a: 1"), form=tarfile.USTAR_FORMAT))
    plain[position] ^= flip
    try:
        files = read_bundle(gzip.compress(bytes(plain)))
    except (TemplateInvalid, TooLarge):
        return
    assert position >= 512 or files == [("a.yaml", "a: 1")]
