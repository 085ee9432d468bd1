from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hfitd.access import sshsig
from hfitd.access.keys import parse_public_key
from hfitd.access.package_keys import ENDORSEMENT_NAMESPACE, PACKAGE_NAMESPACE, PackageKeys
from hfitd.access.token_keys import TokenKeys
from hfitd.errors import StoreUnavailable


def modes(folder) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.parametrize("kind", [TokenKeys, PackageKeys])
def test_keys_are_made_once_and_only_for_the_owner(tmp_path, kind):
    first = kind.load(tmp_path / "keys")
    again = kind.load(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert modes(tmp_path / "keys") == {0o600}
    if isinstance(first, TokenKeys):
        assert first.current().kid == again.current().kid
    else:
        assert first.public() == again.public()


@pytest.mark.parametrize("kind", [TokenKeys, PackageKeys])
def test_files_that_others_can_read_are_refused(tmp_path, kind):
    kind.load(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o750)
    with pytest.raises(StoreUnavailable, match="0700"):
        kind.load(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o700)
    next((tmp_path / "keys").glob("*.pem")).chmod(0o640)
    with pytest.raises(StoreUnavailable, match="0600"):
        kind.load(tmp_path / "keys")


@pytest.mark.parametrize("kind", [TokenKeys, PackageKeys])
def test_damaged_and_foreign_keys_are_refused(tmp_path, kind):
    kind.load(tmp_path / "keys")
    path = next((tmp_path / "keys").glob("*.pem"))
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        path.write_bytes(content)
        with pytest.raises(StoreUnavailable, match="damaged"):
            kind.load(tmp_path / "keys")
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(StoreUnavailable, match="Ed25519"):
        kind.load(tmp_path / "keys")


def test_instances_that_start_together_use_the_same_keys(tmp_path):
    found: list[str] = []
    start = threading.Barrier(8)

    def load() -> None:
        start.wait()
        found.append(TokenKeys.load(tmp_path / "keys").current().kid)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_rotation_keeps_the_previous_token_key_and_no_older_one(tmp_path):
    keys = TokenKeys.load(tmp_path / "keys")
    first = keys.current().kid
    second = keys.rotate()
    assert [key["kid"] for key in keys.jwks()["keys"]] == [second, first]
    third = keys.rotate()
    assert [key["kid"] for key in keys.jwks()["keys"]] == [third, second]
    assert keys.find(first) is None
    assert len(list((tmp_path / "keys").iterdir())) == 2


def test_another_instance_notices_a_rotation(tmp_path, uptime):
    one, two = TokenKeys.load(tmp_path / "keys", uptime), TokenKeys.load(tmp_path / "keys", uptime)
    new = one.rotate()
    uptime.now += 2
    assert two.current().kid == new


def test_a_package_signature_names_its_purpose(tmp_path):
    keys = PackageKeys.load(tmp_path / "keys")
    signature = keys.sign(b"{}")
    sshsig.verify(signature, b"{}", PACKAGE_NAMESPACE, keys.current)
    assert [item["current"] for item in keys.public()] == [True]
    assert keys.public()[0]["endorsement"] is None


def test_every_package_key_is_endorsed_by_the_one_before_and_stays_listed(tmp_path):
    keys = PackageKeys.load(tmp_path / "keys")
    old = keys.sign(b"{}")
    lines = [keys.current.line, keys.rotate().line, keys.rotate().line]
    listed = PackageKeys.load(tmp_path / "keys").public()
    assert [item["public_key"] for item in listed] == lines[::-1]
    assert [item["current"] for item in listed] == [True, False, False]
    for newer, older in pairwise(listed):
        message = newer["public_key"].encode()
        sshsig.verify(newer["endorsement"], message, ENDORSEMENT_NAMESPACE, parse_public_key(older["public_key"]))
    sshsig.verify(old, b"{}", PACKAGE_NAMESPACE, parse_public_key(lines[0]))
    assert len(list((tmp_path / "keys").glob("*.pem"))) == 1


def test_a_rotation_that_broke_off_before_its_key_changes_nothing(tmp_path):
    keys = PackageKeys.load(tmp_path / "keys")
    first = keys.rotate()
    stray = tmp_path / "keys" / "package-0003.pub"
    stray.write_text("ssh-ed25519 AAAA\n")
    stray.chmod(0o600)
    assert PackageKeys.load(tmp_path / "keys").current == first
    assert keys.rotate().line != first.line
