"""Random bytes at every parser that reads what a server sent: a clear refusal, never another exception."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from hfit.credentials.pins import Trust
from hfit.credentials.ssh_wire import parse_public_key_line
from hfit.credentials.sshsig import armour, verify_signature
from hfit.errors import HfitClientError, IntegrityFailed
from hfit.package.manifest import read_manifest
from hfit.package.names import check_name
from hfit.package.verify import verify_archive
from hfit.text import visible
from tests.support.package_writer import Package, PackageKey, header, pack

KEY = PackageKey()
TAR = Package(KEY).tar()
TRUST = Trust(fingerprints=(KEY.fingerprint,))


def reads(data: bytes) -> None:
    try:
        verify_archive(io.BytesIO(data), Path("x"), TRUST)
    except IntegrityFailed:
        return
    raise AssertionError("random bytes were taken for a package")


@given(
    st.binary(max_size=3000), st.sampled_from([b"", bytes.fromhex("1f8b08000000000000ff"), bytes.fromhex("28b52ffd")])
)
def test_random_bytes_are_no_archive(data: bytes, start: bytes) -> None:
    reads(start + data)


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "zstd", "none"]))
def test_random_bytes_with_a_right_seal_are_no_archive(data: bytes, compression: str) -> None:
    reads(pack(data or b"x", compression))


@given(st.integers(0, 2047), st.binary(min_size=1, max_size=40), st.sampled_from(["gzip", "zstd"]))
@example(124, b"\xff" * 12, "gzip")
@example(156, b"x", "gzip")
def test_damaged_headers_under_a_right_seal_are_refused(offset: int, patch: bytes, compression: str) -> None:
    damaged = TAR[:offset] + patch + TAR[offset + len(patch) :]
    if damaged != TAR:
        reads(pack(damaged, compression))


@given(st.binary(max_size=600))
@example(b"12 path=a\n")
@example(b"99999999 path=a\n")
@example(b"30 size=-1\n")
def test_random_pax_records_are_refused(payload: bytes) -> None:
    block = bytearray(header("case-42/PaxHeader", len(payload)))
    block[156:157] = b"x"
    reads(pack(bytes(block) + payload + bytes(-len(payload) % 512) + TAR, "none"))


@given(st.lists(st.binary(max_size=80), max_size=7), st.binary(max_size=10))
def test_random_fields_are_no_signature(fields: list[bytes], rest: bytes) -> None:
    blob = b"SSHSIG\0\0\0\1" + b"".join(struct.pack(">I", len(field)) + field for field in fields) + rest
    try:
        verify_signature(b"x", armour(blob).encode(), "ours")
    except ValueError:
        return
    raise AssertionError("random bytes were taken for a signature")


@given(
    st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"]), st.binary(max_size=120), st.binary(max_size=90)
)
def test_random_key_material_is_no_signature(kind: str, key: bytes, raw: bytes) -> None:
    def string(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    blob = string(string(kind.encode()) + key) + string(b"ours") + string(b"") + string(b"sha512")
    blob += string(string(kind.encode()) + string(raw))
    try:
        verify_signature(b"x", armour(b"SSHSIG\0\0\0\1" + blob).encode(), "ours")
    except ValueError:
        return
    raise AssertionError("random bytes were taken for a signature")


@given(st.text(max_size=200))
def test_random_lines_are_no_key(line: str) -> None:
    try:
        parse_public_key_line(line)
    except ValueError:
        return
    raise AssertionError("random text was taken for a key")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)))
def test_a_signed_manifest_of_any_value_is_refused(value: object) -> None:
    import json

    keys = ("format", "members", "package_digest", "package_name", "server", "created", "expires")
    document = {**dict.fromkeys(keys, value), "format": 1}
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        read_manifest(data, KEY.sign(data), TRUST)
    except IntegrityFailed:
        return
    raise AssertionError("a manifest without sense was taken")


@given(st.text(max_size=300))
def test_any_name_is_taken_or_refused_and_always_shown_safely(name: str) -> None:
    shown = visible(name)
    assert shown.isprintable() or all(c.isprintable() or ord(c) > 0x2FFF or c.isspace() or ord(c) > 0x7F for c in shown)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    try:
        assert check_name(name) == name
    except HfitClientError as error:
        assert not any(ord(c) < 32 for c in error.message)
