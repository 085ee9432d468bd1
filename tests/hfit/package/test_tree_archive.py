"""Archives of folders at the client: whole and in order, or refused."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from hfit.errors import IntegrityFailed
from hfit.package.tree_archive import check_tree, check_whole, extracted_tree, plain_seal
from hfitd.export.package.archive import tar_header
from hfitd.export.package.codec import CODECS
from hfitd.export.tree_stream import plain_seal as plain_seal_of_the_daemon

FILES = {"top/a": b"one\n", "top/b/c": b"x" * 600, "top/d": b""}
END = bytes(1024)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def tar_of(files: dict[str, bytes]) -> bytes:
    return b"".join(tar_header(n, len(c)) + c + bytes(-len(c) % 512) for n, c in files.items())


def archive(codec: str, files: dict[str, bytes], tail: bytes = END) -> bytes:
    """As the daemon makes it; ``tail`` stands for the end of the tar."""
    if codec == "none":
        data = tar_of(files) + tail
        return data + plain_seal(hashlib.sha256(data).digest())
    frame = CODECS[codec].frame()
    data = frame.compress(tar_of(files) + tail) + frame.finish()
    return data + CODECS[codec].seal(hashlib.sha256(data).digest())


def test_both_sides_end_a_plain_tar_alike() -> None:
    assert plain_seal(bytes(range(32))) == plain_seal_of_the_daemon(bytes(range(32)))


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_an_archive_becomes_a_folder(codec: str, place: Path) -> None:
    with extracted_tree(io.BytesIO(archive(codec, FILES)), place / "top") as (part, report):
        assert {f"top/{p.relative_to(part)}": p.read_bytes() for p in part.rglob("*") if p.is_file()} == FILES
    assert (report.name, report.files, report.size) == ("top", 3, 604)
    assert not list(place.iterdir())


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_c01_every_cut_is_noticed(codec: str) -> None:
    whole = archive(codec, FILES)
    for size in range(len(whole)):
        for check in (check_tree, check_whole):
            with pytest.raises(IntegrityFailed):
                check(io.BytesIO(whole[:size]))
    with pytest.raises(IntegrityFailed):
        check_tree(io.BytesIO(whole + b"\0"))


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_changed_byte_is_noticed(codec: str) -> None:
    whole = archive(codec, FILES)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x20
        for check in (check_tree, check_whole):
            with pytest.raises(IntegrityFailed):
                check(io.BytesIO(bytes(changed)))


@pytest.mark.parametrize(
    "files",
    [
        {"top/../x": b"1"}, {"/etc/passwd": b"1"}, {"top/b": b"1", "top/a": b"2"}, {"top/a": b"1", "other/b": b"2"},
        {"a": b"1"}, {"top/.git/config": b"1"}, {"top/a\\b": b"1"}, {"top/a\x1b": b"1"}, {},
        {"top/a": b"1", "top/a/b": b"2"},
    ],
)  # fmt: skip
def test_c04_a_name_that_leaves_the_folder_or_its_order_is_refused(files: dict[str, bytes], place: Path) -> None:
    with pytest.raises(IntegrityFailed), extracted_tree(io.BytesIO(archive("gzip", files)), place / "top"):
        pass
    assert not list(place.iterdir())


def test_c04_a_link_cannot_be_expressed(place: Path) -> None:
    link = tarfile.TarInfo("top/a")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    data = link.tobuf(tarfile.PAX_FORMAT) + END
    sealed = data + plain_seal(hashlib.sha256(data).digest())
    with pytest.raises(IntegrityFailed), extracted_tree(io.BytesIO(sealed), place / "top"):
        pass
    assert os.listdir(place) == []
