"""Packages that a hostile but trusted server could sign: whatever is in them, nothing leaves the folder, and every
refusal is one of ours (C01, C02, C04, C11)."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from hfit.credentials.pins import Trust
from hfit.errors import HfitClientError, IntegrityFailed
from hfit.package.extract import extracted
from hfit.package.verify import verify_archive, verify_package
from tests.support.package_writer import Package, PackageKey, gzip_member, header, pack, seal, tar_of

KEY = PackageKey()
TRUST = Trust(fingerprints=(KEY.fingerprint,))
WHOLE = Package(KEY)
TAR = WHOLE.tar()
MEMBERS = WHOLE.members()
COMPRESSIONS = st.sampled_from(["gzip", "zstd", "none"])
PARTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "~", ".git", ".bashrc", "CON", "nul.txt", "a", "A", "a\u0301", "\u00e1", "x" * 256]
    ),
    st.just("METADATA"),
    st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=6),
)  # fmt: skip
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=40), max_size=5)


def refused(data: bytes) -> None:
    try:
        verify_archive(io.BytesIO(data), Path("x"), TRUST)
    except IntegrityFailed:
        return
    raise AssertionError("it was taken")


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(FILES, COMPRESSIONS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@example({"../up.txt": b"x"}, "gzip")
@example({"/abs.txt": b"x"}, "gzip")
@example({"a": b"x", "a/b": b"y"}, "none")
@example({"METADATA/manifest.json": b"{}"}, "none")
@example({"METADATA/manifest.sig/x": b"{}"}, "none")
def test_c04_signed_files_of_any_name_stay_in_their_folder_or_are_refused(
    files: dict[str, bytes], compression: str
) -> None:
    try:
        data = Package(KEY, files).archive(compression)
    except (UnicodeError, ValueError):
        assume(False)
    with tempfile.TemporaryDirectory() as name:
        outside, inside = Path(name), Path(name) / "in"
        inside.mkdir()
        (inside / "p").write_bytes(data)
        try:
            with (inside / "p").open("rb") as file:
                report = verify_archive(file, inside / "p", TRUST)
                with extracted(file, report, inside / "target") as folder:
                    found = everything_below(folder)
                    modes = {path.stat().st_mode & 0o7777 for path in folder.rglob("*") if path.is_file()}
                    assert verify_package(folder, TRUST).manifest == report.manifest
        except HfitClientError:
            assert os.listdir(outside) == ["in"] and os.listdir(inside) == ["p"]
            return
        assert {path: found[path] for path in files} == files
        assert modes == {0o644}
        assert os.listdir(outside) == ["in"] and os.listdir(inside) == ["p"]


@given(st.integers(0, len(MEMBERS) - 1), st.integers(0, 511), st.binary(min_size=1, max_size=12), COMPRESSIONS)
def test_c04_a_header_with_a_right_checksum_and_any_other_fact_is_refused(
    number: int, offset: int, patch: bytes, compression: str
) -> None:
    """Type, mode, owner, link, device, prefix: the checksum is made right again, the manifest is signed."""

    def edited(path: str, size: int) -> bytes:
        block = bytearray(header(path, size))
        if path == f"{WHOLE.name}/{MEMBERS[number][0]}":
            start = len(block) - 512
            block[start + offset : start + offset + len(patch)] = patch
            block = block[: start + 512]
            block[start + 148 : start + 156] = b" " * 8
            block[start + 148 : start + 156] = b"%06o\0 " % sum(block[start : start + 512])
        return bytes(block)

    data = tar_of(((f"{WHOLE.name}/{path}", content) for path, content in MEMBERS), edited)
    assume(data != TAR)
    refused(pack(data, compression))


@given(st.lists(st.integers(0, len(MEMBERS) - 1), max_size=len(MEMBERS) + 2), COMPRESSIONS)
def test_c01_c02_members_left_out_doubled_or_in_another_order_are_refused(chosen: list[int], compression: str) -> None:
    assume(chosen != list(range(len(MEMBERS))))
    data = tar_of((f"{WHOLE.name}/{MEMBERS[number][0]}", MEMBERS[number][1]) for number in chosen)
    refused(pack(data, compression))


@given(st.integers(0, len(TAR)), st.binary(max_size=600), st.integers(0, 2000), COMPRESSIONS)
def test_c02_bytes_put_in_or_taken_out_under_a_right_seal_are_refused(
    at: int, extra: bytes, less: int, compression: str
) -> None:
    data = TAR[:at] + extra + TAR[at + less :]
    assume(data != TAR)
    refused(pack(data, compression) if data else b"")


@given(st.data())
def test_c02_compressed_pieces_in_another_order_are_refused(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(TAR) - 1), min_size=1, max_size=4)))
    pieces = [TAR[a:b] for a, b in zip([0, *cuts], [*cuts, len(TAR)], strict=True)]
    order = data.draw(st.lists(st.sampled_from(range(len(pieces))), max_size=6))
    assume([pieces[number] for number in order] != pieces)
    body = b"".join(gzip_member(pieces[number]) for number in order)
    assume(b"".join(pieces[number] for number in order) != TAR)
    refused(body + seal(body, "gzip"))


@given(st.integers(0, 2**32 - 1), st.binary(max_size=64), st.booleans())
def test_c02_skippable_and_foreign_frames_between_those_of_zstd_are_refused(
    number: int, content: bytes, first: bool
) -> None:
    frames = pack(TAR, "zstd")[:-44]
    magic = (0x184D2A50 | number & 0xF).to_bytes(4, "little")
    odd = magic + len(content).to_bytes(4, "little") + content
    body = odd + frames if first else frames + odd
    refused(body + seal(body, "zstd"))
