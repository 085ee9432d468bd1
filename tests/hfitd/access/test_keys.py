from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hfitd.access.keys import parse_public_key
from hfitd.access.wire import pack_natural, pack_string
from hfitd.errors import BadRequest


def line_of(kind: str, *fields: bytes) -> str:
    blob = b"".join(map(pack_string, (kind.encode(), *fields)))
    return f"{kind} {base64.b64encode(blob).decode()}"


def refusal(line: str) -> str:
    with pytest.raises(BadRequest) as caught:
        parse_public_key(line)
    assert caught.value.suggestions
    return caught.value.message


def test_every_accepted_kind_is_read_with_the_fingerprint_ssh_prints(pair):
    printed = subprocess.run(["ssh-keygen", "-l", "-f", f"{pair.path}.pub"], capture_output=True, text=True, check=True)
    key = parse_public_key(pair.line)
    assert key.fingerprint == printed.stdout.split()[1]
    assert key.comment == "alice@laptop"
    assert f"{key.line} alice@laptop\n" == pair.line


def test_the_comment_does_not_change_the_key(alice_pair):
    bare = parse_public_key(alice_pair.public.line)
    assert (bare.line, bare.fingerprint, bare.comment) == (alice_pair.public.line, alice_pair.public.fingerprint, "")


@pytest.mark.parametrize("bits", [1024, 2047])
def test_a17_an_rsa_key_below_2048_bits_is_refused(bits):
    key = rsa.generate_private_key(65537, bits).public_key()
    assert str(bits) in refusal(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


@pytest.mark.parametrize("exponent", [1, 3, 17])
def test_a17_an_rsa_key_with_a_small_exponent_is_refused(exponent, make_pair):
    modulus = make_pair("rsa", 2048).private.public_key().public_numbers().n
    line = line_of("ssh-rsa", pack_natural(exponent)[4:], pack_natural(modulus)[4:])
    assert "exponent" in refusal(line) or "numbers" in refusal(line)


def test_a17_a_dsa_key_is_refused():
    assert "DSA" in refusal("ssh-dss AAAAB3NzaC1kc3MAAAAA")


def test_a17_a_key_on_p224_is_refused():
    point = ec.generate_private_key(ec.SECP224R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert "curve" in refusal(line_of("ecdsa-sha2-nistp224", b"nistp224", raw))
    assert "numbers" in refusal(line_of("ecdsa-sha2-nistp256", b"nistp256", raw))


def test_a17_a_point_off_the_curve_is_refused():
    assert "numbers" in refusal(line_of("ecdsa-sha2-nistp256", b"nistp256", b"\x04" + b"\x01" * 64))


def test_a17_a_certificate_is_refused(make_pair, tmp_path):
    user, authority = make_pair("ed25519", None, "certified"), make_pair("ed25519", None, "authority")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority.path), "-I", "x", "-n", "root", f"{user.path}.pub"], check=True
    )
    assert "certificates" in refusal(Path(f"{user.path}-cert.pub").read_text())


def test_a17_a_hardware_key_is_refused_as_not_supported():
    assert "not supported" in refusal("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA")


@pytest.mark.parametrize("options", ['command="x"', "restrict", 'from="*",no-pty', "cert-authority"])
def test_a17_options_before_the_key_are_refused(options, alice_pair):
    assert "options" in refusal(f"{options} {alice_pair.line}")


def test_a17_several_lines_are_refused(alice_pair, bob_pair):
    assert "several lines" in refusal(alice_pair.line + bob_pair.line)
    assert "several lines" in refusal(alice_pair.public.line + " x\n\n")


def test_a17_a_huge_line_is_refused(alice_pair):
    assert "8 KiB" in refusal(alice_pair.public.line + " " + "x" * 100_000)


@pytest.mark.parametrize("mark", ["\x1b[2J", "\x00", "\t", "\u202e", "\u200b", "\x7f"])
def test_a17_control_characters_in_the_comment_are_refused(mark, alice_pair):
    assert "control characters" in refusal(f"{alice_pair.public.line} me{mark}you")


SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0000000000000000000000000000000000000000000000000000000000000080",
    # not canonical: p and p + 1, and minus zero
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
    # not on the curve
    "0200000000000000000000000000000000000000000000000000000000000000",
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a17_an_ed25519_point_of_small_order_or_off_the_curve_is_refused(point):
    assert "point" in refusal(line_of("ssh-ed25519", bytes.fromhex(point)))


def test_a17_a_pem_file_is_refused_with_a_hint():
    assert ".pub" in refusal("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_a_blob_with_something_after_its_end_is_refused(alice_pair):
    blob = alice_pair.public.blob + b"\x00"
    assert "after the end" in refusal("ssh-ed25519 " + base64.b64encode(blob).decode())


def test_a_number_with_a_needless_zero_is_refused(make_pair):
    numbers = make_pair("rsa", 2048).private.public_key().public_numbers()
    line = line_of("ssh-rsa", b"\x00" + pack_natural(numbers.e)[4:], pack_natural(numbers.n)[4:])
    assert refusal(line)


def test_base64_that_is_not_canonical_is_refused(alice_pair):
    kind, encoded = alice_pair.public.line.split(" ")
    assert "base64" in refusal(f"{kind} {encoded[:-1]}\u00e4")
    assert "base64" in refusal(f"{kind} {encoded}=")
    assert "base64" in refusal(f"{kind} {encoded[:20]}!{encoded[20:]}")


def test_a_line_that_says_one_type_and_holds_another_is_refused(alice_pair, make_pair):
    encoded = make_pair("ecdsa", 256).public.line.split(" ")[1]
    assert refusal(f"ssh-rsa {encoded}")
    assert refusal(f"ecdsa-sha2-nistp384 {encoded}")


@given(st.text(max_size=300))
def test_any_text_is_a_key_or_a_bad_request(text):
    with pytest.raises(BadRequest):
        parse_public_key(text)


@given(st.binary(max_size=200))
def test_any_blob_is_a_key_or_a_bad_request(blob):
    for kind in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"):
        with pytest.raises(BadRequest):
            parse_public_key(f"{kind} {base64.b64encode(pack_string(kind.encode()) + blob).decode()}")
