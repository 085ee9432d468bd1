"""Archives and folders: what passes, and everything that must not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from hfit.credentials.pins import Pin, Trust
from hfit.credentials.ssh_wire import parse_public_key_line
from hfit.errors import IntegrityFailed, KeyUntrusted, NotFound, PackageExpired, PackageIncomplete, PackageInvalid
from hfit.package import tar_reader
from hfit.package.ahead import made_ahead
from hfit.package.containers import read_container
from hfit.package.extract import extracted
from hfit.package.names import check_distinct, check_name
from hfit.package.verify import verify_archive, verify_package
from tests.support.package_writer import FILES, ORIGIN, Package, PackageKey, header, pack, seal, tar_of

COMPRESSIONS = ("gzip", "zstd", "none")
SUFFIX = {"gzip": ".tar.gz", "zstd": ".tar.zst", "none": ".tar"}


@pytest.fixture
def package(package_key: PackageKey) -> Package:
    return Package(package_key)


@pytest.fixture
def trust(package_key: PackageKey) -> Trust:
    return Trust((Pin(ORIGIN, parse_public_key_line(package_key.line)),))


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def extract(package: Package, trust: Trust, target: Path) -> Path:
    archive = write(target.parent / "a.tar", package.archive("none"))
    with archive.open("rb") as file, extracted(file, verify_archive(file, archive, trust), target) as part:
        part.rename(target)
    return target


def refused(path: Path, trust: Trust) -> IntegrityFailed:
    with pytest.raises(IntegrityFailed) as caught:
        verify_package(path, trust)
    assert caught.value.exit_code == 5
    return caught.value


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_package_verifies_in_every_compression(
    package: Package, trust: Trust, tmp_path: Path, compression: str
) -> None:
    report = verify_package(write(tmp_path / "p", package.archive(compression)), trust)
    assert report.manifest.package_name == "case-42"
    assert report.document()["size"] == sum(len(data) for path, data in package.members()[:-2])


def test_without_isal_the_same_packages_pass_and_the_same_are_refused(package: Package, tmp_path: Path) -> None:
    whole = package.archive("gzip")
    good = write(tmp_path / "good", whole)
    bad = write(tmp_path / "bad", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    script = (
        "import sys; sys.modules['isal'] = None\n"
        "from hfit.package.containers import inflating, read_container\n"
        "print(inflating.__name__, sum(map(len, read_container(open(sys.argv[1], 'rb')))))\n"
        "read_container(open(sys.argv[2], 'rb'))"
    )
    ran = subprocess.run([sys.executable, "-c", script, good, bad], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["zlib", str(len(gzip.decompress(whole)))]
    assert "PackageInvalid" in ran.stderr


def test_no_thread_outlives_the_block_that_began_it(package: Package, tmp_path: Path) -> None:
    package.files = {"large.bin": random.Random(1).randbytes(8 << 20)}
    whole = package.archive("gzip")
    before = threading.active_count()
    with write(tmp_path / "p", whole).open("rb") as file, made_ahead(read_container(file)) as pieces:
        assert next(pieces)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with pytest.raises(ZeroDivisionError), made_ahead(1 / (2 - n) for n in range(5)) as numbers:  # type: ignore[arg-type,misc]
        list(numbers)
    assert threading.active_count() == before


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_c01_a_cut_package_is_refused_wherever_it_is_cut(
    package: Package, trust: Trust, tmp_path: Path, compression: str
) -> None:
    whole = package.archive(compression)
    offsets = {*range(0, len(whole), 512), *range(80), *range(len(whole) - 120, len(whole))}
    for offset in sorted(offsets - {len(whole)}):
        refused(write(tmp_path / "p", whole[:offset]), trust)


def test_c01_a_tar_cut_at_an_entry_inside_a_whole_gzip_is_refused(
    package: Package, trust: Trust, tmp_path: Path
) -> None:
    tar = package.tar()
    boundaries = [offset for offset in range(0, len(tar), 512) if tar[offset + 257 : offset + 262] == b"ustar"]
    for offset in boundaries:
        for ending in (b"", bytes(512), bytes(1024)):
            error = refused(write(tmp_path / "p", pack(tar[:offset] + ending, "gzip")), trust)
            assert isinstance(error, PackageIncomplete | PackageInvalid)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_c02_any_flipped_byte_is_noticed(package: Package, trust: Trust, tmp_path: Path, compression: str) -> None:
    whole = package.archive(compression)
    dice = random.Random(2)
    step = 7 if compression == "none" else 3
    for offset in range(dice.randrange(step), len(whole), step):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << dice.randrange(8)
        refused(write(tmp_path / "p", bytes(damaged)), trust)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("extra", [b"\0", bytes(512), bytes(10240)], ids=["byte", "block", "record"])
def test_c02_nothing_may_follow(package: Package, trust: Trust, tmp_path: Path, compression: str, extra: bytes) -> None:
    refused(write(tmp_path / "p", package.archive(compression) + extra), trust)
    refused(write(tmp_path / "p", pack(package.tar() + extra, compression)), trust)


def test_c02_a_resealed_body_does_not_get_past_the_manifest(package: Package, trust: Trust, tmp_path: Path) -> None:
    members = [(path, b"changed" if path.startswith("20-") else data) for path, data in package.members()]
    tar = tar_of((f"case-42/{path}", data) for path, data in members)
    assert "was changed" in refused(write(tmp_path / "p", pack(tar, "gzip")), trust).message


def test_c02_a_member_more_or_less_than_listed_is_refused(package: Package, trust: Trust, tmp_path: Path) -> None:
    listed = package.members()
    for members in (listed[1:], [("00-extra", b""), *listed], [*listed, ("zz", b"")]):
        tar = tar_of((f"case-42/{path}", data) for path, data in members)
        refused(write(tmp_path / "p", pack(tar, "gzip")), trust)


def test_members_out_of_order_are_refused(package: Package, trust: Trust, tmp_path: Path) -> None:
    first, second, *rest = package.members()
    tar = tar_of((f"case-42/{path}", data) for path, data in (second, first, *rest))
    assert "order" in refused(write(tmp_path / "p", pack(tar, "gzip")), trust).reason


def test_other_gzip_headers_and_other_zstd_frames_are_refused(package: Package, trust: Trust, tmp_path: Path) -> None:
    body = gzip.compress(package.tar(), mtime=1)
    refused(write(tmp_path / "p", body + seal(body, "gzip")), trust)
    body = package.archive("zstd")[:-44]
    unchecked = bytes([*body[:4], body[4] & ~4]) + body[5:]
    refused(write(tmp_path / "p", unchecked + seal(unchecked, "zstd")), trust)


def test_c11_a_bomb_is_refused_in_little_memory(package: Package, trust: Trust, tmp_path: Path) -> None:
    tar = header("case-42/bomb", 1 << 40) + bytes(8 << 20)
    path = write(tmp_path / "p", pack(tar, "gzip", pieces=1))
    program = (
        "import sys; from pathlib import Path\n"
        "from hfit.package.verify import verify_package; from hfit.credentials.pins import Trust\n"
        "from hfit.errors import IntegrityFailed\n"
        "try: verify_package(Path(sys.argv[1]), Trust())\n"
        "except IntegrityFailed: print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run([os.sys.executable, "-c", program, path], capture_output=True, check=True)
    assert int(done.stdout) < 100_000  # KiB


def test_c03_another_key_is_refused_with_both_fingerprints(package: Package, trust: Trust, tmp_path: Path) -> None:
    other = dataclasses.replace(package, key=PackageKey())
    error = refused(write(tmp_path / "p", other.archive()), trust)
    assert isinstance(error, KeyUntrusted)
    assert other.key.fingerprint in error.message
    assert package.key.fingerprint in error.reason
    assert verify_package(tmp_path / "p", Trust(fingerprints=(other.key.fingerprint,)))


def test_c03_without_pin_and_key_nothing_verifies(package: Package, tmp_path: Path) -> None:
    assert isinstance(refused(write(tmp_path / "p", package.archive()), Trust()), KeyUntrusted)


def test_c03_a_pin_of_another_server_does_not_count(package: Package, trust: Trust, tmp_path: Path) -> None:
    foreign = dataclasses.replace(package, server="https://elsewhere.test")
    assert isinstance(refused(write(tmp_path / "p", foreign.archive()), trust), KeyUntrusted)


def test_c03_a_missing_or_foreign_purpose_signature_is_refused(
    package: Package, trust: Trust, tmp_path: Path, package_key: PackageKey
) -> None:
    *members, (_, manifest), _ = package.members()
    for signature in (b"", b"x", package_key.sign(manifest, "file"), package_key.sign(manifest) + b"\n"):
        listed = [*members, ("METADATA/manifest.json", manifest), ("METADATA/manifest.sig", signature)]
        tar = tar_of((f"case-42/{path}", data) for path, data in listed)
        refused(write(tmp_path / "p", pack(tar, "gzip")), trust)


def test_an_expired_package_is_refused_by_policy(package: Package, trust: Trust, tmp_path: Path) -> None:
    path = write(tmp_path / "p", dataclasses.replace(package, expires="2024-01-01T00:00:00+00:00").archive())
    with pytest.raises(PackageExpired) as caught:
        verify_package(path, trust)
    assert caught.value.exit_code == 6
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    assert verify_package(write(tmp_path / "q", dataclasses.replace(package, expires=later).archive()), trust)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.update(format=2),
        lambda m: m.update(package_digest="0" * 64),
        lambda m: m.update(package_name="a/b"),
        lambda m: m.update(members={}),
        lambda m: m["members"][0].update(size=True),
        lambda m: m["members"][0].update(sha256="X" * 64),
        lambda m: m["members"].append(m["members"][0]),
        lambda m: m["members"].append({**m["members"][0], "path": "LOGS/x"}),
        lambda m: m.update(expires="soon"),
        lambda m: m.pop("server"),
    ],
)
def test_a_signed_but_malformed_manifest_is_refused(
    package: Package, trust: Trust, tmp_path: Path, edit: object
) -> None:
    refused(write(tmp_path / "p", dataclasses.replace(package, edit=edit).archive()), trust)


def test_a_manifest_in_another_spelling_is_refused(package: Package, trust: Trust, tmp_path: Path) -> None:
    *members, (_, manifest), _ = package.members()
    for spelled in (json.dumps(json.loads(manifest)).encode(), manifest + b"\n", b"[" * 100_000):
        listed = [*members, ("METADATA/manifest.json", spelled), ("METADATA/manifest.sig", package.key.sign(spelled))]
        tar = tar_of((f"case-42/{path}", data) for path, data in listed)
        refused(write(tmp_path / "p", pack(tar, "gzip")), trust)


C04_NAMES = (
    "../x", "/abs", "a/../../x", "a//b", "./a", "a/.", ".git/hooks/x", ".GIT/config", "a/.hg/x", "git~1/x", ".bashrc",
    "con", "CON.txt", "a/nul", "LPT1", "a\\b", "a\x1b]52;c;x\x07", "a\nb", "a\u202eb", "x" * 256, "a/" * 50 + "x", "",
)  # fmt: skip


@pytest.mark.parametrize("name", C04_NAMES, ids=range(len(C04_NAMES)))
def test_c04_hostile_names_are_refused_even_when_signed(
    package: Package, trust: Trust, tmp_path: Path, name: str
) -> None:
    hostile = dataclasses.replace(package, files={**FILES, name: b"x"})
    refused(write(tmp_path / "p", hostile.archive()), trust)
    with pytest.raises(PackageInvalid):
        check_name(name)


def test_c04_names_that_are_one_file_somewhere_are_refused() -> None:
    for pair in (
        ("A", "a"),
        ("caf\u00e9", "cafe\u0301"),
        ("a", "a/b"),
        ("a/b", "A"),
        ("x", "x"),
        ("STRASSE", "stra\u00dfe"),
    ):
        with pytest.raises(PackageInvalid):
            check_distinct(pair)


def test_hidden_names_can_be_allowed_but_never_version_control() -> None:
    assert check_name("conf/.env", allow_hidden=True)
    for name in (".git", "a/.Git/x", ".svn"):
        with pytest.raises(PackageInvalid):
            check_name(name, allow_hidden=True)
    with pytest.raises(PackageInvalid):
        check_name("a:b", windows=True)


def kinds() -> list[bytes]:
    return [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
        b"S",
        b"L",
        b"7",
    ]


@pytest.mark.parametrize("kind", kinds())
def test_c04_only_plain_files_can_be_expressed(package: Package, trust: Trust, tmp_path: Path, kind: bytes) -> None:
    def special(path: str, size: int) -> bytes:
        info = tarfile.TarInfo(path)
        info.type, info.linkname, info.mode = kind, "/etc/passwd", 0o644
        return info.tobuf(tarfile.GNU_FORMAT)

    tar = special("case-42/000", 0) + package.tar()
    refused(write(tmp_path / "p", pack(tar, "gzip")), trust)


@pytest.mark.parametrize("field", ["mode", "uid", "gid", "mtime", "uname", "gname", "pax"])
def test_c04_headers_with_other_facts_are_refused(package: Package, trust: Trust, tmp_path: Path, field: str) -> None:
    def other(path: str, size: int) -> bytes:
        info = tarfile.TarInfo(path)
        info.size, info.mode = size, 0o644
        if field == "pax":
            info.pax_headers = {"comment": "x"}
        else:
            setattr(info, field, "root" if field.endswith("name") else 0o4755 if field == "mode" else 1)
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8")

    tar = tar_of(((f"case-42/{path}", data) for path, data in package.members()), other)
    refused(write(tmp_path / "p", pack(tar, "gzip")), trust)


def test_c04_a_huge_claimed_size_and_a_pax_flood_are_refused(package: Package, trust: Trust, tmp_path: Path) -> None:
    huge = header("case-42/a", 100 << 30) + package.tar()
    refused(write(tmp_path / "p", pack(huge, "gzip")), trust)
    block = bytearray(header("case-42/a", 1 << 20))
    block[156:157] = b"x"
    refused(write(tmp_path / "p", pack(bytes(block) + bytes(1 << 20), "gzip")), trust)


def test_c04_a_million_entries_are_refused(
    package: Package, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = header("case-42/a", 0) * 100_000  # compressed to nothing, and refused at the second
    refused(write(tmp_path / "p", pack(many, "gzip", pieces=1)), trust)
    monkeypatch.setattr(tar_reader, "MAX_MEMBERS", 3)
    assert "more than 3 files" in refused(write(tmp_path / "p", package.archive()), trust).message


def test_c11_a_size_below_nothing_is_refused_and_not_read_for_ever(
    package: Package, trust: Trust, tmp_path: Path
) -> None:
    refused(write(tmp_path / "p", pack(header("case-42/a", -5) + b"abc", "gzip")), trust)


def test_c04_extracted_files_have_our_modes_and_nothing_else(package: Package, trust: Trust, tmp_path: Path) -> None:
    folder = extract(package, trust, tmp_path / "case-42")
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == dict(package.members())
    assert {path.stat().st_mode & 0o7777 for path in files.values()} == {0o644}
    assert {path.stat().st_mode & 0o7777 for path in folder.rglob("*") if path.is_dir()} == {0o755}
    assert verify_package(folder, trust).kind == "directory"


def test_a_changed_folder_is_noticed(package: Package, trust: Trust, tmp_path: Path) -> None:
    folder = extract(package, trust, tmp_path / "case-42")
    file = folder / "20-customer.sql"
    original = file.read_bytes()
    file.write_bytes(original[:-1])
    refused(folder, trust)
    file.unlink()
    assert isinstance(refused(folder, trust), PackageIncomplete)
    file.symlink_to("/etc/passwd")
    refused(folder, trust)
    file.unlink()
    file.write_bytes(original)
    assert verify_package(folder, trust)
    (folder / "extra").touch()
    refused(folder, trust)
    (folder / "extra").unlink()
    os.mkfifo(folder / "logs" / "pipe")
    refused(folder, trust)
    (folder / "logs" / "pipe").unlink()
    (folder / "METADATA" / "manifest.sig").unlink()
    assert isinstance(refused(folder, trust), PackageIncomplete)


def test_every_byte_of_a_folder_counts(package: Package, trust: Trust, tmp_path: Path) -> None:
    folder = extract(package, trust, tmp_path / "case-42")
    dice = random.Random(5)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size):
        data = path.read_bytes()
        for offset in {0, len(data) - 1, *(dice.randrange(len(data)) for _ in range(5))}:
            path.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
            refused(folder, trust)
        path.write_bytes(data)
    assert verify_package(folder, trust)


def test_what_is_not_there_is_not_found(trust: Trust, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify_package(tmp_path / "none", trust)


def test_ssh_keygen_accepts_the_signature_that_we_accept(package: Package, trust: Trust, tmp_path: Path) -> None:
    folder = extract(package, trust, tmp_path / "case-42")
    signers = write(tmp_path / "signers", f"{ORIGIN} {package.key.line}\n".encode())
    metadata = folder / "METADATA"
    command = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", ORIGIN, "-n", "hfit-package@hfitd.v1"]
    with (metadata / "manifest.json").open("rb") as manifest:
        subprocess.run([*command, "-s", metadata / "manifest.sig"], stdin=manifest, check=True, capture_output=True)


def test_a_member_size_beyond_eight_gibibytes_has_its_own_header() -> None:
    assert struct.unpack("8s", header("p/a", 9 << 30)[512 : 512 + 8])[0].startswith(b"1")
    assert hashlib.sha256(header("p/a", 9 << 30)).digest() != hashlib.sha256(header("p/a", 9)).digest()
