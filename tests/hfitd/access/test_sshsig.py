from __future__ import annotations

import base64
import struct
import subprocess
import textwrap

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA1
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfitd.access import sshsig
from hfitd.access.wire import WireReader, pack_string
from hfitd.errors import AuthFailed

TEXT = b"hfit-login-v1\norigin=https://hfit.example\n"
SPACE = "hfit-login@hfitd.v1"


def unwrap(armoured: str) -> bytes:
    return base64.b64decode("".join(armoured.strip().split("\n")[1:-1]))


def wrap(blob: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(blob).decode(), 70) or [""]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"]) + "\n"


def fields_of(armoured: str) -> list[bytes]:
    reader = WireReader(unwrap(armoured))
    assert reader.raw(6) == b"SSHSIG"
    assert reader.uint32() == 1
    return [reader.string() for _ in range(5)]


def build(fields: list[bytes], version: int = 1, magic: bytes = b"SSHSIG", tail: bytes = b"") -> str:
    return wrap(magic + struct.pack(">I", version) + b"".join(map(pack_string, fields)) + tail)


def refused(armoured: str, pair, message: bytes = TEXT, space: str = SPACE) -> bool:
    with pytest.raises(AuthFailed):
        sshsig.verify(armoured, message, space, pair.public)
    return True


def test_what_ssh_keygen_signs_is_accepted(pair):
    sshsig.verify(pair.keygen_sign(TEXT, SPACE), TEXT, SPACE, pair.public)


def test_ssh_keygen_accepts_what_is_signed_here(pair, tmp_path):
    armoured = sshsig.sign(pair.private, TEXT, SPACE)
    sshsig.verify(armoured, TEXT, SPACE, pair.public)
    (tmp_path / "sig").write_text(armoured)
    (tmp_path / "allowed").write_text(f"server {pair.public.line}\n")
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        tmp_path / "allowed",
        "-I",
        "server",
        "-n",
        SPACE,
        "-s",
        tmp_path / "sig",
    ]
    assert subprocess.run(command, input=TEXT, capture_output=True, check=False).returncode == 0


def test_a_signature_is_armoured_as_ssh_keygen_does(alice_pair):
    ours = sshsig.sign(alice_pair.private, TEXT, SPACE)
    assert ours == alice_pair.keygen_sign(TEXT, SPACE)  # Ed25519 has no random part
    assert max(map(len, ours.split("\n")[1:-2])) == 70
    assert ours.endswith("-----END SSH SIGNATURE-----\n")


def test_line_ends_and_widths_of_other_clients_are_accepted(alice_pair):
    armoured = sshsig.sign(alice_pair.private, TEXT, SPACE)
    sshsig.verify(armoured.replace("\n", "\r\n"), TEXT, SPACE, alice_pair.public)
    sshsig.verify(armoured.rstrip("\n"), TEXT, SPACE, alice_pair.public)
    begin, *lines, end = armoured.strip().split("\n")
    sshsig.verify("\n".join([begin, "".join(lines), end]), TEXT, SPACE, alice_pair.public)


@pytest.mark.parametrize("space", ["git", "file", "hfit-package@hfitd.v1", "hfit-login@hfitd.v1x"])
def test_a14_a_signature_for_another_namespace_is_refused(space, alice_pair):
    assert refused(sshsig.sign(alice_pair.private, TEXT, space), alice_pair)


def test_a14_an_empty_namespace_is_refused_even_when_asked_for(alice_pair):
    fields = fields_of(sshsig.sign(alice_pair.private, TEXT, SPACE))
    fields[1] = b""
    assert refused(build(fields), alice_pair, space="")
    assert refused(sshsig.sign(alice_pair.private, TEXT, ""), alice_pair, space="")


def test_a14_a_raw_signature_of_the_text_is_refused(alice_pair):
    raw = pack_string(b"ssh-ed25519") + pack_string(alice_pair.private.sign(TEXT))
    assert refused(wrap(raw), alice_pair)
    fields = fields_of(sshsig.sign(alice_pair.private, TEXT, SPACE))
    fields[4] = raw
    assert refused(build(fields), alice_pair)


def test_a14_a_signature_over_an_ssh_userauth_request_is_refused(alice_pair):
    request = pack_string(b"s" * 32) + b"\x32" + b"".join(map(pack_string, (b"alice", b"ssh-connection", b"publickey")))
    fields = fields_of(sshsig.sign(alice_pair.private, TEXT, SPACE))
    fields[4] = pack_string(b"ssh-ed25519") + pack_string(alice_pair.private.sign(request))
    assert refused(build(fields), alice_pair)


def test_a14_a_signature_over_another_text_is_refused(alice_pair):
    assert refused(sshsig.sign(alice_pair.private, TEXT.replace(b"hfit.example", b"evil.example"), SPACE), alice_pair)


def test_a15_another_version_magic_reserved_field_hash_or_tail_is_refused(alice_pair):
    fields = fields_of(sshsig.sign(alice_pair.private, TEXT, SPACE))
    assert refused(build(fields, version=2), alice_pair)
    assert refused(build(fields, magic=b"SSHSIx"), alice_pair)
    assert refused(build(fields, tail=b"\x00"), alice_pair)
    assert refused(build([*fields[:2], b"x", *fields[3:]]), alice_pair)
    for name in (b"sha1", b"md5", b"SHA512", b"sha384", b""):
        assert refused(build([*fields[:3], name, fields[4]]), alice_pair)
    assert refused(build([*fields[:4], fields[4] + b"\x00"]), alice_pair)


def test_a15_a_signature_by_another_key_is_refused(pair, make_pair):
    other = make_pair("ed25519", None, "mallory")
    armoured = sshsig.sign(other.private, TEXT, SPACE)
    assert refused(armoured, pair)
    fields = fields_of(armoured)
    fields[0] = pair.public.blob
    assert refused(build(fields), pair)


def test_a15_rsa_with_sha1_is_refused(make_pair):
    pair = make_pair("rsa", 2048)
    fields = fields_of(sshsig.sign(pair.private, TEXT, SPACE))
    signed = sshsig._signed_data(SPACE.encode(), b"sha512", TEXT)
    fields[4] = pack_string(b"ssh-rsa") + pack_string(pair.private.sign(signed, padding.PKCS1v15(), SHA1()))
    assert refused(build(fields), pair)


def test_a15_the_algorithm_of_another_key_type_is_refused(pair):
    fields = fields_of(sshsig.sign(pair.private, TEXT, SPACE))
    reader = WireReader(fields[4])
    own, value = reader.string(), reader.string()
    for name in (b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"rsa-sha2-256", b"none", b""):
        if name != own:
            assert refused(build([*fields[:4], pack_string(name) + pack_string(value)]), pair)


def test_a15_every_truncation_is_refused(pair):
    armoured = sshsig.sign(pair.private, TEXT, SPACE)
    blob = unwrap(armoured)
    for end in range(len(blob)):
        assert refused(wrap(blob[:end]), pair)
    for end in range(len(armoured) - 1):  # the last newline may be missing
        assert refused(armoured[:end], pair)


def test_a15_every_flipped_bit_is_refused(alice_pair):
    blob = unwrap(sshsig.sign(alice_pair.private, TEXT, SPACE))
    for position in range(len(blob)):
        flipped = bytearray(blob)
        flipped[position] ^= 1 << position % 8
        assert refused(wrap(bytes(flipped)), alice_pair)


def test_a15_damaged_armour_is_refused(alice_pair):
    armoured = sshsig.sign(alice_pair.private, TEXT, SPACE)
    for damaged in (
        "",
        " " + armoured,
        armoured + "\n",
        armoured + "x",
        armoured.replace("SSH SIGNATURE", "PGP SIGNATURE"),
        armoured.replace("\n", "\n\n", 1),
        armoured.replace("U1NI", "U1N ", 1),
        armoured.replace("U1NI", "U1N\u0399", 1),
        "x" * 100_000,
    ):
        assert refused(damaged, alice_pair)


def test_an_ecdsa_number_that_is_negative_or_not_minimal_is_refused(make_pair):
    pair = make_pair("ecdsa", 256)
    fields = fields_of(sshsig.sign(pair.private, TEXT, SPACE))
    reader = WireReader(fields[4])
    name = reader.string()
    numbers = WireReader(reader.string())
    r, s = numbers.string(), numbers.string()
    for value in (
        pack_string(b"\x00" + r) + pack_string(s),
        pack_string(b"") + pack_string(s),
        pack_string(b"\xff" + r[1:]) + pack_string(s),
        pack_string(r) + pack_string(s) + pack_string(s),
    ):
        assert refused(build([*fields[:4], pack_string(name) + pack_string(value)]), pair)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_any_damage_of_any_kind_is_auth_failed(alice_pair, data):
    blob = bytearray(unwrap(sshsig.sign(alice_pair.private, TEXT, SPACE)))
    original = bytes(blob)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(blob)))
        end = data.draw(st.integers(start, min(start + 8, len(blob))))
        blob[start:end] = data.draw(st.binary(max_size=8))
    if bytes(blob) != original:
        assert refused(wrap(bytes(blob)), alice_pair)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300))
def test_any_text_as_signature_is_auth_failed(alice_pair, text):
    assert refused(text, alice_pair)
    assert refused(f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n", alice_pair)
