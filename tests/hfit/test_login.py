"""Keys of every kind, what is signed and what is not, tokens, pins."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hfit.credentials.agent import agent_signers
from hfit.credentials.keys import load_key_file
from hfit.credentials.login_text import check_nonce, login_text
from hfit.credentials.pins import learn_keys, parse_key_argument, parse_offered_keys, read_pins
from hfit.credentials.private_files import read_private
from hfit.credentials.ssh_wire import parse_public_key_line, public_key_from_blob
from hfit.credentials.sshsig import LOGIN_NAMESPACE, build_signature, dearmour, verify_signature
from hfit.credentials.token_file import read_token, token_path
from hfit.errors import AnswerMalformed, HfitClientError, KeyUntrusted, KeyUnusable, PassphraseWrong
from hfit.session import LoginRequest, log_in
from tests.hfit.conftest import Hfit
from tests.support.fake_hfitd import FakeHfitd
from tests.support.package_writer import PackageKey

PASSPHRASE = "corr\u00e9ct horse"
KINDS = {
    "ed25519": ["-t", "ed25519"],
    "rsa-2048": ["-t", "rsa", "-b", "2048"],
    "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
}
FORMATS = {"openssh": [], "pem": ["-m", "PEM"], "pkcs8": ["-m", "PKCS8"]}


def keygen(path: Path, *options: str, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", *options, "-N", passphrase, "-f", path], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_signs_what_ssh_keygen_accepts(tmp_path: Path, kind: str, form: str, encrypted: bool) -> None:
    if kind == "ed25519" and form == "pem":
        form = "openssh"  # ssh-keygen has no PEM for Ed25519
    path = keygen(tmp_path / "key", *KINDS[kind], *FORMATS[form], passphrase=PASSPHRASE if encrypted else "")
    asked: list[str] = []
    signer = load_key_file(path, lambda label: asked.append(label) or PASSPHRASE)
    assert bool(asked) is encrypted
    line = path.with_suffix(".pub").read_text()
    assert signer.public_key == parse_public_key_line(line)
    signature = build_signature(b"text\n", LOGIN_NAMESPACE, signer.public_key, signer.sign)
    (tmp_path / "sig").write_text(signature)
    (tmp_path / "signers").write_text(f"me {line}")
    subprocess.run(
        [
            "ssh-keygen",
            "-Y",
            "verify",
            "-f",
            tmp_path / "signers",
            "-I",
            "me",
            "-n",
            LOGIN_NAMESPACE,
            "-s",
            tmp_path / "sig",
        ],
        input=b"text\n",
        check=True,
        capture_output=True,
    )
    assert verify_signature(b"text\n", signature.encode(), LOGIN_NAMESPACE) == signer.public_key


@pytest.mark.parametrize("kind", KINDS)
def test_a15_signatures_by_ssh_keygen_verify_and_nothing_near_them_does(tmp_path: Path, kind: str) -> None:
    path = keygen(tmp_path / "key", *KINDS[kind])
    (tmp_path / "text").write_bytes(b"text")
    command = ["ssh-keygen", "-Y", "sign", "-f", path, "-n", "ours"]
    subprocess.run([*command, tmp_path / "text"], check=True, capture_output=True)
    good = (tmp_path / "text.sig").read_bytes()
    assert verify_signature(b"text", good, "ours").fingerprint.startswith("SHA256:")
    blob = dearmour(good)
    bad = [blob[:cut] for cut in range(len(blob))] + [blob + b"\0", b"SSHSIG\0\0\0\2" + blob[10:]]
    bad += [bytes([*blob[:i], blob[i] ^ 1, *blob[i + 1 :]]) for i in range(0, len(blob), 5)]
    for damaged in bad:
        lines = [base64.b64encode(damaged).decode()[i : i + 70] for i in range(0, len(damaged) * 2, 70)]
        text = "\n".join(["-----BEGIN SSH SIGNATURE-----", *filter(None, lines), "-----END SSH SIGNATURE-----", ""])
        with pytest.raises(ValueError):
            verify_signature(b"text", text.encode(), "ours")
    for message, namespace in ((b"text ", "ours"), (b"text", "file"), (b"text", "")):
        with pytest.raises(ValueError):
            verify_signature(message, good, namespace)
    for spelled in (
        good[:-1],
        good + b"\n",
        good.replace(b"\n", b"\r\n"),
        b" " + good,
        good.replace(b"SSH S", b"SSH  S"),
    ):
        with pytest.raises(ValueError):
            verify_signature(b"text", spelled, "ours")


def test_a17_weak_and_foreign_keys_are_refused_with_the_reason(tmp_path: Path) -> None:
    weak = keygen(tmp_path / "weak", "-t", "rsa", "-b", "1024")
    with pytest.raises(KeyUnusable, match="1024 bits"):
        load_key_file(weak, lambda _: None)
    curve = tmp_path / "curve"
    subprocess.run(["openssl", "ecparam", "-name", "secp224r1", "-genkey", "-noout", "-out", curve], check=True)
    curve.chmod(0o600)
    with pytest.raises(KeyUnusable, match="not supported"):
        load_key_file(curve, lambda _: None)
    for name, data in (("pub", weak.with_suffix(".pub").read_bytes()), ("noise", os.urandom(300)), ("empty", b"")):
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeyUnusable, match="not a private key"):
            load_key_file(path, lambda _: None)


@pytest.mark.parametrize("form", FORMATS)
def test_a_wrong_or_missing_passphrase_is_said_clearly(tmp_path: Path, form: str) -> None:
    path = keygen(tmp_path / "key", *KINDS["ecdsa-256"], *FORMATS[form], passphrase=PASSPHRASE)
    with pytest.raises(PassphraseWrong, match="does not open"):
        load_key_file(path, lambda _: "wrong horse")
    with pytest.raises(PassphraseWrong, match="needs its passphrase"):
        load_key_file(path, lambda _: None)


def test_c10_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = keygen(tmp_path / "key", *KINDS["ed25519"])
    path.chmod(0o644)
    with pytest.raises(KeyUnusable, match="not private") as caught:
        load_key_file(path, lambda _: None)
    assert f"chmod 600 {path}" in caught.value.suggestions[0]


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A running ssh-agent with nothing in it."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield socket
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_the_agent_sign_without_their_passphrase(agent: Path, tmp_path: Path, kind: str) -> None:
    path = keygen(tmp_path / "key", *KINDS[kind])
    subprocess.run(["ssh-add", "-q", path], check=True, capture_output=True)
    with agent_signers() as (signer,):
        signature = build_signature(b"x", LOGIN_NAMESPACE, signer.public_key, signer.sign)
    assert verify_signature(b"x", signature.encode(), LOGIN_NAMESPACE) == signer.public_key


def test_the_agent_is_used_for_a_named_key_that_is_locked(
    agent: Path, fake: FakeHfitd, hfit: Hfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keygen(tmp_path / "key", *KINDS["ed25519"])
    subprocess.run(["ssh-add", "-q", path], check=True, capture_output=True)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", PASSPHRASE, "-f", path], check=True, capture_output=True)
    fake.keys.append(" ".join(path.with_suffix(".pub").read_text().split()[:2]))
    for named in (path, path.with_suffix(".pub")):
        assert "ssh-agent" in hfit("login", "--private-key", named).err
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert "ssh-agent does not hold" in hfit("login", "--private-key", path.with_suffix(".pub")).err
    monkeypatch.setenv("HFIT_KEY_PASSPHRASE", PASSPHRASE)
    assert hfit("login", "--private-key", path).code == 0


def test_without_a_named_key_the_usual_files_are_tried(
    fake: FakeHfitd, hfit: Hfit, home: Path, ssh_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HFIT_PRIVATE_KEY_PATH")
    ended = hfit("login")
    assert (ended.code, "no SSH key" in ended.err) == (1, True)
    (home / ".ssh").mkdir()
    keygen(home / ".ssh" / "id_ecdsa", *KINDS["ecdsa-256"])
    assert hfit("login").code == 1
    keygen(home / ".ssh" / "id_rsa", *KINDS["rsa-2048"])
    fake.keys.append(" ".join((home / ".ssh" / "id_rsa.pub").read_text().split()[:2]))
    assert "id_rsa" in hfit("login").err


def test_login_whoami_logout(fake: FakeHfitd, hfit: Hfit, home: Path) -> None:
    assert hfit("whoami").code == 1
    ended = hfit("login")
    assert ended.code == 0
    assert fake.package_key.fingerprint in ended.err
    assert not ended.out
    assert json.loads(hfit("whoami", "--json").out)["email"] == fake.email
    assert "developer" in hfit("whoami").out
    assert hfit("logout").code == 0
    assert not fake.tokens
    assert not token_path(home / ".hfit").exists()
    assert hfit("logout").code == 0


def test_a_login_that_is_refused_says_which_key_was_tried(fake: FakeHfitd, hfit: Hfit) -> None:
    fake.keys.clear()
    ended = hfit("login")
    assert ended.code == 1
    assert "SHA256:" in ended.err
    assert "hfitd user add" in ended.err


def test_an_expired_token_is_renewed_silently_with_the_same_key(logged_in: FakeHfitd, hfit: Hfit) -> None:
    logged_in.tokens.clear()  # revoked at the server: 401
    assert hfit("dbmss").code == 0
    assert logged_in.logins == 2
    logged_in.token_lifetime = 1  # about to end by our clock
    logged_in.tokens.clear()
    assert hfit("dbmss").code == 0
    assert hfit("dbmss").code == 0
    assert logged_in.logins == 4
    logged_in.keys.clear()
    logged_in.tokens.clear()
    ended = hfit("dbmss")
    assert (ended.code, ended.out) == (1, "")


def test_a_token_is_sent_to_no_other_server(logged_in: FakeHfitd, hfit: Hfit, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeHfitd().running() as other:
        ended = hfit("--server-url", other.origin, "dbmss")
        assert (ended.code, other.requests) == (1, [])
    assert "not logged in" in ended.err


def test_a14_c08_a_server_with_another_origin_gets_no_signature(fake: FakeHfitd, hfit: Hfit) -> None:
    for claimed in ("https://evil.test", fake.origin + "/", fake.origin.replace("http", "https"), ""):
        fake.claimed_origin = claimed or "x"
        ended = hfit("login")
        assert ended.code == 1
        assert "nothing was signed" in ended.err
    assert fake.logins == 0


C08_NONCES = [
    "", "a" * 42, "a" * 44, "a" * 43, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904", "x" * (1 << 20), "A" * 42 + "\n",
    base64.b64encode(b"\0\0\0\x20" + b"s" * 32 + b"\x32\0\0\0\4root\0\0\0\x0essh-connection").decode(),
    "hfit-login-v1\norigin=https://evil.test",
    "A" * 42 + "=", None, 7, ["A" * 43], base64.b64encode(b"\xff" * 32).decode()[:43], "\u00e9" * 43,
]  # fmt: skip


@pytest.mark.parametrize("nonce", C08_NONCES, ids=range(len(C08_NONCES)))
def test_c08_only_32_bytes_are_a_nonce(fake: FakeHfitd, hfit: Hfit, nonce: object) -> None:
    with pytest.raises(AnswerMalformed):
        check_nonce(nonce)
    fake.hooks["POST", "/auth/challenge"] = lambda h: h.json({"nonce": nonce, "origin": fake.origin, "expires_in": 60})
    assert hfit("login").code == 1
    assert fake.logins == 0


def test_the_signed_text_is_that_of_the_design(ssh_key: Path) -> None:
    key = parse_public_key_line(ssh_key.with_suffix(".pub").read_text())
    nonce = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
    fingerprint = subprocess.run(["ssh-keygen", "-lf", ssh_key], capture_output=True, check=True, text=True)
    assert (
        login_text("https://h:8443", "a@b", key, check_nonce(nonce))
        == (
            f"hfit-login-v1\norigin=https://h:8443\nuser=a@b\nkey={fingerprint.stdout.split()[1]}\nnonce={nonce}\n"
        ).encode()
    )


@pytest.mark.parametrize("email", ["", "me", "a@b\nkey=x", "a b@c", "a@b\x1b", "@", "x" * 300 + "@y"])
def test_an_address_that_could_add_a_line_is_refused(email: str, tmp_path: Path) -> None:
    request = LoginRequest("https://h", email, tmp_path, None, lambda _: None)
    with pytest.raises(HfitClientError) as caught:
        log_in(request, lambda *_: {})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"token": "a\r\nX: y", "expires_in": 9},
        {"token": "", "expires_in": 9},
        {"token": "x" * 100_000, "expires_in": 9},
        {"token": "x"},
        {"token": "x", "expires_in": -1},
        {"token": "x", "expires_in": 9, "package_keys": [{"public_key": "ssh-dss AAAA"}]},
        {"token": "x", "expires_in": 9, "package_keys": "none"},
        [],
    ],
    ids=range(8),
)
def test_a_malformed_login_answer_leaves_no_token(fake: FakeHfitd, hfit: Hfit, home: Path, answer: object) -> None:
    fake.hooks["POST", "/auth/login"] = lambda h: h.json(answer)
    assert hfit("login").code == 1
    assert not token_path(home / ".hfit").exists()


def test_c10_the_token_file_is_private_and_a_link_is_replaced(fake: FakeHfitd, hfit: Hfit, home: Path) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.write_text("mine")
    (home / ".hfit").mkdir(mode=0o700)
    token_path(home / ".hfit").symlink_to(elsewhere)
    assert hfit("login").code == 0
    token = token_path(home / ".hfit")
    assert (token.is_symlink(), token.stat().st_mode & 0o777) == (False, 0o600)
    assert elsewhere.read_text() == "mine"
    assert read_token(home / ".hfit", fake.origin) is not None
    assert "hidden" in repr(read_token(home / ".hfit", fake.origin))
    token.chmod(0o644)
    assert read_token(home / ".hfit", fake.origin) is None
    assert hfit("dbmss").code == 1
    token.unlink()
    token.symlink_to(elsewhere)
    assert read_private(token, 100) is None


def test_c10_a_token_that_belongs_to_somebody_else_is_not_used(logged_in: FakeHfitd, hfit: Hfit, home: Path) -> None:
    assert hfit("dbmss").code == 0
    if os.geteuid() == 0:  # nobody but root can give files away
        for place in (token_path(home / ".hfit"), home / ".hfit"):
            os.chown(place, 65534, -1)
            before = len(logged_in.requests)
            assert hfit("dbmss").code != 0
            assert not any("Authorization" in headers for _, _, headers in logged_in.requests[before:])


def test_c10_no_token_comes_by_flag_or_environment(
    fake: FakeHfitd, hfit: Hfit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others can read both with ``ps``."""
    monkeypatch.setenv("HFIT_TOKEN", "c4nary.token.text")
    assert hfit("dbmss").code == 1
    for arguments in (("--token", "c4nary.token.text", "dbmss"), ("dbmss", "--token=c4nary.token.text")):
        ended = hfit(*arguments)
        assert (ended.code, "c4nary" in ended.err) == (2, False)
    assert not any("Authorization" in headers for _, _, headers in fake.requests)


def test_c10_a_folder_open_to_others_is_refused(fake: FakeHfitd, hfit: Hfit, home: Path) -> None:
    (home / ".hfit").mkdir()
    (home / ".hfit").chmod(0o777)
    ended = hfit("login")
    assert ended.code == 6
    assert "chmod 700" in ended.err


def test_c03_a_changed_package_key_is_refused_with_both_fingerprints(
    logged_in: FakeHfitd, hfit: Hfit, home: Path
) -> None:
    old, new = logged_in.package_key, PackageKey()
    logged_in.offered = [{"public_key": new.line, "current": True, "endorsement": None}]
    before = token_path(home / ".hfit").read_bytes()
    ended = hfit("login")
    assert ended.code == 5
    assert old.fingerprint in ended.err
    assert new.fingerprint in ended.err
    assert token_path(home / ".hfit").read_bytes() == before
    assert len(read_pins(home / ".hfit")) == 1


def test_c03_a_key_endorsed_through_a_chain_is_learned(logged_in: FakeHfitd, hfit: Hfit, home: Path) -> None:
    first, second, third, stranger = logged_in.package_key, PackageKey(), PackageKey(), PackageKey()

    def offer(key: PackageKey, by: PackageKey | None, current: bool = False) -> dict[str, object]:
        namespace = "hfit-package-key@hfitd.v1"
        endorsement = by.sign(key.line.encode(), namespace).decode() if by else None
        return {"public_key": key.line, "current": current, "endorsement": endorsement}

    logged_in.offered = [
        offer(third, second, current=True),
        offer(second, first),
        offer(first, None),
        offer(stranger, None),
    ]
    assert hfit("login").code == 0
    known = {pin.key.fingerprint for pin in read_pins(home / ".hfit")}
    assert known == {first.fingerprint, second.fingerprint, third.fingerprint}
    logged_in.offered = [offer(stranger, stranger, current=True)]
    assert hfit("login").code == 5
    wrong = [{**offer(stranger, third, current=True), "endorsement": third.sign(stranger.line.encode()).decode()}]
    with pytest.raises(KeyUntrusted):
        learn_keys(home / ".hfit", logged_in.origin, parse_offered_keys(wrong))


def test_pins_have_one_line_a_key_and_bad_lines_are_named(logged_in: FakeHfitd, hfit: Hfit, home: Path) -> None:
    path = home / ".hfit" / "known_servers"
    line = f"{re.escape(logged_in.origin)} {re.escape(logged_in.package_key.line)} \\d{{4}}-\\d\\d-\\d\\d\n"
    assert re.fullmatch(line, path.read_text())
    path.write_text(path.read_text() + "https://x ssh-ed25519 AAAA\n")
    ended = hfit("login")
    assert (ended.code, "Line 2" in ended.err) == (2, True)
    path.chmod(0o666)
    assert hfit("login").code == 6


def test_key_arguments_are_fingerprints_or_files(tmp_path: Path, ssh_key: Path) -> None:
    public = ssh_key.with_suffix(".pub")
    fingerprint = parse_public_key_line(public.read_text()).fingerprint
    assert parse_key_argument(fingerprint) == (fingerprint,)
    assert parse_key_argument(str(public)) == (fingerprint,)
    (tmp_path / "known").write_text(f"# x\nhttps://h {public.read_text()}")
    assert parse_key_argument(str(tmp_path / "known")) == (fingerprint,)
    for bad in (tmp_path / "none", ssh_key):
        with pytest.raises(HfitClientError):
            parse_key_argument(str(bad))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5",
        'command="x" ssh-rsa AAAA',
        "ssh-dss AAAAB3NzaC1kc3M=",
    ],
)
def test_a17_bad_public_key_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_public_key_line(line)
    with pytest.raises(ValueError):
        public_key_from_blob(b"\0\0\0\x0bssh-ed25519" * 2000)


def test_the_passphrase_is_asked_for_on_a_terminal(fake: FakeHfitd, tmp_path: Path) -> None:
    pty = __import__("pty")
    path = keygen(tmp_path / "key", *KINDS["ed25519"], passphrase="secret")
    fake.keys.append(" ".join(path.with_suffix(".pub").read_text().split()[:2]))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hfit", "login", "--private-key", path],
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while b"Passphrase" not in shown:
        shown += os.read(leader, 1000)
    os.write(leader, b"secret\n")
    assert process.wait(30) == 0
    os.close(leader)
    assert fake.logins == 1
